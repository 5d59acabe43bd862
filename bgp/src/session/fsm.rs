//! The events of connections (RFC 4271 section 8.2.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::collision::{self, Direction};
use super::connection::{Connection, Phase};
use super::peer::Admin;
use super::{CloseHow, ConnectionId, DownReason, Endpoints, Message, Mode, Output, Peer, Session, State};
use super::{graceful, negotiate, notify, open, timers};
use crate::wire::notification::open as open_error;
use crate::wire::notification::{cease, code, state_machine};
use crate::wire::{Notification, Open};

/// Types of messages, as data of a NOTIFICATION (RFC 6608 section 3).
mod kind {
    pub(super) const OPEN: u8 = 1;
    pub(super) const UPDATE: u8 = 2;
    pub(super) const KEEPALIVE: u8 = 4;
    pub(super) const ROUTE_REFRESH: u8 = 5;
}

// === impl Peer ===

impl Peer {
    // --- TCP ---

    /// TCP is up for a connection that was dialled (event 16).
    pub(super) fn connected(&mut self, now: Instant, id: ConnectionId, endpoints: Endpoints) {
        if self.find(id).is_some_and(|connection| !connection.is_connected()) {
            self.send_open(now, id, endpoints);
        }
    }

    /// The peer has made a connection (event 17).
    pub(super) fn accepted(&mut self, now: Instant, id: ConnectionId, endpoints: Endpoints) {
        if self.admin != Admin::Started || self.config.mode == Mode::Active {
            self.send(id, Message::Notification(Notification::cease(cease::REJECTED)));
            self.output(Output::Close { connection: id, how: CloseHow::Flush });
            self.log_refusal(now);
            return;
        }
        // The peer has given up an earlier one of its own that got nowhere, or it would not try again.
        let earlier =
            |connection: &&Connection| connection.direction == Direction::Incoming && !connection.is_established();
        if let Some(earlier) = self.connections.iter().find(earlier).map(|connection| connection.id) {
            self.close(earlier, Some(Notification::cease(cease::COLLISION)), CloseHow::Flush);
        }
        let mut connection = Connection::new(id, Direction::Incoming, now, Phase::Delayed { endpoints });
        // Beside a session that is up, the peer has to say what it wants before it hears anything (RFC 4271 section 8.2.2: the
        // second connection is tracked until it sends an OPEN).
        let delay = if self.is_established() { Some(timers::SECOND_OPEN) } else { self.config.delay_open };
        connection.timers.open = delay.map(|delay| now + delay);
        connection.timers.hold = Some(now + timers::OPEN_HOLD);
        self.connections.push(connection);
        if delay.is_none() {
            self.send_open(now, id, endpoints);
        }
    }

    fn send_open(&mut self, now: Instant, id: ConnectionId, endpoints: Endpoints) {
        let sent = Arc::new(open::own(&self.config, self.saying(now)));
        let Some(connection) = self.find(id) else { return };
        connection.phase = Phase::OpenSent { endpoints, sent: Arc::clone(&sent) };
        connection.timers.open = None;
        connection.timers.hold = Some(now + timers::OPEN_HOLD);
        self.send(id, Message::Open(Open::clone(&sent)));
    }

    // --- Messages ---

    /// A message other than UPDATE.
    pub(super) fn message(&mut self, now: Instant, id: ConnectionId, message: Message) {
        if self.find(id).is_none_or(|connection| !connection.is_connected()) {
            return;
        }
        self.count_received(&message);
        match message {
            Message::Notification(notification) => self.notified(now, id, notification),
            Message::Open(received) => self.opened(now, id, received),
            Message::Keepalive => self.kept_alive(now, id),
            Message::RouteRefresh(refresh) => {
                if self.heard_while_up(now, id, kind::ROUTE_REFRESH) {
                    self.asked_refresh(id, refresh);
                }
            }
        }
    }

    /// An UPDATE.
    pub(super) fn update(&mut self, now: Instant, id: ConnectionId) {
        if self.heard_while_up(now, id, kind::UPDATE) {
            self.counters.updates_received = self.counters.updates_received.saturating_add(1);
        }
    }

    /// NOTIFICATION (events 24 and 25).
    fn notified(&mut self, now: Instant, id: ConnectionId, notification: Notification) {
        // A speaker that knows no capabilities says so; try without (RFC 5492 section 3).
        let refused = (notification.code, notification.subcode) == (code::OPEN, open_error::PARAMETER);
        let said_some = self.find(id).is_some_and(|connection| match &connection.phase {
            Phase::OpenSent { sent, .. } => !sent.capabilities.is_empty(),
            Phase::Connecting | Phase::Delayed { .. } | Phase::OpenConfirm { .. } | Phase::Established { .. } => false,
        });
        self.plain = refused && said_some;
        self.fail(now, id, DownReason::Received(notification), None);
    }

