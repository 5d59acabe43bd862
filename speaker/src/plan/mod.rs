//! The one decision: what this node announces, and why (not).

mod election;
mod eligibility;
mod explain;
mod reason;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Config, Interfaces};
use ferrolb_gossip::NodeName;
use ferrolb_source::{ObjectKey, Service};
use serde::Serialize;

pub use election::{Strategy, elect};
pub use explain::{Explanation, NodeVerdict, explain};
pub use reason::Reason;
pub use snapshot::{Options, Snapshot, first_election};

use eligibility::Assessment;

/// One address of one Service, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `namespace/name`.
    pub service: String,
    /// The address.
    pub address: IpAddr,
    /// `layer2`.
    pub protocol: &'static str,
    /// Whether this node announces it.
    pub announce: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// The node that announces it, where one does.
    pub owner: Option<NodeName>,
}

/// An address that this node answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub vip: IpAddr,
    /// The address whose claim decides: the first one of the Service, also for the second one of a dual stack.
    pub claim: IpAddr,
    /// Where.
    pub interfaces: Interfaces,
    /// Changes when the neighbourhood has to be told again.
    pub reasserted: u32,
    /// The Services it is announced for.
    pub services: BTreeSet<ObjectKey>,
}

/// Everything this node is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodePlan {
    /// One entry for each address of each Service that is ours, in order.
    pub verdicts: Vec<Verdict>,
    /// What to announce, in order of address.
    pub l2: Vec<Announcement>,
    /// Addresses that this node should claim now.
    pub claims: Vec<IpAddr>,
    /// Addresses that this node holds and nobody has any more.
    pub releases: Vec<IpAddr>,
    /// Addresses nobody holds: who may, best first.
    pub vacant: BTreeMap<IpAddr, Vec<NodeName>>,
}

/// A Service with addresses, and where it may be announced.
struct Candidate<'a> {
    key: &'a ObjectKey,
    service: &'a Service,
    assessment: Assessment,
}

/// Decides. The same snapshot always gives the same plan.
pub fn plan(snapshot: &Snapshot) -> NodePlan {
    let Some(config) = &snapshot.config else { return NodePlan::default() };
    let candidates = candidates(snapshot, config);
    let mut groups: BTreeMap<IpAddr, Vec<&Candidate<'_>>> = BTreeMap::new();
    for candidate in &candidates {
        if let Some(key) = candidate.service.ingress.first() {
            groups.entry(*key).or_default().push(candidate);
        }
    }
    let wanted: BTreeMap<IpAddr, Vec<(i32, NodeName)>> =
        groups.iter().map(|(vip, group)| (*vip, eligible_for_all(group))).collect();
    let owners = elect(snapshot, &wanted);
    let mut plan = NodePlan::default();
    for (vip, owner) in &owners {
        if let (None, Some(expected)) = (&owner.owner, owner.successors.first()) {
            if *expected == snapshot.me && snapshot.view.ready && snapshot.can_announce {
                plan.claims.push(*vip);
            }
            plan.vacant.insert(*vip, owner.successors.clone());
        }
    }
    plan.releases = forgotten(snapshot, &wanted);
    let mut l2: BTreeMap<IpAddr, Announcement> = BTreeMap::new();
    for candidate in &candidates {
        let elected = candidate.service.ingress.first().and_then(|vip| owners.get(vip));
        let reason = judge(snapshot, candidate, elected);
        for address in &candidate.service.ingress {
            plan.verdicts.push(Verdict {
                service: candidate.key.to_string(),
                address: *address,
                protocol: "layer2",
                announce: reason.announces(),
                owner: elected.and_then(|elected| elected.owner.clone()),
                reason: reason.clone(),
            });
            if reason.announces() {
                announce(&mut l2, snapshot, config, candidate, *address);
            }
        }
    }
    plan.l2 = l2.into_values().collect();
    plan
}

fn candidates<'a>(snapshot: &'a Snapshot, config: &Arc<Config>) -> Vec<Candidate<'a>> {
    let class = snapshot.options.class.as_deref();
    let ours = snapshot.cluster.services.iter().filter(|(_, service)| service.is_ours(class));
    ours.filter(|(_, service)| !service.ingress.is_empty())
        .map(|(key, service)| Candidate {
            key,
            service,
            assessment: eligibility::assess(snapshot, config, key, service),
        })
        .collect()
}

/// Nodes that may announce for every Service of one address; where the Services cannot agree, those of the first.
fn eligible_for_all(group: &[&Candidate<'_>]) -> Vec<(i32, NodeName)> {
    let mut lists = group.iter().map(|candidate| candidate.assessment.eligible());
    let first = lists.next().unwrap_or_default();
    let all: Vec<(i32, NodeName)> = lists.fold(first.clone(), |common, list| {
        common.into_iter().filter(|(_, node)| list.iter().any(|(_, other)| other == node)).collect()
    });
    if all.is_empty() { first } else { all }
}

/// What this node is to do about one Service.
fn judge(snapshot: &Snapshot, candidate: &Candidate<'_>, elected: Option<&election::Elected>) -> Reason {
    if let Some(reason) = &candidate.assessment.nobody {
        return reason.clone();
    }
    let mine = candidate.assessment.node(&snapshot.me);
    let Some(elected) = elected else { return mine.unwrap_or(Reason::NotAMember) };
    if !snapshot.view.ready {
        return Reason::NotReady;
    }
    let owner = match &elected.owner {
        Some(owner) if *owner == snapshot.me => return Reason::Owner,
        Some(owner) => owner,
        None => {
            // Better the old one than none, until a successor has claimed.
            if elected.outgoing.as_ref() == Some(&snapshot.me)
                && let Some(successor) = elected.successors.first()
            {
                return Reason::HandingOver { to: successor.clone() };
            }
            return match (mine, elected.successors.first()) {
                (Some(reason), _) => reason,
                (None, Some(expected)) => Reason::Vacant { expected: expected.clone() },
                (None, None) => Reason::NoEligibleNode,
            };
        }
    };
    mine.unwrap_or(Reason::OwnedBy { owner: owner.clone() })
}

fn announce(
    l2: &mut BTreeMap<IpAddr, Announcement>,
    snapshot: &Snapshot,
    config: &Config,
    candidate: &Candidate<'_>,
    address: IpAddr,
) {
    let interfaces = eligibility::interfaces(snapshot, config, candidate.service);
    let key = candidate.service.ingress.first().copied().unwrap_or(address);
    let reasserted = snapshot.view.claims.get(&key).map_or(0, |held| held.reasserted);
    let entry = l2.entry(address).or_insert_with(|| Announcement {
        vip: address,
        claim: key,
        interfaces: interfaces.clone(),
        reasserted,
        services: BTreeSet::new(),
    });
    entry.services.insert(candidate.key.clone());
    entry.interfaces = match (entry.interfaces.clone(), interfaces) {
        (Interfaces::Named(a), Interfaces::Named(b)) => Interfaces::Named(a.into_iter().chain(b).collect()),
        (Interfaces::All, _) | (_, Interfaces::All) => Interfaces::All,
    };
}

/// Claims of ours on addresses that no Service has any more.
fn forgotten(snapshot: &Snapshot, wanted: &BTreeMap<IpAddr, Vec<(i32, NodeName)>>) -> Vec<IpAddr> {
    let mine = snapshot.view.claims.keys().filter(|vip| snapshot.view.owner(**vip) == Some(&snapshot.me));
    mine.filter(|vip| !wanted.contains_key(vip)).copied().collect()
}
