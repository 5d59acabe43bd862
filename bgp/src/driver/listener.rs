//! Where peers may connect to: one socket for all of them, and one for each VRF device.
//!
//! Listening is wanted only while a peer may dial. A port that somebody else has (another speaker on the node) is told in the
//! status and tried again; it concerns no session of a peer that is dialled.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};

use super::socket;
use super::status::ListenerStatus;
use super::transport::Password;

/// Until a port that could not be had is tried again: the first time, and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Until connections are taken again when the process has no descriptor left for them.
const PAUSE: Duration = Duration::from_millis(200);

/// The keys of peers that may connect, by listener: without a device, or on one.
pub(super) type Wanted = BTreeMap<Option<String>, BTreeMap<IpNet, Password>>;

/// All sockets that listen or should.
#[derive(Debug)]
pub(super) struct Listeners {
    port: u16,
    entries: BTreeMap<Option<String>, Entry>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    keys: BTreeMap<IpNet, Password>,
    /// Keys that the kernel did not take.
    key_errors: BTreeMap<IpNet, Arc<io::Error>>,
}

#[derive(Debug)]
enum State {
    Open { listener: TcpListener, paused: Option<Instant> },
    Closed { error: Arc<io::Error>, retry: Instant, pause: Duration },
}

/// A connection that came in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stream: TcpStream,
    /// An IPv4 address is one, not mapped.
    pub(super) peer: SocketAddr,
    /// Device of the listener.
    pub(super) device: Option<String>,
}

// === impl Listeners ===

impl Listeners {
    pub(super) const fn new(port: u16) -> Self {
        Self { port, entries: BTreeMap::new() }
    }

    /// Listens where it is wanted, with these keys, and nowhere else. Sockets and keys that stay are not touched.
    pub(super) fn want(&mut self, now: Instant, wanted: Wanted) {
        self.entries.retain(|device, _| wanted.contains_key(device));
        for (device, keys) in wanted {
            let entry = self.entries.entry(device.clone()).or_insert_with(|| {
                let state = State::open(self.port, device.as_deref(), now, FIRST_RETRY);
                Entry { state, keys: BTreeMap::new(), key_errors: BTreeMap::new() }
            });
            entry.set_keys(keys);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let due = |entry: &Entry| match &entry.state {
            State::Open { paused, .. } => *paused,
            State::Closed { retry, .. } => Some(*retry),
        };
        self.entries.values().filter_map(due).min()
    }

    /// Tries again what failed. Returns whether something is different now.
    pub(super) fn handle_deadline(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for (device, entry) in &mut self.entries {
            match &mut entry.state {
                State::Open { paused, .. } => {
                    if paused.is_some_and(|until| until <= now) {
                        *paused = None;
                    }
                }
                State::Closed { retry, pause, .. } if *retry <= now => {
                    let pause = pause.saturating_mul(2).min(LONGEST_RETRY);
                    entry.state = State::open(self.port, device.as_deref(), now, pause);
                    let keys = std::mem::take(&mut entry.keys);
                    entry.set_keys(keys);
                    changed = true;
                }
                State::Closed { .. } => {}
            }
        }
        changed
    }

    /// The next connection. Pending when there is none; to be polled again after a deadline.
    pub(super) fn poll_accept(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<Incoming> {
        for (device, entry) in &mut self.entries {
            let State::Open { listener, paused } = &mut entry.state else { continue };
            while paused.is_none() {
                match listener.poll_accept(context) {
                    Poll::Ready(Ok((stream, peer))) => {
                        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port()).with_scope_of(&peer);
                        return Poll::Ready(Incoming { stream, peer, device: device.clone() });
                    }
                    // The other side was faster in closing than we in accepting.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "could not accept a connection");
                        *paused = now.checked_add(PAUSE);
                    }
                    Poll::Pending => break,
                }
            }
        }
        Poll::Pending
    }

    pub(super) fn status(&self) -> Vec<ListenerStatus> {
        let status = |(device, entry): (&Option<String>, &Entry)| {
            let error = match &entry.state {
                State::Open { .. } => None,
                State::Closed { error, .. } => Some(Arc::clone(error)),
            };
            ListenerStatus { device: device.clone(), port: self.port, error, key_errors: entry.key_errors.clone() }
        };
        self.entries.iter().map(status).collect()
    }
}

trait WithScopeOf {
    fn with_scope_of(self, other: &SocketAddr) -> Self;
}

impl WithScopeOf for SocketAddr {
    fn with_scope_of(mut self, other: &SocketAddr) -> Self {
        if let (Self::V6(own), Self::V6(other)) = (&mut self, other) {
            own.set_scope_id(other.scope_id());
        }
        self
    }
}

// === impl State ===

impl State {
    fn open(port: u16, device: Option<&str>, now: Instant, pause: Duration) -> Self {
        let opened = socket::listen(port, device).and_then(|socket| TcpListener::from_std(socket.into()));
        match opened {
            Ok(listener) => {
                tracing::info!(port, device, "listening");
                Self::Open { listener, paused: None }
            }
            Err(error) => {
                let retry = now.checked_add(pause).unwrap_or(now);
                if pause == FIRST_RETRY {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        port,
                        device,
                        error,
                        "cannot listen; peers cannot connect, dialled ones are not affected"
                    );
                }
                Self::Closed { error: Arc::new(error), retry, pause }
            }
        }
    }
}

// === impl Entry ===

impl Entry {
    fn set_keys(&mut self, wanted: BTreeMap<IpNet, Password>) {
        let State::Open { listener, .. } = &self.state else {
            self.keys = wanted;
            return;
        };
        let old = std::mem::take(&mut self.keys);
        for peers in old.keys().filter(|peers| !wanted.contains_key(*peers)) {
            self.key_errors.remove(peers);
            if let Err(error) = socket::set_listener_key(listener, *peers, None) {
                tracing::debug!(%peers, error = &error as &dyn std::error::Error, "could not take away a key");
            }
        }
        for (peers, password) in wanted {
            if old.get(&peers) == Some(&password) && !self.key_errors.contains_key(&peers) {
                self.keys.insert(peers, password);
                continue;
            }
            match socket::set_listener_key(listener, peers, Some(&password)) {
                Ok(()) => {
                    self.key_errors.remove(&peers);
                }
                Err(error) => {
                    let told = &error as &dyn std::error::Error;
                    tracing::warn!(%peers, error = told, "the kernel did not take a TCP MD5 key; its peers cannot connect");
                    self.key_errors.insert(peers, Arc::new(error));
                }
            }
            self.keys.insert(peers, password);
        }
    }
}
