//! The machine of one peer: its verbs, and when it dials.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::collision::Direction;
use super::connection::{Connection, Phase};
use super::damping::{Damper, Told};
use super::open::Saying;
use super::{
    CloseHow, Config, ConfigError, Counters, DownReason, Event, Input, LastError, Message, Mode, Output, Session,
    State, Summary, timers,
};

/// A connection of one [`Peer`]; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The session with one peer.
#[derive(Debug)]
pub struct Peer {
    pub(super) config: Arc<Config>,
    pub(super) admin: Admin,
    /// Two at most: one each way, or one that is up and one of the peer that may take its place.
    pub(super) connections: Vec<Connection>,
    pub(super) random: StdRng,
    /// When to dial next; none while there is a better connection, or while this side does not dial.
    pub(super) retry_at: Option<Instant>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// What it waits after, for people.
    pub(super) waiting: State,
    /// The process took over from an earlier one, and nothing was established since (R bit).
    pub(super) restarted: bool,
    /// Until when that may be said.
    pub(super) restarting_until: Option<Instant>,
    /// The next OPEN is without capabilities.
    pub(super) plain: bool,
    pub(super) counters: Counters,
    established: u64,
    last_error: Option<LastError>,
    state: State,
    since: Option<Instant>,
    failed: Damper,
    refused: Option<Told>,
    outputs: VecDeque<Output>,
    next_connection: u64,
}

/// What is wanted of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admin {
    /// Nothing.
    Stopped,
    /// A session.
    Started,
    /// A session, but not before this time, or before a person says so: it told too many prefixes.
    Held { until: Option<Instant> },
}

// === impl Peer ===

