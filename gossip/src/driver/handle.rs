//! The owner's end of a running driver.

use std::net::{IpAddr, SocketAddr};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::run::Order;
use super::{Error, SharedView, Stopped};
use crate::counters::Counters;
use crate::facts::Facts;
use crate::ring::KeyRing;

/// A running driver. Dropping it stops the thread without leaving the cluster, as a crash would.
#[derive(Debug)]
pub struct Handle {
    /// The latest view. Closed when the thread has ended.
    pub view: watch::Receiver<SharedView>,
    counters: watch::Receiver<Counters>,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
    local: SocketAddr,
    advertise: SocketAddr,
}

// === impl Handle ===

impl Handle {
    pub(super) const fn new(
        view: watch::Receiver<SharedView>,
        counters: watch::Receiver<Counters>,
        orders: mpsc::Sender<Order>,
        stop: CancellationToken,
        thread: JoinHandle<()>,
        local: SocketAddr,
        advertise: SocketAddr,
    ) -> Self {
        Self { view, counters, orders, stop, thread, local, advertise }
    }

    /// Replaces the set of other nodes that should be members. Waits while more than 64 commands wait.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn seeds(&self, seeds: Vec<SocketAddr>) -> Result<(), Stopped> {
        self.order(Order::Seeds(seeds)).await
    }

    /// Claims addresses for this node.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn claim(&self, vips: Vec<IpAddr>) -> Result<(), Stopped> {
        self.order(Order::Claim(vips)).await
    }

    /// Gives addresses back.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn release(&self, vips: Vec<IpAddr>) -> Result<(), Stopped> {
        self.order(Order::Release(vips)).await
    }

    /// Tells all members these facts about this node, in place of those before. Telling the same again costs nothing.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn tell(&self, facts: Facts) -> Result<(), Stopped> {
        self.order(Order::Tell(facts)).await
    }

    /// Replaces the group keys. See [`KeyRing`] for the order in which that loses no member.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn keys(&self, keys: KeyRing) -> Result<(), Stopped> {
        self.order(Order::Keys(keys)).await
    }

    /// Leaves the cluster: tells all members at once. The view goes on following the claims of successors for a second,
    /// then the thread ends by itself; [`shutdown`](Self::shutdown) ends it earlier.
    ///
    /// # Errors
    /// When the thread has ended.
    pub async fn leave(&self) -> Result<(), Stopped> {
        self.order(Order::Leave).await
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    /// What happened so far, and each time it changes: at every datagram.
    pub fn watch_counters(&self) -> watch::Receiver<Counters> {
        self.counters.clone()
    }

    /// The address of the socket.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address that the other nodes use.
    pub const fn advertised(&self) -> SocketAddr {
        self.advertise
    }

    /// Completes when the thread has ended, whatever the reason.
    pub async fn stopped(&self) {
        self.orders.closed().await;
    }

    /// Stops the thread and waits for it. To leave the cluster orderly, call [`leave`](Self::leave) before.
    ///
    /// # Errors
    /// When the thread had panicked.
    pub async fn shutdown(self) -> Result<(), Error> {
        self.stop.cancel();
        self.orders.closed().await;
        // Nothing but the thread's last instructions is waited for: it gave up its queue already.
        let thread = self.thread;
        thread.join().map_err(|_panic| Error::Panicked)
    }

    async fn order(&self, order: Order) -> Result<(), Stopped> {
        self.orders.send(order).await.map_err(|_refused| Stopped)
    }
}
