//! Telling what is: at once when nothing was told for a while, else not more often than ten times a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Worker;
use crate::driver::status::{Malformed, Octets, PeerStatus, Status};

const PACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Publisher {
    to: watch::Sender<Arc<Status>>,
    dirty: bool,
    next: Option<Instant>,
}

// === impl Publisher ===

impl Publisher {
    pub(super) fn new(to: watch::Sender<Arc<Status>>) -> Self {
        Self { to, dirty: true, next: None }
    }

    pub(super) fn changed(&mut self) {
        self.dirty = true;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.dirty && self.next.is_none_or(|next| next <= now)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next.filter(|_| self.dirty)
    }

    pub(super) fn publish(&mut self, now: Instant, status: Status) {
        self.dirty = false;
        self.next = now.checked_add(PACE);
        self.to.send_replace(Arc::new(status));
    }
}

// === impl Worker ===

impl Worker {
    /// All that is to be seen.
    pub(super) fn status(&self) -> Status {
        let mut peers = self.shared.peers();
        for (name, (remote, problem)) in &self.impossible {
            let status = PeerStatus {
                remote: remote.clone(),
                session: crate::session::Summary::default(),
                routes: crate::rib::Summary::default(),
                octets: Octets::default(),
                malformed: Malformed::default(),
                problem: Some(problem.clone()),
            };
            peers.insert(name.clone(), status);
        }
        Status {
            peers,
            listeners: self.listeners.status(),
            neighbors: self.links.status(),
            unknown_sources: self.unknown_sources,
            overflowed: self.overflowed,
        }
    }
}
