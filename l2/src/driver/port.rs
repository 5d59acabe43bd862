//! One packet socket: opening it so that nothing slips past its filter, batches in, a bounded queue out.

use std::collections::{BTreeSet, VecDeque};
use std::future;
use std::io::{self, Read as _};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

use super::error::PortError;
use super::groups::Groups;
use super::sys;
use crate::announcer::{Family, PortEvent, SendOutcome, Transmit};
use crate::filter::{BpfInstruction, NDP_SNAP_LEN};
use crate::interface::Interface;

/// `ETH_P_ARP` (`linux/if_ether.h`).
const ETH_P_ARP: u16 = 0x0806;
/// `ETH_P_IPV6`.
const ETH_P_IPV6: u16 = 0x86dd;

/// The longest frame a filter lets through.
const FRAME_MAX: usize = NDP_SNAP_LEN as usize;

/// Batches after which a socket that is emptied is emptied no further: more than any receive buffer holds.
const DRAIN_BATCHES: usize = 4096;

/// Frames read from a socket before the others have their turn.
const READ_BATCH: usize = 64;

/// Frames that may wait for a socket that takes no more: twice the first frames of 1,000 addresses. The newest are dropped, and
/// counted for their address; later rounds make up for them.
const SEND_QUEUE: usize = 2048;

/// Time until the first attempt to reopen a socket; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A socket of an interface, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Port {
    index: u32,
    family: Family,
    name: String,
    link_local: Option<Ipv6Addr>,
    /// `None` while there is no socket.
    socket: Option<AsyncFd<Socket>>,
    /// The filter to have; a socket is never without.
    filter: Vec<SockFilter>,
    queue: VecDeque<Transmit>,
    groups: Groups,
    error: Option<Arc<PortError>>,
    retry: Option<Instant>,
    backoff: Duration,
}

impl Port {
    pub(super) fn new(index: u32, family: Family) -> Self {
        Self {
            index,
            family,
            name: format!("#{index}"),
            link_local: None,
            socket: None,
            filter: Vec::new(),
            queue: VecDeque::new(),
            groups: Groups::new(index),
            error: None,
            retry: None,
            backoff: RETRY_MIN,
        }
    }

    /// How the interface is now.
    pub(super) fn describe(&mut self, interface: &Interface) {
        self.name.clone_from(&interface.name);
        if self.link_local != interface.link_local {
            self.link_local = interface.link_local;
            self.groups.report_anew();
        }
    }

    /// Be a member of exactly these groups.
    pub(super) fn groups(&mut self, groups: BTreeSet<Ipv6Addr>) {
        self.groups.want(groups);
    }

    /// Joins and leaves some groups, if it is time to.
    pub(super) fn join(&mut self, now: Instant) {
        if self.join_at(now).is_some_and(|at| at <= now)
            && let Some(socket) = &self.socket
        {
            self.groups.work(now, &self.name, socket.get_ref());
        }
    }

    /// When there are groups to join or leave.
    pub(super) fn join_at(&self, now: Instant) -> Option<Instant> {
        self.socket.as_ref().and_then(|_| self.groups.next_deadline(now))
    }

    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn error(&self) -> Option<Arc<PortError>> {
        self.error.clone()
    }

    /// Has `program` decide from now on: atomically on an open socket, else with a new one.
    pub(super) fn filter(&mut self, now: Instant, program: &[BpfInstruction]) -> PortEvent {
        self.filter = program.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
        let Some(socket) = &self.socket else { return self.open(now) };
        match socket.get_ref().attach_filter(&self.filter) {
            Ok(()) => self.opened(),
            Err(error) => self.filter_refused(now, error),
        }
    }

