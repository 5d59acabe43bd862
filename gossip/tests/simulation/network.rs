//! A discrete-event network of machines: virtual time, latency of 0.1 to 0.5 ms each way, loss, crashes, pauses and
//! partitions. Everything follows from the seed, which is printed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the simulator serves tests only"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_gossip::{Config, Counters, Facts, Gossip, Input, Key, NodeName, Output, Profile, View};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The group key of all simulated clusters.
pub(crate) const KEY: [u8; 32] = [42; 32];

/// Their cluster id.
pub(crate) const CLUSTER: &str = "test";

/// 2023-11-14, in milliseconds.
pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn vip(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(198, 18, high, low))
}

/// Number of a node, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(pub(crate) u16);

impl Node {
    pub(crate) fn name(self) -> NodeName {
        NodeName::from(format!("node-{}", self.0))
    }

    pub(crate) fn addr(self) -> SocketAddr {
        let [high, low] = self.0.wrapping_add(1).to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 7946))
    }

    fn at(addr: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = addr.ip() else { return None };
        let [10, 0, high, low] = ip.octets() else { return None };
        u16::from_be_bytes([high, low]).checked_sub(1).map(Self)
    }
}

struct Machine {
    gossip: Gossip,
    /// Counts starts, so that events of an earlier life are told apart.
    life: u32,
    paused_until: Option<Instant>,
    held: Vec<(SocketAddr, Vec<u8>)>,
    woken: Option<Instant>,
    /// How many members it has declared down, when that was looked at last.
    downs: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Datagram { to: Node, from: SocketAddr, bytes: Vec<u8> },
    Wake { node: Node, life: u32 },
    Resume { node: Node, life: u32 },
}

