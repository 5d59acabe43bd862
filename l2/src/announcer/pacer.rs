//! A rate limit with a burst: the generic cell rate algorithm (ITU-T I.371, as virtual scheduling).

use std::time::{Duration, Instant};

/// Lets on average one thing through per interval, and some at once after a pause.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Mean time between two.
    interval: Duration,
    /// How far ahead of the mean rate one may be.
    tolerance: Duration,
    /// When the next would be due at the mean rate ("theoretical arrival time").
    due: Option<Instant>,
}

impl Pacer {
    /// One per `interval`, up to `burst` (at least 1) at once.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, tolerance: interval * burst.saturating_sub(1), due: None }
    }

    /// The earliest time at which [`ready`](Self::ready) holds; `None` = it does already, whenever asked.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.due.map(|due| due.checked_sub(self.tolerance).unwrap_or(due))
    }

    /// Whether one may pass.
    pub(super) fn ready(&self, now: Instant) -> bool {
        self.ready_at().is_none_or(|at| at <= now)
    }

    /// Takes `count` into account, which need not have been allowed: what exceeds the rate delays the next.
    pub(super) fn take(&mut self, now: Instant, count: u32) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.interval * count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
    fn burst_passes_at_once_then_the_mean_rate_holds() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10 * MS, 3);
        let mut passed = Vec::new();
        for ms in 0..60 {
            let now = start + ms * MS;
            while pacer.ready(now) {
                pacer.take(now, 1);
                passed.push(ms);
            }
        }
        assert_eq!(passed, [0, 0, 0, 10, 20, 30, 40, 50]);
        let after_a_pause = start + 1000 * MS;
        let again = (0..10).take_while(|_| {
            let ready = pacer.ready(after_a_pause);
            pacer.take(after_a_pause, u32::from(ready));
            ready
        });
        assert_eq!(again.count(), 3);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
    fn what_exceeds_the_rate_is_paid_back() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10 * MS, 1);
        pacer.take(start, 5);
        assert_eq!(pacer.ready_at(), Some(start + 50 * MS));
    }
}
