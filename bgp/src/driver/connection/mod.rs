//! One TCP connection of a peer: its socket, what was read and not looked at, and what waits to be written.

mod incoming;
mod outgoing;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time;

use self::outgoing::Outgoing;
use super::socket;
use super::transport::Password;
use crate::session::Endpoints;

pub(super) use self::incoming::Incoming;

/// How long a connection that is closed may take for its last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that stands.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) endpoints: Endpoints,
    pub(super) incoming: Incoming,
    outgoing: Outgoing,
    /// The machine was told that octets wait.
    pub(super) pending: bool,
}

/// What a socket can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) read: bool,
    pub(super) write: bool,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) octets: usize,
    /// Some still wait: the socket is full.
    pub(super) full: bool,
}

// === impl Connection ===

impl Connection {
    /// # Errors
    /// When the other side is gone already.
    pub(super) fn new(stream: TcpStream, remote: SocketAddr) -> io::Result<Self> {
        let mut local = stream.local_addr()?;
        // A listener of both versions of IP gives mapped addresses.
        if remote.is_ipv4() {
            local = SocketAddr::new(local.ip().to_canonical(), local.port());
        }
        Ok(Self {
            stream,
            endpoints: Endpoints { local, remote },
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            pending: false,
        })
    }

    /// Puts a control message before the table.
    pub(super) fn control(&mut self, message: &[u8]) {
        self.outgoing.control(message);
    }

    /// Where the next part of the table goes, if there is room for one.
    pub(super) fn table(&mut self) -> Option<&mut BytesMut> {
        self.outgoing.table()
    }

    /// Takes more from the socket, once. Zero: the peer has closed its side.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        self.incoming.fill(&self.stream)
    }

    /// Gives to the socket what it takes.
    pub(super) fn write(&mut self) -> io::Result<Written> {
        let mut octets: usize = 0;
        while !self.outgoing.is_empty() {
            match self.stream.try_write_vectored(&self.outgoing.slices()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.outgoing.written(written);
                    octets = octets.saturating_add(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Written { octets, full: true }),
                Err(error) => return Err(error),
            }
        }
        Ok(Written { octets, full: false })
    }

    /// Waits for what it can do next: always for reading, for writing only while something waits.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Ready> {
        // An error shows itself to who reads.
        let read = self.stream.poll_read_ready(context).is_ready();
        let write = !self.outgoing.is_empty() && self.stream.poll_write_ready(context).is_ready();
        if read || write { Poll::Ready(Ready { read, write }) } else { Poll::Pending }
    }

    pub(super) fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        socket::set_user_timeout(&self.stream, timeout)
    }

    pub(super) fn rekey(&self, password: &Password) -> io::Result<()> {
        socket::rekey(&self.stream, self.endpoints.remote.ip(), password)
    }

    /// Writes the last messages, tells the peer that nothing follows, and waits until it has closed its side, all within a
    /// second. To close with octets unread would be a reset, which may overtake the NOTIFICATION.
    pub(super) async fn flush(mut self) {
        self.outgoing.drop_table();
        let farewell = async {
            while !self.outgoing.is_empty() {
                self.stream.writable().await?;
                self.write()?;
            }
            self.stream.shutdown().await?;
            let mut unread = [0; 4096];
            loop {
                self.stream.readable().await?;
                match self.stream.try_read(&mut unread) {
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
        };
        let result: Result<io::Result<()>, _> = time::timeout(FAREWELL, farewell).await;
        tracing::trace!(remote = %self.endpoints.remote, ?result, "connection was closed");
    }

    /// Closes at once, with a reset: the peer does not read.
    pub(super) fn abort(self) {
        if let Err(error) = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::trace!(error = &error as &dyn std::error::Error, "no reset");
        }
    }
}
