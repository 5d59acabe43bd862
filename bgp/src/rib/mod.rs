//! What each peer is told, and what it has told.
//!
//! Telling is state, not a queue: for each peer there is the set that it shall be told ([`RouteSet`]) and the set that it has
//! been told, and [`Rib::pull`] writes the next part of the difference when the peer's socket takes it. So a burst of changes
//! collapses, and a peer that reads slowly costs no memory that grows. Peers that shall be told the same in the same way are an
//! update group: what is encoded for one of them is written to all.
//!
//! Pure: no clock, no socket. Outputs of [`Rib::poll`] are to be taken after every call that changes something.

mod peer;
mod route;
mod set;
mod view;

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use ipnet::IpNet;

pub use peer::{Addresses, Import, Keep, PeerId, PeerName, Policy, PrefixLimit, Session};
pub use route::{Route, RouteNextHop};
pub use set::RouteSet;
pub use view::{Advertised, Best, Count, Learned, Output, Received, Rejected, Summary, TooManyPrefixes, Unsent};

use crate::wire::{Family, PerFamily};

/// The routes of all peers.
#[derive(Debug, Default)]
pub struct Rib {
    next: u32,
}

// === impl Rib ===

#[expect(unused_variables, clippy::needless_pass_by_value, reason = "the signatures come first")]
impl Rib {
    /// Without peers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A peer whose session is down and which shall be told nothing.
    pub fn add(&mut self, name: PeerName, policy: Policy) -> PeerId {
        self.next = self.next.saturating_add(1);
        PeerId(self.next)
    }

    /// Forgets a peer and all that it told.
    pub fn remove(&mut self, peer: PeerId) {}

    /// Changes what is configured; what differs is told to the peer. Routes that were dropped while the import was closed are
    /// not known: ask the peer for a refresh when this returns true.
    pub fn set_policy(&mut self, peer: PeerId, policy: Policy) -> bool {
        false
    }

    /// From now on the peer shall be told this. Peers that are given the same set, or equal ones, share its memory.
    pub fn set_routes(&mut self, peer: PeerId, routes: Arc<RouteSet>) {}

    /// The session is up: the peer knows nothing yet.
    pub fn established(&mut self, now: Instant, peer: PeerId, session: Session) {}

    /// The session is down.
    pub fn down(&mut self, now: Instant, peer: PeerId, keep: PerFamily<Keep>) {}

    /// The peer asks for all routes of a family (ROUTE-REFRESH, subtype 0).
    pub fn refresh(&mut self, peer: PeerId, family: Family) {}

    /// The peer begins to tell all routes of a family once more (RFC 7313, subtype 1): those it knows now are stale.
    pub fn refresh_begins(&mut self, now: Instant, peer: PeerId, family: Family) {}

    /// The peer has told all of them (subtype 2): what is still stale goes.
    pub fn refresh_ends(&mut self, peer: PeerId, family: Family) {}

    /// Appends the next messages for the peer: whole ones, about `at_most` octets of them but at least one. Returns whether
    /// there are more.
    pub fn pull(&mut self, peer: PeerId, out: &mut BytesMut, at_most: usize) -> bool {
        false
    }

    /// Whether `pull` would write something.
    pub fn pending(&self, peer: PeerId) -> bool {
        false
    }

    /// When [`handle_deadline`](Self::handle_deadline) is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Drops stale routes whose time is over.
    pub fn handle_deadline(&mut self, now: Instant) {}

    /// What is to be done; `None` when nothing is left.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// Counts of a peer.
    pub fn summary(&self, peer: PeerId) -> Summary {
        Summary::default()
    }

    /// What the peer has been told (Adj-RIB-Out), by prefix.
    pub fn advertised(&self, peer: PeerId) -> Vec<Advertised> {
        Vec::new()
    }

    /// What the peer tells (Adj-RIB-In), by prefix; empty while the import is closed.
    pub fn received(&self, peer: PeerId) -> Vec<Learned> {
        Vec::new()
    }

    /// The best path of a prefix among the learned ones.
    pub fn best(&self, prefix: &IpNet) -> Option<Best> {
        None
    }
}
