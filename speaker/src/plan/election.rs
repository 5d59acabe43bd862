//! Who owns an address: the living claim that stands, else who should claim next.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ferrolb_gossip::{NodeName, rank};
use serde::{Deserialize, Serialize};

use super::Snapshot;
use super::eligibility::{Eligible, Standing};

/// How the owner of an address is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Claims stand while their owner lives and may announce; vacant addresses go to the best ranked node that does
    /// not already own more than its share. A node that comes back gets nothing back. A node that is being emptied
    /// hands over; nodes of a higher preference take over once they have been there for a minute.
    #[default]
    Balanced,
    /// Always the best ranked living node, as MetalLB does it: a node that comes back takes its addresses back.
    Metallb,
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "balanced" => Ok(Self::Balanced),
            "metallb" => Ok(Self::Metallb),
            other => Err(format!("unknown strategy {other:?}; known are balanced and metallb")),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balanced => "balanced",
            Self::Metallb => "metallb",
        })
    }
}

/// A node may own this many times the mean number of addresses, in percent, before others are preferred.
const LOAD_BOUND_PERCENT: usize = 110;

/// The nodes that may announce each address.
pub(super) type Wanted = BTreeMap<IpAddr, Arc<Eligible>>;

/// Who owns an address, and who would be next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Elected {
    /// The owner, eligible and alive.
    pub(super) owner: Option<NodeName>,
    /// Where there is no owner: a living node that still holds the claim but should not.
    pub(super) outgoing: Option<NodeName>,
    /// Where there is no owner: who should claim, the expected one first.
    pub(super) successors: Vec<NodeName>,
    /// Where there is an owner: who takes over without need.
    pub(super) upgrade: Option<Upgrade>,
}

/// A move that nothing forces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The new owner.
    pub to: NodeName,
    /// What for.
    pub cause: Cause,
}

/// What an address is moved for although its owner is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// To a node that is preferred by this sum of weights.
    Preference(i32),
    /// To a node that owns less than its share.
    Balance,
}

impl Elected {
    /// Whoever announces the address: the owner, or who holds the claim until it has one.
    pub(super) fn holder(&self) -> Option<&NodeName> {
        self.owner.as_ref().or(self.outgoing.as_ref())
    }
}

/// Decides for all addresses together, since the load of a node counts.
pub(super) fn elect(snapshot: &Snapshot, wanted: &Wanted) -> BTreeMap<IpAddr, Elected> {
    match snapshot.options.strategy {
        Strategy::Metallb => wanted
            .iter()
            .map(|(vip, eligible)| {
                let best = eligible.iter().min_by_key(|(node, standing)| (**standing, rank(node, *vip)));
                (*vip, Elected { owner: best.map(|(node, _)| node.clone()), ..Elected::default() })
            })
            .collect(),
        Strategy::Balanced => balanced(snapshot, wanted),
    }
}

fn balanced(snapshot: &Snapshot, wanted: &Wanted) -> BTreeMap<IpAddr, Elected> {
    let mut load: BTreeMap<NodeName, usize> = BTreeMap::new();
    let mut elected = BTreeMap::new();
    let mut vacant = Vec::new();
    for (vip, eligible) in wanted {
        let claimant = snapshot.view.owner(*vip);
        let best = eligible.values().min();
        // A node that is being emptied keeps what nobody else can take.
        let stands = claimant.filter(|claimant| {
            let standing = eligible.get(*claimant);
            standing.is_some_and(|standing| !standing.drained || best.is_some_and(|best| best.drained))
        });
        if let Some(owner) = stands {
            *load.entry(owner.clone()).or_default() += 1;
            elected.insert(*vip, Elected { owner: Some(owner.clone()), ..Elected::default() });
        } else {
            vacant.push((*vip, eligible, claimant.cloned()));
        }
    }
    for (vip, eligible, outgoing) in vacant {
        let mut successors = by_load(eligible, vip, &load, wanted.len());
        if outgoing.as_ref().is_some_and(|outgoing| eligible.contains_key(outgoing)) {
            successors.retain(|node| eligible.get(node).is_some_and(|standing| !standing.drained));
        }
        if !successors.is_empty() {
            let skipped = snapshot.turns.skipped.get(&vip).copied().unwrap_or(0) % successors.len();
            successors.rotate_left(skipped);
        }
        if let Some(expected) = successors.first() {
            *load.entry(expected.clone()).or_default() += 1;
        }
        elected.insert(vip, Elected { outgoing, successors, ..Elected::default() });
    }
    prefer(wanted, &load, &mut elected);
    if snapshot.options.rebalance {
        rebalance(wanted, &load, &mut elected);
    }
    elected
}

/// Finds better owners for addresses whose owner is not of the highest class.
fn prefer(wanted: &Wanted, load: &BTreeMap<NodeName, usize>, elected: &mut BTreeMap<IpAddr, Elected>) {
    for (vip, eligible) in wanted {
        let Some(entry) = elected.get_mut(vip) else { continue };
        let Some(standing) = entry.owner.as_ref().and_then(|owner| eligible.get(owner)) else { continue };
        let Some(best) = eligible.values().min() else { continue };
        if best.preference < standing.preference && !best.drained && !best.flapping {
            let to = by_load(eligible, *vip, load, wanted.len()).into_iter().next();
            let cause = Cause::Preference(best.preference.0);
            entry.upgrade = to.map(|to| Upgrade { to, cause });
        }
    }
}

/// Finds one address to move from a node above its bound to the best ranked one below the mean.
fn rebalance(wanted: &Wanted, load: &BTreeMap<NodeName, usize>, elected: &mut BTreeMap<IpAddr, Elected>) {
    let owns = |node: &NodeName| load.get(node).copied().unwrap_or(0);
    for (vip, eligible) in wanted {
        let Some(entry) = elected.get_mut(vip).filter(|entry| entry.upgrade.is_none()) else { continue };
        let Some(owner) = &entry.owner else { continue };
        let Some(standing) = eligible.get(owner).copied() else { continue };
        let class = eligible.values().filter(|other| **other == standing).count();
        if owns(owner) <= bound(wanted.len(), class) {
            continue;
        }
        let idle = eligible.iter().filter(|(node, other)| **other == standing && owns(node) * class < wanted.len());
        if let Some((to, _)) = idle.min_by_key(|(node, _)| rank(node, *vip)) {
            entry.upgrade = Some(Upgrade { to: to.clone(), cause: Cause::Balance });
            return;
        }
    }
}

/// How many of all addresses a node may own before others of its class are preferred.
fn bound(addresses: usize, class: usize) -> usize {
    (addresses * LOAD_BOUND_PERCENT).div_ceil(class.max(1) * 100)
}

/// The nodes of the best standing that own less than their share, by rank; then the rest of them, the one that owns
/// least first; then the others.
fn by_load(eligible: &Eligible, vip: IpAddr, load: &BTreeMap<NodeName, usize>, addresses: usize) -> Vec<NodeName> {
    let best = eligible.values().min();
    let class = eligible.values().filter(|standing| Some(*standing) == best).count();
    let cap = bound(addresses, class);
    let mut nodes: Vec<(&NodeName, &Standing)> = eligible.iter().collect();
    nodes.sort_by_cached_key(|(node, standing)| {
        let owns = load.get(*node).copied().unwrap_or(0);
        let over = owns >= cap;
        (**standing, over, if over { owns } else { 0 }, rank(node, vip))
    });
    nodes.into_iter().map(|(node, _)| node.clone()).collect()
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
