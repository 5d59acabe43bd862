//! What follows when this node was declared down, stalled, found its clock set back, or leaves.
//!
//! A verdict of SWIM is final for an identity. After a partition both sides have declared each other down, so each node
//! that the other side knew renews its identity. That alone says nothing about its claims: on the larger side nobody
//! took over from it. But a node that saw less than half of the cluster has been replaced, and took addresses whose
//! owners live: it voids its claims by a new boot stamp, as one does that stalled.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foca::{Identity as _, Member, State};

use rand::RngExt;

use super::hearing::Hearing;
use super::readiness::{self, Readiness};
use super::vigil::Vigil;
use super::{Gossip, lives};
use crate::identity::Identity;
use crate::swim::{Effects, new_swim};
use crate::timers::Task;
use crate::wire::Message;

/// A node counts as cut off for this long after it saw the larger part again: by then the healing is over.
const CUT_OFF_FOR: Duration = Duration::from_secs(10);

/// Rounds of gossip about our own departure, beside telling all members directly.
const FAREWELLS: u8 = 3;

/// How often a node that left asks what became of its addresses.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Whether this node lost sight of the larger part of the cluster.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Company {
    alive: usize,
    outnumbered: bool,
    /// When that ended.
    until: Option<Instant>,
}

// === impl Company ===

impl Company {
    /// Compares who is alive with who should be.
    pub(super) fn review<'a>(
        &mut self,
        now: Instant,
        seeds: &BTreeSet<SocketAddr>,
        alive: impl Iterator<Item = &'a Identity>,
    ) {
        let mut alive: Vec<SocketAddr> = alive.map(|member| member.addr).collect();
        alive.sort_unstable();
        alive.dedup();
        let missing = seeds.iter().filter(|seed| alive.binary_search(seed).is_err()).count();
        let all = alive.len().saturating_add(missing).max(1);
        let few = alive.len().saturating_mul(2) < all;
        if self.outnumbered && !few {
            self.until = Some(now);
        }
        // While the cluster grows round a node, or forms, there are few as well; but nobody was lost.
        self.outnumbered = few && (self.outnumbered || alive.len() < self.alive);
        self.alive = alive.len();
    }

    /// This node sees, or saw until a moment ago, less than half of the cluster, and had seen more.
    pub(super) fn cut_off(&self, now: Instant) -> bool {
        self.outnumbered || self.until.is_some_and(|end| now.saturating_duration_since(end) < CUT_OFF_FOR)
    }
}

// === impl Gossip ===

impl Gossip {
    /// Finds out whether this node ran when it should have.
    pub(super) fn notice_stall(&mut self, now: Instant) {
        let due = self.timers.next().map_or(now, |due| due.max(self.awake));
        let late = now.saturating_duration_since(due);
        self.awake = self.awake.max(now);
        self.stalled(now, late);
    }

    /// This node did not run for `late`, and maybe the others did.
    pub(super) fn stalled(&mut self, now: Instant, late: Duration) {
        if late > self.profile.probe_period {
            // Refutations may wait in the socket, or were never sent because our probes were not.
            self.timers.postpone_suspicions(late);
            self.hearing.stalled(late);
            self.vigil.stalled(late);
        }
        if late >= self.profile.stall_tolerance() && !self.left && self.somebody_else_exists() {
            self.fresh_start(now, self.me.boot);
        }
    }

    /// We were declared down and foca renewed our identity. The others know our claims under it.
    pub(super) fn rejoined(&mut self, now: Instant) {
        // A changed identity leaves foca disconnected until the next datagram; the members are known, so go on.
        let result = self.swim.apply_many(std::iter::empty(), false, &mut self.effects);
        self.count_refusal(&result);
        self.present_ourselves(&self.other_addresses());
        // If it was us who were cut off, others own our addresses by now.
        if let Some(peer) = self.any_of(&self.other_addresses()) {
            self.pull(now, peer);
        }
    }

    /// Somebody knows a newer identity at our address: our clock was set back before the start.
    pub(super) fn outdated(&mut self, now: Instant, known: &Identity) {
        if known.addr == self.me.addr && known.win_addr_conflict(&self.me) {
            self.fresh_start(now, known.boot);
        }
    }

