//! The brain's side of a record. It never waits: what finds no room is lost, and counted.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prometheus::IntCounter;
use tokio::sync::oneshot;

use super::line::Lost;
use super::scribe::{Author, Scribe};
use crate::brain::{Brain, Input, Memory, Moment, Output};
use crate::plan::NodePlan;

/// Steps that wait to be written: those of a minute in which a hundred things happen each second.
const PENDING: usize = 6000;
/// Entries of maps that wait to be written with them, as if none was shared: about 32 MiB.
const MOST_WAITING: usize = 1 << 18;

/// Something to write.
#[derive(Debug)]
pub(super) enum Entry {
    Begin(Box<Begin>),
    Happened(Box<Happened>),
    End,
}

/// Everything that the brain knows, to begin a file with.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) memory: Memory,
    pub(super) plan: Arc<NodePlan>,
    pub(super) next: Option<Moment>,
    pub(super) at: Moment,
    pub(super) time: Timestamp,
    pub(super) lost: Option<Lost>,
}

/// An input (none: time went by), and what followed.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) at: Moment,
    pub(super) input: Option<Input>,
    pub(super) outputs: Vec<Output>,
    pub(super) next: Option<Moment>,
}

// === impl Entry ===

impl Entry {
    /// How much memory it takes, in entries of maps.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Begin(begin) => 1 + begin.memory.cluster.services.len() + begin.memory.view.claims.len(),
            Self::Happened(happened) => {
                let input = match &happened.input {
                    Some(Input::Cluster(cluster)) => {
                        cluster.services.len() + cluster.endpoints.len() + cluster.nodes.len()
                    }
                    Some(Input::View(view)) => view.claims.len() + view.members.len() + view.facts.len(),
                    Some(Input::Ground(_) | Input::Heard { .. }) | None => 0,
                };
                let output = |output: &Output| match output {
                    Output::Plan(plan) => {
                        let weight = plan.verdicts.len() * 2 + plan.vacant.len() + plan.owners.len();
                        weight + plan.bgp.distinct().map(|(_, routes)| routes.len()).sum::<usize>()
                    }
                    Output::Claim(vips) | Output::Release(vips) => vips.len(),
                };
                1 + input + happened.outputs.iter().map(output).sum::<usize>()
            }
            Self::End => 0,
        }
    }
}

/// What both sides know.
#[derive(Debug)]
pub(super) struct Shared {
    /// The weight of what waits.
    pub(super) waiting: AtomicUsize,
    /// The scribe wants to begin a file.
    pub(super) begin_anew: AtomicBool,
    pub(super) written: IntCounter,
    pub(super) lost: IntCounter,
}

/// What a record is called and where it goes.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// The folder; made where it is missing.
    pub folder: &'a Path,
    /// The most bytes that all its files together take; the oldest make room.
    pub limit: u64,
    /// What the program is called.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Flags that matter for what is announced and are no [`Options`](crate::plan::Options). No secrets.
    pub flags: BTreeMap<String, String>,
    /// Counts steps that were written.
    pub written: IntCounter,
    /// Counts steps that were not.
    pub lost: IntCounter,
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    entries: SyncSender<Entry>,
    shared: Arc<Shared>,
    /// Ends with the thread.
    ended: oneshot::Receiver<()>,
    /// What is missing since something was queued last; none: nothing is missing.
    missing: Option<u64>,
}

// === impl Recorder ===

impl Recorder {
    /// Begins a record on a thread of its own. A folder that cannot be written is the scribe's trouble: it is told in the
    /// log, counted, and tried again.
    ///
    /// # Errors
    /// The kernel grants no thread.
    pub fn new(settings: Settings<'_>, time: Timestamp) -> io::Result<Self> {
        let Settings { folder, limit, program, version, flags, written, lost } = settings;
        let run = u64::try_from(time.as_millisecond()).unwrap_or_default();
        let author = Author { program, version, run, flags };
        let shared = Shared { waiting: AtomicUsize::new(0), begin_anew: AtomicBool::new(false), written, lost };
        let shared = Arc::new(shared);
        let scribe = Scribe::new(folder, limit, author, Arc::clone(&shared));
        let (entries, pending) = mpsc::sync_channel(PENDING);
        let (alive, ended) = oneshot::channel();
        std::thread::Builder::new().name("record".to_owned()).spawn(move || {
            scribe.work(&pending);
            drop(alive);
        })?;
        Ok(Self { entries, shared, ended, missing: Some(0) })
    }

    /// To be called before `brain` is told anything: where a file begins, it begins with what the brain knows before.
    pub fn before(&mut self, brain: &Brain, now: Instant, time: impl FnOnce() -> Timestamp) {
        let anew = self.shared.begin_anew.load(Ordering::Relaxed);
        // Half of the room has to be free, lest the next steps are lost at once.
        let room = self.shared.waiting.load(Ordering::Relaxed) < MOST_WAITING / 2;
        if !(anew || self.missing.is_some() && room) {
            return;
        }
        let steps = self.missing.unwrap_or_default();
        let lost = (steps > 0).then(|| Lost { steps, why: "more happened than could be written".to_owned() });
        let begin = Begin {
            memory: brain.memory(),
            plan: Arc::clone(brain.plan()),
            next: brain.next_moment(),
            at: brain.moment(now),
            time: time(),
            lost,
        };
        if self.offer(Entry::Begin(Box::new(begin))) {
            self.missing = None;
            self.shared.begin_anew.store(false, Ordering::Relaxed);
        }
    }

