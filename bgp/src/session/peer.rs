//! The machine of one peer and its verbs.

use std::sync::Arc;
use std::time::Instant;

use super::{Config, ConfigError, Input, Output, State, Summary};

/// A connection of one [`Peer`]; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The session with one peer.
#[derive(Debug)]
pub struct Peer {
    config: Arc<Config>,
    connections: u64,
}

// === impl Peer ===

#[expect(unused_variables, clippy::needless_pass_by_value, reason = "the signatures come first")]
impl Peer {
    /// A peer that is stopped. `restarted`: this process took over from an earlier one, so that the first session says so
    /// (R bit, RFC 4724 section 3).
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn new(config: Arc<Config>, seed: u64, restarted: bool) -> Result<Self, ConfigError> {
        Ok(Self { config, connections: 0 })
    }

    /// A name for a connection that the peer made.
    pub fn next_connection(&mut self) -> ConnectionId {
        self.connections = self.connections.saturating_add(1);
        ConnectionId(self.connections)
    }

    /// Takes note of what happened. Take the outputs afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {}

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {}

    /// When [`handle_deadline`](Self::handle_deadline) is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// What is to be done; `None` when nothing is left.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The state of the more advanced connection, or of the peer without one.
    pub fn state(&self) -> State {
        State::Idle
    }

    /// Whether the session is up.
    pub fn is_established(&self) -> bool {
        false
    }

    /// What people see.
    pub fn summary(&self) -> Summary {
        Summary::default()
    }
}
