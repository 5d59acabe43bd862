//! What a peer has written and is not read yet.

use std::io;

use tokio::net::TcpStream;

/// Room for the longest message (RFC 8654: 65,535 octets), or for many short ones.
const ROOM: usize = 65_536;

/// Octets from the socket; messages are read where they lie.
#[derive(Debug, Default)]
pub(in crate::driver) struct Incoming {
    octets: Vec<u8>,
    from: usize,
    to: usize,
}

// === impl Incoming ===

impl Incoming {
    /// What is there.
    pub(in crate::driver) fn octets(&self) -> &[u8] {
        self.octets.get(self.from..self.to).unwrap_or_default()
    }

    /// So many octets were read.
    pub(in crate::driver) fn consume(&mut self, octets: usize) {
        self.from = self.from.saturating_add(octets).min(self.to);
    }

    /// Takes more from the socket, once. Zero: the peer has closed its side.
    pub(super) fn fill(&mut self, stream: &TcpStream) -> io::Result<usize> {
        if self.octets.is_empty() {
            self.octets = vec![0; ROOM];
        }
        self.octets.copy_within(self.from..self.to, 0);
        self.to = self.to.saturating_sub(self.from);
        self.from = 0;
        let room = self.octets.get_mut(self.to..).unwrap_or_default();
        if room.is_empty() {
            // A whole message was there and nobody read it.
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let read = stream.try_read(room)?;
        self.to = self.to.saturating_add(read);
        Ok(read)
    }
}
