//! The owner's end of a running driver.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config::{Bfd, Desired, PeerConfig};
use super::record::Recorded;
use super::shared::Shared;
use super::status::Status;
use crate::rib::{Advertised, Best, Learned, PeerName, Rib, RouteSet};
use crate::session::Stop;
use crate::wire::Family;

/// Orders that may wait for the driver; a caller waits while there are more.
pub(super) const ORDERS: usize = 64;

/// Something to do once.
#[derive(Debug)]
pub(super) enum Order {
    /// Begin a new session.
    Reset { peer: PeerName, text: String },
    /// Ask the peer for its routes again.
    Refresh { peer: PeerName, family: Family },
    /// Tell the peer everything again, as if it had asked.
    Resend { peer: PeerName, family: Family },
    /// Give a copy of each message.
    Record { peer: PeerName, to: mpsc::Sender<Recorded> },
}

/// The driver has ended, or there is no peer of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It has ended.
    #[error("BGP has ended")]
    Ended,
    /// There is no such peer.
    #[error("no BGP peer has this name")]
    NoPeer,
}

/// Controls a running driver. Dropping it closes all sockets without a word, as a crash would: peers with graceful restart keep
/// the routes.
///
/// What [`set`](Self::set) and [`bfd`](Self::bfd) say is the truth from then on; of several calls that follow each other quickly
/// only the last one may be acted upon.
#[derive(Debug)]
pub struct Handle {
    desired: watch::Sender<Desired>,
    status: watch::Receiver<Arc<Status>>,
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    stop: DropGuard,
}

// === impl Handle ===

impl Handle {
    pub(super) fn new(
        desired: watch::Sender<Desired>,
        status: watch::Receiver<Arc<Status>>,
        orders: mpsc::Sender<Order>,
        shared: Arc<Shared>,
        stop: CancellationToken,
    ) -> Self {
        Self { desired, status, orders, shared, stop: stop.drop_guard() }
    }

    /// These peers shall be, and be told these routes; no others. A peer without a set is told nothing. Of two peers with one
    /// name the last one counts.
    ///
    /// A session whose peer did not change in something that is part of a session goes on. What differs of its routes is
    /// told; [`session::Config::change`](crate::session::Config::change) and [`Transport`](super::Transport) say what ends one.
    pub fn set(&self, peers: Vec<PeerConfig>, routes: BTreeMap<PeerName, Arc<RouteSet>>) {
        self.desired.send_modify(|desired| {
            if *desired.peers != peers {
                desired.bfd.retain(|name, _| peers.iter().any(|peer| peer.name == *name));
                desired.peers = Arc::new(peers);
            }
            desired.routes = Arc::new(routes);
        });
    }

    /// What BFD says of a peer. A peer that it says nothing of is not concerned by it.
    pub fn bfd(&self, peer: &PeerName, bfd: Bfd) {
        self.desired.send_modify(|desired| desired.bfd.entry(peer.clone()).or_default().hear(bfd));
    }

    /// What is. The sender is gone once the driver has ended.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// What a peer has been told (Adj-RIB-Out), by prefix; none when there is no such peer.
    pub fn advertised(&self, peer: &PeerName) -> Option<Vec<Advertised>> {
        self.shared.rib_of(peer, Rib::advertised)
    }

    /// What a peer tells (Adj-RIB-In), by prefix; none when there is no such peer.
    pub fn received(&self, peer: &PeerName) -> Option<Vec<Learned>> {
        self.shared.rib_of(peer, Rib::received)
    }

    /// The best of the learned paths of a prefix, and who told it.
    pub fn best(&self, prefix: &IpNet) -> Option<(PeerName, Best)> {
        self.shared.best(prefix)
    }

    /// Ends the session of a peer and begins a new one; `text` is for the peer's people (RFC 9003).
    ///
    /// # Errors
    /// When there is no such peer, or the driver has ended.
    pub async fn reset(&self, peer: &PeerName, text: &str) -> Result<(), OrderError> {
        self.order(Order::Reset { peer: peer.clone(), text: text.to_owned() }).await
    }

    /// Asks a peer to tell its routes again (RFC 2918).
    ///
    /// # Errors
    /// When there is no such peer, or the driver has ended.
    pub async fn refresh(&self, peer: &PeerName, family: Family) -> Result<(), OrderError> {
        self.order(Order::Refresh { peer: peer.clone(), family }).await
    }

    /// Tells a peer all routes again.
    ///
    /// # Errors
    /// When there is no such peer, or the driver has ended.
    pub async fn resend(&self, peer: &PeerName, family: Family) -> Result<(), OrderError> {
        self.order(Order::Resend { peer: peer.clone(), family }).await
    }

    /// Sends a copy of each message that the peer sends or is sent to `to`, until its receiver is dropped. Messages are left out
    /// and counted ([`Recorded::missed`]) while it is full: a recording delays no session. A new recording replaces the one before.
    ///
    /// # Errors
    /// When there is no such peer, or the driver has ended.
    pub async fn record(&self, peer: &PeerName, to: mpsc::Sender<Recorded>) -> Result<(), OrderError> {
        self.order(Order::Record { peer: peer.clone(), to }).await
    }

    /// Waits until the driver has ended, for whatever reason. Without [`shutdown`](Self::shutdown) that is a defect.
    pub async fn closed(&self) {
        self.desired.closed().await;
    }

    /// Ends all sessions for this reason, and returns when the peers were told or 3 s have passed.
    pub async fn shutdown(self, stop: Stop) {
        self.desired.send_modify(|desired| desired.stop = Some(stop));
        self.desired.closed().await;
        drop(self.stop);
    }

    async fn order(&self, order: Order) -> Result<(), OrderError> {
        let (Order::Reset { peer, .. }
        | Order::Refresh { peer, .. }
        | Order::Resend { peer, .. }
        | Order::Record { peer, .. }) = &order;
        if self.shared.id(peer).is_none() {
            return Err(OrderError::NoPeer);
        }
        self.orders.send(order).await.map_err(|_ended| OrderError::Ended)
    }
}
