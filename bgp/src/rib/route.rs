//! A route as the owner of the policy wants it told: what does not depend on the session. The session's part (AS_PATH, own
//! next hop, whether LOCAL_PREF is sent) is added by the export.

use std::net::IpAddr;

use crate::wire::{Community, ExtendedCommunity, LargeCommunity, Origin};

/// What is told about a prefix. Prefixes with equal routes travel in the same UPDATE: share one `Arc` among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// ORIGIN.
    pub origin: Origin,
    /// Where packets go.
    pub next_hop: RouteNextHop,
    /// LOCAL_PREF, sent to internal peers only; 100 where there is none (RFC 4271 section 5.1.5 wants one in each UPDATE).
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC, sent to internal and external peers.
    pub med: Option<u32>,
    /// How many times more than once the own AS stands in the AS_PATH that external peers see; 0 to 255. Internal peers see
    /// none, since a path with their own AS is a loop to them.
    pub prepend: u8,
    /// COMMUNITIES; order and repetitions do not matter.
    pub communities: Vec<Community>,
    /// EXTENDED COMMUNITIES; order and repetitions do not matter.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY; order and repetitions do not matter.
    pub large_communities: Vec<LargeCommunity>,
}

/// The next hop that a route asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteNextHop {
    /// This node, by its address on the session.
    #[default]
    Own,
    /// This address.
    Address(IpAddr),
}

// === impl Route ===

impl Route {
    /// LOCAL_PREF of a route that asks for none, as of FRR and BIRD.
    pub const LOCAL_PREF: u32 = 100;
}
