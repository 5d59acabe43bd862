//! The cluster at work: an event queue in virtual time, the processes, the network between them, and what can be done
//! to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_gossip::{Config, Counters, Gossip, Key, Profile, View};
use ferrolb_source::Cluster;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::log::Log;
use super::process::{Delivered, Phase, Process};
use super::{Estate, Network, Node};

/// 2023-11-14 in milliseconds: what the clocks of the nodes show at the start.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// Between the gossip thread and the task of one process, in microseconds: always less than the latency of the network.
const HOP_US: std::ops::Range<u64> = 5..50;

/// Until a change of the resources has come through the watches to a node, in microseconds.
const WATCH_US: std::ops::Range<u64> = 500..20_000;

/// Something that happened and that may matter to whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A node sees the cluster otherwise than before.
    View(Node),
    /// A node answers for other addresses than before.
    Answers(Node),
    /// A node no longer takes another one for a member.
    Lost {
        /// Who says so.
        by: Node,
        /// About whom.
        lost: Node,
    },
    /// A node knows enough to claim, or no longer does.
    Ready(Node),
    /// A stopped process goes on.
    Resumed(Node),
    /// A process that was told to leave has ended.
    Left(Node),
}

/// The cluster at work.
pub struct World {
    now: Instant,
    start: Instant,
    rng: StdRng,
    /// What carries datagrams.
    pub network: Network,
    /// What Kubernetes says.
    pub estate: Estate,
    /// What happened, in words.
    pub log: Log,
    processes: BTreeMap<Node, Process>,
    queue: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    events: u64,
    lives: u32,
    notes: Vec<Note>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Datagram { to: Node, from: SocketAddr, bytes: Vec<u8> },
    Thread { node: Node, life: u32 },
    Task { node: Node, life: u32 },
    Resources { node: Node, life: u32 },
    Resume { node: Node, life: u32 },
}

// === impl World ===

