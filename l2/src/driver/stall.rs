//! Whether this process stood still: stopped, starved of its processor, or suspended with the machine.

use std::time::Duration;

use super::sys;

/// Looks at the clock again and again; two looks too far apart mean a standstill.
#[derive(Debug)]
pub(super) struct Watchdog {
    tolerance: Option<Duration>,
    looked: Duration,
}

impl Watchdog {
    /// Never finds a standstill without a `tolerance`.
    pub(super) fn new(tolerance: Option<Duration>) -> Self {
        Self { tolerance, looked: sys::since_boot() }
    }

    /// How often to look at least, so that being idle is no standstill.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.tolerance.map(|tolerance| tolerance / 2)
    }

    /// Whether a standstill ends now; it ends once.
    pub(super) fn look(&mut self) -> Option<Duration> {
        let now = sys::since_boot();
        let gap = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        (self.tolerance? < gap).then_some(gap)
    }

    /// Whether the last look is longer ago than tolerated.
    pub(super) fn is_late(&self) -> bool {
        self.tolerance.is_some_and(|tolerance| sys::since_boot().saturating_sub(self.looked) > tolerance)
    }
}
