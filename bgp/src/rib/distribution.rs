//! How a learned route would be passed on to another peer: the rules of RFC 4271 section 9.1.3, of route reflection and of the
//! communities and attributes that keep a route where it is.

use super::export::{Export, marks_only_to_customer};
use super::{Route, Session, Withheld, well_known};
use crate::wire::{Attributes, ExtendedCommunity, Family, NextHop, Role};

/// One end of a route's way through this speaker.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) session: &'a Session,
    /// The peer is a client of this reflector.
    pub(super) client: bool,
}

/// The route as `to` would be told it.
pub(super) fn pass_on(
    learned: &Attributes,
    family: Family,
    from: End<'_>,
    to: End<'_>,
) -> Result<Attributes, Withheld> {
    let external = to.session.parameters.external;
    let has = |community| learned.communities.contains(&community);
    // RFC 1997. There are no confederations here, so that NO_EXPORT_SUBCONFED is NO_EXPORT.
    if has(well_known::NO_ADVERTISE) || external && (has(well_known::NO_EXPORT) || has(well_known::NO_EXPORT_SUBCONFED))
    {
        return Err(Withheld::Community);
    }
    // RFC 9494 section 4.3: not to peers that do not know the community. It is not passed on at all.
    if has(well_known::LLGR_STALE) {
        return Err(Withheld::LongLivedStale);
    }
    let mut attributes = learned.clone();
    if external {
        leave(&mut attributes, learned, family, from, to)?;
    } else if !from.session.parameters.external {
        // RFC 4456 section 6: between two that are no clients nothing is reflected.
        if !from.client && !to.client {
            return Err(Withheld::Internal);
        }
        // Section 8.
        attributes.originator_id.get_or_insert(from.session.peer_router_id);
        attributes.cluster_list.insert(0, to.session.router_id);
    }
    if !external {
        attributes.local_pref.get_or_insert(Route::LOCAL_PREF);
    }
    Ok(attributes)
}

/// To another AS.
fn leave(
    attributes: &mut Attributes,
    learned: &Attributes,
    family: Family,
    from: End<'_>,
    to: End<'_>,
) -> Result<(), Withheld> {
    let role = to.session.role;
    // RFC 9234 section 5, egress rules 2 and 1.
    if learned.otc.is_some() && matches!(role, Some(Role::Customer | Role::Peer | Role::RouteServerClient)) {
        return Err(Withheld::OnlyToCustomer);
    }
    if marks_only_to_customer(role) {
        attributes.otc.get_or_insert(to.session.asn);
    }
    attributes.next_hop = own_next_hop(to, family)?;
    // RFC 4271 section 5.1.2 b, 5.1.5, 5.1.4 (a MED of another AS goes no further), RFC 4456 section 8.
    attributes.as_path.prepend(to.session.asn, 1);
    attributes.local_pref = None;
    // RFC 4360 section 6: what is not transitive stays in the AS.
    attributes.extended_communities.retain(|ExtendedCommunity([kind, ..])| kind & 0x40 == 0);
    if from.session.parameters.external {
        attributes.med = None;
    }
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    Ok(())
}

fn own_next_hop(to: End<'_>, family: Family) -> Result<NextHop, Withheld> {
    Export::new(to.session).next_hop(&Route::default(), family).map_err(Withheld::Unsent)
}
