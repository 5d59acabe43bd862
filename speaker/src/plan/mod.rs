//! The one decision: what this node announces, and why (not).

mod bgp;
mod election;
mod eligibility;
mod explain;
mod group;
mod quorum;
mod reason;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Config, Interfaces};
use ferrolb_gossip::{NodeName, rank};
use ferrolb_source::{ObjectKey, Service};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use bgp::{Attributes, BgpPlan, Contradiction, Routes, Session, Told, Wish};
pub use election::{Cause, Strategy, Upgrade};
pub use explain::{Explanation, NodeVerdict, explain};
pub use quorum::PartitionPolicy;
pub use reason::Reason;
pub use snapshot::{Ground, Options, Snapshot, Turns, first_election};

use bgp::Advertiser;
use election::{Elected, Wanted, elect};
use eligibility::{Assessment, Assessor};
use group::{Group, Groups};
use quorum::Quorum;

/// The [`protocol`](Verdict::protocol) of what is announced by ARP and NDP.
pub const LAYER2: &str = "layer2";
/// The [`protocol`](Verdict::protocol) of what is announced over BGP.
pub const BGP: &str = "bgp";

/// One address of one Service, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `namespace/name`.
    pub service: String,
    /// The address.
    pub address: IpAddr,
    /// [`LAYER2`] or [`BGP`].
    pub protocol: &'static str,
    /// Whether this node announces it.
    pub announce: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// The node that announces it by L2, where one does. BGP knows no owner: every node that may announces.
    pub owner: Option<NodeName>,
}

/// An address that this node answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The address.
    pub vip: IpAddr,
    /// The address whose claim decides: the first one of the Service, also for the second one of a dual stack.
    pub claim: IpAddr,
    /// Where.
    pub interfaces: Interfaces,
    /// Changes when the neighbourhood has to be told again.
    pub reasserted: u32,
    /// Nobody is known to have held it before: somebody who is no node of ours may.
    pub fresh: bool,
    /// The Services it is announced for, in order; seldom more than one.
    pub services: SmallVec<[ObjectKey; 1]>,
}

/// Everything this node is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodePlan {
    /// For each address of each Service that is ours, in order: one entry for each protocol that its pool is announced
    /// by, or one for L2 where there is none.
    pub verdicts: Vec<Verdict>,
    /// What to announce, in order of address.
    pub l2: Vec<Announcement>,
    /// What to announce as soon as the claim that is being made stands, in order of address: nobody has held it before,
    /// and whether a stranger does can be asked meanwhile.
    pub expected: Vec<Announcement>,
    /// Addresses that this node should claim now, in order.
    pub claims: Vec<IpAddr>,
    /// Addresses that this node holds and should not: nobody has them any more, or it has lost its interfaces.
    pub releases: Vec<IpAddr>,
    /// Addresses nobody holds: who may, best first.
    pub vacant: BTreeMap<IpAddr, Vec<NodeName>>,
    /// Who announces each address that is claimed.
    pub owners: BTreeMap<IpAddr, NodeName>,
    /// Addresses that will move although their owner is well, and whereto.
    pub upgrades: BTreeMap<IpAddr, Upgrade>,
    /// Addresses that this node may have to announce, or does.
    pub watched: BTreeSet<IpAddr>,
    /// Services that no node can announce for want of an interface, of which it falls to this node to tell, and the
    /// interfaces that their advertisements allow.
    pub failed: BTreeMap<ObjectKey, Interfaces>,
    /// The BGP sessions of this node, and what each peer is told.
    pub bgp: BgpPlan,
}

/// A Service with addresses, and where it may be announced.
#[derive(Debug)]
struct Candidate<'a> {
    key: &'a ObjectKey,
    service: &'a Service,
    assessment: Arc<Assessment>,
}

