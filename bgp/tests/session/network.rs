//! TCP between the two nodes: how connections come and go, and how bytes travel.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use ferrolb_bgp::session::{CloseHow, ConnectionId, Endpoints, Input, Message, Mode};
use ferrolb_bgp::wire::{self, Notification, encode_keepalive};
use rand::RngExt as _;

use crate::link::{End, Life, Segment};
use crate::world::{Event, World};

impl World {
    pub(crate) fn syn(&mut self, link: usize, attempt: u32) {
        let (dialler, listener) = (self.links[link].dialler, 1 - self.links[link].dialler);
        if self.links[link].ends[dialler].life != Life::Opening {
            return;
        }
        if self.is_down() || !self.nodes[listener].powered {
            if attempt < 3 {
                self.after(Duration::from_secs(1 << attempt), Event::Syn { link, attempt: attempt + 1 });
            }
            return;
        }
        let travel = self.travel();
        let listens =
            self.nodes[listener].process.as_ref().is_some_and(|process| process.peer.config().mode != Mode::Active);
        self.after(travel, Event::SynAck { link, refused: !listens });
        if listens {
            let process = self.nodes[listener].process.as_mut().unwrap();
            let connection = process.peer.next_connection();
            process.links.insert(connection, link);
            self.links[link].ends[listener].life = Life::Open;
            self.links[link].ends[listener].connection = Some(connection);
            self.input(listener, Input::Accepted { connection, endpoints: endpoints(listener) });
        }
    }

    pub(crate) fn syn_ack(&mut self, link: usize, refused: bool) {
        let node = self.links[link].dialler;
        let end = &mut self.links[link].ends[node];
        if end.life != Life::Opening {
            // It has given up meanwhile: its kernel resets.
            self.answer_with_reset(link, 1 - node);
            return;
        }
        let Some(connection) = end.connection else { return };
        if refused {
            end.vanish();
            self.forget(node, connection);
            self.input(node, Input::ConnectFailed { connection, error: "connection refused".to_owned() });
        } else {
            end.life = Life::Open;
            self.input(node, Input::Connected { connection, endpoints: endpoints(node) });
            // What came before this moment waits in the kernel.
            self.read(link, node);
        }
    }

    pub(crate) fn arrive(&mut self, link: usize, from: usize) {
        let to = 1 - from;
        if let Some(until) = self.down_until.filter(|until| self.now < *until) {
            let wait = until - self.now + self.travel();
            self.after(wait, Event::Arrive { link, from });
            return;
        }
        if let Some(until) = self.nodes[to].stalled_until.filter(|until| self.now < *until) {
            self.after(until - self.now, Event::Stalled { link, from });
            return;
        }
        let Some(segment) = self.links[link].ends[from].on_the_way.pop_front() else { return };
        match (segment, self.links[link].ends[to].life) {
            (Segment::Data(data), Life::Open | Life::Opening) => {
                self.links[link].ends[from].in_flight -= data.len();
                self.links[link].ends[to].read.put(data);
                self.read(link, to);
                self.write(link, from);
                self.act(from);
            }
            (Segment::Data(_), Life::Closed | Life::Gone) => self.answer_with_reset(link, from),
            (Segment::Fin, Life::Open | Life::Opening) => {
                if let Some(connection) = self.links[link].ends[to].connection {
                    self.links[link].ends[to].finish_silently();
                    self.forget(to, connection);
                    self.input(to, Input::Closed { connection, error: None });
                }
            }
            (Segment::Fin, Life::Closed | Life::Gone) => {}
        }
    }

    /// The kernel of the other side knows nothing of the connection.
    pub(crate) fn answer_with_reset(&mut self, link: usize, at: usize) {
        if self.nodes[1 - at].powered {
            let travel = self.travel();
            self.after(travel, Event::Reset { link, at });
        }
    }

    pub(crate) fn reset(&mut self, link: usize, at: usize) {
        if self.is_down() {
            return;
        }
        let end = &mut self.links[link].ends[at];
        let (life, connection) = (end.life, end.connection);
        end.vanish();
        // The other end learns it when it sends.
        if let (Life::Open, Some(connection)) = (life, connection) {
            self.forget(at, connection);
            self.input(at, Input::Closed { connection, error: Some("connection reset by peer".to_owned()) });
        }
    }

