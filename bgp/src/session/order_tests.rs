//! Whatever comes in whatever order: nothing panics, and what is asked for fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::testing::*;
use super::{
    BfdFailure, Config, ConnectionId, GracefulRestart, Input, Message, Mode, Output, Peer, RemoteAs, Retry, State, Stop,
};
use crate::wire::{Capability, Family, Notification, PerFamily, RefreshKind, RouteRefresh};

/// Something that happens; connections by their number among all that there were.
#[derive(Debug, Clone)]
enum Op {
    Start,
    Stop(Stop),
    Configure(u8),
    Connected(usize),
    ConnectFailed(usize),
    Accepted,
    Open(usize, u8),
    Keepalive(usize),
    Notification(usize, u8, u8),
    RouteRefresh(usize, u8),
    Update(usize),
    Malformed(usize),
    Closed(usize),
    Pending(usize),
    Progress(usize, bool),
    BfdDown(bool),
    BfdUp,
    PrefixLimit,
    Refresh,
    Pass(u32),
    Deadline,
}

fn op() -> impl Strategy<Value = Op> {
    let text = || "bye".to_owned();
    let stop = prop_oneof![
        Just(Stop::Shutdown { text: text() }),
        Just(Stop::Disabled { text: text() }),
        Just(Stop::Drained { text: text() }),
        Just(Stop::Deleted),
        Just(Stop::Reset { text: text() }),
        Just(Stop::Reconfigured),
    ];
    let which = || 0..5_usize;
    prop_oneof![
        4 => Just(Op::Start),
        1 => stop.prop_map(Op::Stop),
        1 => any::<u8>().prop_map(Op::Configure),
        12 => (0..1_usize).prop_map(Op::Connected),
        2 => which().prop_map(Op::ConnectFailed),
        8 => Just(Op::Accepted),
        24 => (which(), any::<u8>()).prop_map(|(which, kind)| Op::Open(which, kind)),
        24 => which().prop_map(Op::Keepalive),
        1 => (which(), 1..9_u8, 0..12_u8).prop_map(|(which, code, subcode)| Op::Notification(which, code, subcode)),
        1 => (which(), 0..4_u8).prop_map(|(which, kind)| Op::RouteRefresh(which, kind)),
        2 => which().prop_map(Op::Update),
        1 => which().prop_map(Op::Malformed),
        2 => which().prop_map(Op::Closed),
        2 => which().prop_map(Op::Pending),
        2 => (which(), any::<bool>()).prop_map(|(which, pending)| Op::Progress(which, pending)),
        1 => any::<bool>().prop_map(Op::BfdDown),
        1 => Just(Op::BfdUp),
        1 => Just(Op::PrefixLimit),
        2 => Just(Op::Refresh),
        3 => (0..3_000_u32).prop_map(Op::Pass),
        1 => (0..200_000_u32).prop_map(Op::Pass),
        4 => Just(Op::Deadline),
    ]
}

/// A configuration for each number.
fn config(number: u8) -> Config {
    let bit = |at: u8| number >> at & 1 == 1;
    let families = PerFamily { ipv4: bit(4), ipv6: true };
    let graceful = GracefulRestart { families, notification: bit(5), ..GracefulRestart::default() };
    Config {
        mode: [Mode::Both, Mode::Both, Mode::Active, Mode::Passive][usize::from(number & 3)],
        hold_time: Duration::from_secs(if bit(2) { 9 } else { 0 }),
        delay_open: bit(3).then_some(Duration::from_secs(5)),
        graceful_restart: bit(6).then_some(graceful),
        prefix_limit_restart: bit(7).then_some(Duration::from_secs(30)),
        connect_retry: Retry { first: Duration::from_secs(1), max: Duration::from_secs(8) },
        ..speaker(5)
    }
}

/// What the outputs say, and what they may say.
struct Model {
    peer: Peer,
    now: std::time::Instant,
    /// All that there were, in order.
    known: Vec<ConnectionId>,
    dialled: BTreeSet<ConnectionId>,
    open: BTreeSet<ConnectionId>,
    /// Whether the own OPEN was sent there.
    said_open: BTreeMap<ConnectionId, bool>,
    up: Option<ConnectionId>,
    state: State,
}