/// Decides. The same snapshot always gives the same plan.
pub fn plan(snapshot: &Snapshot) -> NodePlan {
    let Some(config) = &snapshot.config else { return NodePlan::default() };
    let candidates = candidates(snapshot, config);
    let groups = Groups::of(&candidates);
    let wanted: Wanted = groups.by_claim.iter().map(|(vip, group)| (*vip, group.eligible())).collect();
    let elected = elect(snapshot, &wanted);
    let mut plan = NodePlan { releases: forgotten(snapshot, &wanted), ..NodePlan::default() };
    for (vip, group) in &groups.by_claim {
        if let Some(elected) = elected.get(vip) {
            plan.move_claims(snapshot, *vip, group, elected);
        }
    }
    let (mut l2, mut expected) = (BTreeMap::new(), BTreeMap::new());
    let mut advertiser = Advertiser::new(snapshot, config);
    for candidate in &candidates {
        let Some(claim) = candidate.service.ingress.first().map(|first| groups.claim_of(*first)) else { continue };
        let elected = elected.get(&claim);
        let reason = judge(snapshot, candidate, claim, elected);
        let over_bgp = advertiser.judge(candidate.key, candidate.service);
        let over_l2 = over_bgp.is_none() || has_l2(config, candidate);
        for address in &candidate.service.ingress {
            let verdict = |protocol, reason: &Reason, owner| Verdict {
                service: candidate.key.to_string(),
                address: *address,
                protocol,
                announce: reason.announces(),
                reason: reason.clone(),
                owner,
            };
            if over_l2 {
                plan.verdicts.push(verdict(LAYER2, &reason, elected.and_then(Elected::holder).cloned()));
            }
            if let Some(reason) = &over_bgp {
                plan.verdicts.push(verdict(BGP, reason, None));
            }
            if reason.announces() {
                announce(&mut l2, snapshot, config, candidate, *address, claim);
            } else if plan.claims.binary_search(&claim).is_ok() && !snapshot.view.claims.contains_key(&claim) {
                announce(&mut expected, snapshot, config, candidate, *address, claim);
            }
            if candidate.assessment.nodes.get(&snapshot.me).is_some_and(Result::is_ok) {
                plan.watched.insert(*address);
            }
        }
        if let Some(allowed) = failed(snapshot, candidate, claim) {
            plan.failed.insert(candidate.key.clone(), allowed);
        }
    }
    plan.l2 = l2.into_values().collect();
    plan.expected = expected.into_values().collect();
    plan.bgp = advertiser.finish();
    plan
}

/// Whether L2 has anything to say of a Service that BGP has something to say of.
fn has_l2(config: &Config, candidate: &Candidate<'_>) -> bool {
    match candidate.assessment.nobody {
        Some(Reason::NotAdvertised { .. }) => false,
        Some(Reason::IpNotAllowed) => !config.l2_advertisements.is_empty(),
        _ => true,
    }
}

fn candidates<'a>(snapshot: &'a Snapshot, config: &Arc<Config>) -> Vec<Candidate<'a>> {
    let class = snapshot.options.class.as_deref();
    let mut assessor = Assessor::new(snapshot, config);
    let ours = snapshot.cluster.services.iter().filter(|(_, service)| service.is_ours(class));
    ours.filter(|(_, service)| !service.ingress.is_empty())
        .map(|(key, service)| Candidate { key, service, assessment: assessor.assess(key, service) })
        .collect()
}

// === impl NodePlan ===

impl NodePlan {
    /// What this node has to say about who owns a group.
    fn move_claims(&mut self, snapshot: &Snapshot, vip: IpAddr, group: &Group<'_>, elected: &Elected) {
        let Elected { owner, outgoing, successors, upgrade } = elected;
        if let Some(holder) = elected.holder() {
            self.owners.insert(vip, holder.clone());
        }
        let me = Some(&snapshot.me);
        let lost = |reason: &Reason| matches!(reason, Reason::NoUsableInterface { .. });
        if outgoing.as_ref() == me
            && group.members.iter().any(|c| c.assessment.node(&snapshot.me).is_some_and(|r| lost(&r)))
        {
            self.releases.push(vip);
        }
        let may_claim = snapshot.is_ready() && !snapshot.ground.cut_off && group.quorum() == Quorum::Enough;
        if owner.is_none() && group.quorum() == Quorum::Enough && !successors.is_empty() {
            if may_claim && successors.first() == me {
                self.claims.push(vip);
            }
            self.vacant.insert(vip, successors.clone());
        }
        if let Some(upgrade) = upgrade {
            let due = match upgrade.cause {
                Cause::Preference(_) => snapshot.turns.ripe.contains(&vip),
                Cause::Balance => snapshot.turns.calm,
            };
            if may_claim && due && upgrade.to == snapshot.me {
                self.claims.push(vip);
            }
            self.upgrades.insert(vip, upgrade.clone());
        }
    }
}

