//! How often something is told: a few times at once, then seldom. What is held back is told when its time comes, if it
//! still is so.

use std::time::{Duration, Instant};

/// Told at once, after a while without anything to tell.
const BURST: u32 = 3;
/// Each of them is there again after so long.
const REFILL: Duration = Duration::from_secs(10);

/// A bucket of permits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When the bucket is full again.
    full_at: Instant,
}

// === impl Pace ===

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes a permit.
    ///
    /// # Errors
    /// There is none before that time.
    pub(super) fn permit(&mut self, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.max(now) + REFILL;
        let allowed_from = full_at.checked_sub(REFILL * BURST).unwrap_or(now);
        if allowed_from > now {
            return Err(allowed_from);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Whether nothing is remembered any more.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_told_at_once_and_then_one_every_ten_seconds() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..BURST {
            assert_eq!(pace.permit(start), Ok(()));
        }
        assert_eq!(pace.permit(start), Err(start + REFILL));
        assert_eq!(pace.permit(start + REFILL), Ok(()));
        assert_eq!(pace.permit(start + REFILL), Err(start + REFILL * 2));
        assert!(!pace.is_full(start + REFILL) && pace.is_full(start + REFILL * 4));
    }
}