impl Model {
    fn new(first: u8) -> Self {
        Self {
            peer: Peer::new(Arc::new(config(first)), 3, first & 1 == 1).expect("valid"),
            now: origin(),
            known: Vec::new(),
            dialled: BTreeSet::new(),
            open: BTreeSet::new(),
            said_open: BTreeMap::new(),
            up: None,
            state: State::Idle,
        }
    }

    /// One of those that are there, or of the last ones that there were.
    fn which(&self, number: usize) -> Option<ConnectionId> {
        let there = || self.open.iter().chain(&self.dialled);
        if number < 3 {
            there().nth(number % there().count().max(1)).copied()
        } else {
            self.known.iter().rev().nth(number - 3).copied()
        }
    }

    fn input(&mut self, op: Op) -> Option<Input> {
        let input = match op {
            Op::Start => Input::Start,
            Op::Stop(stop) => Input::Stop(stop),
            Op::Configure(number) => Input::Configure(Arc::new(config(number))),
            Op::Connected(which) => {
                // TCP comes up once, and only for what was dialled.
                let connection = self.dialled.iter().nth(which).copied()?;
                self.dialled.remove(&connection);
                self.open.insert(connection);
                Input::Connected { connection, endpoints: endpoints() }
            }
            Op::ConnectFailed(which) => {
                let connection = self.which(which)?;
                self.dialled
                    .contains(&connection)
                    .then_some(Input::ConnectFailed { connection, error: "no".to_owned() })?
            }
            Op::Accepted => {
                let connection = self.peer.next_connection();
                self.known.push(connection);
                self.open.insert(connection);
                Input::Accepted { connection, endpoints: endpoints() }
            }
            Op::Open(which, kind) => Input::Message { connection: self.which(which)?, message: open(kind) },
            Op::Keepalive(which) => Input::Message { connection: self.which(which)?, message: Message::Keepalive },
            Op::Notification(which, code, subcode) => {
                let message = Message::Notification(Notification::new(code, subcode, &[6, 2, 1, 97]));
                Input::Message { connection: self.which(which)?, message }
            }
            Op::RouteRefresh(which, kind) => {
                let kind = [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End, RefreshKind::Unknown(7)]
                    [usize::from(kind)];
                let message = Message::RouteRefresh(RouteRefresh { family: Family::Ipv4.raw(), kind });
                Input::Message { connection: self.which(which)?, message }
            }
            Op::Update(which) => Input::Update { connection: self.which(which)? },
            Op::Malformed(which) => {
                Input::Malformed { connection: self.which(which)?, notification: Notification::update(1, &[]) }
            }
            Op::Closed(which) => Input::Closed { connection: self.which(which)?, error: None },
            Op::Pending(which) => Input::Pending { connection: self.which(which)? },
            Op::Progress(which, pending) => Input::Progress { connection: self.which(which)?, pending },
            Op::BfdDown(control_plane_independent) => Input::BfdDown(BfdFailure { control_plane_independent }),
            Op::BfdUp => Input::BfdUp,
            Op::PrefixLimit => Input::PrefixLimit { family: Family::Ipv6, max: 5 },
            Op::Refresh => Input::Refresh { family: Family::Ipv4 },
            Op::Pass(_) | Op::Deadline => return None,
        };
        Some(input)
    }

    fn step(&mut self, op: Op) {
        if let Op::Pass(milliseconds) = op {
            // Late timers are as good as punctual ones.
            self.now += Duration::from_millis(milliseconds.into());
            self.deadline();
        } else if matches!(op, Op::Deadline) {
            self.now = self.peer.next_deadline().map_or(self.now, |at| at.max(self.now));
            self.deadline();
        } else if let Some(input) = self.input(op) {
            self.peer.handle(self.now, input);
        }
        self.outputs();
    }

    fn deadline(&mut self) {
        self.peer.handle_deadline(self.now);
        assert!(self.peer.next_deadline().is_none_or(|at| at > self.now), "time stands still");
    }

