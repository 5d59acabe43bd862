//! What is to be done when: a queue of deadlines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foca::Timer;

use crate::identity::Identity;

/// Something to do at a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A timer of foca.
    Swim(Timer<Identity>),
    /// Remind a member that we suspect it.
    Nudge {
        /// The suspect.
        suspect: Identity,
        /// How many more reminders follow.
        left: u8,
    },
    /// Send a beat to the one who watches us.
    Beat,
    /// See whether the one we watch was heard.
    Watch,
    /// The one we watch did not answer at once, unless it was heard since.
    Help {
        /// Whom we watch.
        member: Identity,
        /// When we began to ask.
        since: Instant,
    },
    /// Nobody had an answer from the one we watch, unless it was heard since.
    Judge {
        /// Whom we watch.
        member: Identity,
        /// When we began to ask.
        since: Instant,
    },
    /// A suspicion of ours was not refuted, unless the suspect was heard since.
    Verdict {
        /// The suspect.
        suspect: Identity,
        /// Which of its incarnations is suspected.
        incarnation: u16,
        /// When we began to ask.
        since: Instant,
    },
    /// Compare digests with one member.
    Sync,
    /// Invite one seed.
    Seed,
    /// Ask again for a page that did not come.
    PullAgain {
        /// Who was asked.
        peer: SocketAddr,
        /// Which question it was.
        serial: u64,
    },
    /// See whether we became ready.
    Ready,
    /// Forget old claims.
    Forget,
    /// Tell winners which claims they beat.
    Concede {
        /// The pause until they are told again.
        next: Duration,
    },
    /// See whether flapping members have held out.
    Calm,
    /// After leaving: ask a member what became of our addresses.
    Follow,
}

/// Deadlines in order. Those of the same moment run in the order that foca asks for, then as they were added.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<(Instant, u8, u64), Task>,
    added: u64,
}

// === impl Timers ===

impl Timers {
    pub(crate) fn add(&mut self, at: Instant, task: Task) {
        self.added = self.added.wrapping_add(1);
        self.queue.insert((at, task.order(), self.added), task);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, ..), _)| *at)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes the first task that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Task> {
        let first = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Drops what belongs to an instance of SWIM that is gone.
    pub(crate) fn forget_swim(&mut self) {
        self.queue.retain(|_, task| {
            !matches!(
                task,
                Task::Swim(_) | Task::Nudge { .. } | Task::Help { .. } | Task::Judge { .. } | Task::Verdict { .. }
            )
        });
    }

    /// Gives all suspects `extra` time: we did not run, so we cannot have heard them.
    pub(crate) fn postpone_suspicions(&mut self, extra: Duration) {
        let suspicion =
            |task: &Task| matches!(task, Task::Swim(Timer::ChangeSuspectToDown { .. }) | Task::Verdict { .. });
        for ((at, order, added), task) in std::mem::take(&mut self.queue) {
            let at = if suspicion(&task) { at.checked_add(extra).unwrap_or(at) } else { at };
            self.queue.insert((at, order, added), task);
        }
    }
}

// === impl Task ===

impl Task {
    /// foca wants indirect probes before the next probe, and that before verdicts.
    const fn order(&self) -> u8 {
        match self {
            Self::Swim(Timer::SendIndirectProbe { .. }) => 0,
            Self::Swim(Timer::ProbeRandomMember(_)) => 1,
            Self::Swim(Timer::ChangeSuspectToDown { .. }) | Self::Judge { .. } | Self::Verdict { .. } => 2,
            Self::Swim(
                Timer::PeriodicAnnounce(_)
                | Timer::PeriodicAnnounceDown(_)
                | Timer::PeriodicGossip(_)
                | Timer::RemoveDown(_),
            )
            | Self::Nudge { .. }
            | Self::Help { .. }
            | Self::Beat
            | Self::Watch
            | Self::Sync
            | Self::Seed
            | Self::PullAgain { .. }
            | Self::Ready
            | Self::Forget
            | Self::Concede { .. }
            | Self::Calm
            | Self::Follow => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    #[test]
    fn tasks_of_one_moment_run_in_focas_order() {
        let now = origin();
        let mut timers = Timers::default();
        let someone = Identity::new("a", "192.0.2.1:7946".parse().unwrap(), 1);
        let verdict = Timer::ChangeSuspectToDown { member_id: someone.clone(), incarnation: 0, token: 0 };
        timers.add(now, Task::Sync);
        timers.add(now, Task::Swim(verdict.clone()));
        timers.add(now, Task::Swim(Timer::ProbeRandomMember(0)));
        timers.add(now, Task::Swim(Timer::SendIndirectProbe { probed_id: someone, token: 0 }));
        let order: Vec<Task> = std::iter::from_fn(|| timers.pop(now)).collect();
        assert!(matches!(order[0], Task::Swim(Timer::SendIndirectProbe { .. })));
        assert!(matches!(order[1], Task::Swim(Timer::ProbeRandomMember(_))));
        assert_eq!(order[2], Task::Swim(verdict));
        assert_eq!(order[3], Task::Sync);
    }

    #[test]
    fn only_suspicions_are_postponed() {
        let now = origin();
        let mut timers = Timers::default();
        let someone = Identity::new("a", "192.0.2.1:7946".parse().unwrap(), 1);
        timers.add(now, Task::Swim(Timer::ChangeSuspectToDown { member_id: someone, incarnation: 0, token: 0 }));
        timers.add(now + Duration::from_millis(1), Task::Sync);
        timers.postpone_suspicions(Duration::from_millis(150));
        assert_eq!(timers.pop(now), None);
        assert_eq!(timers.pop(now + Duration::from_millis(149)), Some(Task::Sync));
        assert!(timers.pop(now + Duration::from_millis(150)).is_some());
    }
}
