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
//! An address that is expected to be announced soon is asked for already; it is announced when that is over and it is due.
//!
//! Deviation: RFC 5227 §2.1.1 waits for four to seven seconds before the first announcement. A neighbour on a LAN answers
//! within a millisecond; one that answers later makes the announcement stop, and one that nobody hears in time is a
//! conflict like any other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::agenda::{self, Agenda};
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
    /// It is only asked for; whoever announces what is cleared looks after that.
    pub(super) expected: bool,
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

/// What waits, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Clear,
    Probe,
}

impl agenda::Entry for Entry {
    type Queue = Queue;

    fn due(&self) -> Option<(Queue, Instant)> {
        let queue = match self.stage {
            Stage::InUse => Queue::Probe,
            Stage::Looking { steps, number, .. } => match steps.get(number)?.1 {
                Step::Probe => Queue::Probe,
                Step::Clear => Queue::Clear,
            },
            Stage::Done => return None,
        };
        Some((queue, self.due))
    }
}

/// The addresses of one interface that are looked at, are in use, or were found free.
#[derive(Debug)]
pub(super) struct Detection {
    /// Announce what a stranger holds nevertheless.
    announce_in_use: bool,
    agenda: Agenda<Entry>,
}

impl Detection {
    pub(super) fn new(announce_in_use: bool) -> Self {
        Self { announce_in_use, agenda: Agenda::new() }
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
        for (&vip, &Wanted { reasserted, fresh, .. }) in wanted {
            let steps = match self.agenda.get(vip) {
                None if fresh && !announced(vip) => &TRUSTING[..],
                Some(entry) if entry.reasserted != reasserted && matches!(entry.stage, Stage::InUse) => &WARY[..],
                Some(_) => {
                    self.agenda.change(vip, |entry| entry.reasserted = reasserted);
                    continue;
                }
                None => continue,
            };
            let stranger = self.agenda.get(vip).and_then(|entry| entry.stranger);
            let stage = Stage::Looking { steps, number: 0, origin: None };
            let silent = self.silences(stranger);
            self.agenda.insert(vip, Entry { stage, due: now, reasserted, silent, stranger });
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
        self.agenda.retain(keep).iter().any(|entry| entry.stranger.is_some())
    }

    /// Whether `vip` may be announced.
    pub(super) fn permits(&self, vip: IpAddr) -> bool {
        self.agenda.get(vip).is_none_or(|entry| !entry.silent)
    }

    /// Whether `vip` is being asked for.
    pub(super) fn is_looking(&self, vip: IpAddr) -> bool {
        self.agenda.get(vip).is_some_and(|entry| matches!(entry.stage, Stage::Looking { .. }))
    }

    /// The addresses that strangers hold, and who does.
    pub(super) fn in_use(&self) -> impl Iterator<Item = (IpAddr, MacAddr)> {
        self.agenda.iter().filter_map(|(vip, entry)| entry.stranger.map(|stranger| (vip, stranger)))
    }

    /// The stranger `mac` says to hold `vip`.
    pub(super) fn claimed(&mut self, now: Instant, vip: IpAddr, mac: MacAddr, rng: &mut StdRng) -> Claim {
        let silent = !self.announce_in_use;
        let hear = |entry: &mut Entry| match entry.stage {
            Stage::Done => Claim::Foreign,
            Stage::InUse if entry.stranger == Some(mac) => Claim::Known,
            Stage::InUse => {
                entry.stranger = Some(mac);
                Claim::News
            }
            Stage::Looking { .. } => {
                let due = now + LOOK_AGAIN.mul_f64(rng.random_range(0.9..=1.1));
                let (reasserted, stranger) = (entry.reasserted, Some(mac));
                *entry = Entry { stage: Stage::InUse, due, reasserted, silent, stranger };
                Claim::News
            }
        };
        self.agenda.change(vip, hear).unwrap_or(Claim::Foreign)
    }

    /// What is due now, if the pace allows it.
    pub(super) fn next(&mut self, now: Instant, pace: &mut Pace) -> Option<Due> {
        if let Some(vip) = self.agenda.first_due(Queue::Clear, now) {
            let reasserted = self.agenda.get(vip)?.reasserted;
            self.advance(vip, now);
            return Some(Due::Cleared(vip, reasserted));
        }
        let vip = self.agenda.first_due(Queue::Probe, now)?;
        if !pace.take_probe(now) {
            return None;
        }
        self.advance(vip, now);
        Some(Due::Probe(vip))
    }

    /// When [`next`](Self::next) will have something.
    pub(super) fn next_deadline(&self, pace: &Pace) -> Option<Instant> {
        let clear = self.agenda.first(Queue::Clear).map(|(due, _)| due);
        let probe = self.agenda.first(Queue::Probe).map(|(due, _)| pace.probe_at().map_or(due, |at| at.max(due)));
        clear.into_iter().chain(probe).min()
    }

    /// Takes the step that is due for `vip` as done.
    fn advance(&mut self, vip: IpAddr, now: Instant) {
        self.agenda.change(vip, |entry| entry.advance(now));
    }
}

// === impl Entry ===

impl Entry {
    fn advance(&mut self, now: Instant) {
        let (steps, number, origin) = match self.stage {
            Stage::Looking { steps, number, origin } => (steps, number, origin.unwrap_or(now)),
            // The first probe of a new look has just been sent.
            Stage::InUse => (&WARY[..], 0, now),
            Stage::Done => return,
        };
        if steps.get(number).is_some_and(|(_, step)| *step == Step::Clear) {
            self.silent = false;
        }
        let number = number + 1;
        if let Some((offset, _)) = steps.get(number) {
            self.stage = Stage::Looking { steps, number, origin: Some(origin) };
            self.due = origin + *offset;
        } else {
            self.stage = Stage::Done;
            self.stranger = None;
        }
    }
}
