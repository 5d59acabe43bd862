//! Acting: what the machine wants is done, and what is configured reaches it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::super::config::BfdState;
use super::super::connection::Connection;
use super::super::record::Direction;
use super::super::{now, socket};
use super::{Dial, Level, Task, Up};
use crate::rib;
use crate::session::{Change, CloseHow, ConnectionId, Event, Input, Message, Output, Refresh, Session, State, Stop};
use crate::wire::{EncodeError, Family, PerFamily, encode_keepalive};

impl Task {
    /// Does all that the machine wants. Returns whether it wanted something.
    pub(super) fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(output) = self.state.machine.poll() {
            acted = true;
            match output {
                Output::Connect { connection } => self.dial(connection),
                Output::Send { connection, message } => self.send(connection, &message),
                Output::Close { connection, how } => self.close(connection, how),
                Output::Established { connection, session } => self.established(connection, session),
                Output::Down { reason, keep, .. } => {
                    tracing::info!(peer = %self.state.config.name, %reason, "session went down");
                    self.down(keep);
                }
                Output::Refresh { family, refresh } => self.refresh(family, refresh),
                Output::State { from, to } => self.state_changed(from, to),
                Output::Log(event) => self.log(&event),
            }
        }
        acted
    }

    fn dial(&mut self, connection: ConnectionId) {
        let target = match self.target() {
            Ok(target) => target,
            Err(problem) => {
                let error = problem.to_string();
                self.state.problem = Some(problem);
                self.state.machine.handle(now(), Input::ConnectFailed { connection, error });
                return;
            }
        };
        self.state.problem = None;
        let config = Arc::clone(&self.state.config);
        let timeout = self.user_timeout();
        let dial: Dial = Box::pin(async move { socket::dial(&config.transport, target, timeout).await });
        self.state.dials.insert(connection, (target, dial));
    }

    pub(super) fn dialled(&mut self, connection: ConnectionId, target: SocketAddr, result: io::Result<TcpStream>) {
        self.state.dials.remove(&connection);
        let made = result.and_then(|stream| Connection::new(stream, target));
        let input = match made {
            Ok(made) => {
                let endpoints = made.endpoints;
                self.state.connections.insert(connection, made);
                Input::Connected { connection, endpoints }
            }
            Err(error) => Input::ConnectFailed { connection, error: self.explain(&error) },
        };
        self.state.machine.handle(now(), input);
    }

    /// What went wrong with a dial, for people.
    fn explain(&self, error: &io::Error) -> String {
        let transport = &self.state.config.transport;
        match (error.raw_os_error(), &transport.password, transport.source, &transport.device) {
            (Some(libc::ETIMEDOUT), Some(_), ..) => {
                format!("{error} (a peer with another TCP MD5 password does not answer)")
            }
            (Some(libc::EADDRNOTAVAIL), _, Some(source), _) => {
                format!("{error} (the source address {source} is on no interface)")
            }
            (Some(libc::ENODEV), _, _, Some(device)) => format!("{error} (device {device})"),
            _ => error.to_string(),
        }
    }

    pub(super) fn accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        let timeout = self.user_timeout();
        let adopted = socket::adopt(&stream, &self.state.config.transport, peer.ip(), timeout);
        let made = adopted.and_then(|()| Connection::new(stream, peer));
        match made {
            Ok(made) => {
                let connection = self.state.machine.next_connection();
                let endpoints = made.endpoints;
                self.state.connections.insert(connection, made);
                self.state.machine.handle(now(), Input::Accepted { connection, endpoints });
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(peer = %self.state.config.name, error, "a connection was gone before it was used");
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, message: &Message) {
        let Some(to) = self.state.connections.get_mut(&connection) else { return };
        tracing::debug!(peer = %self.state.config.name, ?message, "sent");
        let mut octets = BytesMut::new();
        if let Err(error) = encode(message, &mut octets) {
            // What is configured does not fit into an OPEN: there can be no session.
            let name = &self.state.config.name;
            tracing::error!(peer = %name, error = &error as &dyn std::error::Error, "a message cannot be written");
            let error = Some(error.to_string());
            self.state.machine.handle(now(), Input::Closed { connection, error });
            return;
        }
        to.control(&octets);
        self.record(connection, Direction::Sent, &octets);
    }

    fn close(&mut self, connection: ConnectionId, how: CloseHow) {
        self.state.dials.remove(&connection);
        let Some(closed) = self.state.connections.remove(&connection) else { return };
        match how {
            CloseHow::Flush => {
                self.tracker.spawn(closed.flush());
            }
            CloseHow::Abort => closed.abort(),
        }
    }

    fn established(&mut self, connection: ConnectionId, session: Arc<Session>) {
        let facts = session.for_rib(self.addresses(&session.endpoints));
        let hold = (!session.hold_time.is_zero()).then_some(session.hold_time);
        if let Some(Err(error)) = self.state.connections.get(&connection).map(|to| to.set_user_timeout(hold)) {
            tracing::debug!(error = &error as &dyn std::error::Error, "TCP_USER_TIMEOUT was not set");
        }
        self.state.up = Some(Up { connection, session });
        self.state.table = true;
        let peer = self.id;
        self.shared.with_rib(|rib| rib.established(now(), peer, facts));
    }

    fn down(&mut self, keep: PerFamily<rib::Keep>) {
        self.state.up = None;
        self.state.table = false;
        let peer = self.id;
        self.shared.with_rib(|rib| rib.down(now(), peer, keep));
    }

    fn refresh(&mut self, family: Family, refresh: Refresh) {
        let peer = self.id;
        self.shared.with_rib(|rib| match refresh {
            Refresh::Asked => rib.refresh(peer, family),
            Refresh::Begins => rib.refresh_begins(now(), peer, family),
            Refresh::Ends => rib.refresh_ends(peer, family),
        });
    }

    fn state_changed(&self, from: State, to: State) {
        let peer = &self.state.config.name;
        if to == State::Established {
            let remote = self.state.up.as_ref().map(|up| up.session.endpoints.remote);
            tracing::info!(%peer, remote = remote.map(tracing::field::display), "session is up");
        } else {
            tracing::debug!(%peer, state.from = %from, state.to = %to, "session changed its state");
        }
    }

    fn log(&self, event: &Event) {
        let peer = &self.state.config.name;
        match event {
            Event::Failed { reason, suppressed } => {
                tracing::info!(%peer, %reason, suppressed, "session did not come up");
            }
            Event::Refused { suppressed } => tracing::info!(%peer, suppressed, "a connection of the peer was refused"),
        }
    }

    /// Takes over what shall be now.
    pub(super) fn relevel(&mut self) {
        let level = self.level.borrow_and_update().clone();
        if let Some(stop) = level.stop {
            if !self.state.stopping {
                self.state.stopping = true;
                self.state.machine.handle(now(), Input::Stop(stop));
            }
            return;
        }
        self.reconfigure(&level);
        self.hear_neighbor(&level);
        self.hear_bfd(level.bfd);
    }

    fn reconfigure(&mut self, level: &Level) {
        let old = std::mem::replace(&mut self.state.config, Arc::clone(&level.config));
        let new = Arc::clone(&level.config);
        if old == new {
            return;
        }
        let peer = self.id;
        if old.policy != new.policy && self.shared.with_rib(|rib| rib.set_policy(peer, new.policy.clone())) {
            for family in Family::ALL {
                self.state.machine.handle(now(), Input::Refresh { family });
            }
        }
        // What ends the session ends it once, for the reason of the session where there is one.
        let machine = &mut self.state.machine;
        let resets = old.session.change(&new.session) == Change::Reset;
        machine.handle(now(), Input::Configure(Arc::clone(&new.session)));
        if !old.transport.serves(&new.transport) {
            if !resets {
                machine.handle(now(), Input::Stop(Stop::Reconfigured));
            }
        } else if let Some(password) = new.transport.password.as_ref().filter(|_| old.transport != new.transport) {
            for connection in self.state.connections.values() {
                if let Err(error) = connection.rekey(password) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(peer = %new.name, error, "the kernel did not take a TCP MD5 key");
                }
            }
            // An attempt with the old one would only fail later.
            let dials: Vec<ConnectionId> = self.state.dials.keys().copied().collect();
            for connection in dials {
                self.state.dials.remove(&connection);
                let error = "the password was changed".to_owned();
                self.state.machine.handle(now(), Input::ConnectFailed { connection, error });
            }
        }
        match (&old.disabled, &new.disabled) {
            (None, Some(text)) => {
                let stop = Stop::Disabled { text: text.clone() };
                self.state.machine.handle(now(), Input::Stop(stop));
            }
            (Some(_), None) => self.state.machine.handle(now(), Input::Start),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn hear_neighbor(&mut self, level: &Level) {
        let old = std::mem::replace(&mut self.state.neighbor, level.neighbor);
        if old == level.neighbor {
            return;
        }
        if old.is_some() && self.state.up.is_some() {
            // The router on the interface is another one, or the interface is gone.
            self.state.machine.handle(now(), Input::Stop(Stop::Reconfigured));
        } else if level.neighbor.is_some() {
            self.state.problem = None;
            // As with BFD that comes up: now it can be reached.
            self.state.machine.handle(now(), Input::BfdUp);
        }
    }

    fn hear_bfd(&mut self, bfd: BfdState) {
        let old = std::mem::replace(&mut self.state.bfd, bfd);
        if bfd.downs != old.downs
            && let Some(failure) = bfd.failure
        {
            self.state.machine.handle(now(), Input::BfdDown(failure));
        }
        if bfd.up && (!old.up || bfd.downs != old.downs) {
            self.state.machine.handle(now(), Input::BfdUp);
        }
    }
}

fn encode(message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
    match message {
        Message::Open(open) => open.encode(out)?,
        Message::Notification(notification) => notification.encode(out),
        Message::Keepalive => encode_keepalive(out),
        Message::RouteRefresh(refresh) => refresh.encode(out),
    }
    Ok(())
}