    /// OPEN (event 19).
    fn opened(&mut self, now: Instant, id: ConnectionId, received: Open) {
        let Some(connection) = self.find(id) else { return };
        if let Phase::Delayed { endpoints } = connection.phase {
            // The peer was faster than the delay (event 20).
            self.send_open(now, id, endpoints);
        }
        let Some(Connection { phase: Phase::OpenSent { endpoints, sent }, .. }) = self.find(id) else {
            return self.not_expected(now, id, kind::OPEN);
        };
        let (endpoints, sent) = (*endpoints, Arc::clone(sent));
        if let Err(notification) = open::check(&self.config, &received) {
            return self.fail(now, id, DownReason::Sent(notification.clone()), Some(notification));
        }
        let session = Arc::new(negotiate::agree(&self.config, &sent, &Arc::new(received), id, endpoints));
        if !self.resolve_collision(now, id, &session) {
            return;
        }
        let keepalive = self.next_keepalive(now, session.hold_time);
        let Some(connection) = self.find(id) else { return };
        connection.phase = Phase::OpenConfirm { session };
        connection.heard(now);
        connection.timers.keepalive = keepalive;
        self.send(id, Message::Keepalive);
    }

    /// KEEPALIVE (event 26).
    fn kept_alive(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.find(id) else { return };
        let Phase::OpenConfirm { session } = &connection.phase else {
            self.heard_while_up(now, id, kind::KEEPALIVE);
            return;
        };
        let session = Arc::clone(session);
        connection.phase = Phase::Established { session: Arc::clone(&session), since: now };
        connection.heard(now);
        self.become_established(id, session);
    }

    fn become_established(&mut self, id: ConnectionId, session: Arc<Session>) {
        let others: Vec<_> = self.connections.iter().map(|other| other.id).filter(|other| *other != id).collect();
        for other in others {
            self.close(other, Some(Notification::cease(cease::COLLISION)), CloseHow::Flush);
        }
        self.restarted = false;
        self.count_established();
        self.output(Output::Established { connection: id, session });
    }

    /// Notes that the peer lives, if its session is up; answers otherwise, since the message is out of place.
    fn heard_while_up(&mut self, now: Instant, id: ConnectionId, kind: u8) -> bool {
        let Some(connection) = self.find(id) else { return false };
        if connection.is_established() {
            connection.heard(now);
            return true;
        }
        if connection.is_connected() {
            self.not_expected(now, id, kind);
        }
        false
    }

    /// A message that the state does not allow (RFC 6608).
    fn not_expected(&mut self, now: Instant, id: ConnectionId, kind: u8) {
        let Some(connection) = self.find(id) else { return };
        let subcode = match connection.state() {
            State::OpenSent => state_machine::OPEN_SENT,
            State::OpenConfirm => state_machine::OPEN_CONFIRM,
            State::Established => state_machine::ESTABLISHED,
            State::Idle | State::Connect | State::Active => state_machine::UNSPECIFIED,
        };
        let notification = notify::unexpected(subcode, kind);
        self.fail(now, id, DownReason::Sent(notification.clone()), Some(notification));
    }

    // --- Two connections ---

    /// Leaves one of two connections, now that the peer's OPEN tells who it is. Returns whether it is this one.
    fn resolve_collision(&mut self, now: Instant, id: ConnectionId, session: &Session) -> bool {
        let rival = |connection: &&Connection| connection.id != id && connection.session().is_some();
        let Some(other) = self.connections.iter().find(rival) else { return true };
        let (other_id, other_direction) = (other.id, other.direction);
        let direction = if other_direction == Direction::Outgoing { Direction::Incoming } else { Direction::Outgoing };
        let this_stays = match &other.phase {
            Phase::Established { session: up, since } => {
                if replaces(up, session, now.saturating_duration_since(*since)) {
                    self.fail(now, other_id, DownReason::Replaced, None);
                    return true;
                }
                false
            }
            Phase::Connecting | Phase::Delayed { .. } | Phase::OpenSent { .. } | Phase::OpenConfirm { .. } => {
                collision::stays(&session.sent, &session.received) == direction
            }
        };
        self.counters.collisions = self.counters.collisions.saturating_add(1);
        let loser = if this_stays { other_id } else { id };
        self.close(loser, Some(Notification::cease(cease::COLLISION)), CloseHow::Flush);
        this_stays
    }

    // --- Timers ---

    /// A timer of a connection is over.
    pub(super) fn connection_due(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.find(id) else { return };
        match connection.timers.expired(now) {
            Some(DownReason::SendHoldTimer) => {
                // RFC 9687 section 4: say it if it can be said at all.
                return self.fail(now, id, DownReason::SendHoldTimer, Some(Notification::send_hold_timer_expired()));
            }
            Some(reason) => return self.fail(now, id, reason, Some(Notification::hold_timer_expired())),
            None => {}
        }
        if connection.timers.keepalive.is_some_and(|at| at <= now) {
            let hold_time = connection.session().map_or(Duration::ZERO, |session| session.hold_time);
            let next = self.next_keepalive(now, hold_time);
            if let Some(connection) = self.find(id) {
                connection.timers.keepalive = next;
            }
            self.send(id, Message::Keepalive);
        } else if connection.timers.open.take().is_some() {
            self.open_due(now, id);
        }
    }

