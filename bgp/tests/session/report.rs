//! What happened, to be sure that it did.

use std::fmt;
use std::iter::Sum;
use std::time::Duration;

/// Counts of one run, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) sessions: u64,
    pub(crate) collisions: u64,
    pub(crate) hold_timers: u64,
    pub(crate) replaced: u64,
    pub(crate) kept: u64,
    pub(crate) hard_resets: u64,
    pub(crate) messages: u64,
    pub(crate) routes: u64,
    pub(crate) updates: u64,
    pub(crate) steps: u64,
    pub(crate) slowest: Duration,
}

// === impl Report ===

impl Report {
    /// Everything that is meant to happen did.
    pub(crate) fn has_everything(&self) -> bool {
        let Self { sessions, collisions, hold_timers, replaced, kept, hard_resets, messages, updates, routes, .. } =
            self;
        [sessions, collisions, hold_timers, replaced, kept, hard_resets, messages, updates, routes]
            .into_iter()
            .all(|count| *count > 0)
    }
}

impl Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |a, b| Self {
            sessions: a.sessions + b.sessions,
            collisions: a.collisions + b.collisions,
            hold_timers: a.hold_timers + b.hold_timers,
            replaced: a.replaced + b.replaced,
            kept: a.kept + b.kept,
            hard_resets: a.hard_resets + b.hard_resets,
            messages: a.messages + b.messages,
            routes: a.routes + b.routes,
            updates: a.updates + b.updates,
            steps: a.steps + b.steps,
            slowest: a.slowest.max(b.slowest),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, collisions, hold_timers, replaced, kept, hard_resets, .. } = self;
        write!(
            f,
            "{sessions} sessions of both sides, {collisions} collisions, {hold_timers} hold timers, {replaced} replaced after a restart, {kept} ends that kept routes, {hard_resets} hard resets, {} messages and \
             {} updates in {} steps, {} routes at rest; slowest recovery {:.1} s",
            self.messages,
            self.updates,
            self.steps,
            self.routes,
            self.slowest.as_secs_f64()
        )
    }
}
