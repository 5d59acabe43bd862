//! The event loop: feeds the announcer, does what it says, publishes what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::future::{self, Future as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::handle::Desired;
use super::observed::{InterfaceStatus, Observed};
use super::port::Port;
use crate::announcer::{Announcer, Heard, Input, Output, PortEvent, SendOutcome};

/// Least time between two publications, so that a burst of 1,000 addresses is not published 1,000 times.
const PUBLISH_GAP: Duration = Duration::from_millis(20);

/// Least time between two publications that differ only in counters.
const COUNTERS_GAP: Duration = Duration::from_secs(1);

/// Owns the sockets. Ends when cancelled or when the handle is gone; every await in [`run`](Self::run) can be dropped
/// without loss, since nothing is consumed before it is complete.
#[derive(Debug)]
pub(super) struct Worker {
    announcer: Announcer,
    ports: BTreeMap<u32, Port>,
    desired: watch::Receiver<Desired>,
    applied: Desired,
    observed: watch::Sender<Arc<Observed>>,
    heard: mpsc::Sender<Heard>,
    heard_dropped: u64,
    cancel: CancellationToken,
    started: Instant,
    /// Counts changes of ports.
    port_revision: u64,
    published: Published,
}

/// What the last publication contained.
#[derive(Debug, Default)]
struct Published {
    at: Option<Instant>,
    revisions: (u64, u64),
    activity: (u64, u64),
}