    fn outputs(&mut self) {
        while let Some(output) = self.peer.poll() {
            self.output(output);
        }
        assert_eq!(self.state, self.peer.state());
        assert_eq!(self.up, self.peer.established().map(|up| up.0));
        assert_eq!(self.up.is_some(), self.state == State::Established);
        assert_eq!(self.peer.summary().session.is_some(), self.up.is_some());
        // What the session knows is what is open.
        assert!(self.peer.connections.len() <= 2);
        for connection in &self.peer.connections {
            let there = if connection.is_connected() { &self.open } else { &self.dialled };
            assert!(there.contains(&connection.id), "{connection:?}");
        }
        assert_eq!(self.peer.connections.len(), self.open.len() + self.dialled.len());
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Connect { connection } => {
                assert!(!self.known.contains(&connection));
                self.known.push(connection);
                self.dialled.insert(connection);
            }
            Output::Send { connection, message } => {
                assert!(self.open.contains(&connection), "{message:?} where nothing is open");
                let said_open = self.said_open.entry(connection).or_default();
                match message {
                    Message::Open(_) => assert!(!std::mem::replace(said_open, true), "OPEN twice"),
                    Message::Keepalive => assert!(*said_open),
                    Message::RouteRefresh(_) => assert_eq!(self.up, Some(connection)),
                    Message::Notification(_) => {}
                }
            }
            Output::Close { connection, .. } => {
                assert!(self.open.remove(&connection) || self.dialled.remove(&connection), "closed twice");
            }
            Output::Established { connection, session } => {
                assert_eq!(self.up.replace(connection), None);
                assert!(self.open.contains(&connection) && session.connection == connection);
            }
            Output::Down { connection, .. } => {
                assert_eq!(self.up.take(), Some(connection));
                assert!(!self.open.contains(&connection), "it is closed first");
            }
            Output::Refresh { .. } => assert!(self.up.is_some()),
            Output::State { from, to } => {
                assert_eq!(std::mem::replace(&mut self.state, to), from);
                assert_ne!(from, to);
            }
            Output::Log(_) => {}
        }
    }
}

/// An OPEN, mostly a good one.
fn open(kind: u8) -> Message {
    let mut config = config(kind);
    config.router_id = if kind & 1 == 1 { [192, 0, 2, 1].into() } else { [192, 0, 2, 9].into() };
    config.asn = if kind > 250 { 64_505 } else { 64_600 };
    config.remote_as = RemoteAs::External;
    let mut open = open_of(&config);
    if kind & 2 == 2 {
        for capability in &mut open.capabilities {
            if let Capability::GracefulRestart(graceful) = capability {
                graceful.restarting = true;
            }
        }
    }
    Message::Open(open)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..cases() })]

    #[test]
    fn nothing_that_comes_in_any_order_upsets_a_session(first in any::<u8>(), ops in prop::collection::vec(op(), 0..400)) {
        let mut model = Model::new(first);
        model.step(Op::Start);
        for op in ops {
            model.step(op);
        }
        // However it stands, stopping ends all of it.
        model.step(Op::Stop(Stop::Deleted));
        assert!(model.open.is_empty() && model.dialled.is_empty());
        assert_eq!((model.peer.next_deadline(), model.state), (None, State::Idle));
    }
}

#[test]
fn the_orders_above_reach_what_they_are_about() {
    let strategy = (any::<u8>(), prop::collection::vec(op(), 400));
    let mut runner = proptest::test_runner::TestRunner::new(cases());
    let (mut established, mut collisions) = (0, 0);
    for _ in 0..30 {
        let (first, ops) = strategy.new_tree(&mut runner).expect("no filter").current();
        let mut model = Model::new(first);
        model.step(Op::Start);
        for op in ops {
            model.step(op);
        }
        established += model.peer.summary().established;
        collisions += model.peer.summary().counters.collisions;
    }
    assert!(established > 100 && collisions > 5, "{established} sessions, {collisions} collisions");
}
