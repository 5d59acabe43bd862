//! Members that go down again and again: known as flapping until they have held out for a while.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Gossip;
use crate::identity::NodeName;
use crate::timers::Task;

/// How often a node has to be declared down ...
const TIMES: usize = 3;

/// ... within this time to be known as flapping, and for how long it is since the last time.
const WITHIN: Duration = Duration::from_secs(600);

/// How far the news that a node leaves may run ahead of its own word.
const FAREWELL: Duration = Duration::from_secs(1);

/// Deaths of a node that are remembered: one more than count, for the last may be taken back.
const REMEMBERED: usize = TIMES + 1;

/// Nodes whose deaths are counted. Beyond, the one that died longest ago is forgotten.
const NODES: usize = 1_024;

/// When members were declared down lately.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    deaths: BTreeMap<NodeName, VecDeque<Instant>>,
    flapping: BTreeSet<NodeName>,
}

// === impl Flaps ===

impl Flaps {
    /// A node was declared down.
    pub(super) fn died(&mut self, now: Instant, node: &NodeName) {
        if self.deaths.len() >= NODES && !self.deaths.contains_key(node) {
            let oldest = self.deaths.iter().min_by_key(|(_, deaths)| deaths.back().copied());
            if let Some(oldest) = oldest.map(|(node, _)| node.clone()) {
                self.deaths.remove(&oldest);
            }
        }
        let deaths = self.deaths.entry(node.clone()).or_default();
        deaths.push_back(now);
        if deaths.len() > REMEMBERED {
            deaths.pop_front();
        }
    }

    /// The death just counted was none: the node says that it leaves, and gossip was faster.
    pub(super) fn left(&mut self, now: Instant, node: &NodeName) {
        let Some(deaths) = self.deaths.get_mut(node) else { return };
        if deaths.back().is_some_and(|at| now.saturating_duration_since(*at) < FAREWELL) {
            deaths.pop_back();
        }
    }

    /// Decides who is flapping; `true` when that changed.
    pub(super) fn review(&mut self, now: Instant) -> bool {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < WITHIN;
        self.deaths.retain(|_, deaths| deaths.back().is_some_and(recent));
        let close = |deaths: &VecDeque<Instant>| match (deaths.iter().nth_back(TIMES - 1), deaths.back()) {
            (Some(first), Some(last)) => last.saturating_duration_since(*first) < WITHIN,
            _ => false,
        };
        let flapping = self.deaths.iter().filter(|(_, deaths)| close(deaths)).map(|(node, _)| node.clone()).collect();
        let changed = self.flapping != flapping;
        self.flapping = flapping;
        changed
    }

    /// Who is flapping.
    pub(super) const fn flapping(&self) -> &BTreeSet<NodeName> {
        &self.flapping
    }
}

// === impl Gossip ===

impl Gossip {
    /// A member was declared down.
    pub(super) fn count_death(&mut self, now: Instant, node: &NodeName) {
        self.flaps.died(now, node);
        if self.flaps.review(now) {
            self.view_changed = true;
            self.schedule(now, WITHIN, Task::Calm);
        }
    }

    /// A member says itself that it leaves: that is no death.
    pub(super) fn uncount_death(&mut self, now: Instant, node: &NodeName) {
        self.flaps.left(now, node);
        self.view_changed |= self.flaps.review(now);
    }

    pub(super) fn calm(&mut self, now: Instant) {
        self.view_changed |= self.flaps.review(now);
        if !self.flaps.flapping.is_empty() {
            self.schedule(now, WITHIN / 10, Task::Calm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn name() -> NodeName {
        NodeName::from("a")
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn the_third_death_within_ten_minutes_makes_a_node_flapping_for_ten() {
        let now = origin();
        let mut flaps = Flaps::default();
        for minute in [0, 4, 9] {
            assert!(!flaps.review(now + minutes(minute)));
            flaps.died(now + minutes(minute), &name());
        }
        assert!(flaps.review(now + minutes(9)));
        assert_eq!(flaps.flapping(), &[name()].into());
        assert!(!flaps.review(now + minutes(18)));
        assert!(flaps.review(now + minutes(19)));
        assert!(flaps.flapping().is_empty());
    }

    #[test]
    fn deaths_that_are_far_apart_do_not_count_together() {
        let now = origin();
        let mut flaps = Flaps::default();
        for minute in [0, 5, 10, 15] {
            flaps.died(now + minutes(minute), &name());
            assert!(!flaps.review(now + minutes(minute)), "minute {minute}");
        }
    }

    #[test]
    fn a_farewell_takes_the_death_back() {
        let now = origin();
        let mut flaps = Flaps::default();
        for minute in 0..6 {
            flaps.died(now + minutes(minute), &name());
            if minute > 1 {
                flaps.left(now + minutes(minute), &name());
            }
            assert!(!flaps.review(now + minutes(minute)));
        }
        flaps.left(now + minutes(9), &name());
        flaps.died(now + minutes(9), &name());
        assert!(flaps.review(now + minutes(9)), "the first two still count");
    }

    #[test]
    fn memory_is_bounded() {
        let now = origin();
        let mut flaps = Flaps::default();
        for number in 0..NODES + 5 {
            flaps.died(now, &NodeName::from(number.to_string()));
        }
        assert_eq!(flaps.deaths.len(), NODES);
    }
}