impl Worker {
    pub(super) fn new(
        announcer: Announcer,
        desired: watch::Receiver<Desired>,
        observed: watch::Sender<Arc<Observed>>,
        heard: mpsc::Sender<Heard>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            announcer,
            ports: BTreeMap::new(),
            desired,
            applied: Desired::default(),
            observed,
            heard,
            heard_dropped: 0,
            cancel,
            started: now(),
            port_revision: 0,
            published: Published::default(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.next_deadline();
            let ports = &self.ports;
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                changed = self.desired.changed() => if changed.is_err() { break },
                () = any_ready(ports) => {}
                () = until(deadline) => {}
            }
            let now = now();
            self.apply(now);
            self.retry(now);
            self.receive(now);
            self.announcer.handle_deadline(now);
            self.act(now);
            self.publish(now);
        }
        self.finish();
    }

    /// Closes every socket before anybody can see that the end has come.
    fn finish(self) {
        let Self { ports, observed, desired, .. } = self;
        drop(ports);
        observed.send_replace(Arc::default());
        drop(desired);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let retry = self.ports.values().filter_map(Port::retry_at).min();
        [self.announcer.next_deadline(), retry, self.publish_at()].into_iter().flatten().min()
    }

    /// Tells the announcer which parts of what is desired have changed.
    fn apply(&mut self, now: Instant) {
        let desired = self.desired.borrow_and_update().clone();
        let applied = std::mem::replace(&mut self.applied, desired);
        let desired = &self.applied;
        // Peers and gateways first: they matter to what the others start.
        if !Arc::ptr_eq(&applied.peers, &desired.peers) {
            self.announcer.handle(now, Input::Peers((*desired.peers).clone()));
        }
        if !Arc::ptr_eq(&applied.gateways, &desired.gateways) {
            self.announcer.handle(now, Input::Gateways((*desired.gateways).clone()));
        }
        if !Arc::ptr_eq(&applied.announcements, &desired.announcements) {
            self.announcer.handle(now, Input::Announce((*desired.announcements).clone()));
        }
        if !Arc::ptr_eq(&applied.watched, &desired.watched) {
            self.announcer.handle(now, Input::Watch((*desired.watched).clone()));
        }
        if !Arc::ptr_eq(&applied.interfaces, &desired.interfaces) {
            for interface in desired.interfaces.iter() {
                if let Some(port) = self.ports.get_mut(&interface.index) {
                    port.rename(&interface.name);
                    port.retry_soon(now);
                }
            }
            self.announcer.handle(now, Input::Interfaces((*desired.interfaces).clone()));
        }
    }

    fn retry(&mut self, now: Instant) {
        for (&index, port) in &mut self.ports {
            if port.retry_at().is_some_and(|at| at <= now) {
                let event = port.open(now);
                self.port_revision += 1;
                self.announcer.handle(now, Input::Port { index, event });
            }
        }
    }

    fn receive(&mut self, now: Instant) {
        let announcer = &mut self.announcer;
        for (&index, port) in &mut self.ports {
            let event = port.receive(now, |bytes| announcer.handle(now, Input::Frame { index, bytes }));
            if let Some(event) = event {
                self.port_revision += 1;
                announcer.handle(now, Input::Port { index, event });
            }
        }
    }

    /// Does what the announcer says until it has nothing left to say.
    fn act(&mut self, now: Instant) {
        loop {
            let Some(output) = self.announcer.poll() else {
                if self.flush(now) {
                    continue;
                }
                return;
            };
            match output {
                Output::Filter { index, program } => {
                    let port = self.ports.entry(index).or_insert_with(|| Port::new(index));
                    if let Some(interface) = self.applied.interfaces.iter().find(|known| known.index == index) {
                        port.rename(&interface.name);
                    }
                    let event = port.filter(now, &program);
                    self.port_revision += 1;
                    self.announcer.handle(now, Input::Port { index, event });
                }
                Output::Close { index } => {
                    self.port_revision += 1;
                    self.ports.remove(&index);
                }
                Output::Send(transmit) => {
                    let port = self.ports.get_mut(&transmit.index);
                    let refused = match port {
                        Some(port) => port.enqueue(transmit).err(),
                        None => Some(transmit),
                    };
                    if let Some(crate::Transmit { index, vip, purpose, .. }) = refused {
                        let outcome = SendOutcome::Dropped;
                        self.announcer.handle(now, Input::Sent { index, vip, purpose, outcome });
                    }
                }
                Output::Heard(heard) => {
                    if self.heard.try_send(heard).is_err() {
                        self.heard_dropped += 1;
                    }
                }
            }
        }
    }

    /// Sends what is queued. Says whether the announcer may have something to say about it.
    fn flush(&mut self, now: Instant) -> bool {
        let mut reports = Vec::new();
        let mut events: VecDeque<(u32, PortEvent)> = VecDeque::new();
        for (&index, port) in &mut self.ports {
            let announcer = &self.announcer;
            let event = port.flush(
                now,
                |transmit| announcer.announces(index, transmit.vip),
                |transmit, outcome| reports.push((index, transmit.vip, transmit.purpose, outcome)),
            );
            events.extend(event.map(|event| (index, event)));
        }
        for (index, vip, purpose, outcome) in reports {
            self.announcer.handle(now, Input::Sent { index, vip, purpose, outcome });
        }
        let failed = !events.is_empty();
        for (index, event) in events {
            self.port_revision += 1;
            self.announcer.handle(now, Input::Port { index, event });
        }
        failed
    }

    /// When there is something to publish.
    fn publish_at(&self) -> Option<Instant> {
        let gap = if self.published.revisions != self.revisions() {
            PUBLISH_GAP
        } else if self.published.activity != self.activity() {
            COUNTERS_GAP
        } else {
            return None;
        };
        Some(self.published.at.map_or(self.started, |at| at + gap))
    }

    fn publish(&mut self, now: Instant) {
        if self.publish_at().is_none_or(|at| at > now) {
            return;
        }
        self.published = Published { at: Some(now), revisions: self.revisions(), activity: self.activity() };
        let mut counters = self.announcer.interface_counters();
        let interfaces = self.applied.interfaces.iter().filter_map(|interface| {
            let port = self.ports.get(&interface.index)?;
            let status = InterfaceStatus {
                index: interface.index,
                open: port.is_open(),
                error: port.error(),
                counters: counters.remove(&interface.index).unwrap_or_default(),
            };
            Some((interface.name.clone(), status))
        });
        let interfaces = interfaces.collect();
        let vips = self.announcer.status();
        self.observed.send_replace(Arc::new(Observed { vips, interfaces, heard_dropped: self.heard_dropped }));
    }

    fn revisions(&self) -> (u64, u64) {
        (self.announcer.revision(), self.port_revision)
    }

    fn activity(&self) -> (u64, u64) {
        (self.announcer.activity(), self.heard_dropped)
    }
}

/// Waits until a port has something to do.
async fn any_ready(ports: &BTreeMap<u32, Port>) {
    let mut waits: Vec<Pin<Box<_>>> = ports.values().map(|port| Box::pin(port.ready())).collect();
    future::poll_fn(|cx| {
        // All of them are polled, so that each of them can wake us.
        let ready = waits.iter_mut().filter_map(|wait| wait.as_mut().poll(cx).is_ready().then_some(())).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until `deadline`, for ever without.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn now() -> Instant {
    Instant::now()
}
