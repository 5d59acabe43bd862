//! The task of one peer: it carries out what the machine of [`session`](crate::session) wants, and tells it what happened.
//!
//! It waits for its configuration, orders, its time, its sockets and the RIB; all of these may be given up and waited for again.

mod act;
mod read;
mod target;
mod write;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::config::{BfdState, PeerConfig};
use super::connection::{Connection, Ready};
use super::now;
use super::record::Recorded;
use super::shared::{Shared, Told};
use super::status::{Malformed, Octets, Problem};
use crate::rib::PeerId;
use crate::session::{ConnectionId, Input, Peer as Machine, Session, Stop};
use crate::wire::{Family, Parameters};

/// Orders and connections that may wait for a peer's task. When there are more, connections are closed and counted, and orders
/// are dropped with a line in the log: a person can give them again.
pub(super) const ORDERS: usize = 16;

/// What shall be of a peer, as the latest truth.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) config: Arc<PeerConfig>,
    pub(super) bfd: BfdState,
    /// The router on the interface of an unnumbered peer.
    pub(super) neighbor: Option<Neighbor>,
    /// Found by comparing it with other peers.
    pub(super) problem: Option<Problem>,
    /// Why a later configuration is not in force, if so.
    pub(super) impossible: Option<Problem>,
    /// Why it shall end, if so. The task ends when the peer was told.
    pub(super) stop: Option<Stop>,
}

/// A router on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbor {
    pub(super) index: u32,
    pub(super) address: std::net::Ipv6Addr,
}

/// Something that happens to a peer once.
#[derive(Debug)]
pub(super) enum Order {
    /// It connected.
    Accepted(TcpStream, SocketAddr),
    /// A person wants a new session.
    Reset(String),
    /// A person wants its routes again.
    Refresh(Family),
    /// A person wants it told everything again.
    Resend(Family),
    /// Somebody wants its messages.
    Record(mpsc::Sender<Recorded>),
}

/// A TCP connection in the making.
type Dial = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// What a session works with.
#[derive(Debug, Clone)]
struct Up {
    connection: ConnectionId,
    session: Arc<Session>,
}

/// The task.
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) id: PeerId,
    pub(super) level: watch::Receiver<Level>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) wake: Arc<Notify>,
    /// Where connections say farewell.
    pub(super) tracker: TaskTracker,
    pub(super) state: State,
}

/// What changes.
pub(super) struct State {
    config: Arc<PeerConfig>,
    neighbor: Option<Neighbor>,
    bfd: BfdState,
    problem: Option<Problem>,
    machine: Machine,
    connections: BTreeMap<ConnectionId, Connection>,
    dials: BTreeMap<ConnectionId, (SocketAddr, Dial)>,
    up: Option<Up>,
    /// The RIB may have something for the peer.
    table: bool,
    /// Before anything is agreed on.
    plain: Arc<Parameters>,
    octets: Octets,
    malformed: Malformed,
    /// When a malformed attribute was last told to people.
    told_malformed: Option<Instant>,
    recorder: Option<Recorder>,
    stopping: bool,
}

struct Recorder {
    to: mpsc::Sender<Recorded>,
    missed: u64,
}

/// What a task waits for.
enum Wake {
    Level(bool),
    Order(Option<Order>),
    Time,
    Dialled(ConnectionId, SocketAddr, io::Result<TcpStream>),
    Socket(ConnectionId, Ready),
    Rib,
}

// === impl State ===

impl State {
    pub(super) fn new(level: &Level, machine: Machine) -> Self {
        Self {
            config: Arc::clone(&level.config),
            neighbor: level.neighbor,
            bfd: BfdState::default(),
            problem: None,
            machine,
            connections: BTreeMap::new(),
            dials: BTreeMap::new(),
            up: None,
            table: false,
            plain: Arc::new(Parameters::default()),
            octets: Octets::default(),
            malformed: Malformed::default(),
            told_malformed: None,
            recorder: None,
            stopping: false,
        }
    }
}

// === impl Task ===