impl World {
    /// A world in which nothing runs yet. Everything that will happen follows from `seed` and from what is done to it.
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of virtual time; only differences are used")]
    pub fn new(seed: u64, log: Log, estate: impl FnOnce(&mut StdRng) -> Estate) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        Self {
            now: start,
            start,
            network: Network::default(),
            estate: estate(&mut rng),
            rng,
            log,
            processes: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: 0,
            lives: 0,
            notes: Vec::new(),
        }
    }

    /// The virtual moment.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    /// Source of everything random.
    pub const fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// Writes a line about everybody.
    pub fn say(&mut self, what: impl FnOnce() -> String) {
        self.log.add(self.now.saturating_duration_since(self.start), None, what);
    }

    fn note_down(&mut self, node: Node, what: impl FnOnce() -> String) {
        self.log.add(self.now.saturating_duration_since(self.start), Some(node), what);
    }

    /// What happened since the last call.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    // --- what one can see

    /// The processes that exist, stopped ones included.
    pub fn processes(&self) -> BTreeSet<Node> {
        self.processes.keys().copied().collect()
    }

    /// The processes that run at this moment.
    pub fn running(&self) -> BTreeSet<Node> {
        self.processes.iter().filter(|(_, process)| !process.paused).map(|(node, _)| *node).collect()
    }

    /// The processes that run and were not told to leave.
    pub fn working(&self) -> BTreeSet<Node> {
        let works = |process: &Process| !process.paused && process.phase == Phase::Working;
        self.processes.iter().filter(|(_, process)| works(process)).map(|(node, _)| *node).collect()
    }

    /// What a process last published about the cluster.
    pub fn view(&self, node: Node) -> Option<Arc<View>> {
        self.processes.get(&node).map(Process::view)
    }

    /// Counts of a process.
    pub fn counters(&self, node: Node) -> Option<Counters> {
        self.processes.get(&node).map(|process| process.gossip().counters())
    }

    /// Whether a node answers for an address at this moment; one that is stopped does not.
    pub fn answers(&self, node: Node, address: IpAddr) -> bool {
        self.processes.get(&node).is_some_and(|process| !process.paused && process.answers.contains_key(&address))
    }

    /// The nodes that answer for an address at this moment.
    pub fn answering(&self, address: IpAddr) -> BTreeSet<Node> {
        self.processes.keys().copied().filter(|node| self.answers(*node, address)).collect()
    }

    /// The addresses for which a node would answer if it is not stopped.
    pub fn answered_by(&self, node: Node) -> BTreeSet<IpAddr> {
        self.processes.get(&node).map(|process| process.answers.keys().copied().collect()).unwrap_or_default()
    }

    // --- what one can do

    /// Starts the process of a node that has none. Its clock is off by `skew_ms`.
    pub fn start_process(&mut self, node: Node, skew_ms: i64) {
        if self.processes.contains_key(&node) {
            return;
        }
        let elapsed = u64::try_from(self.elapsed().as_millis()).unwrap_or_default();
        let config = Config {
            name: node.name(),
            advertise: node.addr(),
            profile: Profile::default(),
            cluster_id: "simulation".to_owned(),
            keys: Key::from_bytes([42; Key::LEN]).into(),
            boot: EPOCH_MS.saturating_add(elapsed).saturating_add_signed(skew_ms),
            session: self.rng.random(),
            seed: self.rng.random(),
        };
        self.lives = self.lives.saturating_add(1);
        let life = self.lives;
        self.note_down(node, || format!("starts, boot {}", config.boot));
        self.processes.insert(node, Process::new(life, Gossip::new(config, self.now)));
        let resources = self.estate.cluster();
        self.supply(node, resources);
    }

    /// Power off.
    pub fn crash(&mut self, node: Node) {
        if self.processes.remove(&node).is_some() {
            self.note_down(node, || "crashes".to_owned());
            self.notes.push(Note::Answers(node));
        }
    }

    /// Stops the process for a while (SIGSTOP, SIGCONT).
    pub fn pause(&mut self, node: Node, time: Duration) {
        let until = self.after(time);
        let Some(process) = self.processes.get_mut(&node).filter(|process| !process.paused) else { return };
        process.paused = true;
        let life = process.life;
        self.note_down(node, || format!("stops for {} ms", time.as_millis()));
        self.notes.push(Note::Answers(node));
        self.schedule(until, Event::Resume { node, life });
    }

    /// Tells the process to end (SIGTERM).
    pub fn leave(&mut self, node: Node) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&node) else { return };
        process.leave(now);
        self.note_down(node, || "is told to leave".to_owned());
        self.wake_thread(node);
        self.wake_task(node);
    }

    /// Tells every source what the resources are now; each hears it in its own time.
    pub fn publish(&mut self) {
        for node in self.processes() {
            let delay = self.rng.random_range(WATCH_US);
            let at = self.after(Duration::from_micros(delay));
            let Some(life) = self.processes.get(&node).map(|process| process.life) else { continue };
            self.schedule(at, Event::Resources { node, life });
        }
    }

    fn supply(&mut self, node: Node, resources: Arc<Cluster>) {
        if let Some(process) = self.processes.get_mut(&node) {
            process.supply(resources);
            self.wake_task(node);
        }
    }

    // --- how time passes

    /// When the next thing happens.
    pub fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, ..))| *at)
    }

    /// Lets time pass in which nothing happens.
    pub fn wait_until(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    /// Lets the next thing happen.
    pub fn step(&mut self) {
        let Some(Reverse((at, _, event))) = self.queue.pop() else { return };
        self.now = self.now.max(at);
        match event {
            Event::Datagram { to, from, bytes } => {
                let Some(process) = self.processes.get_mut(&to) else { return };
                process.receive(from, bytes);
                self.thread_turn(to);
            }
            Event::Thread { node, life } => {
                // A turn that was planned earlier than this one replaced it.
                let Some(process) = self.living(node, life).filter(|process| process.thread_at == Some(at)) else {
                    return;
                };
                process.thread_at = None;
                self.thread_turn(node);
            }
            Event::Task { node, life } => {
                let Some(process) = self.living(node, life).filter(|process| process.task_at == Some(at)) else {
                    return;
                };
                process.task_at = None;
                self.task_turn(node);
            }
            Event::Resources { node, life } => {
                let resources = self.estate.cluster();
                if self.living(node, life).is_some() {
                    self.supply(node, resources);
                }
            }
            Event::Resume { node, life } => {
                let Some(process) = self.living(node, life) else { return };
                process.paused = false;
                self.note_down(node, || "goes on".to_owned());
                self.notes.push(Note::Resumed(node));
                // Which of the two the kernel runs first is open.
                self.wake_thread(node);
                self.wake_task(node);
            }
        }
    }

    fn living(&mut self, node: Node, life: u32) -> Option<&mut Process> {
        self.processes.get_mut(&node).filter(|process| process.life == life)
    }

    fn thread_turn(&mut self, node: Node) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&node).filter(|process| !process.paused) else { return };
        let before = process.view();
        let Delivered { datagrams, views } = process.thread_turn(now);
        for (to, bytes) in datagrams {
            let Some(target) = Node::at(to) else { continue };
            if let Some(latency) = self.network.carry(&mut self.rng, node, target) {
                let at = self.after(latency);
                self.schedule(at, Event::Datagram { to: target, from: node.addr(), bytes });
            }
        }
        if !views.is_empty() {
            let mut before = before;
            for view in views {
                self.compare(node, &before, &view);
                before = view;
            }
            self.wake_task(node);
        }
        self.plan_turns(node);
    }

    fn task_turn(&mut self, node: Node) {
        let now = self.now;
        let seeds: Vec<SocketAddr> =
            self.estate.nodes().iter().filter(|other| **other != node).map(|other| other.addr()).collect();
        let Some(process) = self.processes.get_mut(&node).filter(|process| !process.paused) else { return };
        let before = process.answers.clone();
        let ordered = process.task_turn(now, &seeds);
        let (after, phase) = (process.answers.clone(), process.phase);
        for order in &ordered {
            self.note_down(node, || format!("orders {order:?}"));
        }
        if before != after {
            self.note_down(node, || format!("answers for {:?}", after.keys().collect::<Vec<_>>()));
            self.notes.push(Note::Answers(node));
        }
        if phase == Phase::Ended {
            // The thread's last act was to tell the others.
            self.thread_turn(node);
            self.processes.remove(&node);
            self.note_down(node, || "has left".to_owned());
            self.notes.push(Note::Left(node));
            return;
        }
        if !ordered.is_empty() {
            self.wake_thread(node);
        }
        self.plan_turns(node);
    }

    /// Notes what a new view says that the one before did not.
    fn compare(&mut self, node: Node, before: &View, after: &View) {
        self.notes.push(Note::View(node));
        if before.me != after.me {
            self.note_down(node, || format!("is now boot {} rejoins {}", after.me.boot, after.me.rejoins));
        }
        if before.ready != after.ready {
            self.note_down(node, || (if after.ready { "is ready" } else { "is not ready" }).to_owned());
            self.notes.push(Note::Ready(node));
        }
        for lost in before.members.keys().filter(|name| !after.members.contains_key(*name)) {
            self.note_down(node, || format!("lost {lost}"));
            if let Some(lost) = Node::named(lost) {
                self.notes.push(Note::Lost { by: node, lost });
            }
        }
        for (name, id) in &after.members {
            match before.members.get(name) {
                Some(known) if known == id => {}
                Some(_) => self.note_down(node, || format!("sees {name} as boot {} rejoins {}", id.boot, id.rejoins)),
                None => self.note_down(node, || format!("found {name} boot {} rejoins {}", id.boot, id.rejoins)),
            }
        }
        for (vip, held) in &after.claims {
            if before.claims.get(vip).map(|held| &held.claim) != Some(&held.claim) {
                let claim = &held.claim;
                self.note_down(node, || {
                    format!("takes {vip} to be {}'s, epoch {} boot {}", claim.owner, claim.epoch, claim.boot)
                });
            }
        }
    }

    /// Plans the next turns of thread and task by their own deadlines.
    fn plan_turns(&mut self, node: Node) {
        let Some(process) = self.processes.get(&node) else { return };
        let (thread, task) = (process.thread_due(), process.task_due());
        if let Some(at) = thread {
            self.plan_thread(node, at);
        }
        if let Some(at) = task {
            self.plan_task(node, at);
        }
    }

    fn wake_thread(&mut self, node: Node) {
        let hop = self.rng.random_range(HOP_US);
        let at = self.after(Duration::from_micros(hop));
        self.plan_thread(node, at);
    }

    fn wake_task(&mut self, node: Node) {
        let hop = self.rng.random_range(HOP_US);
        let at = self.after(Duration::from_micros(hop));
        self.plan_task(node, at);
    }

    fn plan_thread(&mut self, node: Node, at: Instant) {
        let at = at.max(self.now);
        let Some(process) = self.processes.get_mut(&node) else { return };
        if process.thread_at.is_none_or(|planned| at < planned) {
            process.thread_at = Some(at);
            let life = process.life;
            self.schedule(at, Event::Thread { node, life });
        }
    }

    fn plan_task(&mut self, node: Node, at: Instant) {
        let at = at.max(self.now);
        let Some(process) = self.processes.get_mut(&node) else { return };
        if process.task_at.is_none_or(|planned| at < planned) {
            process.task_at = Some(at);
            let life = process.life;
            self.schedule(at, Event::Task { node, life });
        }
    }

    fn after(&self, time: Duration) -> Instant {
        self.now.checked_add(time).unwrap_or(self.now)
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.events = self.events.saturating_add(1);
        self.queue.push(Reverse((at, self.events, event)));
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("elapsed", &self.elapsed())
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
