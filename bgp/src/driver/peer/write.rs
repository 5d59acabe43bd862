//! Writing: what waits goes to the socket, and the next part of the table is taken from the RIB when there is room.

use super::super::now;
use super::super::record::Direction;
use super::Task;
use crate::session::{ConnectionId, Input};

/// Octets of the table that are taken at a time.
const PART: usize = 65_536;

/// Parts that are written before others get their turn.
const PARTS: usize = 8;

impl Task {
    /// Writes what the sockets take.
    pub(super) fn write(&mut self) {
        let connections: Vec<ConnectionId> = self.state.connections.keys().copied().collect();
        for id in connections {
            let mut parts = 0;
            loop {
                self.take_table(id);
                let Some(connection) = self.state.connections.get_mut(&id) else { break };
                let written = match connection.write() {
                    Ok(written) => written,
                    Err(error) => {
                        // What the peer said before it closed its side is more telling than that it did.
                        self.read(id);
                        let closed = Input::Closed { connection: id, error: Some(error.to_string()) };
                        self.state.machine.handle(now(), closed);
                        break;
                    }
                };
                self.state.octets.sent =
                    self.state.octets.sent.saturating_add(u64::try_from(written.octets).unwrap_or_default());
                let before = std::mem::replace(&mut connection.pending, written.full);
                match (before, written.full) {
                    (false, true) => self.state.machine.handle(now(), Input::Pending { connection: id }),
                    (true, pending) if written.octets > 0 => {
                        self.state.machine.handle(now(), Input::Progress { connection: id, pending });
                    }
                    _ => {}
                }
                parts += 1;
                let more = self.state.table && self.state.up.as_ref().is_some_and(|up| up.connection == id);
                if written.full || !more {
                    break;
                }
                if parts == PARTS {
                    // Others first; then this task again.
                    self.wake.notify_one();
                    break;
                }
            }
        }
    }

    /// Takes the next part of the table, if this is the session's connection and has written the one before.
    fn take_table(&mut self, id: ConnectionId) {
        let Some(up) = self.state.up.as_ref().filter(|up| up.connection == id) else { return };
        if !self.state.table {
            return;
        }
        let peer = self.id;
        let Some(table) = self.state.connections.get_mut(&id).and_then(|connection| connection.table()) else { return };
        self.state.table = self.shared.with_rib(|rib| rib.pull(peer, table, PART));
        if self.state.recorder.is_some() && !table.is_empty() {
            let (octets, up) = (table.clone().freeze(), up.clone());
            self.record_all(&up, Direction::Sent, octets);
        }
    }
}
