//! What tests of sessions share: a peer whose other side is played by the test.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick out one kind")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::open::{self, Saying};
use super::{
    Config, ConnectionId, DownReason, Endpoints, Event, Input, Message, Mode, Output, Peer, RemoteAs, Session, State,
    Stop,
};
use crate::rib::Keep;
use crate::wire::{Notification, Open, PerFamily};

/// A point in time to count from.
#[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with; no time passes in tests")]
pub(super) fn origin() -> Instant {
    Instant::now()
}

/// The same cases in each run.
pub(super) fn cases() -> proptest::test_runner::Config {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(20_260_101);
    proptest::test_runner::Config { cases: 512, rng_seed, failure_persistence: None, ..Default::default() }
}

/// A speaker with this last octet, in AS 64500 plus it, that takes any external peer.
pub(super) fn speaker(number: u8) -> Config {
    Config::new(64_500 + u32::from(number), RemoteAs::External, Ipv4Addr::new(192, 0, 2, number))
}

/// The same, which dials and listens.
pub(super) fn speaker_both(number: u8) -> Config {
    Config { mode: Mode::Both, ..speaker(number) }
}

/// The OPEN that a speaker sends.
pub(super) fn open_of(config: &Config) -> Open {
    open::own(config, Saying { restarting: false, plain: false })
}

/// A connection from 192.0.2.1 to 192.0.2.2.
pub(super) fn endpoints() -> Endpoints {
    let address = |number, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)), port);
    Endpoints { local: address(1, 40_000), remote: address(2, 179) }
}

/// A peer and its time.
pub(super) struct Rig {
    pub(super) peer: Peer,
    pub(super) now: Instant,
}

impl Rig {
    /// It is started.
    pub(super) fn new(config: Config) -> Self {
        Self::begin(config, false)
    }

    /// It is started after a restart of the process.
    pub(super) fn restarted(config: Config) -> Self {
        Self::begin(config, true)
    }

    fn begin(config: Config, restarted: bool) -> Self {
        let mut rig = Self { peer: Peer::new(Arc::new(config), 7, restarted).expect("valid"), now: origin() };
        rig.peer.handle(rig.now, Input::Start);
        rig
    }

    pub(super) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.peer.poll()).collect()
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Output> {
        self.peer.handle(self.now, input);
        self.outputs()
    }

    pub(super) fn receive(&mut self, connection: ConnectionId, message: Message) -> Vec<Output> {
        self.handle(Input::Message { connection, message })
    }

    /// Lets time pass, with all that is due on the way.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let until = self.now + time;
        let mut outputs = self.outputs();
        while let Some(at) = self.peer.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.peer.handle_deadline(self.now);
            outputs.extend(self.outputs());
        }
        self.now = until;
        outputs
    }

    /// Dials, with TCP up.
    pub(super) fn dial(&mut self) -> ConnectionId {
        let mut outputs = self.outputs();
        let connection = loop {
            if let Some(connection) = dialled(&outputs) {
                break connection;
            }
            outputs = self.pass(Duration::from_secs(1));
        };
        self.handle(Input::Connected { connection, endpoints: endpoints() });
        connection
    }

    /// The peer connects.
    pub(super) fn accept(&mut self) -> (ConnectionId, Vec<Output>) {
        let connection = self.peer.next_connection();
        (connection, self.handle(Input::Accepted { connection, endpoints: endpoints() }))
    }

    /// Brings a connection up with a peer of this configuration.
    pub(super) fn establish(&mut self, connection: ConnectionId, peer: &Config) -> Arc<Session> {
        self.receive(connection, Message::Open(open_of(peer)));
        let outputs = self.receive(connection, Message::Keepalive);
        let session = outputs.iter().find_map(|output| match output {
            Output::Established { session, .. } => Some(Arc::clone(session)),
            _ => None,
        });
        session.unwrap_or_else(|| panic!("not established: {outputs:?}"))
    }

    /// A session that this side dialled.
    pub(super) fn up(config: Config, peer: &Config) -> (Self, ConnectionId) {
        let mut rig = Self::new(config);
        let connection = rig.dial();
        rig.establish(connection, peer);
        (rig, connection)
    }

    pub(super) fn stop(&mut self, stop: Stop) -> Vec<Output> {
        self.handle(Input::Stop(stop))
    }

    pub(super) fn state(&self) -> State {
        self.peer.state()
    }
}

pub(super) fn dialled(outputs: &[Output]) -> Option<ConnectionId> {
    outputs.iter().find_map(|output| if let Output::Connect { connection } = output { Some(*connection) } else { None })
}

pub(super) fn messages(outputs: &[Output]) -> Vec<Message> {
    let message =
        |output: &Output| if let Output::Send { message, .. } = output { Some(message.clone()) } else { None };
    outputs.iter().filter_map(message).collect()
}

/// Notifications that were sent, as code and subcode.
pub(super) fn notifications(outputs: &[Output]) -> Vec<(u8, u8)> {
    let code = |message: Message| match message {
        Message::Notification(notification) => Some((notification.code, notification.subcode)),
        _ => None,
    };
    messages(outputs).into_iter().filter_map(code).collect()
}

pub(super) fn notification(outputs: &[Output]) -> Option<Notification> {
    messages(outputs).into_iter().find_map(|message| match message {
        Message::Notification(notification) => Some(notification),
        _ => None,
    })
}

pub(super) fn closed(outputs: &[Output]) -> Vec<ConnectionId> {
    let closed = |output: &Output| if let Output::Close { connection, .. } = output { Some(*connection) } else { None };
    outputs.iter().filter_map(closed).collect()
}

pub(super) fn down(outputs: &[Output]) -> Option<(DownReason, PerFamily<Keep>)> {
    outputs.iter().find_map(|output| match output {
        Output::Down { reason, keep, .. } => Some((reason.clone(), *keep)),
        _ => None,
    })
}

pub(super) fn logged(outputs: &[Output]) -> Vec<Event> {
    let event = |output: &Output| if let Output::Log(event) = output { Some(event.clone()) } else { None };
    outputs.iter().filter_map(event).collect()
}
