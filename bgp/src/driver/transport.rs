//! How a peer is reached: what is configured about the connection below BGP.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::sys::LONGEST_KEY;

/// The well-known port (RFC 4271 section 4.2).
pub const PORT: u16 = 179;

/// The connection to a peer. A change of anything but the password (from one to another) ends the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Who it is.
    pub remote: Remote,
    /// Port that is dialled; accepted connections come from any.
    pub port: u16,
    /// Own address of the connection; none: as routing has it.
    pub source: Option<IpAddr>,
    /// Interface, often a VRF device, to which the connection is bound (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// Key of TCP MD5 signatures (RFC 2385).
    pub password: Option<Password>,
    /// How far away the peer may be.
    pub ttl: Ttl,
}

/// Who the peer is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// A router of this address.
    Address(IpAddr),
    /// A router of this link-local address, on this interface.
    LinkLocal {
        /// Its address, of `fe80::/10`.
        address: Ipv6Addr,
        /// Name of the interface.
        interface: String,
    },
    /// Whatever router advertises itself on this interface (RFC 4861): unnumbered. Router advertisements are sent there too.
    Interface(String),
}

/// The TTL (IPv4) or hop limit (IPv6) of the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// 1: the peer is on the link.
    #[default]
    Adjacent,
    /// The peer may be so many hops away; 255 for any number.
    Multihop(u8),
    /// GTSM (RFC 5082): sent with 255, and nothing is taken that came over more than so many hops, 1 to 254.
    Security(u8),
}

/// A key of TCP MD5 signatures; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Arc<[u8]>);

/// Why a password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TCP MD5 password of {length} octets cannot be used; 1 to {LONGEST_KEY} are possible")]
pub struct PasswordLength {
    length: usize,
}

// === impl Transport ===

impl Transport {
    /// To a router on the link, dialled at port 179, with everything else left to the system.
    pub const fn new(remote: Remote) -> Self {
        Self { remote, port: PORT, source: None, device: None, password: None, ttl: Ttl::Adjacent }
    }

    /// Whether a connection made under `self` may serve `next`: all is equal but the key, which can be changed on it.
    pub(super) fn serves(&self, next: &Self) -> bool {
        let keys = self.password.is_some() == next.password.is_some();
        keys && Self { password: None, ..self.clone() } == Self { password: None, ..next.clone() }
    }
}

// === impl Remote ===

impl Remote {
    /// The interface that it names.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::LinkLocal { interface, .. } | Self::Interface(interface) => Some(interface),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::LinkLocal { address, interface } => write!(f, "{address}%{interface}"),
            Self::Interface(interface) => f.write_str(interface),
        }
    }
}

// === impl Ttl ===

impl Ttl {
    /// What is sent.
    pub(super) const fn sent(self) -> u8 {
        match self {
            Self::Adjacent => 1,
            Self::Multihop(hops) => hops,
            Self::Security(_) => 255,
        }
    }

    /// The lowest that is taken; 0: any.
    pub(super) const fn lowest(self) -> u8 {
        match self {
            Self::Adjacent | Self::Multihop(_) => 0,
            // RFC 5082 section 3: a neighbour one hop away sends 255, and it arrives as 255.
            Self::Security(hops) => u8::MAX.saturating_sub(hops).saturating_add(1),
        }
    }
}

// === impl Password ===

impl Password {
    /// A key of these octets.
    ///
    /// # Errors
    /// When there are none, or more than the kernel takes.
    pub fn new(key: &[u8]) -> Result<Self, PasswordLength> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(PasswordLength { length: key.len() });
        }
        Ok(Self(key.into()))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// One address as a prefix.
pub(super) fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtsm_takes_only_what_came_over_as_many_hops() {
        assert_eq!(Ttl::Security(1).lowest(), 255);
        assert_eq!(Ttl::Security(2).lowest(), 254);
        assert_eq!(Ttl::Security(254).lowest(), 2);
        assert_eq!((Ttl::Security(1).sent(), Ttl::Adjacent.sent(), Ttl::Multihop(9).sent()), (255, 1, 9));
    }

    #[test]
    fn password_is_as_long_as_the_kernel_takes_and_is_not_printed() {
        assert!(Password::new(b"").is_err());
        assert!(Password::new(&[b'x'; LONGEST_KEY]).is_ok());
        let error = Password::new(&[b'x'; LONGEST_KEY + 1]).unwrap_err();
        assert_eq!(error.to_string(), "a TCP MD5 password of 81 octets cannot be used; 1 to 80 are possible");
        assert!(!format!("{:?}", Password::new(b"secret").unwrap()).contains("secret"));
    }

    #[test]
    fn another_key_keeps_the_connection_and_anything_else_does_not() {
        let address = Remote::Address("192.0.2.1".parse().unwrap());
        let key = |text: &str| Some(Password::new(text.as_bytes()).unwrap());
        let old = Transport { password: key("old"), ..Transport::new(address) };
        assert!(old.serves(&Transport { password: key("new"), ..old.clone() }));
        assert!(!old.serves(&Transport { password: None, ..old.clone() }));
        assert!(!old.serves(&Transport { port: 1179, ..old.clone() }));
    }
}
