//! Says the same thing once: a peer that cannot be reached fails again and again, and the log shall stay readable.

use std::time::{Duration, Instant};

use super::DownReason;

/// A failure that repeats itself is told again after this time.
const AGAIN: Duration = Duration::from_secs(600);

/// So many different failures are told apart; the one told longest ago is forgotten for another.
const KINDS: usize = 8;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Damper {
    told: Vec<(DownReason, Told)>,
}

/// When it was told, and what was not told since.
#[derive(Debug)]
pub(super) struct Told {
    at: Instant,
    suppressed: u32,
}

// === impl Damper ===

impl Damper {
    /// Whether to tell a failure: then with how many that were not told.
    pub(super) fn tell(&mut self, now: Instant, reason: &DownReason) -> Option<u32> {
        if let Some((_, told)) = self.told.iter_mut().find(|(other, _)| other == reason) {
            return told.again(now);
        }
        if self.told.len() >= KINDS
            && let Some(oldest) = (0..self.told.len()).min_by_key(|at| self.told.get(*at).map(|(_, told)| told.at))
        {
            self.told.swap_remove(oldest);
        }
        self.told.push((reason.clone(), Told::new(now)));
        Some(0)
    }

    /// From here on everything is news.
    pub(super) fn reset(&mut self) {
        self.told.clear();
    }
}

// === impl Told ===

impl Told {
    pub(super) fn new(at: Instant) -> Self {
        Self { at, suppressed: 0 }
    }

    /// The same once more.
    pub(super) fn again(&mut self, now: Instant) -> Option<u32> {
        if now.saturating_duration_since(self.at) < AGAIN {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        Some(std::mem::replace(self, Self::new(now)).suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::origin;

    fn failure(text: &str) -> DownReason {
        DownReason::ConnectFailed(text.to_owned())
    }

    #[test]
    fn the_same_failure_is_told_once_and_again_after_ten_minutes_with_a_count() {
        let (start, mut damper) = (origin(), Damper::default());
        let told: Vec<_> =
            (0..=20).map(|minute| damper.tell(start + Duration::from_secs(60 * minute), &failure("refused"))).collect();
        let mut expected = vec![None; 21];
        (expected[0], expected[10], expected[20]) = (Some(0), Some(9), Some(9));
        assert_eq!(told, expected);
    }

    #[test]
    fn another_failure_is_told_at_once_and_two_in_turn_do_not_flood() {
        let (now, mut damper) = (origin(), Damper::default());
        assert_eq!(damper.tell(now, &failure("refused")), Some(0));
        assert_eq!(damper.tell(now, &failure("no route")), Some(0));
        assert_eq!(damper.tell(now, &failure("refused")), None);
        assert_eq!(damper.tell(now, &failure("no route")), None);
        damper.reset();
        assert_eq!(damper.tell(now, &failure("refused")), Some(0));
    }

    #[test]
    fn memory_is_bounded() {
        let (now, mut damper) = (origin(), Damper::default());
        for number in 0..1000 {
            damper.tell(now, &failure(&number.to_string()));
        }
        assert_eq!(damper.told.len(), KINDS);
    }
}
