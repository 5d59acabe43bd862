//! Whether an address that nobody of this cluster ever held is held by a stranger (RFC 5227 §2.1, RFC 4862 §5.4), for
//! one interface.
//!
//! ```text
//!              1 ms                 600 ms
//!   probe ───────────> announce ─────────────> done
//!     │  0, 200, 400 ms  │
//!     │                  │
//!     └── stranger ──────┴──> in use: silent ── about a minute ──> three probes, still silent ── 600 ms ──> announce
//!                                ^                                     │
//!                                └───────────── stranger ──────────────┘
//! ```
//!
//! Deviation: RFC 5227 §2.1.1 waits for four to seven seconds before the first announcement. A neighbour on a LAN answers
//! within a millisecond; one that answers later makes the announcement stop, and one that nobody hears in time is a
//! conflict like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::pacer::Pace;

const MS: Duration = Duration::from_millis(1);

/// Mean time between two looks whether the stranger is still there, each ±10 %.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Probe,
    /// Nobody answered so far.
    Clear,
}

/// For an address of which nothing bad is known.
const TRUSTING: [(Duration, Step); 5] = [
    (Duration::ZERO, Step::Probe),
    (MS, Step::Clear),
    (MS.saturating_mul(200), Step::Probe),
    (MS.saturating_mul(400), Step::Probe),
    (MS.saturating_mul(600), Step::Clear),
];

/// For one that a stranger held.
const WARY: [(Duration, Step); 4] = [
    (Duration::ZERO, Step::Probe),
    (MS.saturating_mul(200), Step::Probe),
    (MS.saturating_mul(400), Step::Probe),
    (MS.saturating_mul(600), Step::Clear),
];

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Step `number` is due, counted from `origin`, when the first probe was sent.
    Looking { steps: &'static [(Duration, Step)], number: usize, origin: Option<Instant> },
    /// A stranger answered; the next look is due.
    InUse,
    /// Nobody did.
    Done,
}

#[derive(Debug)]
struct Entry {
    stage: Stage,
    due: Instant,
    /// The caller's number; an address in use is looked at again when it changes.
    reasserted: u32,
    /// Not to be announced at present.
    silent: bool,
    /// Who answered.
    stranger: Option<MacAddr>,
}

/// What the caller says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) reasserted: u32,
    /// Nobody of this cluster is known to have held it.
    pub(super) fresh: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for the address.
    Probe(IpAddr),
    /// The address may be announced; it is of this number of the caller's.
    Cleared(IpAddr, u32),
}

/// What a claim of an address means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The address was found in use by this claim.
    News,
    /// It is known to be in use.
    Known,
    /// The address is none that is looked at: the claim is a conflict.
    Foreign,
}

type Queue = BTreeSet<(Instant, IpAddr)>;

/// The addresses of one interface that are looked at, are in use, or were found free.
#[derive(Debug)]
pub(super) struct Detection {
    /// Announce what a stranger holds nevertheless.
    announce_in_use: bool,
    entries: BTreeMap<IpAddr, Entry>,
    probes: Queue,
    clears: Queue,
}

impl Detection {
    pub(super) fn new(announce_in_use: bool) -> Self {
        Self { announce_in_use, entries: BTreeMap::new(), probes: Queue::new(), clears: Queue::new() }
    }

    /// Makes `wanted` the addresses looked after: starts with the fresh ones that are not `announced`, forgets those that
    /// are not wanted any more, looks anew at those in use that are reasserted.
    pub(super) fn assign(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<IpAddr, Wanted>,
        announced: impl Fn(IpAddr) -> bool,
    ) -> bool {
        let mut changed = self.retain(|vip| wanted.contains_key(&vip));
        for (&vip, &Wanted { reasserted, fresh }) in wanted {
            let steps = match self.entries.get_mut(&vip) {
                None if fresh && !announced(vip) => &TRUSTING[..],
                Some(entry) if entry.reasserted != reasserted && matches!(entry.stage, Stage::InUse) => &WARY[..],
                Some(entry) => {
                    entry.reasserted = reasserted;
                    continue;
                }
                None => continue,
            };
            let stranger = self.remove(vip).and_then(|entry| entry.stranger);
            let stage = Stage::Looking { steps, number: 0, origin: None };
            self.insert(vip, Entry { stage, due: now, reasserted, silent: self.silences(stranger), stranger });
            changed = true;
        }
        changed
    }

    /// An address is silent until it was asked for, and while a stranger holds it unless that is no matter.
    fn silences(&self, stranger: Option<MacAddr>) -> bool {
        stranger.is_none() || !self.announce_in_use
    }

