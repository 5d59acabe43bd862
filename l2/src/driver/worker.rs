//! The event loop: feeds the announcer, does what it says, publishes what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::future::{self, Future as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::handle::Desired;
use super::observed::{InterfaceStatus, Observed};
use super::port::Port;
use super::stall::Watchdog;
use super::timer::Timer;
use crate::announcer::{Announcer, Config, Family, Heard, Input, Output, SendOutcome, Transmit};

/// Least time between two publications, so that a burst of 1,000 addresses is not published 1,000 times.
const PUBLISH_GAP: Duration = Duration::from_millis(20);

/// Least time between two publications that differ only in counters.
const COUNTERS_GAP: Duration = Duration::from_secs(1);

/// Owns the sockets. Ends when cancelled or when the handle is gone; every await in [`run`](Self::run) can be dropped
/// without loss, since nothing is consumed before it is complete.
#[derive(Debug)]
pub(super) struct Worker {
    announcer: Announcer,
    ports: BTreeMap<(u32, Family), Port>,
    timer: Timer,
    watchdog: Watchdog,
    /// Standstills so far.
    stalls: u64,
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
        timer: Timer,
        config: Config,
        desired: watch::Receiver<Desired>,
        observed: watch::Sender<Arc<Observed>>,
        heard: mpsc::Sender<Heard>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            announcer: Announcer::new(config),
            ports: BTreeMap::new(),
            timer,
            watchdog: Watchdog::new(config.stall_tolerance),
            stalls: 0,
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
            let before = now();
            let delay = self.next_deadline(before).map(|at| at.saturating_duration_since(before));
            let ports = &self.ports;
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                changed = self.desired.changed() => if changed.is_err() { break },
                () = any_ready(ports) => {}
                () = self.timer.sleep(delay) => {}
            }
            let now = now();
            self.check(now);
            self.apply(now);
            self.retry(now);
            self.receive(now);
            self.announcer.handle_deadline(now);
            self.act(now);
            self.ports.values_mut().for_each(|port| port.join(now));
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

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let ports = self.ports.values().flat_map(|port| [port.retry_at(), port.join_at(now)]).flatten().min();
        // Only who announces something has something to lose by standing still.
        let owns = !self.applied.announcements.is_empty();
        let look = self.watchdog.interval().filter(|_| owns).map(|interval| now + interval);
        [self.announcer.next_deadline(), ports, look, self.publish_at()].into_iter().flatten().min()
    }

    /// Falls silent after a standstill: what waits was asked of the owner of that time.
    fn check(&mut self, now: Instant) {
        let Some(gap) = self.watchdog.look() else { return };
        if self.applied.announcements.is_empty() {
            return;
        }
        self.stalls += 1;
        tracing::warn!(?gap, "this process stood still: silent until ownership is confirmed");
        let mut waiting = VecDeque::new();
        for port in self.ports.values_mut() {
            port.drain();
            waiting.append(&mut port.take_queue());
        }
        for Transmit { index, vip, purpose, .. } in waiting {
            self.announcer.handle(now, Input::Sent { index, vip, purpose, outcome: SendOutcome::Dropped });
        }
        self.announcer.handle(now, Input::Stalled);
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
        // After the announcements, so that nothing is announced anew that is given up.
        if applied.confirmed < self.stalls && desired.confirmed >= self.stalls {
            self.announcer.handle(now, Input::Confirmed);
        }
        if !Arc::ptr_eq(&applied.watched, &desired.watched) {
            self.announcer.handle(now, Input::Watch((*desired.watched).clone()));
        }
        if !Arc::ptr_eq(&applied.interfaces, &desired.interfaces) {
            for interface in desired.interfaces.iter() {
                for (_, port) in self.ports.range_mut((interface.index, Family::Ipv4)..=(interface.index, Family::Ipv6))
                {
                    port.describe(interface);
                    port.retry_soon(now);
                }
            }
            self.announcer.handle(now, Input::Interfaces((*desired.interfaces).clone()));
        }
    }

    fn retry(&mut self, now: Instant) {
        for (&(index, family), port) in &mut self.ports {
            if port.retry_at().is_some_and(|at| at <= now) {
                let event = port.open(now);
                self.port_revision += 1;
                self.announcer.handle(now, Input::Port { index, family, event });
            }
        }
    }

    fn receive(&mut self, now: Instant) {
        let announcer = &mut self.announcer;
        for (&(index, family), port) in &mut self.ports {
            let event = port.receive(now, |bytes| announcer.handle(now, Input::Frame { index, bytes }));
            if let Some(event) = event {
                self.port_revision += 1;
                announcer.handle(now, Input::Port { index, family, event });
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
                Output::Filter { index, family, program } => {
                    let port = self.ports.entry((index, family)).or_insert_with(|| Port::new(index, family));
                    if let Some(interface) = self.applied.interfaces.iter().find(|known| known.index == index) {
                        port.describe(interface);
                    }
                    let event = port.filter(now, &program);
                    self.port_revision += 1;
                    self.announcer.handle(now, Input::Port { index, family, event });
                }
                Output::Groups { index, groups } => {
                    if let Some(port) = self.ports.get_mut(&(index, Family::Ipv6)) {
                        port.groups(groups);
                    }
                }
                Output::Close { index, family } => {
                    self.port_revision += 1;
                    self.ports.remove(&(index, family));
                }
                Output::Send(transmit) => {
                    let port = self.ports.get_mut(&(transmit.index, Family::of(transmit.vip)));
                    let refused = match port {
                        Some(port) => port.enqueue(transmit).err(),
                        None => Some(transmit),
                    };
                    if let Some(Transmit { index, vip, purpose, .. }) = refused {
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
        let mut events = Vec::new();
        let Self { ports, announcer, watchdog, .. } = self;
        for (&(index, family), port) in ports {
            let event = port.flush(
                now,
                // What is late is looked into before anything more is said.
                |transmit| !watchdog.is_late() && announcer.is_current(transmit),
                |transmit, outcome| reports.push((index, transmit.vip, transmit.purpose, outcome)),
            );
            events.extend(event.map(|event| (index, family, event)));
        }
        for (index, vip, purpose, outcome) in reports {
            self.announcer.handle(now, Input::Sent { index, vip, purpose, outcome });
        }
        let failed = !events.is_empty();
        for (index, family, event) in events {
            self.port_revision += 1;
            self.announcer.handle(now, Input::Port { index, family, event });
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
            let index = interface.index;
            let ports: Vec<&Port> =
                self.ports.range((index, Family::Ipv4)..=(index, Family::Ipv6)).map(|(_, port)| port).collect();
            let status = InterfaceStatus {
                index,
                open: !ports.is_empty() && ports.iter().all(|port| port.is_open()),
                error: ports.iter().find_map(|port| port.error()),
                counters: counters.remove(&index).unwrap_or_default(),
            };
            (!ports.is_empty()).then(|| (interface.name.clone(), status))
        });
        self.observed.send_replace(Arc::new(Observed {
            interfaces: interfaces.collect(),
            vips: self.announcer.status(),
            heard_dropped: self.heard_dropped,
            in_use: self.announcer.in_use(),
            stalls: self.stalls,
            stalled: self.stalls > self.applied.confirmed,
        }));
    }

    fn revisions(&self) -> (u64, u64) {
        (self.announcer.revision(), self.port_revision)
    }

    fn activity(&self) -> (u64, u64) {
        (self.announcer.activity(), self.heard_dropped)
    }
}

/// Waits until a port has something to do.
async fn any_ready(ports: &BTreeMap<(u32, Family), Port>) {
    let mut waits: Vec<Pin<Box<_>>> = ports.values().map(|port| Box::pin(port.ready())).collect();
    future::poll_fn(|cx| {
        // All of them are polled, so that each of them can wake us.
        let ready = waits.iter_mut().filter_map(|wait| wait.as_mut().poll(cx).is_ready().then_some(())).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn now() -> Instant {
    Instant::now()
}
