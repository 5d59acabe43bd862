//! The decisions of one candidate.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Held, Record, Terms};

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no lease: create it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// It was released or has expired: take it, provided that it is still as it was read.
    TakeOver,
    /// Somebody else holds it, for at least this long.
    Wait(Duration),
}

/// One process that wants the lease.
#[derive(Debug, Clone)]
pub struct Candidate {
    me: String,
    terms: Terms,
    /// The last lease that was seen.
    seen: Option<Record>,
    /// Whether it was still there at the last look.
    exists: bool,
    /// When what was seen last changed, by our clock.
    changed_at: Instant,
    held_until: Option<Instant>,
    /// Rounds so far, for jitter.
    rounds: u64,
}

// === impl Candidate ===

impl Candidate {
    /// A candidate that has seen nothing yet. `me` is different for every process: two that share it would both hold.
    pub fn new(me: impl Into<String>, terms: Terms, now: Instant) -> Self {
        let me = me.into();
        Self { me, terms, seen: None, exists: false, changed_at: now, held_until: None, rounds: 0 }
    }

    /// Takes over what was read of the lease at `now`; `None`: there is none.
    pub fn observe(&mut self, record: Option<Record>, now: Instant) {
        self.exists = record.is_some();
        let Some(record) = record else {
            // Its holder may not know yet that the lease was deleted, so it goes on counting for whoever saw it.
            if self.seen.as_ref().is_some_and(|seen| seen.holder.as_ref() == Some(&self.me)) {
                self.seen = None;
                self.held_until = None;
            }
            return;
        };
        if record.holder.as_ref() != Some(&self.me) {
            self.held_until = None;
        }
        if self.seen.as_ref() != Some(&record) {
            self.seen = Some(record);
            self.changed_at = now;
        }
    }

    /// What to do about what was last seen.
    pub fn step(&self, now: Instant) -> Step {
        let take = if self.exists { Step::TakeOver } else { Step::Create };
        let Some(seen) = &self.seen else { return take };
        match &seen.holder {
            None => take,
            Some(holder) if *holder == self.me => Step::Renew,
            Some(_) => {
                let duration = seen.duration.unwrap_or_default().max(self.terms.duration);
                let left = duration.saturating_sub(now.saturating_duration_since(self.changed_at));
                if left.is_zero() { take } else { Step::Wait(left) }
            }
        }
    }

    /// What to write for [`Step::Create`], [`Step::Renew`] and [`Step::TakeOver`]; `wall` is for people.
    pub fn proposal(&self, wall: Timestamp) -> Record {
        let seen = self.seen.as_ref();
        let mine = seen.filter(|seen| seen.holder.as_ref() == Some(&self.me));
        Record {
            holder: Some(self.me.clone()),
            renewed: Some(wall),
            acquired: mine.map_or(Some(wall), |mine| mine.acquired),
            duration: Some(self.terms.duration),
            transitions: match (seen, mine) {
                (None, _) => 0,
                (Some(seen), Some(_)) => seen.transitions,
                (Some(seen), None) => seen.transitions.saturating_add(1),
            },
        }
    }

    /// What to write to give it up; `None`: it is not ours, as far as is known.
    pub fn release(&mut self) -> Option<Record> {
        self.held_until = None;
        let seen = self.seen.as_ref().filter(|seen| self.exists && seen.holder.as_ref() == Some(&self.me))?;
        Some(Record { holder: None, ..seen.clone() })
    }

    /// A proposal was written; the call began at `began`, and is known at `now` to have succeeded.
    pub fn written(&mut self, record: Record, began: Instant, now: Instant) {
        if record.holder.as_ref() == Some(&self.me) {
            self.held_until = began.checked_add(self.terms.renew_deadline);
        }
        self.seen = Some(record);
        self.exists = true;
        self.changed_at = now;
    }

    /// Whether, and until when, acting is allowed.
    pub fn held(&self, now: Instant) -> Held {
        self.held_until.filter(|until| now < *until).map_or(Held::no(), Held::until)
    }

