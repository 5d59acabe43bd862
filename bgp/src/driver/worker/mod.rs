//! The task that owns the others: it turns what is desired into peers, gives connections to whom they belong, and tells what is.

mod links;
mod peers;
mod publish;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::links::Links;
use self::peers::Entry;
use self::publish::Publisher;
use super::config::{Config, Desired};
use super::handle::Order;
use super::listener::{Incoming, Listeners};
use super::now;
use super::peer;
use super::shared::Shared;
use super::status::{Problem, Status};
use super::transport::Remote;
use crate::rib::PeerName;

/// How long peers may take to be told the end.
const END: Duration = Duration::from_secs(3);

/// The task.
pub(super) struct Worker {
    config: Config,
    shared: Arc<Shared>,
    desired: watch::Receiver<Desired>,
    orders: mpsc::Receiver<Order>,
    stop: CancellationToken,
    tracker: TaskTracker,
    peers: BTreeMap<PeerName, Entry>,
    /// Peers whose configuration is not possible and that had none before.
    impossible: BTreeMap<PeerName, (Remote, Problem)>,
    listeners: Listeners,
    links: Links,
    publisher: Publisher,
    unknown_sources: u64,
    overflowed: u64,
}

/// What it waits for.
enum Wake {
    Stop,
    Desired(bool),
    Order(Option<Order>),
    Incoming(Incoming),
    Links(bool),
    Status,
    Time,
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(
        config: Config,
        shared: Arc<Shared>,
        desired: watch::Receiver<Desired>,
        status: watch::Sender<Arc<Status>>,
        orders: mpsc::Receiver<Order>,
        stop: CancellationToken,
    ) -> Self {
        let listeners = Listeners::new(config.listen_port);
        Self {
            config,
            shared,
            desired,
            orders,
            stop,
            tracker: TaskTracker::new(),
            peers: BTreeMap::new(),
            impossible: BTreeMap::new(),
            listeners,
            links: Links::default(),
            publisher: Publisher::new(status),
            unknown_sources: 0,
            overflowed: 0,
        }
    }

    /// Runs until it is stopped or its owner is gone.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.wait().await;
            match wake {
                Wake::Stop | Wake::Desired(false) | Wake::Order(None) => return,
                Wake::Desired(true) => {
                    let desired = self.desired.borrow_and_update().clone();
                    if let Some(stop) = desired.stop {
                        return self.end(stop).await;
                    }
                    self.apply(&desired);
                }
                Wake::Order(Some(order)) => self.obey(order),
                Wake::Incoming(incoming) => self.accept(incoming),
                Wake::Links(changed) => {
                    if changed {
                        self.relevel();
                    }
                }
                Wake::Status => self.publisher.changed(),
                Wake::Time => {}
            }
            self.handle_deadlines();
        }
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.next_deadline();
        let Self { stop, desired, orders, listeners, links, shared, .. } = self;
        tokio::select! {
            biased;
            () = stop.cancelled() => Wake::Stop,
            changed = desired.changed() => Wake::Desired(changed.is_ok()),
            order = orders.recv() => Wake::Order(order),
            changed = links.changed() => Wake::Links(changed),
            incoming = poll_fn(|context| listeners.poll_accept(now(), context)) => Wake::Incoming(incoming),
            () = shared.changed.notified() => Wake::Status,
            () = sleep_until(deadline.unwrap_or_else(now).into()), if deadline.is_some() => Wake::Time,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let all = [
            self.listeners.next_deadline(),
            self.links.next_deadline(),
            self.shared.next_deadline(),
            self.publisher.next_deadline(),
        ];
        all.into_iter().flatten().min()
    }

    fn handle_deadlines(&mut self) {
        let now = now();
        if self.listeners.handle_deadline(now) {
            self.publisher.changed();
        }
        self.links.handle_deadline(now);
        if self.shared.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.shared.with_rib(|rib| rib.handle_deadline(now));
        }
        if self.publisher.is_due(now) {
            let status = self.status();
            self.publisher.publish(now, status);
        }
    }

    /// Ends all peers, and waits until they were told.
    async fn end(mut self, stop: crate::session::Stop) {
        self.listeners.want(now(), BTreeMap::new());
        self.links.set(now(), &[]);
        for entry in self.peers.values() {
            entry.level.send_modify(|level| level.stop = Some(stop.clone()));
        }
        self.tracker.close();
        if timeout(END, self.tracker.wait()).await.is_err() {
            tracing::warn!("not all BGP peers could be told the end");
        }
    }

    fn obey(&mut self, order: Order) {
        let (peer, order) = match order {
            Order::Reset { peer, text } => (peer, peer::Order::Reset(text)),
            Order::Refresh { peer, family } => (peer, peer::Order::Refresh(family)),
            Order::Resend { peer, family } => (peer, peer::Order::Resend(family)),
            Order::Record { peer, to } => (peer, peer::Order::Record(to)),
        };
        if let Some(entry) = self.peers.get(&peer)
            && entry.orders.try_send(order).is_err()
        {
            tracing::warn!(%peer, "an order was dropped since many wait");
        }
    }
}