impl Task {
    /// Runs until the peer is stopped and was told so, or the worker is gone.
    pub(super) async fn run(mut self) {
        let mut timer = Box::pin(sleep_until(now().into()));
        let mut armed: Option<Instant> = None;
        self.begin();
        loop {
            self.act();
            self.write();
            // Writing finds broken connections; what follows from that may have to be written, too.
            while self.act() {
                self.write();
            }
            self.tell();
            if self.state.stopping && self.state.connections.is_empty() && self.state.dials.is_empty() {
                break;
            }
            arm(timer.as_mut(), &mut armed, self.state.machine.next_deadline());
            let wake = self.wait(timer.as_mut(), armed.is_some()).await;
            match wake {
                Wake::Level(true) => self.relevel(),
                // The worker is gone: nobody wants this peer to go on.
                Wake::Level(false) | Wake::Order(None) => break,
                Wake::Order(Some(order)) => self.obey(order),
                Wake::Time => armed = None,
                Wake::Dialled(connection, target, result) => self.dialled(connection, target, result),
                Wake::Socket(connection, ready) => {
                    if ready.read {
                        self.read(connection);
                    }
                }
                Wake::Rib => self.state.table = true,
            }
            // Messages first, whatever woke the task: what was read may refute what a timer would decide.
            self.state.machine.handle_deadline(now());
        }
        self.shared.remove(self.id);
    }

    /// Waits for the next thing to do.
    async fn wait(&mut self, timer: Pin<&mut Sleep>, armed: bool) -> Wake {
        let State { connections, dials, .. } = &mut self.state;
        let dialled = poll_fn(|context| {
            for (connection, (target, dial)) in &mut *dials {
                if let Poll::Ready(result) = dial.as_mut().poll(context) {
                    return Poll::Ready((*connection, *target, result));
                }
            }
            Poll::Pending
        });
        let ready = poll_fn(|context| {
            for (id, connection) in &*connections {
                if let Poll::Ready(ready) = connection.poll_ready(context) {
                    return Poll::Ready((*id, ready));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            changed = self.level.changed() => Wake::Level(changed.is_ok()),
            order = self.orders.recv() => Wake::Order(order),
            (connection, ready) = ready => Wake::Socket(connection, ready),
            (connection, target, result) = dialled => Wake::Dialled(connection, target, result),
            () = timer, if armed => Wake::Time,
            () = self.wake.notified() => Wake::Rib,
        }
    }

    fn begin(&mut self) {
        self.relevel();
        if self.state.config.disabled.is_none() && !self.state.stopping {
            self.state.machine.handle(now(), Input::Start);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Accepted(stream, peer) => self.accepted(stream, peer),
            Order::Reset(text) => self.state.machine.handle(now(), Input::Stop(Stop::Reset { text })),
            Order::Refresh(family) => self.state.machine.handle(now(), Input::Refresh { family }),
            Order::Resend(family) => {
                let id = self.id;
                self.shared.with_rib(|rib| rib.refresh(id, family));
            }
            Order::Record(to) => self.state.recorder = Some(Recorder { to, missed: 0 }),
        }
    }

    /// Tells what is to be seen of the peer.
    fn tell(&self) {
        let state = &self.state;
        let problem = {
            let level = self.level.borrow();
            level.impossible.clone().or_else(|| state.problem.clone()).or_else(|| level.problem.clone())
        };
        let told = Told {
            remote: state.config.transport.remote.clone(),
            session: state.machine.summary(),
            octets: state.octets,
            malformed: state.malformed,
            problem,
        };
        self.shared.tell(self.id, told);
    }

    /// How long TCP may wait for an answer: as long as the peer may be silent.
    fn user_timeout(&self) -> Option<Duration> {
        let hold = self.state.config.session.hold_time;
        (!hold.is_zero()).then_some(hold)
    }
}

/// Sets the timer if it would be too late; one that is too early only finds that nothing is due. So a hold timer that moves with
/// each message costs nothing.
fn arm(timer: Pin<&mut Sleep>, armed: &mut Option<Instant>, deadline: Option<Instant>) {
    let Some(deadline) = deadline else { return };
    if armed.is_none_or(|armed| deadline < armed) {
        timer.reset(deadline.into());
        *armed = Some(deadline);
    }
}