impl Peer {
    /// A peer that is stopped. `restarted`: this process took over from an earlier one, so that the first session says so
    /// (R bit, RFC 4724 section 3).
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn new(config: Arc<Config>, seed: u64, restarted: bool) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            admin: Admin::Stopped,
            connections: Vec::with_capacity(2),
            random: StdRng::seed_from_u64(seed),
            retry_at: None,
            failures: 0,
            waiting: State::Active,
            restarted,
            restarting_until: None,
            plain: false,
            counters: Counters::default(),
            established: 0,
            last_error: None,
            state: State::Idle,
            since: None,
            failed: Damper::default(),
            refused: None,
            outputs: VecDeque::new(),
            next_connection: 0,
        })
    }

    /// A name for a connection that the peer made.
    pub fn next_connection(&mut self) -> ConnectionId {
        self.next_connection = self.next_connection.saturating_add(1);
        ConnectionId(self.next_connection)
    }

    /// Takes note of what happened. Take the outputs afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => self.start(now),
            Input::Stop(stop) => self.stop(now, &stop),
            Input::Configure(config) => self.configure(now, config),
            Input::Connected { connection, endpoints } => self.connected(now, connection, endpoints),
            Input::ConnectFailed { connection, error } => {
                self.fail(now, connection, DownReason::ConnectFailed(error), None);
            }
            Input::Accepted { connection, endpoints } => self.accepted(now, connection, endpoints),
            Input::Message { connection, message } => self.message(now, connection, message),
            Input::Update { connection } => self.update(now, connection),
            Input::Malformed { connection, notification } => {
                self.fail(now, connection, DownReason::Sent(notification.clone()), Some(notification));
            }
            Input::Closed { connection, error } => self.fail(now, connection, DownReason::Closed(error), None),
            Input::Pending { connection } => self.pending(now, connection),
            Input::Progress { connection, pending } => self.progress(now, connection, pending),
            Input::BfdDown(failure) => self.bfd_down(now, failure),
            Input::BfdUp => self.bfd_up(now),
            Input::PrefixLimit { family, max } => self.prefix_limit(now, family, max),
            Input::Refresh { family } => self.ask_refresh(family),
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        let due = |connection: &Connection| connection.timers.next().is_some_and(|at| at <= now);
        while let Some(id) = self.connections.iter().find(|connection| due(connection)).map(|connection| connection.id)
        {
            self.connection_due(now, id);
        }
        if matches!(self.admin, Admin::Held { until: Some(until) } if until <= now) {
            self.admin = Admin::Started;
            self.dial_soon(now);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.dial(now);
        }
        self.settle(now);
    }

    /// When [`handle_deadline`](Self::handle_deadline) is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let held = match self.admin {
            Admin::Held { until } => until,
            Admin::Stopped | Admin::Started => None,
        };
        let connections = self.connections.iter().filter_map(|connection| connection.timers.next());
        connections.chain(self.retry_at).chain(held).min()
    }

    /// What is to be done; `None` when nothing is left.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The state of the more advanced connection, or of the peer without one.
    pub fn state(&self) -> State {
        self.state
    }

    /// The connection of the session that is up.
    pub fn established(&self) -> Option<(ConnectionId, &Arc<Session>)> {
        self.connections.iter().find_map(|connection| match &connection.phase {
            Phase::Established { session, .. } => Some((connection.id, session)),
            Phase::Connecting | Phase::Delayed { .. } | Phase::OpenSent { .. } | Phase::OpenConfirm { .. } => None,
        })
    }

    /// Whether the session is up.
    pub fn is_established(&self) -> bool {
        self.established().is_some()
    }

    /// What people see.
    pub fn summary(&self) -> Summary {
        let held = match self.admin {
            Admin::Held { until } => until,
            Admin::Stopped | Admin::Started => None,
        };
        Summary {
            state: self.state,
            since: self.since,
            established: self.established,
            failures: self.failures,
            next_attempt: held.or(self.retry_at),
            last_error: self.last_error.clone(),
            counters: self.counters,
            session: self.established().map(|(_, session)| Arc::clone(session)),
        }
    }

    // --- Dialling ---

    /// Whether this side dials, and nothing is better than to do so.
    fn may_dial(&self) -> bool {
        let better = |connection: &Connection| {
            connection.direction == Direction::Outgoing || connection.state() >= State::OpenConfirm
        };
        self.admin == Admin::Started && self.config.mode != Mode::Passive && !self.connections.iter().any(better)
    }

    /// Dials at once.
    pub(super) fn dial_soon(&mut self, now: Instant) {
        self.retry_at = Some(now);
        self.dial(now);
    }

    fn dial(&mut self, now: Instant) {
        self.retry_at = None;
        if !self.may_dial() {
            return;
        }
        // A connection of the peer that has just begun is likely to become the session; another one would only collide.
        if let Some(begun) = self.connections.iter().map(|connection| connection.since).max()
            && now < begun + timers::COURTESY
        {
            self.retry_at = Some(begun + timers::COURTESY);
            return;
        }
        let id = self.next_connection();
        let mut connection = Connection::new(id, Direction::Outgoing, now, Phase::Connecting);
        connection.timers.open = Some(now + timers::CONNECT);
        self.connections.push(connection);
        self.output(Output::Connect { connection: id });
    }

    /// Waits before it dials again.
    pub(super) fn retry_later(&mut self, now: Instant) {
        self.retry_at = Some(now + timers::pause(self.config.connect_retry, self.failures, &mut self.random));
    }

    // --- What every step needs ---

    pub(super) fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: Message) {
        let counters = &mut self.counters;
        let sent = match &message {
            Message::Open(_) => &mut counters.opens_sent,
            Message::Notification(_) => &mut counters.notifications_sent,
            Message::Keepalive => &mut counters.keepalives_sent,
            Message::RouteRefresh(_) => &mut counters.route_refresh_sent,
        };
        *sent = sent.saturating_add(1);
        self.output(Output::Send { connection, message });
    }

    /// Takes a connection away, after its last words.
    pub(super) fn close(
        &mut self,
        id: ConnectionId,
        last: Option<crate::wire::Notification>,
        how: CloseHow,
    ) -> Option<Connection> {
        let at = self.connections.iter().position(|connection| connection.id == id)?;
        let connection = self.connections.remove(at);
        if let Some(notification) = last.filter(|_| connection.is_connected()) {
            self.send(id, Message::Notification(notification));
        }
        self.output(Output::Close { connection: id, how });
        Some(connection)
    }

    /// How the next OPEN is made.
    pub(super) fn saying(&self, now: Instant) -> Saying {
        let restarting = self.restarted && self.restarting_until.is_some_and(|until| now < until);
        Saying { restarting, plain: self.plain }
    }

    pub(super) fn count_established(&mut self) {
        self.established = self.established.saturating_add(1);
        self.failed.reset();
        self.refused = None;
    }

    pub(super) fn note_error(&mut self, now: Instant, reason: &DownReason) {
        self.last_error = Some(LastError { at: now, reason: reason.clone() });
    }

    pub(super) fn log_failure(&mut self, now: Instant, reason: DownReason) {
        if let Some(suppressed) = self.failed.tell(now, &reason) {
            self.output(Output::Log(Event::Failed { reason, suppressed }));
        }
    }

    pub(super) fn log_refusal(&mut self, now: Instant) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        let told = match &mut self.refused {
            Some(told) => told.again(now),
            none => {
                *none = Some(Told::new(now));
                Some(0)
            }
        };
        if let Some(suppressed) = told {
            self.output(Output::Log(Event::Refused { suppressed }));
        }
    }

    /// After each step: dials or waits where nothing else goes on, and tells a new state.
    fn settle(&mut self, now: Instant) {
        if !self.may_dial() {
            self.retry_at = None;
        } else if self.retry_at.is_none() {
            self.retry_later(now);
        }
        let state = self.current_state();
        if state != self.state {
            self.output(Output::State { from: self.state, to: state });
            (self.state, self.since) = (state, Some(now));
        }
    }

    fn current_state(&self) -> State {
        let connection = self.connections.iter().map(Connection::state).max_by_key(|state| match state {
            // A connection that the peer made counts for more than one that is being tried.
            State::Active => State::Connect,
            State::Connect => State::Active,
            State::Idle | State::OpenSent | State::OpenConfirm | State::Established => *state,
        });
        match (self.admin, self.config.mode) {
            (Admin::Stopped | Admin::Held { .. }, _) => State::Idle,
            (Admin::Started, Mode::Active) => connection.unwrap_or(self.waiting),
            // Whoever listens takes a connection at any time.
            (Admin::Started, Mode::Passive | Mode::Both) => connection.unwrap_or(State::Active),
        }
    }
}