    /// When to try again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry
    }

    /// Tries again at the next opportunity, whatever the last attempts were like.
    pub(super) fn retry_soon(&mut self, now: Instant) {
        if self.retry.is_some() {
            self.retry = Some(now);
            self.backoff = RETRY_MIN;
        }
    }

    /// Opens the socket: without protocol, so that it receives nothing until its filter is attached; bound after that.
    pub(super) fn open(&mut self, now: Instant) -> PortEvent {
        self.retry = None;
        let socket = match Socket::new(Domain::PACKET, Type::RAW, None) {
            Ok(socket) => socket,
            Err(error) => return self.fail(now, "open a packet socket", error),
        };
        if let Err(error) = socket.attach_filter(&self.filter) {
            return self.filter_refused(now, error);
        }
        let protocol = match self.family {
            Family::Ipv4 => ETH_P_ARP,
            Family::Ipv6 => ETH_P_IPV6,
        };
        let bound = sys::bind(&socket, protocol, self.index).and_then(|()| match socket.take_error()? {
            // Binding to an interface that is down succeeds and leaves an error.
            Some(error) => Err(error),
            None => socket.set_nonblocking(true),
        });
        if let Err(error) = bound {
            return self.fail(now, "bind a packet socket", error);
        }
        match sys::register(socket, Interest::READABLE | Interest::WRITABLE | Interest::ERROR) {
            Ok(socket) => {
                self.socket = Some(socket);
                self.opened()
            }
            Err(error) => self.fail(now, "wait for a packet socket", error),
        }
    }

    /// Waits until there is something to read, an error to look at, or room for what is queued; for ever without a
    /// socket.
    pub(super) async fn ready(&self) {
        let mut interest = Interest::READABLE | Interest::ERROR;
        if !self.queue.is_empty() {
            interest |= Interest::WRITABLE;
        }
        match &self.socket {
            // An error readiness is taken back here, since looking at the error does not; `receive` looks every time.
            Some(socket) => match socket.ready(interest).await {
                Ok(mut guard) => guard.clear_ready_matching(Ready::ERROR),
                // The event loop is about to end, and with it whoever waits.
                Err(_) => future::pending().await,
            },
            None => future::pending().await,
        }
    }

    /// Hands a batch of received frames to `each`. What was not read stays readable. An error has closed the socket.
    pub(super) fn receive(&mut self, now: Instant, mut each: impl FnMut(&[u8])) -> Option<PortEvent> {
        let mut buffer = [0; FRAME_MAX];
        // An interface that goes down tells so by an error without data.
        if let Err(error) | Ok(Some(error)) = self.socket.as_ref()?.get_ref().take_error() {
            return Some(self.fail(now, "receive", error));
        }
        for _ in 0..READ_BATCH {
            let socket = self.socket.as_ref()?;
            let received = socket.try_io(Interest::READABLE, |mut socket: &Socket| socket.read(&mut buffer));
            match received {
                Ok(len) => each(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(self.fail(now, "receive", error)),
            }
        }
        None
    }

    /// Throws away what waits to be read. An error is seen by the next [`receive`](Self::receive).
    pub(super) fn drain(&mut self) {
        let mut buffer = [0; 0];
        for _ in 0..READ_BATCH * DRAIN_BATCHES {
            let Some(socket) = &self.socket else { return };
            match socket.try_io(Interest::READABLE, |mut socket: &Socket| socket.read(&mut buffer)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Takes back what waits to be sent.
    pub(super) fn take_queue(&mut self) -> VecDeque<Transmit> {
        std::mem::take(&mut self.queue)
    }

    /// Queues a frame. One that does not fit is handed back.
    pub(super) fn enqueue(&mut self, transmit: Transmit) -> Result<(), Transmit> {
        if self.socket.is_none() || self.queue.len() >= SEND_QUEUE {
            return Err(transmit);
        }
        self.queue.push_back(transmit);
        Ok(())
    }

    /// Sends what the socket takes; the rest waits until it is writable. `current` tells whether a frame is still meant,
    /// `each` hears what became of it.
    pub(super) fn flush(
        &mut self,
        now: Instant,
        current: impl Fn(&Transmit) -> bool,
        mut each: impl FnMut(&Transmit, SendOutcome),
    ) -> Option<PortEvent> {
        while let Some(socket) = &self.socket
            && let Some(transmit) = self.queue.front()
        {
            let sent = if current(transmit) {
                socket.try_io(Interest::WRITABLE, |socket| socket.send(&transmit.frame)).map(|_| SendOutcome::Sent)
            } else {
                Ok(SendOutcome::Dropped)
            };
            let (outcome, error) = match sent {
                Ok(outcome) => (outcome, None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The device's queue is full and says nothing when it has room again.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => (SendOutcome::Dropped, None),
                Err(error) => (SendOutcome::Dropped, Some(error)),
            };
            each(transmit, outcome);
            self.queue.pop_front();
            if let Some(error) = error {
                return Some(self.fail(now, "send", error));
            }
        }
        None
    }

    fn opened(&mut self) -> PortEvent {
        if self.error.take().is_some() || self.retry.take().is_some() {
            tracing::info!(interface = self.name, "packet socket opened");
        }
        self.backoff = RETRY_MIN;
        PortEvent::Open
    }

    /// Without memory for a filter the announcer is asked for a smaller one.
    fn filter_refused(&mut self, now: Instant, error: io::Error) -> PortEvent {
        if error.raw_os_error() != Some(libc::ENOMEM) {
            return self.fail(now, "attach a filter", error);
        }
        self.report(PortError::FilterMemory { interface: self.name.clone(), source: error });
        if self.socket.is_none() {
            self.later(now);
        }
        PortEvent::FilterRefused
    }

    fn fail(&mut self, now: Instant, operation: &'static str, error: io::Error) -> PortEvent {
        self.socket = None;
        self.groups.socket_closed();
        self.queue.clear();
        self.report(PortError::new(&self.name, operation, error));
        self.later(now);
        PortEvent::Closed
    }

    fn later(&mut self, now: Instant) {
        self.retry = Some(now + self.backoff);
        self.backoff = (self.backoff * 2).min(RETRY_MAX);
    }

    fn report(&mut self, error: PortError) {
        if self.error.as_ref().is_some_and(|known| known.same_as(&error)) {
            return;
        }
        tracing::warn!(
            interface = self.name,
            error = &error as &dyn std::error::Error,
            source = std::error::Error::source(&error),
            "interface cannot be announced on"
        );
        self.error = Some(Arc::new(error));
    }
}