/// What this node is to do about one Service.
fn judge(snapshot: &Snapshot, candidate: &Candidate<'_>, claim: IpAddr, elected: Option<&Elected>) -> Reason {
    if let Some(reason) = &candidate.assessment.nobody {
        return reason.clone();
    }
    if snapshot.ground.cut_off {
        return Reason::CutOff;
    }
    let mine = candidate.assessment.node(&snapshot.me);
    let Some(elected) = elected else { return mine.unwrap_or(Reason::NotAMember) };
    if !snapshot.is_ready() {
        return Reason::NotReady;
    }
    if let Some(reason) = candidate.assessment.quorum.hindrance() {
        return reason;
    }
    let successor = elected.successors.first();
    match &elected.owner {
        Some(owner) if *owner == snapshot.me => Reason::Owner,
        Some(owner) if snapshot.turns.lingering.get(&claim) == Some(owner) => Reason::HandingOver { to: owner.clone() },
        Some(owner) => mine.unwrap_or(Reason::OwnedBy { owner: owner.clone() }),
        None => match (&elected.outgoing, successor, mine) {
            // Better the old one than none, until a successor has claimed.
            (Some(outgoing), Some(to), _) if *outgoing == snapshot.me => Reason::HandingOver { to: to.clone() },
            (_, _, Some(reason)) => reason,
            (_, Some(expected), None) => Reason::Vacant { expected: expected.clone() },
            (_, None, None) => Reason::NoEligibleNode,
        },
    }
}

fn announce(
    l2: &mut BTreeMap<IpAddr, Announcement>,
    snapshot: &Snapshot,
    config: &Config,
    candidate: &Candidate<'_>,
    address: IpAddr,
    claim: IpAddr,
) {
    let interfaces = eligibility::interfaces(snapshot, config, candidate.service);
    let (reasserted, fresh) = match (snapshot.options.strategy, snapshot.view.claims.get(&claim)) {
        (Strategy::Balanced, Some(held)) => (held.reasserted, held.claim.epoch == 1),
        (Strategy::Balanced, None) => (0, true),
        (Strategy::Metallb, _) => (snapshot.turns.arrivals, false),
    };
    let entry = l2.entry(address).or_insert_with(|| Announcement {
        vip: address,
        claim,
        interfaces: interfaces.clone(),
        reasserted,
        fresh,
        services: SmallVec::new(),
    });
    // They come in order, and a Service may list an address twice.
    if entry.services.last() != Some(candidate.key) {
        entry.services.push(candidate.key.clone());
    }
    entry.interfaces = match (entry.interfaces.clone(), interfaces) {
        (Interfaces::Named(a), Interfaces::Named(b)) => Interfaces::Named(a.into_iter().chain(b).collect()),
        (Interfaces::All, _) | (_, Interfaces::All) => Interfaces::All,
    };
}

/// Where nothing but an interface is missing, everywhere, the best ranked of the nodes concerned tells of it.
fn failed(snapshot: &Snapshot, candidate: &Candidate<'_>, claim: IpAddr) -> Option<Interfaces> {
    let nodes = &candidate.assessment.nodes;
    let Err(Reason::NoUsableInterface { allowed }) = nodes.get(&snapshot.me)? else { return None };
    let lacks = |verdict: &Result<_, Reason>| matches!(verdict, Err(Reason::NoUsableInterface { .. }));
    let concerned = nodes.iter().filter(|(_, verdict)| lacks(verdict)).map(|(node, _)| node);
    let speaker = concerned.min_by_key(|node| rank(node, claim))?;
    (*speaker == snapshot.me && nodes.values().all(Result::is_err)).then(|| allowed.clone())
}

/// Claims of ours on addresses that no Service has any more.
fn forgotten(snapshot: &Snapshot, wanted: &Wanted) -> Vec<IpAddr> {
    let mine = snapshot.view.claims.keys().filter(|vip| snapshot.view.owner(**vip) == Some(&snapshot.me));
    mine.filter(|vip| !wanted.contains_key(vip)).copied().collect()
}
