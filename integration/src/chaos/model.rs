//! What was done to whom, who ought to be able to serve then, and what may be done next.
//!
//! Pure: the same seed draws the same faults, whatever the target does with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::fault::Fault;
use crate::layout::Mac;

/// What is wrong with a node, one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Health {
    #[default]
    Whole,
    /// Dead, cut off or without carrier: it is not there for anybody.
    Away,
    /// Its speaker is stopped or paused; the node itself works.
    Mute,
}

/// From where answers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vantage {
    /// Where the clients are.
    Client,
    /// On the other side of a partition.
    Gateway,
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        })
    }
}

/// The nodes on one side of a partition; all of them where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) vantage: Vantage,
    /// One of these, and nobody else, is to answer for each address; where there is none, nobody is.
    pub(super) candidates: BTreeSet<String>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Model {
    nodes: Vec<String>,
    health: BTreeMap<String, Health>,
    drained: BTreeSet<String>,
    /// The nodes on the gateway's side.
    beyond: Option<BTreeSet<String>>,
    loss: u8,
    /// How often interfaces were changed: every name and address is a new one.
    changes: u8,
}

// === impl Model ===

impl Model {
    pub(super) fn new(nodes: Vec<String>) -> Self {
        let health = nodes.iter().map(|node| (node.clone(), Health::Whole)).collect();
        Self { nodes, health, drained: BTreeSet::new(), beyond: None, loss: 0, changes: 0 }
    }

    /// Whether frames get lost, so that a lost connection is nobody's fault.
    pub(super) fn is_lossy(&self) -> bool {
        self.loss > 0
    }

    /// The next fault, of any kind but those.
    pub(super) fn draw(&self, rng: &mut StdRng, without: &BTreeSet<String>) -> Fault {
        loop {
            let mends = self.mends();
            // The more is broken the likelier it is mended.
            let mend = !mends.is_empty() && rng.random_range(0..mends.len() + 2) >= 2;
            let drawn = if mend { mends.choose(rng).cloned() } else { self.break_something(rng) };
            if let Some(fault) = drawn.filter(|fault| !without.contains(fault.kind()) && self.leaves_somebody(fault)) {
                return fault;
            }
        }
    }

    /// Notes that it was done.
    pub(super) fn apply(&mut self, fault: &Fault) {
        let mut set = |node: &String, health| {
            self.health.insert(node.clone(), health);
        };
        match fault {
            Fault::Kill(node) | Fault::Cut(node) | Fault::Unplug(node) => set(node, Health::Away),
            Fault::Pause(node) | Fault::Stop(node) => set(node, Health::Mute),
            Fault::Heal(node) => {
                set(node, Health::Whole);
                self.drained.remove(node);
            }
            Fault::Drain(node) => drop(self.drained.insert(node.clone())),
            Fault::Undrain(node) => drop(self.drained.remove(node)),
            Fault::Partition(_, theirs) => self.beyond = Some(theirs.clone()),
            Fault::Reunite => self.beyond = None,
            Fault::Lose(percent) => self.loss = *percent,
            Fault::LoseNothing => self.loss = 0,
            Fault::Rename(..) | Fault::ChangeMac(..) => self.changes = self.changes.wrapping_add(1),
            Fault::Flap(_)
            | Fault::Stall(..)
            | Fault::Crash(_)
            | Fault::Restart(_)
            | Fault::Rolling(_)
            | Fault::RestartController => {}
        }
    }

    /// Who is to answer, as seen from where.
    pub(super) fn sides(&self) -> Vec<Side> {
        let of = |vantage, here: &dyn Fn(&String) -> bool| {
            let able: BTreeSet<String> =
                self.nodes.iter().filter(|node| self.is(node, Health::Whole) && here(node)).cloned().collect();
            let undrained: BTreeSet<String> = able.difference(&self.drained).cloned().collect();
            // Drained nodes serve where there is nobody else.
            Side { vantage, candidates: if undrained.is_empty() { able } else { undrained } }
        };
        match &self.beyond {
            None => vec![of(Vantage::Client, &|_| true)],
            Some(beyond) => vec![
                of(Vantage::Client, &|node| !beyond.contains(node)),
                of(Vantage::Gateway, &|node| beyond.contains(node)),
            ],
        }
    }

    /// Where endpoints can be, so that what is measured when `fault` happens is the move of an address and not the death
    /// of a backend: on nodes that the client's side reaches before and after.
    pub(super) fn backends(&self, fault: &Fault) -> Vec<String> {
        let mut after = self.clone();
        after.apply(fault);
        let touched = match fault {
            Fault::Flap(node) | Fault::Rename(node, _) | Fault::ChangeMac(node, _) => Some(node),
            Fault::Kill(_)
            | Fault::Cut(_)
            | Fault::Unplug(_)
            | Fault::Pause(_)
            | Fault::Stall(..)
            | Fault::Crash(_)
            | Fault::Stop(_)
            | Fault::Restart(_)
            | Fault::Rolling(_)
            | Fault::Drain(_)
            | Fault::Undrain(_)
            | Fault::Partition(..)
            | Fault::Reunite
            | Fault::Lose(_)
            | Fault::LoseNothing
            | Fault::Heal(_)
            | Fault::RestartController => None,
        };
        let usable = |model: &Self, node: &String| {
            let here = model.beyond.as_ref().is_none_or(|beyond| !beyond.contains(node));
            here && !model.is(node, Health::Away)
        };
        let fit = |node: &&String| usable(self, node) && usable(&after, node) && Some(*node) != touched;
        self.nodes.iter().filter(fit).cloned().collect()
    }

    fn is(&self, node: &str, health: Health) -> bool {
        self.health.get(node).is_some_and(|of| *of == health)
    }