    /// Forgets all but those of `keep`. Says whether one in use was among them.
    pub(super) fn retain(&mut self, keep: impl Fn(IpAddr) -> bool) -> bool {
        let gone: Vec<IpAddr> = self.entries.keys().copied().filter(|vip| !keep(*vip)).collect();
        let gone = gone.into_iter().filter_map(|vip| self.remove(vip));
        gone.filter(|entry| entry.stranger.is_some()).count() > 0
    }

    /// Whether `vip` may be announced.
    pub(super) fn permits(&self, vip: IpAddr) -> bool {
        self.entries.get(&vip).is_none_or(|entry| !entry.silent)
    }

    /// Whether `vip` is being asked for.
    pub(super) fn is_looking(&self, vip: IpAddr) -> bool {
        self.entries.get(&vip).is_some_and(|entry| matches!(entry.stage, Stage::Looking { .. }))
    }

    /// The addresses that strangers hold, and who does.
    pub(super) fn in_use(&self) -> impl Iterator<Item = (IpAddr, MacAddr)> {
        self.entries.iter().filter_map(|(vip, entry)| entry.stranger.map(|stranger| (*vip, stranger)))
    }

    /// The stranger `mac` says to hold `vip`.
    pub(super) fn claimed(&mut self, now: Instant, vip: IpAddr, mac: MacAddr, rng: &mut StdRng) -> Claim {
        let Some(entry) = self.entries.get_mut(&vip) else { return Claim::Foreign };
        match entry.stage {
            Stage::Done => Claim::Foreign,
            Stage::InUse if entry.stranger == Some(mac) => Claim::Known,
            Stage::InUse => {
                entry.stranger = Some(mac);
                Claim::News
            }
            Stage::Looking { .. } => {
                let reasserted = entry.reasserted;
                self.remove(vip);
                let due = now + LOOK_AGAIN.mul_f64(rng.random_range(0.9..=1.1));
                let (stage, silent) = (Stage::InUse, !self.announce_in_use);
                self.insert(vip, Entry { stage, due, reasserted, silent, stranger: Some(mac) });
                Claim::News
            }
        }
    }

    /// What is due now, if the pace allows it.
    pub(super) fn next(&mut self, now: Instant, pace: &mut Pace) -> Option<Due> {
        if let Some(&(_, vip)) = self.clears.first().filter(|(due, _)| *due <= now) {
            let reasserted = self.entries.get(&vip)?.reasserted;
            self.advance(vip, now);
            return Some(Due::Cleared(vip, reasserted));
        }
        let &(_, vip) = self.probes.first().filter(|(due, _)| *due <= now)?;
        if !pace.take_probe(now) {
            return None;
        }
        self.advance(vip, now);
        Some(Due::Probe(vip))
    }

    /// When [`next`](Self::next) will have something.
    pub(super) fn next_deadline(&self, pace: &Pace) -> Option<Instant> {
        let clear = self.clears.first().map(|(due, _)| *due);
        let probe = self.probes.first().map(|(due, _)| pace.probe_at().map_or(*due, |at| at.max(*due)));
        clear.into_iter().chain(probe).min()
    }

    /// Takes the step that is due for `vip` as done.
    fn advance(&mut self, vip: IpAddr, now: Instant) {
        let Some(mut entry) = self.remove(vip) else { return };
        let (steps, number, origin) = match entry.stage {
            Stage::Looking { steps, number, origin } => (steps, number, origin.unwrap_or(now)),
            // The first probe of a new look has just been sent.
            Stage::InUse => (&WARY[..], 0, now),
            Stage::Done => return,
        };
        if steps.get(number).is_some_and(|(_, step)| *step == Step::Clear) {
            entry.silent = false;
        }
        let number = number + 1;
        if let Some((offset, _)) = steps.get(number) {
            entry.stage = Stage::Looking { steps, number, origin: Some(origin) };
            entry.due = origin + *offset;
        } else {
            entry.stage = Stage::Done;
            entry.stranger = None;
        }
        self.insert(vip, entry);
    }

    fn insert(&mut self, vip: IpAddr, entry: Entry) {
        if let Some(queue) = self.queue(entry.stage) {
            queue.insert((entry.due, vip));
        }
        self.entries.insert(vip, entry);
    }

    fn remove(&mut self, vip: IpAddr) -> Option<Entry> {
        let entry = self.entries.remove(&vip)?;
        if let Some(queue) = self.queue(entry.stage) {
            queue.remove(&(entry.due, vip));
        }
        Some(entry)
    }

    fn queue(&mut self, stage: Stage) -> Option<&mut Queue> {
        match stage {
            Stage::InUse => Some(&mut self.probes),
            Stage::Looking { steps, number, .. } => match steps.get(number)?.1 {
                Step::Probe => Some(&mut self.probes),
                Step::Clear => Some(&mut self.clears),
            },
            Stage::Done => None,
        }
    }
}
