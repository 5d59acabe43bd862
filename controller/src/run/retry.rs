//! When to try again what has failed, and how long to write nothing at all. Pure: `now` is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// A write that failed is tried again after this, and after twice as long each time up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Retry {
    at: Option<Instant>,
    failures: u32,
    /// Whoever takes the writes has asked for quiet until then.
    quiet_until: Option<Instant>,
}

// === impl Retry ===

impl Retry {
    /// Something failed; `quiet`: how long whoever refused it wants to be left alone.
    pub(super) fn failed(&mut self, quiet: Option<Duration>, now: Instant) {
        let quiet_until = quiet.map(|quiet| now + quiet);
        self.quiet_until = self.quiet_until.max(quiet_until);
        if self.at.is_none() {
            let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
            self.failures += 1;
            self.at = Some(now + pause);
        }
        self.at = self.at.max(quiet_until);
    }

    /// Something went well, and nothing waits to be tried again.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing is to be written.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    /// When to look again: for something to try again, or because the quiet ends.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let end = self.quiet_until.filter(|until| now < *until);
        [self.at, end].into_iter().flatten().min()
    }

    /// Whether it is time to try again; true once for every time.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(7);

    #[test]
    fn what_fails_again_and_again_is_tried_more_and_more_seldom() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..20 {
            retry.failed(None, now);
            // Others that fail meanwhile wait for the same moment.
            retry.failed(None, now);
            let at = retry.next(now).unwrap();
            pauses.push((at - now).as_millis());
            assert!(!retry.is_due(at - Duration::from_millis(1)) && retry.is_due(at) && !retry.is_due(at));
            now = at;
        }
        assert_eq!(pauses[..8], [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000]);
        retry.succeeded();
        retry.failed(None, now);
        assert_eq!(retry.next(now), Some(now + FIRST));
    }

    #[test]
    fn nothing_is_written_while_the_other_side_wants_quiet() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert!(!retry.is_quiet(now));
        retry.failed(Some(QUIET), now);
        assert_eq!(retry.next(now), Some(now + QUIET), "it is not tried again before");
        retry.failed(Some(QUIET / 7), now + Duration::from_secs(1));
        assert!(retry.is_quiet(now + QUIET - Duration::from_millis(1)), "the longest wish counts");
        assert!(!retry.is_quiet(now + QUIET) && retry.is_due(now + QUIET));
        assert_eq!(retry.next(now + QUIET), None);
    }
}
