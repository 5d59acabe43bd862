//! One connection to the peer: where it stands, and its timers.

use std::sync::Arc;
use std::time::Instant;

use super::collision::Direction;
use super::{ConnectionId, DownReason, Endpoints, Session, State};
use crate::wire::Open;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) direction: Direction,
    pub(super) since: Instant,
    pub(super) phase: Phase,
    pub(super) timers: Timers,
}

/// Where it stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// TCP is on its way; until `timers.open`.
    Connecting,
    /// TCP is up, and the own OPEN waits until `timers.open` (DelayOpen).
    Delayed { endpoints: Endpoints },
    /// The own OPEN is sent.
    OpenSent { endpoints: Endpoints, sent: Arc<Open> },
    /// The peer's OPEN is good, and a KEEPALIVE was sent.
    OpenConfirm { session: Arc<Session> },
    /// The session is up.
    Established { session: Arc<Session>, since: Instant },
}

/// When what is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// TCP has to be up, or the own OPEN is due.
    pub(super) open: Option<Instant>,
    /// The peer has to be heard.
    pub(super) hold: Option<Instant>,
    /// A KEEPALIVE is due.
    pub(super) keepalive: Option<Instant>,
    /// Bytes that wait have to move (RFC 9687).
    pub(super) send_hold: Option<Instant>,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(id: ConnectionId, direction: Direction, now: Instant, phase: Phase) -> Self {
        Self { id, direction, since: now, phase, timers: Timers::default() }
    }

    /// As RFC 4271 section 8.2.2 calls it.
    pub(super) fn state(&self) -> State {
        match &self.phase {
            Phase::Connecting => State::Connect,
            // The peer came, and nothing was said yet.
            Phase::Delayed { .. } => State::Active,
            Phase::OpenSent { .. } => State::OpenSent,
            Phase::OpenConfirm { .. } => State::OpenConfirm,
            Phase::Established { .. } => State::Established,
        }
    }

    /// What was agreed on, from the peer's OPEN on.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match &self.phase {
            Phase::OpenConfirm { session } | Phase::Established { session, .. } => Some(session),
            Phase::Connecting | Phase::Delayed { .. } | Phase::OpenSent { .. } => None,
        }
    }

    pub(super) fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established { .. })
    }

    /// TCP is up.
    pub(super) fn is_connected(&self) -> bool {
        !matches!(self.phase, Phase::Connecting)
    }

    /// The peer was heard.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Some(session) = self.session() {
            self.timers.hold = (!session.hold_time.is_zero()).then(|| now + session.hold_time);
        }
    }
}

// === impl Timers ===

impl Timers {
    pub(super) fn next(&self) -> Option<Instant> {
        [self.open, self.hold, self.keepalive, self.send_hold].into_iter().flatten().min()
    }

    /// The reason to end the connection, if a time is over.
    pub(super) fn expired(&self, now: Instant) -> Option<DownReason> {
        let over = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if over(self.hold) {
            Some(DownReason::HoldTimer)
        } else if over(self.send_hold) {
            Some(DownReason::SendHoldTimer)
        } else {
            None
        }
    }
}
