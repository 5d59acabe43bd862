//! When this node knows enough to claim addresses: it has heard what the others own, or there are no others.

use std::time::{Duration, Instant};

/// Without any member for this long, a node is ready by itself.
pub(super) const ALONE: Duration = Duration::from_secs(3);

/// How long after the first member the other seeds are waited for.
pub(super) const SEEDS: Duration = Duration::from_millis(500);

/// What is known about the others since the (fresh) start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readiness {
    ready: bool,
    heard_state: bool,
    first_member: Option<Instant>,
    alone_since: Option<Instant>,
    /// How long to be alone makes ready.
    alone: Duration,
}

// === impl Readiness ===

impl Readiness {
    /// A start without any member.
    pub(super) const fn new(now: Instant) -> Self {
        Self { ready: false, heard_state: false, first_member: None, alone_since: Some(now), alone: ALONE }
    }

    /// A fresh start of a node that was alone before: who has come meanwhile answers at once.
    pub(super) const fn alone_before(now: Instant) -> Self {
        Self { alone: SEEDS, ..Self::new(now) }
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) const fn needs_state(&self) -> bool {
        !self.heard_state
    }

    /// There is a member.
    pub(super) fn in_company(&mut self, now: Instant) {
        self.alone_since = None;
        self.first_member.get_or_insert(now);
    }

    /// There is no member any more.
    pub(super) fn alone(&mut self, now: Instant) {
        self.alone_since.get_or_insert(now);
    }

    /// The whole state of a member was received.
    pub(super) const fn heard_state(&mut self) {
        self.heard_state = true;
    }

    /// Decides; `true` when this node just became ready.
    pub(super) fn review(&mut self, now: Instant, all_seeds_are_members: impl FnOnce() -> bool) -> bool {
        let past =
            |since: Option<Instant>, wait| since.is_some_and(|since| now.saturating_duration_since(since) >= wait);
        if self.ready {
            return false;
        }
        let informed = self.heard_state && (past(self.first_member, SEEDS) || all_seeds_are_members());
        if !(informed || past(self.alone_since, self.alone)) {
            return false;
        }
        self.ready = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    #[test]
    fn alone_for_three_seconds_is_ready() {
        let now = origin();
        let mut readiness = Readiness::new(now);
        assert!(!readiness.review(now + Duration::from_millis(2999), || true));
        assert!(readiness.review(now + ALONE, || true));
        assert!(readiness.is_ready());
    }

    #[test]
    fn who_was_alone_before_waits_half_a_second() {
        let now = origin();
        let mut readiness = Readiness::alone_before(now);
        assert!(!readiness.review(now + Duration::from_millis(499), || false));
        assert!(readiness.review(now + SEEDS, || false));
    }

    #[test]
    fn with_all_seeds_the_state_of_one_member_is_enough() {
        let now = origin();
        let mut readiness = Readiness::new(now);
        readiness.in_company(now);
        assert!(!readiness.review(now + ALONE, || true), "no state yet");
        readiness.heard_state();
        assert!(readiness.review(now, || true));
    }

    #[test]
    fn missing_seeds_are_waited_for_half_a_second() {
        let now = origin();
        let mut readiness = Readiness::new(now);
        readiness.in_company(now);
        readiness.heard_state();
        assert!(!readiness.review(now + Duration::from_millis(499), || false));
        assert!(readiness.review(now + SEEDS, || false));
    }

    #[test]
    fn losing_the_only_member_before_its_state_came_means_waiting_three_seconds() {
        let now = origin();
        let mut readiness = Readiness::new(now);
        readiness.in_company(now + Duration::from_secs(2));
        readiness.alone(now + Duration::from_secs(4));
        assert!(!readiness.review(now + Duration::from_secs(6), || false));
        assert!(readiness.review(now + Duration::from_secs(7), || false));
    }
}