    /// How long to rest before the next round: the retry period, less where the lease expires sooner, and by chance up
    /// to a fifth more, so that candidates do not go on in step.
    pub fn rest(&mut self, now: Instant) -> Duration {
        self.rounds = self.rounds.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (&self.me, self.rounds).hash(&mut hasher);
        let sixteenth = u32::try_from(hasher.finish() % 16).unwrap_or(0);
        let jitter = self.terms.retry / 80 * sixteenth;
        let rest = match self.step(now) {
            Step::Wait(left) => left.min(self.terms.retry),
            Step::Create | Step::Renew | Step::TakeOver => self.terms.retry,
        };
        rest + jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any instant will do, but only the clock makes one")]
    fn start() -> Instant {
        Instant::now()
    }

    fn record(holder: &str, renewed: i64) -> Record {
        Record {
            holder: (!holder.is_empty()).then(|| holder.to_owned()),
            renewed: Some(Timestamp::from_second(renewed).unwrap()),
            duration: Some(15 * SECOND),
            ..Record::default()
        }
    }

    fn candidate(start: Instant) -> Candidate {
        Candidate::new("me", Terms::default(), start)
    }

    #[test]
    fn a_lease_that_is_not_there_is_created_and_one_that_was_released_is_taken() {
        let start = start();
        let mut me = candidate(start);
        assert_eq!(me.step(start), Step::Create);
        me.observe(Some(record("", 0)), start);
        assert_eq!(me.step(start), Step::TakeOver);
        assert_eq!(me.held(start), Held::no(), "wanting is not having");
    }

    #[test]
    fn a_silent_holder_is_waited_for_a_whole_duration_of_our_own_clock() {
        let start = start();
        let mut me = candidate(start);
        me.observe(Some(record("other", 0)), start);
        me.observe(Some(record("other", 10)), start + 10 * SECOND);
        me.observe(Some(record("other", 10)), start + 24 * SECOND);
        assert_eq!(me.step(start + 24 * SECOND), Step::Wait(SECOND));
        assert_eq!(me.step(start + 25 * SECOND), Step::TakeOver);
    }

    #[test]
    fn the_time_that_stands_in_the_lease_is_not_believed() {
        let start = start();
        let mut me = candidate(start);
        me.observe(Some(record("other", i64::from(i32::MIN))), start);
        assert_eq!(me.step(start), Step::Wait(15 * SECOND));
    }

    #[test]
    fn a_holder_that_asks_for_more_time_gets_it_and_nonsense_is_ours() {
        let start = start();
        for (seconds, expected) in [(60, 60), (3, 15), (0, 15), (-4, 15), (i32::MAX, 15)] {
            let mut object = k8s_openapi::api::coordination::v1::Lease::default();
            record("other", 0).write_to(&mut object);
            object.spec.as_mut().unwrap().lease_duration_seconds = Some(seconds);
            let mut me = candidate(start);
            me.observe(Some(Record::of(&object)), start);
            assert_eq!(me.step(start), Step::Wait(expected * SECOND), "{seconds}");
        }
    }

    #[test]
    fn holding_counts_from_the_beginning_of_the_write() {
        let start = start();
        let mut me = candidate(start);
        me.written(me.proposal(Timestamp::UNIX_EPOCH), start, start + 4 * SECOND);
        assert_eq!(me.held(start + 4 * SECOND), Held::until(start + 10 * SECOND));
        assert_eq!(me.step(start + 4 * SECOND), Step::Renew);
        assert_eq!(me.held(start + 10 * SECOND), Held::no());
    }

    #[test]
    fn another_holder_ends_holding_at_once() {
        let start = start();
        let mut me = candidate(start);
        me.written(me.proposal(Timestamp::UNIX_EPOCH), start, start);
        me.observe(Some(record("other", 1)), start + SECOND);
        assert_eq!(me.held(start + SECOND), Held::no());
        assert_eq!(me.release(), None, "what is not ours is not given up");
    }

    #[test]
    fn a_deleted_lease_goes_on_counting_for_whoever_saw_its_holder() {
        let start = start();
        let mut me = candidate(start);
        me.observe(Some(record("other", 0)), start);
        me.observe(None, start + SECOND);
        assert_eq!(me.step(start + 2 * SECOND), Step::Wait(13 * SECOND));
        assert_eq!(me.step(start + 15 * SECOND), Step::Create);
        let mut holder = candidate(start);
        holder.written(holder.proposal(Timestamp::UNIX_EPOCH), start, start);
        holder.observe(None, start + SECOND);
        assert_eq!((holder.held(start + SECOND), holder.step(start + SECOND)), (Held::no(), Step::Create));
    }

    #[test]
    fn changing_hands_is_counted_and_renewing_is_not() {
        let start = start();
        let mut me = candidate(start);
        let wall = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(me.proposal(wall(1)).transitions, 0);
        me.observe(Some(Record { transitions: 4, ..record("", 0) }), start);
        let first = me.proposal(wall(1));
        me.written(first.clone(), start, start);
        let second = me.proposal(wall(3));
        assert_eq!((first.transitions, second.transitions), (5, 5));
        assert_eq!((second.acquired, second.renewed), (Some(wall(1)), Some(wall(3))));
        assert_eq!(me.release(), Some(Record { holder: None, ..first }));
        assert_eq!(me.held(start), Held::no());
    }

    #[test]
    fn candidates_do_not_rest_in_step_nor_longer_than_a_lease_stands() {
        let start = start();
        let mut me = candidate(start);
        let rests: std::collections::BTreeSet<Duration> = (0..32).map(|_| me.rest(start)).collect();
        assert!(rests.len() > 4, "{rests:?}");
        assert!(rests.iter().all(|rest| (2 * SECOND..=2 * SECOND * 6 / 5).contains(rest)), "{rests:?}");
        me.observe(Some(record("other", 0)), start);
        assert!(me.rest(start + 14 * SECOND) < 2 * SECOND);
    }
}
