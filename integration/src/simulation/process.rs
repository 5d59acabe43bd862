//! One speaker: the gossip thread and the speaker task, connected as the real program connects them.
//!
//! The thread reads its socket dry before it takes orders, and takes orders before deadlines. It publishes views, of
//! which the task sees the newest only. The task hands its decisions to the thread as orders. Between the two lies a
//! hop that takes time, so each may act on what the other has changed already.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_gossip::{Gossip, Input, NodeName, Output, View};
use ferrolb_source::Cluster;
use ferrolb_speaker::brain::{Brain, Input as BrainInput, Output as BrainOutput};
use ferrolb_speaker::plan::Options;

/// What fits a socket: with the kernel's usual limit of 212,992 bytes and its overhead for each datagram.
const SOCKET: usize = 256;

/// How long a leaving speaker answers on until a successor was heard.
pub(super) const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

/// What the task wants of the gossip thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Seeds(Vec<SocketAddr>),
    Claim(Vec<IpAddr>),
    Release(Vec<IpAddr>),
    Leave,
}

/// How far the task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It decides and announces.
    Working,
    /// It was told to end, and answers until others do.
    Leaving {
        /// When it ends at the latest.
        until: Instant,
    },
    /// It is done; the process ends.
    Ended,
}

/// A running speaker.
pub(super) struct Process {
    name: NodeName,
    /// Tells the events of one life of a node from those of another.
    pub(super) life: u32,
    gossip: Gossip,
    brain: Brain,
    pub(super) phase: Phase,
    pub(super) paused: bool,
    socket: VecDeque<(SocketAddr, Vec<u8>)>,
    orders: VecDeque<Order>,
    /// The newest view, while the task has not seen it.
    news: Option<Arc<View>>,
    /// The newest resources, while the task has not seen them.
    resources: Option<Arc<Cluster>>,
    /// What is answered for, and the address whose claim decides about it.
    pub(super) answers: BTreeMap<IpAddr, IpAddr>,
    /// When the next turn of the thread is planned.
    pub(super) thread_at: Option<Instant>,
    /// When the next turn of the task is planned.
    pub(super) task_at: Option<Instant>,
}

/// What a turn of the gossip thread brought.
#[derive(Default)]
pub(super) struct Delivered {
    pub(super) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// The views that were published, oldest first.
    pub(super) views: Vec<Arc<View>>,
}

// === impl Process ===

impl Process {
    pub(super) fn new(life: u32, gossip: Gossip) -> Self {
        let view = gossip.view();
        let name = view.me.name.clone();
        Self {
            brain: Brain::new(name.clone(), Options::default(), view),
            name,
            life,
            gossip,
            phase: Phase::Working,
            paused: false,
            socket: VecDeque::new(),
            orders: VecDeque::new(),
            news: None,
            resources: None,
            answers: BTreeMap::new(),
            thread_at: None,
            task_at: None,
        }
    }

    /// The newest view that was published.
    pub(super) fn view(&self) -> Arc<View> {
        self.gossip.view()
    }

    pub(super) const fn gossip(&self) -> &Gossip {
        &self.gossip
    }

    /// A datagram arrives; what the socket cannot hold is lost.
    pub(super) fn receive(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        if self.socket.len() < SOCKET {
            self.socket.push_back((from, bytes));
        }
    }

    /// The source delivers; the task sees the newest only.
    pub(super) fn supply(&mut self, resources: Arc<Cluster>) {
        self.resources = Some(resources);
    }

    /// When the thread has something to do by itself.
    pub(super) fn thread_due(&self) -> Option<Instant> {
        self.gossip.next_deadline()
    }

    /// When the task has something to do by itself.
    pub(super) fn task_due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Working => self.brain.next_deadline(),
            Phase::Leaving { until } => Some(until),
            Phase::Ended => None,
        }
    }

    /// The thread runs: socket, orders, deadlines, then it sends and publishes.
    pub(super) fn thread_turn(&mut self, now: Instant) -> Delivered {
        while let Some((from, bytes)) = self.socket.pop_front() {
            self.gossip.handle(now, Input::Datagram { from, bytes: &bytes });
        }
        while let Some(order) = self.orders.pop_front() {
            self.gossip.handle(now, order.into());
        }
        if self.gossip.next_deadline().is_some_and(|due| due <= now) {
            self.gossip.handle_deadline(now);
        }
        let mut delivered = Delivered::default();
        while let Some(output) = self.gossip.poll() {
            match output {
                Output::Send { to, bytes } => delivered.datagrams.push((to, bytes)),
                Output::View(view) => {
                    self.news = Some(Arc::clone(&view));
                    delivered.views.push(view);
                }
            }
        }
        delivered
    }

    /// The task runs; returns what it ordered.
    pub(super) fn task_turn(&mut self, now: Instant, seeds: &[SocketAddr]) -> Vec<Order> {
        let mut ordered = Vec::new();
        if let Phase::Leaving { until } = self.phase {
            self.hand_over(now, until);
        } else if self.phase == Phase::Working {
            // One thing after the other, as the select! of the real task takes them.
            if let Some(view) = self.news.take() {
                self.brain.handle(now, BrainInput::View(view));
                self.act(&mut ordered);
            }
            if self.brain.next_deadline().is_some_and(|due| due <= now) {
                self.brain.handle_deadline(now);
                self.act(&mut ordered);
            }
            if let Some(resources) = self.resources.take() {
                ordered.push(Order::Seeds(seeds.to_vec()));
                self.brain.handle(now, BrainInput::Cluster(resources));
                self.act(&mut ordered);
            }
        }
        self.orders.extend(ordered.iter().cloned());
        ordered
    }

    fn act(&mut self, ordered: &mut Vec<Order>) {
        while let Some(output) = self.brain.poll() {
            match output {
                BrainOutput::Claim(vips) => ordered.push(Order::Claim(vips)),
                BrainOutput::Release(vips) => ordered.push(Order::Release(vips)),
                BrainOutput::Plan(plan) => {
                    self.answers = plan.l2.iter().map(|announced| (announced.vip, announced.claim)).collect();
                }
            }
        }
    }

    /// The process is told to end.
    pub(super) fn leave(&mut self, now: Instant) {
        if self.phase != Phase::Working {
            return;
        }
        let alone = self.brain.snapshot().view.members.len() <= 1;
        self.orders.push_back(Order::Leave);
        let until = now.checked_add(HAND_OVER_WITHIN).unwrap_or(now);
        self.phase = if alone || self.answers.is_empty() { Phase::Ended } else { Phase::Leaving { until } };
        if self.phase == Phase::Ended {
            self.answers.clear();
        }
    }

    /// Gives up what others own.
    fn hand_over(&mut self, now: Instant, until: Instant) {
        if let Some(view) = self.news.take() {
            let taken = |claim: &IpAddr| view.owner(*claim).is_some_and(|owner| *owner != self.name);
            self.answers.retain(|_, claim| !taken(claim));
        }
        if self.answers.is_empty() || now >= until {
            self.answers.clear();
            self.phase = Phase::Ended;
        }
    }
}

impl From<Order> for Input<'static> {
    fn from(order: Order) -> Self {
        match order {
            Order::Seeds(seeds) => Self::Seeds(seeds),
            Order::Claim(vips) => Self::Claim(vips),
            Order::Release(vips) => Self::Release(vips),
            Order::Leave => Self::Leave,
        }
    }
}