    fn mends(&self) -> Vec<Fault> {
        let broken = self.nodes.iter().filter(|node| !self.is(node, Health::Whole)).cloned().map(Fault::Heal);
        let drained = self.drained.iter().filter(|node| self.is(node, Health::Whole)).cloned().map(Fault::Undrain);
        let reunite = self.beyond.as_ref().map(|_| Fault::Reunite);
        let no_loss = (self.loss > 0).then_some(Fault::LoseNothing);
        // A node comes back when all hear all: who returns into a partition would be on no side.
        let broken = broken.filter(|_| self.beyond.is_none());
        broken.chain(drained).chain(reunite).chain(no_loss).collect()
    }

    fn break_something(&self, rng: &mut StdRng) -> Option<Fault> {
        let whole: Vec<&String> = self.nodes.iter().filter(|node| self.is(node, Health::Whole)).collect();
        let node = (*whole.choose(rng)?).clone();
        let number = rng.random_range(0..18);
        let stall = Duration::from_millis(rng.random_range(20..2_500));
        let percent = rng.random_range(1..=10);
        let bits: u64 = rng.random();
        Some(match number {
            0 | 1 => Fault::Kill(node),
            2 => Fault::Cut(node),
            3 => Fault::Unplug(node),
            4 => Fault::Flap(node),
            5 => Fault::Pause(node),
            6 | 7 => Fault::Stall(node, stall),
            8 => Fault::Crash(node),
            9 => Fault::Stop(node),
            10 => Fault::Restart(node),
            11 => Fault::Rolling(whole.into_iter().cloned().collect()),
            12 if !self.drained.contains(&node) => Fault::Drain(node),
            13 => Fault::Rename(node, format!("lan{}", self.changes)),
            14 => Fault::ChangeMac(node, self.new_mac()),
            15 if self.beyond.is_none() => self.partition(bits)?,
            16 if self.loss == 0 => Fault::Lose(percent),
            17 => Fault::RestartController,
            _ => return None,
        })
    }

    /// Two parts, neither of them empty.
    fn partition(&self, bits: u64) -> Option<Fault> {
        let is_theirs = |index: usize| bits >> (index % 64) & 1 == 1;
        let part = |theirs: bool| -> BTreeSet<String> {
            let of_part = self.nodes.iter().enumerate().filter(|(index, _)| is_theirs(*index) == theirs);
            of_part.map(|(_, node)| node.clone()).collect()
        };
        let (ours, theirs) = (part(false), part(true));
        (!ours.is_empty() && !theirs.is_empty()).then_some(Fault::Partition(ours, theirs))
    }

    fn new_mac(&self) -> Mac {
        Mac([2, 0, 0, 0, 0xcc, self.changes])
    }

    /// Whether the client's side has somebody who serves afterwards, and backends that do all the time.
    fn leaves_somebody(&self, fault: &Fault) -> bool {
        let mut after = self.clone();
        after.apply(fault);
        let serves = |model: &Self| model.sides().first().is_some_and(|side| !side.candidates.is_empty());
        serves(&after) && !self.backends(fault).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn drawn(seed: u64, count: usize) -> (Model, Vec<Fault>) {
        let mut model = Model::new((1..=4).map(|number| format!("node-{number}")).collect());
        let mut rng = StdRng::seed_from_u64(seed);
        let faults = (0..count).map(|_| {
            let fault = model.draw(&mut rng, &BTreeSet::new());
            model.apply(&fault);
            assert!(!model.sides()[0].candidates.is_empty(), "{fault}");
            fault
        });
        let faults = faults.collect();
        (model, faults)
    }

    #[test]
    fn a_seed_draws_the_same_faults_and_another_one_others() {
        assert_eq!(drawn(7, 200).1, drawn(7, 200).1);
        assert_ne!(drawn(7, 200).1, drawn(8, 200).1);
    }

    #[test]
    fn every_kind_of_fault_is_drawn_and_mended() {
        let (_, faults) = drawn(1, 2_000);
        let kinds: BTreeSet<&str> = faults.iter().map(Fault::kind).collect();
        assert_eq!(kinds.len(), 20, "{kinds:?}");
    }

    #[test]
    fn backends_are_on_nodes_that_the_client_reaches_before_and_after() {
        let mut model = Model::new(["a", "b", "c"].map(str::to_owned).to_vec());
        let one = |name: &str| BTreeSet::from([name.to_owned()]);
        let partition = Fault::Partition(["a".to_owned(), "b".to_owned()].into(), one("c"));
        assert_eq!(model.backends(&partition), ["a", "b"]);
        model.apply(&partition);
        assert_eq!(model.backends(&Fault::Kill("a".to_owned())), ["b"]);
        assert!(model.leaves_somebody(&Fault::Kill("a".to_owned())));
        model.apply(&Fault::Stop("a".to_owned()));
        assert_eq!(model.backends(&Fault::Reunite), ["a", "b"], "a node without its speaker still serves pods");
        assert!(!model.leaves_somebody(&Fault::Cut("b".to_owned())));
        let sides = model.sides();
        assert_eq!((&sides[0].candidates, &sides[1].candidates), (&one("b"), &one("c")));
    }

    #[test]
    fn drained_nodes_serve_only_where_nobody_else_does() {
        let mut model = Model::new(["a", "b"].map(str::to_owned).to_vec());
        model.apply(&Fault::Drain("a".to_owned()));
        assert_eq!(model.sides()[0].candidates, BTreeSet::from(["b".to_owned()]));
        model.apply(&Fault::Pause("b".to_owned()));
        assert_eq!(model.sides()[0].candidates, BTreeSet::from(["a".to_owned()]));
    }
}
