//! What each peer is told, and what it has told.
//!
//! Telling is state, not a queue: for each peer there is the set that it shall be told ([`RouteSet`]) and the set that it has
//! been told, and [`Rib::pull`] writes the next part of the difference when the peer's socket takes it. So a burst of changes
//! collapses, and a peer that reads slowly costs no memory that grows. Peers that shall be told the same in the same way are an
//! update group: what is encoded for one of them is written to all.
//!
//! Pure: no clock, no socket. Outputs of [`Rib::poll`] are to be taken after every call that changes something.

mod choice;
mod delta;
mod distribution;
mod encode;
mod export;
mod import;
mod inbound;
mod outbound;
mod peer;
mod route;
mod set;
mod table;
mod transition;
mod view;
mod well_known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use ipnet::IpNet;

pub use peer::{Addresses, Import, Keep, PeerId, PeerName, Policy, PrefixLimit, Session};
pub use route::{Route, RouteNextHop};
pub use set::RouteSet;
pub use view::{
    Advertised, Best, Count, Learned, Output, Received, Rejected, Summary, TooManyPrefixes, Unsent, Withheld,
};

use crate::wire::{Attributes, Family, PerFamily, Update};
use inbound::Inbound;
use outbound::Outbound;

/// The routes of all peers.
#[derive(Debug, Default)]
pub struct Rib {
    names: BTreeMap<PeerId, PeerName>,
    numbers: u32,
    outbound: Outbound,
    inbound: Inbound,
    /// Peers to which something is to be written since they were last told of.
    wake: BTreeSet<PeerId>,
}

// === impl Rib ===

impl Rib {
    /// Without peers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A peer whose session is down and which shall be told nothing.
    pub fn add(&mut self, name: PeerName, policy: Policy) -> PeerId {
        self.numbers = self.numbers.saturating_add(1);
        let peer = PeerId(self.numbers);
        self.names.insert(peer, name);
        self.outbound.add(peer, policy.graceful_shutdown);
        self.inbound.add(peer, policy);
        peer
    }

    /// Forgets a peer and all that it told.
    pub fn remove(&mut self, peer: PeerId) {
        self.names.remove(&peer);
        self.outbound.remove(peer);
        self.inbound.remove(peer);
        self.wake.remove(&peer);
    }

    /// The name of a peer, while it is there.
    pub fn name(&self, peer: PeerId) -> Option<&PeerName> {
        self.names.get(&peer)
    }

    /// Changes what is configured; what differs is told to the peer. A limit holds from its next UPDATE on.
    ///
    /// Returns whether the peer is to be asked for its routes (ROUTE-REFRESH): what it told while the import was closed is
    /// not known.
    pub fn set_policy(&mut self, peer: PeerId, policy: Policy) -> bool {
        self.outbound.set_graceful_shutdown(peer, policy.graceful_shutdown);
        self.wake(peer);
        self.inbound.set_policy(peer, policy)
    }

    /// From now on the peer shall be told this. Peers that are given the same set, or equal ones, share its memory.
    pub fn set_routes(&mut self, peer: PeerId, routes: Arc<RouteSet>) {
        self.outbound.set_routes(peer, routes);
        self.wake(peer);
    }

    /// The session is up: the peer knows nothing yet.
    pub fn established(&mut self, now: Instant, peer: PeerId, session: Session) {
        self.outbound.established(peer, &session);
        self.inbound.established(now, peer, session);
        self.wake(peer);
    }

    /// The session is down.
    pub fn down(&mut self, now: Instant, peer: PeerId, keep: PerFamily<Keep>) {
        self.outbound.down(peer);
        self.inbound.down(now, peer, keep);
        self.wake.remove(&peer);
    }

    /// Takes what an UPDATE of the peer says.
    ///
    /// # Errors
    ///
    /// The peer tells more prefixes than it may, and that closes its session. What it said is applied; the session going
    /// down clears it.
    pub fn receive(&mut self, peer: PeerId, update: &Update<'_>) -> Result<Received, TooManyPrefixes> {
        self.inbound.receive(peer, update)
    }

    /// The peer asks for all routes of a family (ROUTE-REFRESH, subtype 0).
    pub fn refresh(&mut self, peer: PeerId, family: Family) {
        self.outbound.refresh(peer, family);
        self.wake(peer);
    }

    /// The peer begins to tell all routes of a family once more (RFC 7313, subtype 1): those it knows now are stale.
    pub fn refresh_begins(&mut self, now: Instant, peer: PeerId, family: Family) {
        self.inbound.again(now, peer, family);
    }

    /// The peer has told all of them (subtype 2): what is still stale goes.
    pub fn refresh_ends(&mut self, peer: PeerId, family: Family) {
        self.inbound.complete(peer, family);
    }

    /// Appends the next messages for the peer: whole ones, `at_most` octets of them but at least one message. Returns whether
    /// there are more. So that no message is cut, up to one message's length may be left of `at_most` even so.
    pub fn pull(&mut self, peer: PeerId, out: &mut BytesMut, at_most: usize) -> bool {
        self.outbound.pull(peer, out, at_most)
    }

    /// Whether `pull` would write something.
    pub fn pending(&self, peer: PeerId) -> bool {
        self.outbound.pending(peer)
    }

    /// When [`handle_deadline`](Self::handle_deadline) is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inbound.next_deadline()
    }

    /// Drops stale routes whose time is over.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.inbound.handle_deadline(now);
    }

    /// What is to be done; `None` when nothing is left.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(peer) = self.wake.pop_first() {
            return Some(Output::Pending(peer));
        }
        self.inbound.poll()
    }

    /// Counts of a peer.
    pub fn summary(&self, peer: PeerId) -> Summary {
        let mut summary = self.inbound.summary(peer);
        self.outbound.summarize(peer, &mut summary);
        summary
    }

    /// What the peer has been told (Adj-RIB-Out), by prefix.
    pub fn advertised(&self, peer: PeerId) -> Vec<Advertised> {
        self.outbound.advertised(peer)
    }

    /// What the peer tells (Adj-RIB-In), by prefix; empty while the import is closed.
    pub fn received(&self, peer: PeerId) -> Vec<Learned> {
        self.inbound.learned(peer)
    }

    /// The best path of a prefix among the learned ones.
    pub fn best(&self, prefix: &IpNet) -> Option<&Best> {
        self.inbound.best(prefix)
    }

    /// The best path to a prefix as a peer would be told it. It is not told: learned routes are not distributed.
    ///
    /// # Errors
    ///
    /// The rule that keeps it from the peer.
    pub fn passed_on(&self, prefix: &IpNet, to: PeerId) -> Result<Attributes, Withheld> {
        self.inbound.passed_on(prefix, to)
    }

    fn wake(&mut self, peer: PeerId) {
        if self.outbound.pending(peer) {
            self.wake.insert(peer);
        }
    }
}

#[cfg(test)]
mod tests;
