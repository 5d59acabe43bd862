//! The network between the nodes: latency, loss, partitions, and links that carry one way only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::Node;

/// One-way latency of a datagram in microseconds.
const LATENCY_US: std::ops::Range<u64> = 100..500;

/// What carries datagrams, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// The part of a partition in which a node is; those that are not listed are in part 0.
    part: BTreeMap<Node, u8>,
    /// Pairs of which the first does not reach the second.
    cut: BTreeSet<(Node, Node)>,
}

// === impl Network ===

impl Network {
    /// Whether datagrams get from one node to the other at all.
    pub fn reaches(&self, from: Node, to: Node) -> bool {
        self.part.get(&from) == self.part.get(&to) && !self.cut.contains(&(from, to))
    }

    /// Whether nothing is cut.
    pub fn is_whole(&self) -> bool {
        self.part.is_empty() && self.cut.is_empty()
    }

    /// Whether some link carries one way only.
    pub fn is_lopsided(&self) -> bool {
        !self.cut.is_empty()
    }

    /// Separates these nodes from all others.
    pub fn split(&mut self, apart: &BTreeSet<Node>) {
        let next = self.part.values().max().map_or(1, |part| part.saturating_add(1));
        self.part.extend(apart.iter().map(|node| (*node, next)));
    }

    /// Loses everything that `from` sends to `to`.
    pub fn cut(&mut self, from: Node, to: Node) {
        self.cut.insert((from, to));
    }

    /// Mends everything; loss stays.
    pub fn heal(&mut self) {
        self.part.clear();
        self.cut.clear();
    }

    /// How long a datagram takes; `None`: it is lost.
    pub fn carry(&self, rng: &mut StdRng, from: Node, to: Node) -> Option<Duration> {
        let latency = Duration::from_micros(rng.random_range(LATENCY_US));
        let lost = self.loss > 0.0 && rng.random_bool(self.loss);
        (self.reaches(from, to) && !lost).then_some(latency)
    }

    /// The given nodes in groups in which everybody reaches everybody, if need be through others.
    pub fn groups(&self, nodes: &BTreeSet<Node>) -> Vec<BTreeSet<Node>> {
        let reach: BTreeMap<Node, BTreeSet<Node>> =
            nodes.iter().map(|node| (*node, self.reachable(*node, nodes))).collect();
        let mutual = |a: Node, b: Node| {
            let from = |x: Node, y: Node| reach.get(&x).is_some_and(|reachable| reachable.contains(&y));
            from(a, b) && from(b, a)
        };
        let mut groups: Vec<BTreeSet<Node>> = Vec::new();
        for node in nodes {
            let known = groups.iter_mut().find(|group| group.first().is_some_and(|first| mutual(*first, *node)));
            match known {
                Some(group) => {
                    group.insert(*node);
                }
                None => groups.push([*node].into()),
            }
        }
        groups
    }

    /// Whether nothing crosses the border of a group, in neither direction.
    pub fn is_clear_cut(&self, group: &BTreeSet<Node>, nodes: &BTreeSet<Node>) -> bool {
        let outside = || nodes.difference(group).copied();
        group.iter().all(|a| outside().all(|b| !self.reaches(*a, b) && !self.reaches(b, *a)))
    }

    fn reachable(&self, start: Node, nodes: &BTreeSet<Node>) -> BTreeSet<Node> {
        let mut found: BTreeSet<Node> = [start].into();
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            for next in nodes {
                if self.reaches(node, *next) && found.insert(*next) {
                    open.push(*next);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u8]) -> BTreeSet<Node> {
        numbers.iter().copied().map(Node).collect()
    }

    #[test]
    fn groups_follow_parts_and_detours() {
        let all = nodes(&[0, 1, 2, 3]);
        let mut network = Network::default();
        assert_eq!(network.groups(&all), std::slice::from_ref(&all));
        network.cut(Node(0), Node(1));
        assert_eq!(network.groups(&all), std::slice::from_ref(&all), "through the others");
        network.split(&nodes(&[2]));
        assert_eq!(network.groups(&all), [nodes(&[0, 1, 3]), nodes(&[2])]);
        assert_eq!(network.groups(&nodes(&[0, 1])), [nodes(&[0]), nodes(&[1])], "nobody is left between them");
        network.heal();
        assert!(network.is_whole());
    }

    #[test]
    fn a_node_that_is_not_heard_is_alone() {
        let all = nodes(&[0, 1, 2]);
        let mut network = Network::default();
        network.cut(Node(2), Node(0));
        network.cut(Node(2), Node(1));
        assert_eq!(network.groups(&all), [nodes(&[0, 1]), nodes(&[2])]);
        assert!(!network.is_clear_cut(&nodes(&[2]), &all), "it hears the others");
        network.split(&nodes(&[2]));
        assert!(network.is_clear_cut(&nodes(&[2]), &all));
    }
}