    /// Begins a new life, later than `after`, as a restart of the process would: our claims are void, and we wait for
    /// news. What SWIM believed is forgotten, above all who is down. Those verdicts may be our own mistake, and are
    /// final for whoever hears them.
    pub(super) fn fresh_start(&mut self, now: Instant, after: u64) {
        self.counters.fresh_starts += 1;
        let known = self.other_addresses();
        let boot = self.wall_clock(now).max(after.saturating_add(1));
        let me = Identity { boot, rejoins: 0, ..self.me.clone() };
        (self.swim, self.relayed) = new_swim(me, &self.profile, self.rng.random());
        self.effects = Effects::default();
        self.timers.forget_swim();
        self.departed.clear();
        self.conceded.clear();
        self.pulls.clear();
        self.company = Company::default();
        self.hearing = Hearing::new(now);
        self.vigil = Vigil::new(now);
        self.downed.clear();
        if known.is_empty() {
            self.readiness = Readiness::alone_before(now);
            self.schedule(now, readiness::SEEDS, Task::Ready);
        } else {
            self.readiness = Readiness::new(now);
            self.schedule(now, readiness::ALONE, Task::Ready);
        }
        self.review_members(now);
        self.publish_own_facts();
        // They answer with a greeting, by which we know them again.
        self.present_ourselves(&known);
        if known.is_empty() {
            for seed in self.seeds.clone() {
                self.invite(now, seed);
            }
        }
    }

    pub(super) fn leave(&mut self, now: Instant) {
        if self.left {
            return;
        }
        let others = self.other_addresses();
        let result = self.swim.leave_cluster(&mut self.effects);
        self.count_refusal(&result);
        for _ in 0..FAREWELLS {
            let result = self.swim.gossip(&mut self.effects);
            self.count_refusal(&result);
        }
        self.settle(now);
        let departure = Message::Records(vec![Member::new(self.me.clone(), 0, State::Down)]);
        self.transmit_to_each(&others, &departure);
        self.left = true;
        self.pulls.clear();
        self.review_members(now);
        self.schedule(now, FOLLOW_INTERVAL, Task::Follow);
    }

    /// After leaving: a successor's claim that was lost on its way to us comes with the state of any member.
    pub(super) fn follow(&mut self, now: Instant) {
        self.schedule(now, FOLLOW_INTERVAL, Task::Follow);
        if let Some(peer) = self.any_of(&self.other_addresses()) {
            self.pull(now, peer);
        }
    }

    /// The claim is ours, of this life.
    pub(super) fn is_ours(&self, claim: &crate::Claim) -> bool {
        claim.owner == self.me.name && !claim.released && lives(&self.members, claim)
    }

    fn somebody_else_exists(&self) -> bool {
        !self.seeds.is_empty() || self.swim.iter_membership_state().len() > 0
    }

    /// Milliseconds since the Unix epoch.
    fn wall_clock(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.started).as_millis();
        self.epoch_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn nodes(numbers: std::ops::Range<u8>) -> Vec<Identity> {
        numbers
            .map(|number| Identity::new(format!("n{number}"), SocketAddr::from(([192, 0, 2, number], 7946)), 1))
            .collect()
    }

    #[test]
    fn half_of_the_cluster_is_not_outnumbered_but_less_is() {
        let now = origin();
        let seeds = nodes(1..4).iter().map(|node| node.addr).collect();
        let mut company = Company::default();
        company.review(now, &seeds, nodes(0..1).iter());
        assert!(!company.cut_off(now), "at the start");
        company.review(now, &seeds, nodes(0..2).iter());
        assert!(!company.cut_off(now), "2 of 4");
        company.review(now, &seeds, nodes(0..1).iter());
        assert!(company.cut_off(now), "1 of 4");
    }

    #[test]
    fn having_been_cut_off_counts_for_ten_seconds() {
        let now = origin();
        let seeds = nodes(1..4).iter().map(|node| node.addr).collect();
        let mut company = Company::default();
        company.review(now, &seeds, nodes(0..4).iter());
        company.review(now, &seeds, nodes(0..1).iter());
        company.review(now + Duration::from_secs(60), &seeds, nodes(0..4).iter());
        assert!(company.cut_off(now + Duration::from_secs(69)));
        assert!(!company.cut_off(now + Duration::from_secs(70)));
    }
}
