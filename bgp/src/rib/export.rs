//! What a session makes of a route: AS_PATH, next hop, and what is left out (RFC 4271 section 5.1).

use std::net::{IpAddr, Ipv6Addr};

use super::{Route, RouteNextHop, Session, Unsent};
use crate::wire::{AddPath, AsPath, AsSegment, Attributes, Family, NextHop, Parameters, PerFamily, Role, SegmentKind};

/// Path identifier of own routes where identifiers are sent: each prefix has one path, so that it never changes.
pub(super) const OWN_PATH: u32 = 1;

/// More than an UPDATE of one prefix takes whose lists are empty: header and lengths 23, ORIGIN 4, AS_PATH and AS4_PATH with one
/// AS 20, MED 7, LOCAL_PREF 7, MP_REACH_NLRI with two next hops 41, OTC 7, prefix and path identifier 21, heads of lists 12.
const EMPTY_UPDATE: usize = 160;

/// How routes are told on a session. Peers for which it is equal are told the same octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Export {
    /// What was negotiated, as far as it concerns what is sent.
    pub(super) parameters: Parameters,
    /// BoRR and EoRR are sent around what was asked for again.
    pub(super) enhanced_refresh: bool,
    asn: u32,
    role: Option<Role>,
    /// Own next hops.
    own: PerFamily<Result<NextHop, Unsent>>,
}

// === impl Export ===

impl Export {
    pub(super) fn new(session: &Session) -> Self {
        let mut parameters = session.parameters.clone();
        // What is received does not tell groups apart.
        parameters.max_receive = parameters.max_send;
        parameters.add_path.ipv4.receive = false;
        parameters.add_path.ipv6.receive = false;
        Self {
            enhanced_refresh: session.enhanced_refresh,
            asn: session.asn,
            role: session.role,
            own: PerFamily::from_fn(|family| own_next_hop(session, family)),
            parameters,
        }
    }

    /// The family is carried.
    pub(super) fn carries(&self, family: Family) -> bool {
        *self.parameters.families.get(family)
    }

    /// Path identifier of what is sent.
    pub(super) fn path_id(&self, family: Family) -> u32 {
        let AddPath { send, .. } = *self.parameters.add_path.get(family);
        if send { OWN_PATH } else { 0 }
    }

    /// Next hop of a route for prefixes of a family, or why they cannot be told.
    pub(super) fn next_hop(&self, route: &Route, family: Family) -> Result<NextHop, Unsent> {
        if !self.carries(family) {
            return Err(Unsent::NotNegotiated);
        }
        match route.next_hop {
            RouteNextHop::Own => *self.own.get(family),
            RouteNextHop::Address(address) => {
                let native = address.is_ipv4() == (family == Family::Ipv4);
                // RFC 8950 knows IPv4 routes over IPv6 next hops only.
                let extended = family == Family::Ipv4 && *self.parameters.extended_next_hop.get(family);
                if native || extended { Ok(NextHop::Address(address)) } else { Err(Unsent::ForeignNextHop) }
            }
        }
    }

    /// Whether prefixes of a family can be told with a route.
    pub(super) fn tells(&self, route: &Route, family: Family) -> Result<(), Unsent> {
        self.next_hop(route, family)?;
        let lists = [
            route.communities.len().saturating_mul(4),
            route.extended_communities.len().saturating_mul(8),
            route.large_communities.len().saturating_mul(12),
            // Twice, for AS4_PATH.
            usize::from(route.prepend).saturating_mul(8),
        ];
        let length = lists.into_iter().fold(EMPTY_UPDATE, usize::saturating_add);
        if length <= self.parameters.max_send { Ok(()) } else { Err(Unsent::TooLong) }
    }

    /// All that goes with the prefixes of a route.
    pub(super) fn attributes(&self, route: &Route, family: Family) -> Result<Attributes, Unsent> {
        let next_hop = self.next_hop(route, family)?;
        let external = self.parameters.external;
        let as_path = if external {
            // RFC 4271 section 5.1.2 b: the own AS first, and as often again as the policy asks for.
            let asns = vec![self.asn; usize::from(route.prepend).saturating_add(1)];
            AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns }])
        } else {
            AsPath::default()
        };
        Ok(Attributes {
            origin: route.origin,
            as_path,
            next_hop,
            med: route.med,
            // RFC 4271 section 5.1.5.
            local_pref: (!external).then(|| route.local_pref.unwrap_or(Route::LOCAL_PREF)),
            atomic_aggregate: false,
            aggregator: None,
            communities: sorted(&route.communities),
            originator_id: None,
            cluster_list: Vec::new(),
            extended_communities: sorted(&route.extended_communities),
            large_communities: sorted(&route.large_communities),
            otc: (external && marks_only_to_customer(self.role)).then_some(self.asn),
            unknown: Vec::new(),
        })
    }
}

/// Towards customers, peers and clients of a route server, routes are marked so that they do not go up again (RFC 9234
/// section 5, egress rule 1); own ones too.
pub(super) fn marks_only_to_customer(role: Option<Role>) -> bool {
    matches!(role, Some(Role::Provider | Role::Peer | Role::RouteServer))
}

/// The own address that a peer is told as next hop.
fn own_next_hop(session: &Session, family: Family) -> Result<NextHop, Unsent> {
    if !session.parameters.families.get(family) {
        return Err(Unsent::NotNegotiated);
    }
    let addresses = &session.addresses;
    match (family, addresses.local.to_canonical()) {
        (Family::Ipv4, IpAddr::V4(local)) => Ok(NextHop::Address(local.into())),
        (Family::Ipv4, IpAddr::V6(local)) => {
            // Where the peer takes it (RFC 8950), the address that the session is known to work with comes first: an IPv4
            // address of the interface may be one that the peer has no route to.
            if session.parameters.extended_next_hop.ipv4 {
                Ok(ipv6_next_hop(local, session))
            } else {
                addresses.ipv4.map(|address| NextHop::Address(address.into())).ok_or(Unsent::NoIpv4NextHop)
            }
        }
        (Family::Ipv6, IpAddr::V6(local)) => Ok(ipv6_next_hop(local, session)),
        (Family::Ipv6, IpAddr::V4(_)) => match addresses.ipv6 {
            Some(global) => Ok(with_link_local(global, addresses.link_local)),
            None => Err(Unsent::NoIpv6NextHop),
        },
    }
}

/// A session's own IPv6 address as next hop.
fn ipv6_next_hop(local: Ipv6Addr, session: &Session) -> NextHop {
    if local.is_unicast_link_local() {
        // RFC 2545 section 3 wants a global address beside the link-local one. Deviation: where the interface has none the
        // link-local one stands in both places, as FRR does it, which every peer on the link can use.
        NextHop::LinkLocal { global: session.addresses.ipv6.unwrap_or(local), link_local: local }
    } else {
        with_link_local(local, session.addresses.link_local)
    }
}

/// A global address, and the link-local one where the peer is on the link (RFC 2545 section 3).
fn with_link_local(global: Ipv6Addr, link_local: Option<Ipv6Addr>) -> NextHop {
    match link_local {
        Some(link_local) => NextHop::LinkLocal { global, link_local },
        None => NextHop::Address(global.into()),
    }
}

fn sorted<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}
