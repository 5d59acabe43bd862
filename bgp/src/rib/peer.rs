//! What the RIB knows of a peer: how it is named, what it may tell, and what its session agreed on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::wire::{Parameters, PerFamily, Role};

/// Name of a peer in the configuration: unique, and what people see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Arc<str>);

/// A peer of one [`Rib`](super::Rib); never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(super) u32);

/// What is configured about the routes of a peer. All of it may change while the session is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of its routes.
    pub import: Import,
    /// How many prefixes it may tell, by family; none: any number.
    pub limits: PerFamily<Option<PrefixLimit>>,
    /// An internal peer whose routes are passed on to other internal peers (RFC 4456).
    pub reflector_client: bool,
    /// Announce everything with GRACEFUL_SHUTDOWN, and LOCAL_PREF 0 to internal peers (RFC 8326): the node is about to go.
    pub graceful_shutdown: bool,
}

/// What becomes of routes that a peer tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Import {
    /// They are counted and dropped (RFC 8212: nothing without a policy).
    #[default]
    Nothing,
    /// They take part in the choice of the best path.
    Everything,
}

/// A bound on the prefixes of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixLimit {
    /// So many are allowed.
    pub max: u32,
    /// From this share of `max` on there is a warning; percent, 1 to 100.
    pub warning: u8,
    /// More than `max` close the session (Cease 6/1); otherwise that is a warning as well.
    pub close: bool,
}

/// What a session agreed on, as far as routes are concerned; constant while it is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What was negotiated.
    pub parameters: Parameters,
    /// Enhanced route refresh was negotiated (RFC 7313).
    pub enhanced_refresh: bool,
    /// AS number of the own OPEN: the local AS where one is configured for the peer. It alone stands in what is announced
    /// ("no-prepend replace-as").
    pub asn: u32,
    /// AS number of this router, which differs from `asn` where a local AS is configured; a path with either is a loop.
    pub router_asn: u32,
    /// Own BGP Identifier in this session; also the cluster's number where routes are reflected.
    pub router_id: Ipv4Addr,
    /// AS number of the peer.
    pub peer_asn: u32,
    /// BGP Identifier of the peer.
    pub peer_router_id: Ipv4Addr,
    /// Address of the peer.
    pub peer_address: IpAddr,
    /// The own role towards the peer as configured, whether or not the peer told one (RFC 9234 section 5).
    pub role: Option<Role>,
    /// The addresses that may be named as own next hop.
    pub addresses: Addresses,
    /// Families whose stale routes wait for the peer's End-of-RIB: graceful restart was negotiated again and its F bit is set
    /// (RFC 4724 section 4.2). Stale routes of others go at once.
    pub keeps_stale: PerFamily<bool>,
}

/// Own addresses towards a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// Local end of the session.
    pub local: IpAddr,
    /// IPv4 address of the interface behind which the peer is; for IPv4 over a session of IPv6.
    pub ipv4: Option<Ipv4Addr>,
    /// Global IPv6 address of that interface; for IPv6 over a session of IPv4, or of a link-local one.
    pub ipv6: Option<Ipv6Addr>,
    /// Link-local address of that interface, when the peer is on the link (RFC 2545 section 3).
    pub link_local: Option<Ipv6Addr>,
}

/// What becomes of a family's learned routes when the session is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Keep {
    /// They go at once.
    #[default]
    Drop,
    /// They stay as stale (RFC 4724), and then as long-lived stale (RFC 9494).
    Stale {
        /// Until when in the first way; may be zero.
        restart_time: Duration,
        /// How long after that in the second way.
        long_lived: Duration,
    },
}

// === impl PeerName ===

impl PeerName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PeerName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for PeerName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
