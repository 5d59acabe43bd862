//! The pace of one interface: rate limits with a burst, by the generic cell rate algorithm (ITU-T I.371, as virtual
//! scheduling).

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

/// 2,000 frames a second: switches police what they hand to their own processor. Ten at once, for timers that tick in
/// milliseconds.
const PACED: (Duration, u32) = (Duration::from_micros(500), 10);

/// 1,000 first frames at once, replenished by 200 a second, that is within the duration of a burst. As many probes. It is
/// first frames that move clients; one that a switch drops is made up for by a later round, at the pace of rounds.
const UNPACED: (Duration, u32) = (Duration::from_millis(5), 1_000);

/// 50 frames a second.
const REFRESH: (Duration, u32) = (Duration::from_millis(20), 1);

/// The pace of everything that is sent without being asked for on one interface, both families together.
#[derive(Debug)]
pub(super) struct Pace {
    paced: Pacer,
    firsts: Pacer,
    probes: Pacer,
    refreshes: Pacer,
}

impl Pace {
    pub(super) fn new() -> Self {
        let pacer = |(interval, burst)| Pacer::new(interval, burst);
        Self { paced: pacer(PACED), firsts: pacer(UNPACED), probes: pacer(UNPACED), refreshes: pacer(REFRESH) }
    }

    /// Takes the first frame of an address into account, if it may be sent: from the reserve while it lasts.
    pub(super) fn take_first(&mut self, now: Instant) -> bool {
        Self::take_either(now, &mut self.firsts, &mut self.paced)
    }

    /// Takes a probe into account, if it may be sent.
    pub(super) fn take_probe(&mut self, now: Instant) -> bool {
        Self::take_either(now, &mut self.probes, &mut self.paced)
    }

    fn take_either(now: Instant, reserve: &mut Pacer, paced: &mut Pacer) -> bool {
        let ready = [reserve, paced].into_iter().find(|pacer| pacer.ready(now));
        ready.is_some_and(|pacer| {
            pacer.take(now, 1);
            true
        })
    }

    /// Whether frames of a burst may be sent.
    pub(super) fn ready(&self, now: Instant) -> bool {
        self.paced.ready(now)
    }

    /// Takes frames of a burst into account.
    pub(super) fn take(&mut self, now: Instant, frames: u32) {
        self.paced.take(now, frames);
    }

    /// Whether frames of a refresh may be sent.
    pub(super) fn refresh_ready(&self, now: Instant) -> bool {
        self.paced.ready(now) && self.refreshes.ready(now)
    }

    /// Takes frames of a refresh into account.
    pub(super) fn take_refresh(&mut self, now: Instant, frames: u32) {
        self.paced.take(now, frames);
        self.refreshes.take(now, frames);
    }

    /// When a first frame may be sent; `None` = at any time. So with the others.
    pub(super) fn first_at(&self) -> Option<Instant> {
        // `None` sorts first: an unused pacer is always ready.
        self.paced.ready_at().min(self.firsts.ready_at())
    }

    pub(super) fn probe_at(&self) -> Option<Instant> {
        self.paced.ready_at().min(self.probes.ready_at())
    }

    pub(super) fn burst_at(&self) -> Option<Instant> {
        self.paced.ready_at()
    }

    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.paced.ready_at().max(self.refreshes.ready_at())
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
