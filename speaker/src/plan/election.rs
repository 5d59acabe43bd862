//! Who owns an address: the living claim that stands, else who should claim next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use ferrolb_gossip::{NodeName, rank};

use super::Snapshot;

/// How the owner of an address is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Claims stand while their owner lives and may announce; vacant addresses go to the best ranked node that does
    /// not already own more than its share. A node that comes back gets nothing back.
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

/// A node may own this many times the mean number of addresses, in percent, before others are preferred.
const LOAD_BOUND_PERCENT: usize = 110;

/// Who owns an address, and who would be next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elected {
    /// The owner, eligible and alive.
    pub owner: Option<NodeName>,
    /// Where there is no owner: a living node that still holds the claim but should not.
    pub outgoing: Option<NodeName>,
    /// Where there is no owner: who should claim, the expected one first.
    pub successors: Vec<NodeName>,
}

/// Decides for all addresses together, since the load of a node counts. `wanted`: the eligible nodes of each address,
/// with their preference.
pub fn elect(snapshot: &Snapshot, wanted: &BTreeMap<IpAddr, Vec<(i32, NodeName)>>) -> BTreeMap<IpAddr, Elected> {
    match snapshot.options.strategy {
        Strategy::Metallb => wanted
            .iter()
            .map(|(vip, eligible)| {
                let owner = ranked(eligible, *vip).into_iter().next();
                (*vip, Elected { owner, ..Elected::default() })
            })
            .collect(),
        Strategy::Balanced => balanced(snapshot, wanted),
    }
}

fn balanced(snapshot: &Snapshot, wanted: &BTreeMap<IpAddr, Vec<(i32, NodeName)>>) -> BTreeMap<IpAddr, Elected> {
    let mut load: BTreeMap<NodeName, usize> = BTreeMap::new();
    let mut elected = BTreeMap::new();
    let mut vacant = Vec::new();
    for (vip, eligible) in wanted {
        let claimant = snapshot.view.owner(*vip);
        let stands = claimant.filter(|claimant| eligible.iter().any(|(_, node)| node == *claimant));
        if let Some(owner) = stands {
            *load.entry(owner.clone()).or_default() += 1;
            elected.insert(*vip, Elected { owner: Some(owner.clone()), ..Elected::default() });
        } else {
            vacant.push((*vip, eligible, claimant.cloned()));
        }
    }
    for (vip, eligible, outgoing) in vacant {
        let mut successors = by_load(ranked(eligible, vip), eligible, &load, wanted.len());
        if !successors.is_empty() {
            let skipped = snapshot.skipped.get(&vip).copied().unwrap_or(0) % successors.len();
            successors.rotate_left(skipped);
        }
        if let Some(expected) = successors.first() {
            *load.entry(expected.clone()).or_default() += 1;
        }
        elected.insert(vip, Elected { owner: None, outgoing, successors });
    }
    elected
}

/// The highest preference first, inside it by rank.
fn ranked(eligible: &[(i32, NodeName)], vip: IpAddr) -> Vec<NodeName> {
    let mut nodes: Vec<&(i32, NodeName)> = eligible.iter().collect();
    nodes.sort_by_cached_key(|(preference, node)| (-i64::from(*preference), rank(node, vip)));
    nodes.into_iter().map(|(_, node)| node.clone()).collect()
}

/// The nodes of the highest preference that own less than their share, then the rest of them, then the others.
fn by_load(
    ranked: Vec<NodeName>,
    eligible: &[(i32, NodeName)],
    load: &BTreeMap<NodeName, usize>,
    addresses: usize,
) -> Vec<NodeName> {
    let Some(highest) = eligible.iter().map(|(preference, _)| *preference).max() else { return ranked };
    let preference = |node: &NodeName| eligible.iter().find(|(_, other)| other == node).map_or(0, |(p, _)| *p);
    let class = eligible.iter().filter(|(preference, _)| *preference == highest).count();
    let cap = (addresses * LOAD_BOUND_PERCENT).div_ceil(class * 100);
    let owns = |node: &NodeName| load.get(node).copied().unwrap_or(0);
    let mut nodes = ranked;
    // A stable sort: rank decides among equals, and among those at their bound the one that owns least.
    nodes.sort_by_key(|node| {
        let over = owns(node) >= cap;
        (-i64::from(preference(node)), over, if over { owns(node) } else { 0 })
    });
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eligible(names: &[&str]) -> Vec<(i32, NodeName)> {
        names.iter().map(|name| (0, NodeName::from(*name))).collect()
    }

    fn order(names: &[&str], vip: &str) -> Vec<String> {
        ranked(&eligible(names), vip.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_rank_is_metallbs() {
        let abc = ["node-a", "node-b", "node-c"];
        assert_eq!(order(&abc, "10.0.0.1"), ["node-b", "node-a", "node-c"]);
        assert_eq!(order(&abc, "10.0.0.2"), ["node-b", "node-c", "node-a"]);
        assert_eq!(order(&["edge-a", "edge-b"], "10.20.30.1"), ["edge-b", "edge-a"]);
        assert_eq!(order(&["worker-b", "worker-a"], "10.20.30.1"), ["worker-a", "worker-b"]);
        assert_eq!(order(&["iris1", "iris2"], "10.20.30.1"), ["iris2", "iris1"]);
        assert_eq!(order(&["iris1", "iris2"], "10.20.30.2"), ["iris1", "iris2"]);
    }

    #[test]
    fn a_preference_comes_before_rank_and_load() {
        let nodes = vec![(0, NodeName::from("node-b")), (10, NodeName::from("node-a"))];
        let load = [(NodeName::from("node-a"), 50)].into();
        let vip = "10.0.0.1".parse().unwrap();
        assert_eq!(by_load(ranked(&nodes, vip), &nodes, &load, 51)[0].as_str(), "node-a");
    }

    #[test]
    fn a_node_at_its_bound_comes_after_the_others() {
        let nodes = eligible(&["node-a", "node-b", "node-c"]);
        let vip = "10.0.0.1".parse().unwrap();
        let load = [(NodeName::from("node-b"), 2)].into();
        let names: Vec<String> =
            by_load(ranked(&nodes, vip), &nodes, &load, 3).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["node-a", "node-c", "node-b"]);
    }
}
