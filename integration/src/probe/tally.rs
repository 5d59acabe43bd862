//! The counting of a run: pure, so that the figure everybody quotes is tested without a network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Gap, ProbeReport, Progress};

/// What became of the attempts so far.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    attempts: u64,
    successes: u64,
    failures: BTreeMap<String, u64>,
    /// When the first and the last of them were begun.
    failing: Option<(Instant, Instant)>,
    backends: BTreeMap<String, u64>,
    first_success: Option<Instant>,
    last_success: Option<Instant>,
    /// The longest gap that is over.
    gap: Option<(Instant, Instant)>,
    last_attempt: Option<Instant>,
    longest_pause: Duration,
}

impl Tally {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            attempts: 0,
            successes: 0,
            failures: BTreeMap::new(),
            failing: None,
            backends: BTreeMap::new(),
            first_success: None,
            last_success: None,
            gap: None,
            last_attempt: None,
            longest_pause: Duration::ZERO,
        }
    }

    /// A connection was begun.
    pub(super) fn attempt(&mut self, now: Instant) {
        self.attempts += 1;
        if let Some(last) = self.last_attempt.replace(now) {
            self.longest_pause = self.longest_pause.max(now.saturating_duration_since(last));
        }
    }

    /// A handshake was completed at `at`. Successes may be told of out of their order by the time that a task takes to
    /// be heard; whether this is the first of all is returned.
    pub(super) fn success(&mut self, at: Instant) -> bool {
        self.successes += 1;
        let Some(last) = self.last_success else {
            self.first_success = Some(at);
            self.last_success = Some(at);
            return true;
        };
        if at > last {
            self.gap = longer(self.gap, (last, at));
            self.last_success = Some(at);
        }
        false
    }

    /// A connection that was begun at `begun` failed. They may be told of out of order.
    pub(super) fn failure(&mut self, kind: String, begun: Instant) {
        *self.failures.entry(kind).or_default() += 1;
        let (first, last) = self.failing.unwrap_or((begun, begun));
        self.failing = Some((first.min(begun), last.max(begun)));
    }

    /// A backend gave its name.
    pub(super) fn backend(&mut self, name: String) {
        *self.backends.entry(name).or_default() += 1;
    }

    pub(super) fn progress(&self, now: Instant) -> Progress {
        let open = (self.last_success.unwrap_or(self.began), now);
        Progress {
            at: self.since_start(now),
            attempts: self.attempts,
            successes: self.successes,
            failures: self.failures.values().sum(),
            silent: length(open),
            longest_gap: longer(self.gap, open).map(length).unwrap_or_default(),
        }
    }

    /// The result of a run that stopped opening connections at `ended`.
    pub(super) fn report(self, target: std::net::SocketAddr, ended: Instant) -> ProbeReport {
        // A run that ends in an outage must not look like one without.
        let open = self.last_success.filter(|last| *last < ended).map(|last| (last, ended));
        let gap = open.map_or(self.gap, |open| longer(self.gap, open));
        let times =
            |(from, to)| Gap { duration: length((from, to)), from: self.since_start(from), to: self.since_start(to) };
        ProbeReport {
            target,
            ran_for: self.since_start(ended),
            attempts: self.attempts,
            successes: self.successes,
            failures: self.failures.values().sum(),
            failing: self.failing.map(times),
            gap: gap.map(times),
            first_success: self.first_success.map(|at| self.since_start(at)),
            last_success: self.last_success.map(|at| self.since_start(at)),
            longest_pause: self.longest_pause,
            failures_by_kind: self.failures,
            backends: self.backends,
        }
    }

    fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}

fn length((from, to): (Instant, Instant)) -> Duration {
    to.saturating_duration_since(from)
}

fn longer(known: Option<(Instant, Instant)>, other: (Instant, Instant)) -> Option<(Instant, Instant)> {
    known.filter(|known| length(*known) >= length(other)).or(Some(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn report_of(successes: &[u64], ended: u64) -> ProbeReport {
        let began = clock::now();
        let mut tally = Tally::new(began);
        for at in successes {
            tally.attempt(began + ms(*at));
            tally.success(began + ms(*at));
        }
        tally.report("10.10.52.0:80".parse().unwrap(), began + ms(ended))
    }

    #[test]
    fn the_gap_is_the_longest_time_between_two_successes_and_says_when() {
        let report = report_of(&[2, 4, 6, 406, 408, 418, 420], 421);
        assert_eq!(report.gap, Some(Gap { duration: ms(400), from: ms(6), to: ms(406) }));
        assert_eq!((report.first_success, report.last_success), (Some(ms(2)), Some(ms(420))));
    }

    #[test]
    fn waiting_for_the_first_success_is_no_gap() {
        assert_eq!(report_of(&[900, 902, 904], 905).longest_gap(), ms(2));
    }

    #[test]
    fn an_outage_at_the_end_counts() {
        let report = report_of(&[2, 4], 1_004);
        assert_eq!(report.gap, Some(Gap { duration: ms(1_000), from: ms(4), to: ms(1_004) }));
    }

    #[test]
    fn a_run_without_success_is_one_gap() {
        let report = report_of(&[], 700);
        assert_eq!(report.gap, None);
        assert_eq!(report.longest_gap(), ms(700));
    }

    #[test]
    fn successes_heard_of_late_do_not_shrink_or_invent_gaps() {
        assert_eq!(report_of(&[2, 10, 8, 12], 12).longest_gap(), ms(8));
    }

    #[test]
    fn a_stalled_probe_is_visible_as_its_own_pause() {
        let report = report_of(&[2, 4, 104, 106], 106);
        assert_eq!(report.longest_pause, ms(100));
    }

    #[test]
    fn failures_among_successes_are_counted_from_the_first_to_the_last() {
        let began = clock::now();
        let mut tally = Tally::new(began);
        for at in [300, 100, 200] {
            tally.failure("timeout".to_owned(), began + ms(at));
            tally.success(began + ms(at + 1));
        }
        let report = tally.report("10.10.52.0:80".parse().unwrap(), began + ms(400));
        assert_eq!(report.failing, Some(Gap { duration: ms(200), from: ms(100), to: ms(300) }));
    }

    #[test]
    fn progress_counts_the_open_gap() {
        let began = clock::now();
        let mut tally = Tally::new(began);
        tally.success(began + ms(1));
        tally.failure("timeout".to_owned(), began);
        let progress = tally.progress(began + ms(301));
        assert_eq!((progress.silent, progress.longest_gap), (ms(300), ms(300)));
        assert_eq!((progress.successes, progress.failures), (1, 1));
    }
}
