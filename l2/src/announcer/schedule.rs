//! When the gratuitous frames of one interface are sent.
//!
//! Each address goes through a burst of rounds, each a request and a reply for IPv4, one unsolicited advertisement for
//! IPv6, and one frame more for each gateway, and is refreshed from time to time after that:
//!
//! ```text
//! gained ─> first frame ─> rest of the round ─> rounds at 50, 200, 500 ms, 1.1, 2.2, 5 s ─> refreshes, every 60 s ± 10 %
//! ```
//!
//! The repeats make up for lost frames; those after 1 s also for stacks that guard a young entry for a second.
//!
//! Three queues, the earlier first: first frames (every address gets its own before any gets a second frame), bursts,
//! refreshes. A queue holds an address once; rounds that became due while an address waited for its turn are sent as one,
//! so that the work that can pile up is bounded by the number of addresses.
//!
//! The families share the queues, and so the pace, of an interface.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::agenda::{self, Agenda};
use super::pacer::Pace;

/// Start of each round after the first frame was sent.
const ROUNDS: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1_100),
    Duration::from_millis(2_200),
    Duration::from_secs(5),
];

/// What is due for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The gratuitous request or unsolicited advertisement of the first round.
    FirstFrame,
    /// The rest of the first round, where it has one.
    FirstRest,
    /// A whole round.
    Round,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    First,
    Rest {
        origin: Instant,
    },
    Round {
        origin: Instant,
        number: usize,
    },
    Refresh,
    /// The burst is over and refreshes are off.
    Done,
}

#[derive(Debug)]
struct Entry {
    stage: Stage,
    due: Instant,
    /// The caller's number; the burst starts again when it changes.
    reasserted: u32,
    /// When the first frame was sent.
    since: Option<Instant>,
}

/// What waits, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    First,
    Burst,
    Refresh,
}

impl agenda::Entry for Entry {
    type Queue = Queue;

    fn due(&self) -> Option<(Queue, Instant)> {
        let queue = match self.stage {
            Stage::First => Queue::First,
            Stage::Rest { .. } | Stage::Round { .. } => Queue::Burst,
            Stage::Refresh => Queue::Refresh,
            Stage::Done => return None,
        };
        Some((queue, self.due))
    }
}

/// The gratuitous frames of one interface.
#[derive(Debug)]
pub(super) struct Schedule {
    refresh: Duration,
    agenda: Agenda<Entry>,
}