    /// TCP has not come up, or the peer has not sent its OPEN first.
    fn open_due(&mut self, now: Instant, id: ConnectionId) {
        let beside_another = self.is_established();
        let Some(connection) = self.find(id) else { return };
        match connection.phase {
            Phase::Delayed { .. } if beside_another => {
                self.close(id, Some(Notification::cease(cease::COLLISION)), CloseHow::Flush);
            }
            Phase::Delayed { endpoints } => self.send_open(now, id, endpoints),
            Phase::Connecting => {
                let error = format!("no answer in {} s", timers::CONNECT.as_secs());
                self.fail(now, id, DownReason::ConnectFailed(error), None);
            }
            Phase::OpenSent { .. } | Phase::OpenConfirm { .. } | Phase::Established { .. } => {}
        }
    }

    /// When to send the next KEEPALIVE.
    pub(super) fn next_keepalive(&mut self, now: Instant, hold_time: Duration) -> Option<Instant> {
        let between = timers::keepalive(&self.config, hold_time)?;
        Some(now + timers::jitter(&mut self.random, between))
    }

    /// Bytes wait that the socket does not take.
    pub(super) fn pending(&mut self, now: Instant, id: ConnectionId) {
        if self.find(id).is_some_and(|connection| connection.timers.send_hold.is_none()) {
            self.progress(now, id, true);
        }
    }

    /// The socket took some.
    pub(super) fn progress(&mut self, now: Instant, id: ConnectionId, pending: bool) {
        let config = Arc::clone(&self.config);
        let Some(connection) = self.find(id) else { return };
        let hold = connection.session().and_then(|session| timers::send_hold(&config, session.hold_time));
        connection.timers.send_hold = hold.filter(|_| pending).map(|hold| now + hold);
    }

    // --- The end ---

    /// A connection ends, with these last words.
    pub(super) fn fail(&mut self, now: Instant, id: ConnectionId, reason: DownReason, last: Option<Notification>) {
        let how = match reason {
            DownReason::SendHoldTimer => CloseHow::Abort,
            DownReason::ConnectFailed(_)
            | DownReason::Closed(_)
            | DownReason::Received(_)
            | DownReason::Sent(_)
            | DownReason::HoldTimer
            | DownReason::Bfd(_)
            | DownReason::Stopped(_)
            | DownReason::Configuration
            | DownReason::PrefixLimit(_)
            | DownReason::Replaced => CloseHow::Flush,
        };
        let Some(connection) = self.close(id, last, how) else { return };
        // Two connections of the same time, one of which the peer gives up: nothing went wrong.
        let collision = matches!(&reason, DownReason::Received(said)
            if (said.code, said.subcode) == (code::CEASE, cease::COLLISION));
        match connection.phase {
            Phase::Established { session, since } => {
                let stable = now.saturating_duration_since(since) >= timers::STABLE;
                self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
                self.waiting = State::Idle;
                self.note_error(now, &reason);
                let keep = graceful::keep(&session, &reason);
                self.output(Output::Down { connection: id, reason, keep });
                self.retry_later(now);
            }
            Phase::Connecting | Phase::Delayed { .. } | Phase::OpenSent { .. } | Phase::OpenConfirm { .. } => {
                if !collision {
                    self.note_error(now, &reason);
                    self.log_failure(now, reason);
                }
                if connection.direction == Direction::Outgoing {
                    self.failures = if collision { self.failures } else { self.failures.saturating_add(1) };
                    self.waiting =
                        if matches!(connection.phase, Phase::Connecting) { State::Active } else { State::Idle };
                    self.retry_later(now);
                }
            }
        }
    }

    fn count_received(&mut self, message: &Message) {
        let counters = &mut self.counters;
        let received = match message {
            Message::Open(_) => &mut counters.opens_received,
            Message::Notification(_) => &mut counters.notifications_received,
            Message::Keepalive => &mut counters.keepalives_received,
            Message::RouteRefresh(_) => &mut counters.route_refresh_received,
        };
        *received = received.saturating_add(1);
    }
}

/// Whether a new connection of the peer takes the place of a session that seems up: the peer has restarted, and its end of the
/// old connection is gone (RFC 4724 section 4.2).
///
/// Deviation: a session of the last half minute stays unless the peer says that it has restarted. RFC 4724 would end it for any
/// OPEN, and so for a second connection that was made at the same time.
fn replaces(up: &Session, new: &Session, age: Duration) -> bool {
    let restarts = up.restart.iter().any(|(_, restart)| restart.is_some());
    restarts && (new.peer_restarted || age >= timers::SETTLED)
}

#[cfg(test)]
#[path = "fsm_tests.rs"]
mod tests;
