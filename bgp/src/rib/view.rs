//! What people see of the RIB.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::PeerId;
use crate::wire::{Attributes, Family, PerFamily};

/// Counts of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Prefixes that the peer has been told.
    pub sent: PerFamily<usize>,
    /// Prefixes that it shall be told.
    pub desired: PerFamily<usize>,
    /// Something waits to be written.
    pub pending: bool,
    /// Families of which something desired cannot be told, and why.
    pub unsent: PerFamily<Option<Unsent>>,
    /// Prefixes that the peer tells at present, whatever becomes of them.
    pub received: PerFamily<Count>,
    /// Those of them that take part in the choice of the best path.
    pub accepted: PerFamily<usize>,
    /// Those of them that are stale.
    pub stale: PerFamily<usize>,
    /// UPDATE messages written for it since it was added, those of earlier sessions included.
    pub updates_sent: u64,
    /// UPDATE messages received since it was added.
    pub updates_received: u64,
}

/// A number of prefixes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub number: usize,
    /// And perhaps more: with the import closed only the first ten thousand, or as many as the limit asks for, are told apart.
    pub more: bool,
}

/// Why routes of a family are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsent {
    /// The peer does not carry the family.
    NotNegotiated,
    /// IPv4 over a session of IPv6, without an IPv4 address on the interface and without RFC 8950.
    NoIpv4NextHop,
    /// IPv6 over a session of IPv4, without an IPv6 address on the interface.
    NoIpv6NextHop,
    /// The route names a next hop of the other version of IP, and RFC 8950 was not negotiated for that.
    ForeignNextHop,
    /// Its attributes do not fit into a message.
    TooLong,
}

/// A route that a peer has been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The prefix.
    pub prefix: IpNet,
    /// Path identifier, 0 without ADD-PATH.
    pub path_id: u32,
    /// As it was told.
    pub attributes: Arc<Attributes>,
}

/// A route that a peer has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The prefix.
    pub prefix: IpNet,
    /// Path identifier, 0 without ADD-PATH.
    pub path_id: u32,
    /// As it was told, but for LOCAL_PREF where GRACEFUL_SHUTDOWN or the default set it.
    pub attributes: Arc<Attributes>,
    /// Why it takes no part in the choice, if so.
    pub rejected: Option<Rejected>,
    /// From an earlier session.
    pub stale: bool,
    /// It is the best path of its prefix.
    pub best: bool,
}

/// Why a learned route takes no part in the choice of the best path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// The own AS is in its AS_PATH (RFC 4271 section 9.1.2).
    AsLoop,
    /// The own router identifier is its ORIGINATOR_ID (RFC 4456 section 8).
    OriginatorLoop,
    /// The own cluster is in its CLUSTER_LIST (RFC 4456 section 8).
    ClusterLoop,
    /// Its Only To Customer attribute says that it leaked (RFC 9234 section 5).
    RouteLeak,
    /// The path of an external peer does not begin with its AS (RFC 4271 section 6.3).
    FirstAs,
    /// Its next hop is an own address (RFC 4271 section 5.1.3).
    OwnNextHop,
}

/// The path that was chosen for a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Best {
    /// Who told it.
    pub peer: PeerId,
    /// Path identifier, 0 without ADD-PATH.
    pub path_id: u32,
    /// The route.
    pub attributes: Arc<Attributes>,
}

/// Why a peer would not be told of a learned route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Withheld {
    /// There is no such route, or no session with the peer.
    Nothing,
    /// The peer itself told it.
    Source,
    /// A community keeps it here, or in the AS (RFC 1997).
    Community,
    /// It is long-lived stale (RFC 9494 section 4.3).
    LongLivedStale,
    /// Both peers are of the own AS, and neither is a client of this reflector (RFC 4456 section 6).
    Internal,
    /// It must not go up or aside again (RFC 9234 section 5).
    OnlyToCustomer,
    /// The session cannot carry it.
    Unsent(Unsent),
}

/// What an UPDATE did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Prefixes that it announced.
    pub announced: usize,
    /// Prefixes that it withdrew, or that count as withdrawn (RFC 7606).
    pub withdrawn: usize,
    /// Families whose number of prefixes has reached the warning or, where more do not close the session, the limit: once each
    /// time it is passed.
    pub warning: PerFamily<bool>,
    /// It ended the peer's table of a family.
    pub end_of_rib: Option<Family>,
}

/// More prefixes than the configuration allows: the session is to be closed with Cease 6/1 (RFC 4486 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than the {max} prefixes allowed for {family:?}")]
pub struct TooManyPrefixes {
    /// The family.
    pub family: Family,
    /// What the limit was.
    pub max: u32,
}

/// What the RIB asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// There is something to write to the peer: `pull` when its socket takes it.
    Pending(PeerId),
    /// Another path of the prefix is the best one, or none is.
    Best(IpNet),
    /// Stale routes of a peer went, or became long-lived stale.
    Swept {
        /// Whose they were.
        peer: PeerId,
        /// Which family.
        family: Family,
        /// How many went.
        routes: usize,
    },
}

// === impl Unsent ===

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNegotiated => "the peer does not carry this family",
            Self::NoIpv4NextHop => {
                "no IPv4 next hop: the session runs over IPv6, the interface has no IPv4 address, and the peer does not take \
                 IPv6 next hops for IPv4 (RFC 8950)"
            }
            Self::NoIpv6NextHop => "no IPv6 next hop: the session runs over IPv4, and the interface has no IPv6 address",
            Self::ForeignNextHop => {
                "its next hop is of the other version of IP, which the peer does not take for this family (RFC 8950)"
            }
            Self::TooLong => "its communities and prepended AS numbers do not fit into one message",
        })
    }
}

// === impl Withheld ===

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "there is no such route, or the session is down",
            Self::Source => "the peer itself told it",
            Self::Community => "a well-known community keeps it here",
            Self::LongLivedStale => "it is long-lived stale",
            Self::Internal => "both peers are internal, and neither is a client of this reflector",
            Self::OnlyToCustomer => "it was marked for customers only, and the peer is none",
            Self::Unsent(unsent) => return unsent.fmt(f),
        })
    }
}

// === impl Rejected ===

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsLoop => "the own AS is in its path",
            Self::OriginatorLoop => "it began here and came back through a route reflector",
            Self::ClusterLoop => "it came through this route reflector already",
            Self::RouteLeak => "Only To Customer says that it leaked",
            Self::FirstAs => "its path does not begin with the AS of the peer",
            Self::OwnNextHop => "its next hop is an own address",
        })
    }
}