/// A datagram as it was seen on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When it arrives, since the start.
    pub(crate) at: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Sim {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) loss: f64,
    /// Of nodes that start from now on.
    pub(crate) profile: Profile,
    pub(crate) seeds_known: bool,
    /// Keeps every datagram that arrives when set.
    pub(crate) record: bool,
    pub(crate) seen: Vec<Seen>,
    /// With what the machines began, in order.
    pub(crate) configs: Vec<Config>,
    pub(crate) largest: usize,
    pub(crate) packets: u64,
    /// Pairs of nodes that were alive when somebody lost sight of them.
    pub(crate) false_downs: Vec<(Duration, Node, NodeName)>,
    machines: BTreeMap<Node, Machine>,
    all: BTreeSet<Node>,
    side: BTreeMap<Node, u8>,
    /// Nodes that nothing reaches, although they reach the others.
    pub(crate) deaf: BTreeSet<Node>,
    queue: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    events: u64,
    lives: u32,
    cluster_id: String,
    rng: StdRng,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self::quiet(seed)
    }

    /// The same, without a word about the seed.
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of virtual time")]
    pub(crate) fn quiet(seed: u64) -> Self {
        let start = Instant::now() + secs(86_400);
        Self {
            now: start,
            start,
            loss: 0.0,
            profile: Profile::default(),
            seeds_known: true,
            record: false,
            seen: Vec::new(),
            configs: Vec::new(),
            largest: 0,
            packets: 0,
            false_downs: Vec::new(),
            machines: BTreeMap::new(),
            all: BTreeSet::new(),
            side: BTreeMap::new(),
            deaf: BTreeSet::new(),
            queue: BinaryHeap::new(),
            events: 0,
            lives: 0,
            cluster_id: CLUSTER.to_owned(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// A cluster of `size` nodes in which all know each other and are ready.
    pub(crate) fn cluster(seed: u64, size: u16) -> Self {
        let mut sim = Self::new(seed);
        sim.boot(size);
        let ready = sim.run_until_or(secs(30), |sim| sim.converged() && sim.all_ready());
        assert!(ready.is_some(), "the cluster did not form");
        sim
    }

    pub(crate) fn boot(&mut self, size: u16) {
        self.all = (0..size).map(Node).collect();
        // Who starts is told of all, so nobody needs to be told again of each.
        let seeds_known = std::mem::replace(&mut self.seeds_known, false);
        for node in self.all.clone() {
            self.start_node(node, 0);
            if seeds_known {
                self.tell_seeds(node);
            }
        }
        self.seeds_known = seeds_known;
    }

    /// Starts a node whose clock is off by `skew_ms`.
    pub(crate) fn start_node(&mut self, node: Node, skew_ms: i64) {
        let elapsed = u64::try_from((self.now - self.start).as_millis()).unwrap();
        let boot = (EPOCH_MS + elapsed).checked_add_signed(skew_ms).unwrap();
        let config = Config {
            name: node.name(),
            advertise: node.addr(),
            profile: self.profile.clone(),
            cluster_id: self.cluster_id.clone(),
            keys: Key::from_bytes(KEY).into(),
            boot,
            session: self.rng.random(),
            seed: self.rng.random(),
        };
        self.lives += 1;
        self.configs.push(config.clone());
        let gossip = Gossip::new(config, self.now);
        let machine = Machine { gossip, life: self.lives, paused_until: None, held: Vec::new(), woken: None, downs: 0 };
        self.machines.insert(node, machine);
        self.all.insert(node);
        if self.seeds_known {
            for other in self.machines.keys().copied().collect::<Vec<_>>() {
                self.tell_seeds(other);
            }
        } else {
            self.flush(node);
        }
    }

    pub(crate) fn tell_seeds(&mut self, node: Node) {
        let seeds = self.all.iter().filter(|other| **other != node).map(|other| other.addr()).collect();
        self.input(node, Input::Seeds(seeds));
    }

    /// Power off.
    pub(crate) fn crash(&mut self, node: Node) {
        self.machines.remove(&node);
    }

    /// The process does not run for a while; datagrams wait in its socket.
    pub(crate) fn pause(&mut self, node: Node, pause: Duration) {
        let until = self.now + pause;
        let machine = self.machines.get_mut(&node).unwrap();
        machine.paused_until = Some(until);
        let life = machine.life;
        self.schedule(until, Event::Resume { node, life });
    }

    /// Cuts the network in two: the given nodes on one side, the rest on the other.
    pub(crate) fn split(&mut self, side: impl IntoIterator<Item = u16>) {
        self.side = side.into_iter().map(|number| (Node(number), 1)).collect();
    }

    pub(crate) fn heal(&mut self) {
        self.side.clear();
    }

    pub(crate) fn input(&mut self, node: Node, input: Input<'_>) {
        let now = self.now;
        self.machines.get_mut(&node).unwrap().gossip.handle(now, input);
        self.flush(node);
    }

    /// The node tells its version; that is enough to tell facts apart.
    pub(crate) fn tell(&mut self, node: Node, version: &str) {
        self.input(node, Input::Tell(Facts { version: version.to_owned(), ..Facts::default() }));
    }

    /// All nodes know what `node` tells.
    pub(crate) fn all_were_told(&self, node: Node, version: &str) -> bool {
        let told = |at: &Node| self.view(*at).facts.get(&node.name()).is_some_and(|facts| facts.version == version);
        self.nodes().iter().all(told)
    }

    pub(crate) fn claim(&mut self, node: Node, vips: &[IpAddr]) {
        self.input(node, Input::Claim(vips.to_vec()));
    }

    /// Lets a datagram arrive, whoever made it.
    pub(crate) fn inject(&mut self, to: Node, from: SocketAddr, bytes: &[u8]) {
        self.input(to, Input::Datagram { from, bytes });
    }

    pub(crate) fn view(&self, node: Node) -> Arc<View> {
        self.machines[&node].gossip.view()
    }

    pub(crate) fn counters(&self, node: Node) -> Counters {
        self.machines[&node].gossip.counters()
    }

    pub(crate) fn total(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        self.nodes().iter().map(|node| count(&self.counters(*node))).sum()
    }

    /// The nodes that run.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.machines.keys().copied().collect()
    }

    /// Every node that runs sees exactly those that run, in their current lives.
    pub(crate) fn converged(&self) -> bool {
        let count = self.machines.len();
        if !self.machines.values().all(|machine| machine.gossip.view().members.len() == count) {
            return false;
        }
        let alive: Vec<_> = self.machines.values().map(|machine| machine.gossip.view().me.clone()).collect();
        self.machines.values().all(|machine| {
            let view = machine.gossip.view();
            alive.iter().all(|id| view.members.get(&id.name) == Some(id))
        })
    }

    pub(crate) fn all_ready(&self) -> bool {
        self.nodes().iter().all(|node| self.view(*node).ready)
    }

    /// All nodes name the same owner of `vip`, or none does.
    pub(crate) fn agreed(&self, vip: IpAddr) -> bool {
        let mut owners: Vec<_> = self.nodes().iter().map(|node| self.view(*node).owner(vip).cloned()).collect();
        owners.dedup();
        owners.len() == 1
    }

    pub(crate) fn all_agree(&self, vip: IpAddr, owner: Option<Node>) -> bool {
        let owner = owner.map(Node::name);
        self.nodes().iter().all(|node| self.view(*node).owner(vip) == owner.as_ref())
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_to(end, &mut |_| false);
    }

    /// Runs until the condition holds; how long that took, or `None` after `limit`.
    pub(crate) fn run_until_or(
        &mut self,
        limit: Duration,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        if condition(self) {
            return Some(Duration::ZERO);
        }
        self.run_to(begin + limit, &mut condition).then(|| self.now - begin)
    }

    fn run_to(&mut self, end: Instant, condition: &mut dyn FnMut(&Self) -> bool) -> bool {
        while let Some(Reverse((at, _, _))) = self.queue.peek() {
            if *at > end {
                break;
            }
            let Reverse((at, _, event)) = self.queue.pop().unwrap();
            self.now = at;
            if self.step(event) && condition(self) {
                return true;
            }
        }
        self.now = end;
        false
    }

    /// Returns whether a view changed.
    fn step(&mut self, event: Event) -> bool {
        let now = self.now;
        match event {
            Event::Datagram { to, from, bytes } => {
                let Some(machine) = self.machines.get_mut(&to) else { return false };
                if machine.paused_until.is_some() {
                    machine.held.push((from, bytes));
                    return false;
                }
                machine.gossip.handle(now, Input::Datagram { from, bytes: &bytes });
                self.flush(to)
            }
            Event::Wake { node, life } => {
                let Some(machine) = self.machines.get_mut(&node).filter(|machine| machine.life == life) else {
                    return false;
                };
                machine.woken = None;
                if machine.paused_until.is_some() {
                    return false;
                }
                if machine.gossip.next_deadline().is_some_and(|due| due <= now) {
                    machine.gossip.handle_deadline(now);
                }
                self.flush(node)
            }
            Event::Resume { node, life } => {
                let Some(machine) = self.machines.get_mut(&node).filter(|machine| machine.life == life) else {
                    return false;
                };
                machine.paused_until = None;
                for (from, bytes) in std::mem::take(&mut machine.held) {
                    machine.gossip.handle(now, Input::Datagram { from, bytes: &bytes });
                }
                machine.gossip.handle_deadline(now);
                self.flush(node)
            }
        }
    }

    fn flush(&mut self, node: Node) -> bool {
        let mut changed = false;
        let Some(machine) = self.machines.get_mut(&node) else { return false };
        // Whom nobody was declared down to, nobody lost sight of.
        let downs = machine.gossip.counters().members_down;
        let lost_some = std::mem::replace(&mut machine.downs, downs) != downs;
        let mut before = self.view(node);
        while let Some(output) = self.machines.get_mut(&node).and_then(|machine| machine.gossip.poll()) {
            match output {
                Output::Send { to, bytes } => self.send(node, to, bytes),
                Output::View(view) => {
                    changed = true;
                    let look = lost_some || view.members.len() < before.members.len();
                    let gone = |name: &&NodeName| look && !view.members.contains_key(*name);
                    for name in before.members.keys().filter(gone) {
                        let lost = self.machines.keys().copied().find(|other| other.name() == *name);
                        if let Some(lost) = lost.filter(|lost| *lost != node) {
                            self.false_downs.push((self.now - self.start, node, lost.name()));
                        }
                    }
                    assert!(view.version > before.version, "the version rises");
                    before = view;
                }
            }
        }
        self.rearm(node);
        changed
    }

    fn rearm(&mut self, node: Node) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&node) else { return };
        let Some(due) = machine.gossip.next_deadline() else { return };
        if machine.woken.is_none_or(|woken| due < woken) {
            machine.woken = Some(due);
            let life = machine.life;
            self.schedule(due.max(now), Event::Wake { node, life });
        }
    }

    fn send(&mut self, from: Node, to: SocketAddr, bytes: Vec<u8>) {
        self.largest = self.largest.max(bytes.len());
        self.packets += 1;
        let Some(target) = Node::at(to) else { return };
        let cut = self.side.get(&from) != self.side.get(&target) || self.deaf.contains(&target);
        if cut || self.rng.random_range(0.0..1.0) < self.loss {
            return;
        }
        let latency = Duration::from_micros(self.rng.random_range(100..500));
        let at = self.now + latency;
        if self.record {
            self.seen.push(Seen { at: at - self.start, from: from.addr(), to, bytes: bytes.clone() });
        }
        self.schedule(at, Event::Datagram { to: target, from: from.addr(), bytes });
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((at, self.events, event)));
    }
}