    /// `brain` was told something (`None`: that time went by), and wants `outputs`.
    pub fn after(&mut self, brain: &Brain, now: Instant, input: Option<Input>, outputs: &[Output]) {
        let (at, next) = (brain.moment(now), brain.next_moment());
        let happened = Happened { at, input, outputs: outputs.to_vec(), next };
        if self.missing.is_none() && self.offer(Entry::Happened(Box::new(happened))) {
            return;
        }
        if self.missing.is_none_or(|missing| missing == 0) {
            tracing::warn!("more happens than can be recorded; the record has a gap");
        }
        *self.missing.get_or_insert(0) += 1;
        self.shared.lost.inc();
    }

    /// Ends the record. Returns when everything is written, or after `within`.
    pub async fn end(self, within: Duration) {
        let Self { entries, ended, .. } = self;
        // Where there is no room, the record ends without a word.
        drop(entries.try_send(Entry::End));
        drop(entries);
        if tokio::time::timeout(within, ended).await.is_err() {
            tracing::warn!("the end of the record could not be written; is its disk stuck?");
        }
    }

    fn offer(&self, entry: Entry) -> bool {
        let weight = entry.weight();
        let waiting = self.shared.waiting.fetch_add(weight, Ordering::Relaxed);
        // However large it is: what waits alone may be written.
        let queued = (waiting == 0 || waiting + weight <= MOST_WAITING) && self.entries.try_send(entry).is_ok();
        if !queued {
            self.shared.waiting.fetch_sub(weight, Ordering::Relaxed);
        }
        queued
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::Receiver;

    use ferrolb_gossip::{Identity, NodeName, View};

    use super::*;
    use crate::plan::Options;
    use crate::record::replay;

    /// A recorder whose scribe has not begun yet.
    fn stuck() -> (Recorder, Receiver<Entry>, Arc<Shared>) {
        let counter = |name: &str| IntCounter::new(name, name).unwrap();
        let shared = Shared {
            waiting: AtomicUsize::new(0),
            begin_anew: AtomicBool::new(false),
            written: counter("written"),
            lost: counter("lost"),
        };
        let shared = Arc::new(shared);
        let (entries, pending) = mpsc::sync_channel(4);
        let (_, ended) = oneshot::channel();
        (Recorder { entries, shared: Arc::clone(&shared), ended, missing: Some(0) }, pending, shared)
    }

    fn scribe(folder: &Path, shared: &Arc<Shared>) -> Scribe {
        let author = Author { program: "ferrolb-speaker", version: "0", run: 1, flags: BTreeMap::new() };
        Scribe::new(folder, 1 << 20, author, Arc::clone(shared))
    }

    #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_finds_no_room_is_lost_without_waiting_and_the_next_file_says_how_much() {
        let folder = tempfile::tempdir().unwrap();
        let (mut recorder, pending, shared) = stuck();
        let me = NodeName::from("n1");
        let identity = Identity::new(me.clone(), "192.0.2.1:7946".parse().unwrap(), 1);
        let mut view = View::new(identity);
        let mut brain = Brain::new(me, Options::default(), Arc::new(view.clone()));
        let start = start();
        let mut tell = |recorder: &mut Recorder, number: u64| {
            let now = start + Duration::from_secs(number);
            view.version = number;
            let input = Input::View(Arc::new(view.clone()));
            recorder.before(&brain, now, || Timestamp::UNIX_EPOCH);
            brain.handle(now, input.clone());
            let outputs: Vec<Output> = std::iter::from_fn(|| brain.poll()).collect();
            recorder.after(&brain, now, Some(input), &outputs);
        };
        // The beginning and three steps have room; nobody writes them.
        for number in 1..=10 {
            tell(&mut recorder, number);
        }
        assert_eq!(shared.lost.get(), 7);
        let scribe = scribe(folder.path(), &shared);
        std::thread::scope(|scope| {
            scope.spawn(move || scribe.work(&pending));
            while shared.waiting.load(Ordering::Relaxed) > 0 {
                std::thread::yield_now();
            }
            tell(&mut recorder, 11);
            drop(recorder);
        });
        let playback = replay(folder.path(), start).unwrap();
        assert_eq!((playback.steps, playback.identical, playback.lost), (4, 4, 7), "{playback:#?}");
        let told = |what: &str| playback.acts.iter().any(|act| act.told.iter().any(|told| told.contains(what)));
        assert!(told("7 steps before are missing: more happened than could be written"), "{playback:#?}");
    }

    #[test]
    fn what_waits_takes_a_bounded_amount_of_memory() {
        let (recorder, _pending, shared) = stuck();
        let heavy = |count: usize| {
            let outputs = vec![Output::Claim(vec![[192, 0, 2, 1].into(); count])];
            let at = Moment::default();
            Entry::Happened(Box::new(Happened { at, input: None, outputs, next: None }))
        };
        assert!(recorder.offer(heavy(MOST_WAITING * 2)), "alone, anything may wait");
        assert!(!recorder.offer(heavy(1)));
        shared.waiting.store(0, Ordering::Relaxed);
        assert!(recorder.offer(heavy(MOST_WAITING / 2)) && !recorder.offer(heavy(MOST_WAITING)));
    }
}
