//! Which addresses move together: those of one Service, and those of Services that share one of them. Each such group
//! has one owner, so that no address is ever answered for by two nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Candidate;
use super::eligibility::Eligible;
use super::quorum::Quorum;

/// The Services of a group.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) members: Vec<&'a Candidate<'a>>,
}

/// All groups, by the address that is claimed for them: the first one of their Service, as MetalLB elects; of several
/// Services the smallest of those.
#[derive(Debug, Default)]
pub(super) struct Groups<'a> {
    pub(super) by_claim: BTreeMap<IpAddr, Group<'a>>,
    claims: BTreeMap<IpAddr, IpAddr>,
}

// === impl Groups ===

impl<'a> Groups<'a> {
    pub(super) fn of(candidates: &'a [Candidate<'a>]) -> Self {
        // The address that stands for each one; the smallest first address of the group wins.
        let mut parents: BTreeMap<IpAddr, IpAddr> = BTreeMap::new();
        for candidate in candidates {
            let Some(first) = candidate.service.ingress.first() else { continue };
            let roots = candidate.service.ingress.iter().filter(|ip| parents.contains_key(ip));
            let mut roots: Vec<IpAddr> = roots.map(|ip| root(&parents, *ip)).collect();
            roots.push(*first);
            let smallest = roots.iter().min().copied().unwrap_or(*first);
            for ip in roots.iter().chain(&candidate.service.ingress) {
                parents.insert(*ip, smallest);
            }
        }
        let claims: BTreeMap<IpAddr, IpAddr> = parents.keys().map(|ip| (*ip, root(&parents, *ip))).collect();
        let mut by_claim: BTreeMap<IpAddr, Group<'a>> = BTreeMap::new();
        for candidate in candidates {
            if let Some(claim) = candidate.service.ingress.first().and_then(|first| claims.get(first)) {
                by_claim.entry(*claim).or_default().members.push(candidate);
            }
        }
        Self { by_claim, claims }
    }

    /// The address whose claim decides about `address`.
    pub(super) fn claim_of(&self, address: IpAddr) -> IpAddr {
        self.claims.get(&address).copied().unwrap_or(address)
    }
}

fn root(parents: &BTreeMap<IpAddr, IpAddr>, address: IpAddr) -> IpAddr {
    let mut at = address;
    while let Some(next) = parents.get(&at).filter(|next| **next != at) {
        at = *next;
    }
    at
}

// === impl Group ===

impl Group<'_> {
    /// Nodes that may announce for every Service of the group that can be announced at all; where the Services cannot
    /// agree, those of the first.
    pub(super) fn eligible(&self) -> Arc<Eligible> {
        let lists = self.members.iter().map(|candidate| &candidate.assessment.eligible);
        let mut lists = lists.filter(|list| !list.is_empty());
        let Some(first) = lists.next() else { return Arc::default() };
        let mut common = Arc::clone(first);
        for list in lists.filter(|list| !Arc::ptr_eq(first, list)) {
            Arc::make_mut(&mut common).retain(|node, _| list.contains_key(node));
        }
        if common.is_empty() { Arc::clone(first) } else { common }
    }

    /// Whether enough of the cluster is seen to announce all of it.
    pub(super) fn quorum(&self) -> Quorum {
        let mut all = self.members.iter().map(|candidate| candidate.assessment.quorum);
        all.find(|quorum| *quorum != Quorum::Enough).unwrap_or_default()
    }
}
