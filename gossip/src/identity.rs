//! Who a member is: its node name, the address its datagrams come from, and which of its lives we talk about.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name of a Kubernetes node, shared by reference: cloning it copies a pointer.
///
/// At most [`NodeName::MAX_LEN`] bytes, the bound that the Kubernetes API sets for node names (RFC 1123 subdomain).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// One life of one member: who it is and since when.
///
/// Two identities with the same address never exist side by side; the one with the newer `(boot, rejoins)` replaces the
/// other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the node.
    pub name: NodeName,
    /// Address and port of its gossip socket; identifies the member for SWIM.
    pub addr: SocketAddr,
    /// Start of this life in milliseconds since the Unix epoch. A node takes a new one when its process starts and when
    /// it must assume that others took over from it; claims made under an older one are void.
    pub boot: u64,
    /// How often this life was declared down by mistake and joined again. SWIM never takes back a verdict about an
    /// identity, so a member that a healed partition finds declared down continues under the next number. Its claims
    /// stay valid.
    pub rejoins: u32,
}

// === impl NodeName ===

impl NodeName {
    /// Longest name in bytes.
    pub const MAX_LEN: usize = 253;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    /// Takes the name; what exceeds [`NodeName::MAX_LEN`] bytes is cut off.
    fn from(name: &str) -> Self {
        Self(Arc::from(cut(name, Self::MAX_LEN)))
    }
}

impl From<String> for NodeName {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl std::borrow::Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes text without an intermediate `String`.
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = NodeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a node name of at most {} bytes", NodeName::MAX_LEN)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<NodeName, E> {
                if text.len() > NodeName::MAX_LEN {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(NodeName::from(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

// === impl Identity ===

impl Identity {
    /// A life that begins at `boot` (milliseconds since the Unix epoch).
    pub fn new(name: impl Into<NodeName>, addr: SocketAddr, boot: u64) -> Self {
        Self { name: name.into(), addr: canonical(addr), boot, rejoins: 0 }
    }

    /// An identity that stands for "whoever lives at `addr`".
    pub(crate) fn anyone_at(addr: SocketAddr) -> Self {
        Self::new("", addr, 0)
    }
}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        let next = match self.rejoins.checked_add(1) {
            Some(rejoins) => Self { rejoins, ..self.clone() },
            None => Self { boot: self.boot.saturating_add(1), rejoins: 0, ..self.clone() },
        };
        Some(next)
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.boot, self.rejoins, &self.name) > (adversary.boot, adversary.rejoins, &adversary.name)
    }
}

/// The one form in which an address is compared and authenticated: IPv4-mapped IPv6 (what a dual-stack socket reports)
/// becomes IPv4; flow information and scope are dropped, link-local gossip addresses are not supported.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// As much of the beginning of `text` as fits `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foca::Identity as _;

    #[test]
    fn a_name_is_cut_at_a_character_boundary() {
        let name = NodeName::from("ä".repeat(200).as_str());
        assert_eq!(name.as_str().len(), 252);
    }

    #[test]
    fn a_name_from_the_wire_that_is_too_long_is_refused() {
        let bytes = postcard::to_allocvec("n".repeat(254).as_str()).unwrap();
        assert!(postcard::from_bytes::<NodeName>(&bytes).is_err());
        let bytes = postcard::to_allocvec("n".repeat(253).as_str()).unwrap();
        assert!(postcard::from_bytes::<NodeName>(&bytes).is_ok());
    }

    #[test]
    fn a_renewed_identity_wins_and_keeps_its_boot() {
        let old = Identity::new("a", "192.0.2.1:7946".parse().unwrap(), 7);
        let new = old.renew().unwrap();
        assert!(new.win_addr_conflict(&old));
        assert!(!old.win_addr_conflict(&new));
        assert_eq!(new.boot, old.boot);
        let exhausted = Identity { rejoins: u32::MAX, ..old };
        assert!(exhausted.renew().unwrap().win_addr_conflict(&exhausted));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:7946".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.1:7946".parse().unwrap());
    }
}
