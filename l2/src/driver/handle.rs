//! The caller's end: says what shall be, sees what is.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use pnet_base::MacAddr;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::observed::Observed;
use crate::announcer::Announcement;
use crate::interface::{Gateway, Interface};

/// All that shall be. Parts are shared so that the worker can tell which changed without comparing them.
#[derive(Debug, Clone, Default)]
pub(super) struct Desired {
    pub(super) interfaces: Arc<Vec<Interface>>,
    pub(super) announcements: Arc<Vec<Announcement>>,
    pub(super) watched: Arc<BTreeSet<IpAddr>>,
    pub(super) peers: Arc<BTreeSet<MacAddr>>,
    pub(super) gateways: Arc<Vec<Gateway>>,
    /// The standstill up to which ownership was confirmed.
    pub(super) confirmed: u64,
}

/// Controls a running announcer. Dropping it stops the announcer as [`shutdown`](Self::shutdown) does, without waiting.
///
/// Every setter states the whole of its part, replaces what was said before and returns at once; of several that follow
/// each other quickly only the last may be acted upon. Once the announcer has ended they have no effect.
#[derive(Debug)]
pub struct Handle {
    desired: watch::Sender<Desired>,
    observed: watch::Receiver<Arc<Observed>>,
    stop: DropGuard,
}

impl Handle {
    pub(super) fn new(
        desired: watch::Sender<Desired>,
        observed: watch::Receiver<Arc<Observed>>,
        cancel: CancellationToken,
    ) -> Self {
        Self { desired, observed, stop: cancel.drop_guard() }
    }

    /// The interfaces that may announce; see [`Input::Interfaces`](crate::Input::Interfaces).
    pub fn interfaces(&self, interfaces: Vec<Interface>) {
        self.desired.send_modify(|desired| desired.interfaces = Arc::new(interfaces));
    }

    /// The addresses to announce; see [`Input::Announce`](crate::Input::Announce).
    pub fn announce(&self, announcements: Vec<Announcement>) {
        self.desired.send_modify(|desired| desired.announcements = Arc::new(announcements));
    }

    /// Addresses to listen for without owning them; see [`Input::Watch`](crate::Input::Watch).
    pub fn watch(&self, addresses: BTreeSet<IpAddr>) {
        self.desired.send_modify(|desired| desired.watched = Arc::new(addresses));
    }

    /// Hardware addresses of the other announcers of this cluster; see [`Input::Peers`](crate::Input::Peers).
    pub fn peers(&self, peers: BTreeSet<MacAddr>) {
        self.desired.send_modify(|desired| desired.peers = Arc::new(peers));
    }

    /// Routers that are told in person; see [`Input::Gateways`](crate::Input::Gateways).
    pub fn gateways(&self, gateways: Vec<Gateway>) {
        self.desired.send_modify(|desired| desired.gateways = Arc::new(gateways));
    }

    /// Says that the addresses to announce were found to be owned still after the standstill number `stalls` of
    /// [`Observed::stalls`], and may be announced again. To be called after [`announce`](Self::announce), by whoever asked
    /// the other members since: after a standstill of this process the caller stood still too, and what it believed
    /// before is worth nothing.
    pub fn confirm(&self, stalls: u64) {
        self.desired.send_modify(|desired| desired.confirmed = desired.confirmed.max(stalls));
    }

    /// What is really announced. The sender is gone once the announcer has ended.
    pub fn observed(&self) -> watch::Receiver<Arc<Observed>> {
        self.observed.clone()
    }

    /// Waits until the announcer has ended, for whatever reason. Without [`shutdown`](Self::shutdown) that is a defect.
    pub async fn closed(&self) {
        self.desired.closed().await;
    }

    /// Stops: when this returns all sockets are closed, nothing is announced or answered any more.
    pub async fn shutdown(self) {
        let Self { desired, stop, .. } = self;
        drop(stop);
        desired.closed().await;
    }
}
