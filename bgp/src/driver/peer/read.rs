//! Reading: messages are taken where they lie in the buffer; what is not an UPDATE goes to the machine, an UPDATE to the RIB.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::super::now;
use super::super::record::{Direction, Recorded};
use super::{Task, Up};
use crate::session::{ConnectionId, Endpoints, Input, Message};
use crate::wire::{self, Disposition, Parameters, Update};

/// Least time between two lines of the log about malformed attributes of a peer; all of them are counted.
const QUIET: Duration = Duration::from_secs(60);

impl Task {
    /// Reads once from a socket, and takes the messages that are whole then.
    pub(super) fn read(&mut self, id: ConnectionId) {
        let Some(connection) = self.state.connections.get_mut(&id) else { return };
        let error = match connection.fill() {
            Ok(0) => None,
            Ok(read) => {
                self.state.octets.received =
                    self.state.octets.received.saturating_add(u64::try_from(read).unwrap_or_default());
                return self.take_messages(id);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => Some(error.to_string()),
        };
        self.state.machine.handle(now(), Input::Closed { connection: id, error });
    }

    fn take_messages(&mut self, id: ConnectionId) {
        let Some(connection) = self.state.connections.get_mut(&id) else { return };
        let mut incoming = std::mem::take(&mut connection.incoming);
        // Each message may change what the next ones are read with, or end the connection.
        while self.state.connections.contains_key(&id) {
            let parameters = self.parameters(id);
            let octets = match wire::decode(incoming.octets(), &parameters) {
                Ok(Some((message, octets))) => {
                    if self.state.recorder.is_some() {
                        let octets = incoming.octets().get(..octets).unwrap_or_default();
                        self.record(id, Direction::Received, octets);
                    }
                    self.take_message(id, message);
                    octets
                }
                Ok(None) => break,
                Err(notification) => {
                    tracing::debug!(peer = %self.state.config.name, ?notification, "a message was malformed");
                    self.state.machine.handle(now(), Input::Malformed { connection: id, notification });
                    self.act();
                    return;
                }
            };
            incoming.consume(octets);
            self.act();
        }
        if let Some(connection) = self.state.connections.get_mut(&id) {
            connection.incoming = incoming;
        }
    }

    fn take_message(&mut self, connection: ConnectionId, message: wire::Message<'_>) {
        let message = match message {
            wire::Message::Update(update) => return self.take_update(connection, &update),
            wire::Message::Open(open) => Message::Open(open),
            wire::Message::Notification(notification) => Message::Notification(notification),
            wire::Message::KeepAlive => Message::Keepalive,
            wire::Message::RouteRefresh(refresh) => Message::RouteRefresh(refresh),
        };
        tracing::debug!(peer = %self.state.config.name, ?message, "received");
        self.state.machine.handle(now(), Input::Message { connection, message });
    }

    fn take_update(&mut self, connection: ConnectionId, update: &Update<'_>) {
        self.state.machine.handle(now(), Input::Update { connection });
        let established = self.state.machine.is_established();
        if !established || self.state.up.as_ref().is_none_or(|up| up.connection != connection) {
            return;
        }
        self.note_errors(update);
        let peer = self.id;
        match self.shared.with_rib(|rib| rib.receive(peer, update)) {
            Ok(received) => {
                tracing::debug!(peer = %self.state.config.name, ?received, "received UPDATE");
                for (family, warning) in received.warning.iter() {
                    if *warning {
                        tracing::warn!(peer = %self.state.config.name, ?family, "the peer tells nearly as many prefixes as allowed");
                    }
                }
            }
            Err(limit) => {
                let input = Input::PrefixLimit { family: limit.family, max: limit.max };
                self.state.machine.handle(now(), input);
            }
        }
    }

    /// RFC 7606 section 8: what was wrong is counted, and told to people, but not as often as the peer likes.
    fn note_errors(&mut self, update: &Update<'_>) {
        let Some(first) = update.errors().first() else { return };
        for error in update.errors() {
            let count = match error.disposition {
                Disposition::Discard => &mut self.state.malformed.discarded,
                Disposition::TreatAsWithdraw | Disposition::Reset => &mut self.state.malformed.withdrawn,
            };
            *count = count.saturating_add(1);
        }
        let now = now();
        let recently = |told: Instant| now.saturating_duration_since(told) < QUIET;
        if !self.state.told_malformed.is_some_and(recently) {
            self.state.told_malformed = Some(now);
            let all = self.state.malformed;
            tracing::warn!(peer = %self.state.config.name, error = %first, ?all, "an attribute was malformed");
        }
    }

    fn parameters(&self, id: ConnectionId) -> Arc<Parameters> {
        match &self.state.up {
            Some(up) if up.connection == id => Arc::clone(&up.session.parameters),
            Some(_) | None => Arc::clone(&self.state.plain),
        }
    }

    /// Gives one message to who records.
    pub(super) fn record(&mut self, id: ConnectionId, direction: Direction, message: &[u8]) {
        if self.state.recorder.is_none() {
            return;
        }
        let up = self.state.up.clone().filter(|up| up.connection == id);
        let Some(endpoints) = self.state.connections.get(&id).map(|connection| connection.endpoints) else { return };
        self.give(endpoints, up.as_ref(), direction, Bytes::copy_from_slice(message));
    }

    /// Gives the messages of a part of the table to who records.
    pub(super) fn record_all(&mut self, up: &Up, direction: Direction, mut messages: Bytes) {
        while let Some(&[high, low]) = messages.get(16..18) {
            let length = usize::from(u16::from_be_bytes([high, low])).clamp(1, messages.len());
            let message = messages.split_to(length);
            self.give(up.session.endpoints, Some(up), direction, message);
        }
    }

    fn give(&mut self, endpoints: Endpoints, up: Option<&Up>, direction: Direction, message: Bytes) {
        let Some(recorder) = &mut self.state.recorder else { return };
        let parameters = up.map(|up| &up.session.parameters);
        let add_path = parameters.is_some_and(|parameters| {
            parameters.add_path.iter().any(|(_, add_path)| match direction {
                Direction::Sent => add_path.send,
                Direction::Received => add_path.receive,
            })
        });
        #[expect(clippy::disallowed_methods, reason = "a recording says when it was, for people")]
        let at = SystemTime::now();
        let recorded = Recorded {
            at,
            direction,
            local: endpoints.local,
            remote: endpoints.remote,
            local_asn: self.state.config.session.own_asn(),
            remote_asn: up.map(|up| up.session.received.asn).unwrap_or_default(),
            four_octet_as: parameters.is_none_or(|parameters| parameters.four_octet_as),
            add_path,
            message,
            missed: recorder.missed,
        };
        match recorder.to.try_send(recorded) {
            Ok(()) => recorder.missed = 0,
            Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => {
                recorder.missed = recorder.missed.saturating_add(1);
            }
            Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => self.state.recorder = None,
        }
    }
}
