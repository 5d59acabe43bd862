//! What becomes of a route that a peer tells: what it is taken for, or why it takes no part in the choice.

use std::net::IpAddr;

use super::{Rejected, Route, Session, well_known};
use crate::wire::{Attributes, NextHop, Role};

/// Looks at the route of an UPDATE and sets what depends on the session.
pub(super) fn judge(attributes: &mut Attributes, session: &Session) -> Option<Rejected> {
    let external = session.parameters.external;
    let rejected = rejection(attributes, session);
    if external {
        // RFC 4271 section 5.1.5: LOCAL_PREF of another AS means nothing here. RFC 8326 section 4.1: what is about to go comes
        // last.
        let going = attributes.communities.contains(&well_known::GRACEFUL_SHUTDOWN);
        attributes.local_pref = Some(if going { 0 } else { Route::LOCAL_PREF });
        if rejected.is_none() && attributes.otc.is_none() && from_above(session.role) {
            // RFC 9234 section 5, ingress rule 3.
            attributes.otc = Some(session.peer_asn);
        }
    } else {
        attributes.local_pref.get_or_insert(Route::LOCAL_PREF);
    }
    rejected
}

fn rejection(attributes: &Attributes, session: &Session) -> Option<Rejected> {
    // RFC 4271 section 9.1.2.
    if attributes.as_path.contains(session.asn) || attributes.as_path.contains(session.router_asn) {
        return Some(Rejected::AsLoop);
    }
    // RFC 4271 section 5.1.3.
    if is_own(&attributes.next_hop, session) {
        return Some(Rejected::OwnNextHop);
    }
    if session.parameters.external {
        // RFC 4271 section 6.3. A route server leaves itself out of the path (RFC 7947 section 2.2.2.1).
        let route_server = session.role == Some(Role::RouteServerClient);
        if !route_server && attributes.as_path.first() != Some(session.peer_asn) {
            return Some(Rejected::FirstAs);
        }
        return leaked(attributes, session).then_some(Rejected::RouteLeak);
    }
    // RFC 4456 section 8.
    if attributes.originator_id == Some(session.router_id) {
        return Some(Rejected::OriginatorLoop);
    }
    attributes.cluster_list.contains(&session.router_id).then_some(Rejected::ClusterLoop)
}

/// RFC 9234 section 5, ingress rules 1 and 2.
fn leaked(attributes: &Attributes, session: &Session) -> bool {
    match (session.role, attributes.otc) {
        (Some(Role::Provider | Role::RouteServer), Some(_)) => true,
        (Some(Role::Peer), Some(marked)) => marked != session.peer_asn,
        _ => false,
    }
}

/// What comes from a provider, a peer or a route server must not go to another one.
fn from_above(role: Option<Role>) -> bool {
    matches!(role, Some(Role::Customer | Role::Peer | Role::RouteServerClient))
}

fn is_own(next_hop: &NextHop, session: &Session) -> bool {
    let addresses = &session.addresses;
    let own = |address: IpAddr| {
        address == addresses.local.to_canonical()
            || addresses.ipv4.is_some_and(|own| address == own)
            || addresses.ipv6.is_some_and(|own| address == own)
            || addresses.link_local.is_some_and(|own| address == own)
    };
    match next_hop {
        NextHop::Address(address) => own(*address),
        NextHop::LinkLocal { link_local, .. } => own((*link_local).into()),
    }
}
