//! The time of a brain, which begins with its first input: the same wherever and whenever it is played back.

use std::ops::Add;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Nanoseconds since the first input of a brain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

// === impl Moment ===

impl Moment {
    /// The moment of `now`, of a brain whose first input came at `origin`.
    pub fn of(now: Instant, origin: Instant) -> Self {
        Self::default() + now.saturating_duration_since(origin)
    }

    /// Since the first input.
    pub const fn elapsed(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}
