//! A process with its session, and what is checked of each thing that the session does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ferrolb_bgp::session::{Config, ConnectionId, Counters, Peer, Session, State};
use ferrolb_bgp::wire::Parameters;

use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Node {
    /// None while there is no process.
    pub(crate) process: Option<Process>,
    /// The kernel is there.
    pub(crate) powered: bool,
    /// It does not read before this time.
    pub(crate) stalled_until: Option<Instant>,
    /// How many processes there were.
    pub(crate) generation: u64,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) peer: Peer,
    pub(crate) table: Table,
    /// Links by the session's name for them.
    pub(crate) links: BTreeMap<ConnectionId, usize>,
    /// As the outputs told.
    pub(crate) up: Option<(ConnectionId, Arc<Session>, Instant)>,
    pub(crate) state: State,
    /// How often something was due at the same moment.
    pub(crate) spins: (Instant, u32),
    pub(crate) plain: Arc<Parameters>,
}

impl Process {
    pub(crate) fn new(config: Arc<Config>, seed: u64, restarted: bool, now: Instant, table: Table) -> Self {
        Self {
            peer: Peer::new(config, seed, restarted).unwrap(),
            table,
            links: BTreeMap::new(),
            up: None,
            state: State::Idle,
            spins: (now, 0),
            plain: Arc::new(Parameters::default()),
        }
    }

    /// What bytes of a connection are read with.
    pub(crate) fn parameters(&self, connection: ConnectionId) -> Arc<Parameters> {
        match &self.up {
            Some((up, session, _)) if *up == connection => Arc::clone(&session.parameters),
            _ => Arc::clone(&self.plain),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.peer.summary().counters
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.peer.next_deadline().into_iter().chain(self.table.rib.next_deadline()).min()
    }

    /// A deadline has come: it must not come again and again.
    pub(crate) fn due(&mut self, now: Instant) {
        self.spins = if self.spins.0 == now { (now, self.spins.1 + 1) } else { (now, 0) };
        assert!(self.spins.1 < 10, "time does not go on: {:?}", self.peer);
        self.peer.handle_deadline(now);
        self.table.rib.handle_deadline(now);
        assert!(self.next_deadline().is_none_or(|at| at > now), "a deadline is in the past: {:?}", self.peer);
    }
}