    /// Gives the kernel what it takes, and tells the session how that goes.
    pub(crate) fn write(&mut self, link: usize, node: usize) {
        let part = self.random.random_range(1..200);
        let end = &mut self.links[link].ends[node];
        let (Life::Open, Some(connection)) = (end.life, end.connection) else { return };
        let waited = !end.unsent.is_empty();
        let parts = end.flush(part);
        let waits = !end.unsent.is_empty();
        self.depart(link, node, parts);
        let now = self.now;
        let Some(process) = &mut self.nodes[node].process else { return };
        if waited && parts > 0 {
            process.peer.handle(now, Input::Progress { connection, pending: waits });
        } else if waits {
            process.peer.handle(now, Input::Pending { connection });
        }
    }

    /// Segments leave, and arrive in their order.
    pub(crate) fn depart(&mut self, link: usize, from: usize, parts: usize) {
        for _ in 0..parts {
            let travel = self.travel();
            self.after(travel, Event::Arrive { link, from });
        }
    }

    /// Reads whole messages.
    pub(crate) fn read(&mut self, link: usize, node: usize) {
        let now = self.now;
        let end: &mut End = &mut self.links[link].ends[node];
        let (Life::Open, Some(connection)) = (end.life, end.connection) else { return };
        let mut bytes: Bytes = end.read.split().freeze();
        loop {
            let Some(process) = &mut self.nodes[node].process else { return };
            let parameters = process.parameters(connection);
            if !process.links.contains_key(&connection) {
                return;
            }
            let (message, octets) = match wire::decode(&bytes, &parameters) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(notification) => {
                    panic!("what the other side wrote cannot be read: {notification:?}, {}", self.text())
                }
            };
            let message = match message {
                wire::Message::Update(update) => {
                    process.peer.handle(now, Input::Update { connection });
                    if process.up.as_ref().is_some_and(|up| up.0 == connection) {
                        process.table.receive(&update);
                    }
                    self.report.updates += 1;
                    None
                }
                wire::Message::Open(open) => Some(Message::Open(open)),
                wire::Message::Notification(notification) => Some(Message::Notification(notification)),
                wire::Message::KeepAlive => Some(Message::Keepalive),
                wire::Message::RouteRefresh(refresh) => Some(Message::RouteRefresh(refresh)),
            };
            bytes = bytes.slice(octets..);
            match message {
                Some(message) => self.input(node, Input::Message { connection, message }),
                None => self.act(node),
            }
        }
        let rest = BytesMut::from(&bytes[..]);
        self.links[link].ends[node].read = rest;
    }

    pub(crate) fn send(&mut self, node: usize, connection: ConnectionId, message: &Message) {
        let process = self.nodes[node].process.as_mut().unwrap();
        let link = *process.links.get(&connection).expect("only what is open is written to");
        let end = &mut self.links[link].ends[node];
        assert_eq!(end.life, Life::Open);
        match message {
            Message::Open(open) => open.encode(&mut end.unsent).unwrap(),
            Message::Keepalive => encode_keepalive(&mut end.unsent),
            Message::RouteRefresh(refresh) => refresh.encode(&mut end.unsent),
            Message::Notification(notification) => {
                // What two speakers of the same kind may say to each other: that time is over, or Cease.
                let Notification { code, subcode, .. } = notification;
                assert!([(4, 0), (8, 0)].contains(&(*code, *subcode)) || *code == 6, "NOTIFICATION {code}/{subcode}");
                self.report.hard_resets += u64::from((*code, *subcode) == (6, 9));
                notification.encode(&mut end.unsent);
            }
        }
        self.report.messages += 1;
        self.write(link, node);
    }

    pub(crate) fn close(&mut self, node: usize, connection: ConnectionId, how: CloseHow) {
        // One that ended by itself is closed once more; that is all the session knows of it.
        let Some(link) = self.forget(node, connection) else { return };
        let end = &mut self.links[link].ends[node];
        match (end.life, how) {
            (Life::Open, CloseHow::Flush) => {
                let parts = end.finish();
                self.depart(link, node, parts);
            }
            (Life::Open, CloseHow::Abort) => {
                end.vanish();
                self.answer_with_reset(link, 1 - node);
            }
            (Life::Opening, _) => end.vanish(),
            (Life::Closed | Life::Gone, _) => {}
        }
    }

    pub(crate) fn forget(&mut self, node: usize, connection: ConnectionId) -> Option<usize> {
        self.nodes[node].process.as_mut()?.links.remove(&connection)
    }
}

fn endpoints(node: usize) -> Endpoints {
    let address = |node: usize| format!("10.0.1.{}:179", node + 1).parse().unwrap();
    Endpoints { local: address(node), remote: address(1 - node) }
}
