//! The best of several paths to one prefix (RFC 4271 section 9.1.2, with RFC 4456 section 9 and RFC 9494 section 4.3).
//!
//! Paths drop out step by step until one is left, as the RFC has it, rather than by comparing pairs: MULTI_EXIT_DISC makes
//! pairs intransitive, and what is best must not depend on the order in which paths came.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{PeerId, Route, Session, well_known};
use crate::wire::Attributes;

/// A path, as far as the choice is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) peer: PeerId,
    pub(super) path_id: u32,
    pub(super) attributes: &'a Arc<Attributes>,
    pub(super) session: &'a Session,
}

/// The best one. It may be reached as well as any other: there is no interior routing here, so that step 9.1.2.2 e) does not
/// tell paths apart.
pub(super) fn best(mut candidates: Vec<Candidate<'_>>) -> Option<Candidate<'_>> {
    // RFC 9494 section 4.3: long-lived stale routes lose against all others.
    keep_least(&mut candidates, |path| path.attributes.communities.contains(&well_known::LLGR_STALE));
    // Section 9.1.1: the degree of preference.
    keep_least(&mut candidates, |path| u32::MAX - path.attributes.local_pref.unwrap_or(Route::LOCAL_PREF));
    // Section 9.1.2.2 a) to g).
    keep_least(&mut candidates, |path| path.attributes.as_path.hops());
    keep_least(&mut candidates, |path| path.attributes.origin);
    keep_least_med(&mut candidates);
    keep_least(&mut candidates, |path| !path.session.parameters.external);
    keep_least(&mut candidates, Candidate::router_id);
    // RFC 4456 section 9: between f) and g).
    keep_least(&mut candidates, |path| path.attributes.cluster_list.len());
    keep_least(&mut candidates, Candidate::address);
    // Several paths of one peer (RFC 7911), which the RFC leaves open.
    keep_least(&mut candidates, |path| (path.path_id, path.peer));
    candidates.first().copied()
}

fn keep_least<'a, K: Ord>(candidates: &mut Vec<Candidate<'a>>, key: impl Fn(&Candidate<'a>) -> K) {
    if candidates.len() > 1
        && let Some(least) = candidates.iter().map(&key).min()
    {
        candidates.retain(|candidate| key(candidate) == least);
    }
}

/// Step c): only paths through the same neighbouring AS are compared; none counts as 0.
fn keep_least_med(candidates: &mut Vec<Candidate<'_>>) {
    if candidates.len() < 2 {
        return;
    }
    let known = candidates.iter().map(|path| (path.neighbour(), path.med())).collect::<Vec<_>>();
    candidates.retain(|path| !known.iter().any(|(neighbour, med)| *neighbour == path.neighbour() && *med < path.med()));
}

// === impl Candidate ===

impl Candidate<'_> {
    /// The AS that the path was learned from: the first of AS_PATH; none for what began in the own AS.
    fn neighbour(&self) -> Option<u32> {
        self.attributes.as_path.first()
    }

    fn med(&self) -> u32 {
        self.attributes.med.unwrap_or_default()
    }

    /// RFC 4456 section 9: ORIGINATOR_ID stands in for the BGP Identifier.
    fn router_id(&self) -> Ipv4Addr {
        self.attributes.originator_id.unwrap_or(self.session.peer_router_id)
    }

    fn address(&self) -> IpAddr {
        self.session.peer_address
    }
}