impl Schedule {
    /// Refreshes each address after `refresh` on average, never for zero.
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, agenda: Agenda::new() }
    }

    /// Makes `wanted` the addresses announced: starts the new and the reasserted, drops the others. Says whether
    /// anything changed.
    pub(super) fn assign(&mut self, now: Instant, wanted: &BTreeMap<IpAddr, u32>) -> bool {
        let mut changed = self.retain(|vip| wanted.contains_key(&vip));
        for (&vip, &reasserted) in wanted {
            let since = match self.agenda.get(vip) {
                Some(entry) if entry.reasserted == reasserted => continue,
                Some(entry) => entry.since,
                None => None,
            };
            self.agenda.insert(vip, Entry { stage: Stage::First, due: now, reasserted, since });
            changed = true;
        }
        changed
    }

    /// Starts `vip` unless it is announced already.
    pub(super) fn add(&mut self, now: Instant, vip: IpAddr, reasserted: u32) {
        if !self.agenda.contains(vip) {
            self.agenda.insert(vip, Entry { stage: Stage::First, due: now, reasserted, since: None });
        }
    }

    /// Announces `vip` no more.
    pub(super) fn give_up(&mut self, vip: IpAddr) {
        self.agenda.remove(vip);
    }

    /// Starts every address anew, as if just gained.
    pub(super) fn restart(&mut self, now: Instant) {
        let wanted: BTreeMap<IpAddr, u32> = self.agenda.iter().map(|(vip, entry)| (vip, entry.reasserted)).collect();
        self.retain(|_| false);
        self.assign(now, &wanted);
    }

    /// Forgets all but those of `keep`. Says whether there was another.
    pub(super) fn retain(&mut self, keep: impl Fn(IpAddr) -> bool) -> bool {
        !self.agenda.retain(keep).is_empty()
    }

    pub(super) fn contains(&self, vip: IpAddr) -> bool {
        self.agenda.contains(vip)
    }

    /// The addresses whose first frame has been sent, and when.
    pub(super) fn announced(&self) -> impl Iterator<Item = (IpAddr, Instant)> {
        self.agenda.iter().filter_map(|(vip, entry)| entry.since.map(|since| (vip, since)))
    }

    /// The driver has sent the first frame of a round for `vip`. Says whether it was the first of all.
    pub(super) fn confirm(&mut self, now: Instant, vip: IpAddr) -> bool {
        let first = |entry: &mut Entry| {
            let first = entry.since.is_none();
            entry.since.get_or_insert(now);
            first
        };
        self.agenda.change(vip, first).unwrap_or(false)
    }

    /// The next address whose turn it is, if the pace allows one now. A round for it is `frames` frames.
    pub(super) fn next(
        &mut self,
        now: Instant,
        pace: &mut Pace,
        frames: impl Fn(IpAddr) -> u32,
        rng: &mut StdRng,
    ) -> Option<(IpAddr, Due)> {
        if let Some((_, vip)) = self.agenda.first(Queue::First) {
            if !pace.take_first(now) {
                return None;
            }
            let rest = Stage::Rest { origin: now };
            let (next, at) = if frames(vip) > 1 { (rest, now) } else { self.after(rest, now, rng) };
            self.advance(vip, next, at);
            return Some((vip, Due::FirstFrame));
        }
        if let Some(vip) = self.agenda.first_due(Queue::Burst, now).filter(|_| pace.ready(now)) {
            let stage = self.agenda.get(vip)?.stage;
            let (sent, due) = match stage {
                Stage::Rest { .. } => (frames(vip).saturating_sub(1), Due::FirstRest),
                Stage::First | Stage::Round { .. } | Stage::Refresh | Stage::Done => (frames(vip), Due::Round),
            };
            pace.take(now, sent);
            let (next, at) = self.after(stage, now, rng);
            self.advance(vip, next, at);
            return Some((vip, due));
        }
        let vip = self.agenda.first_due(Queue::Refresh, now).filter(|_| pace.refresh_ready(now))?;
        pace.take_refresh(now, frames(vip));
        let (next, at) = self.after(Stage::Refresh, now, rng);
        self.advance(vip, next, at);
        Some((vip, Due::Round))
    }

    /// When [`next`](Self::next) will have something.
    pub(super) fn next_deadline(&self, pace: &Pace) -> Option<Instant> {
        [(Queue::First, pace.first_at()), (Queue::Burst, pace.burst_at()), (Queue::Refresh, pace.refresh_at())]
            .into_iter()
            .filter_map(|(queue, ready)| self.agenda.first(queue).map(|(due, _)| Some(due).max(ready)))
            .flatten()
            .min()
    }

    /// What follows `stage`, and when.
    fn after(&self, stage: Stage, now: Instant, rng: &mut StdRng) -> (Stage, Instant) {
        let (origin, number) = match stage {
            Stage::First => return (Stage::Rest { origin: now }, now),
            Stage::Rest { origin } => (origin, 0),
            Stage::Round { origin, number } => (origin, number),
            Stage::Refresh | Stage::Done => return self.refresh_after(now, rng),
        };
        // Of the rounds that are due already the last stands for all.
        let mut following =
            ROUNDS.iter().enumerate().skip(number + 1).map(|(number, offset)| (number, origin + *offset));
        let Some(mut next) = following.next() else { return self.refresh_after(now, rng) };
        for later in following.take_while(|(_, at)| *at <= now) {
            next = later;
        }
        (Stage::Round { origin, number: next.0 }, next.1)
    }

    fn refresh_after(&self, now: Instant, rng: &mut StdRng) -> (Stage, Instant) {
        if self.refresh.is_zero() {
            return (Stage::Done, now);
        }
        (Stage::Refresh, now + self.refresh.mul_f64(rng.random_range(0.9..=1.1)))
    }

    fn advance(&mut self, vip: IpAddr, stage: Stage, due: Instant) {
        self.agenda.change(vip, |entry| (entry.stage, entry.due) = (stage, due));
    }
}
