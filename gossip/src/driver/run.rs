//! The loop of the gossip thread.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{SharedView, now};
use crate::counters::Counters;
use crate::facts::Facts;
use crate::machine::{Gossip, Input, Output};
use crate::ring::KeyRing;

/// Datagrams that are read before timers get their turn. Reading until the socket is empty comes first, because what
/// waits there may refute what a timer would decide; but a flood must not keep the timers from running.
const BATCH: usize = 256;

/// How long the thread goes on after leaving, so that its owner sees who took over.
const LINGER: Duration = Duration::from_secs(1);

/// Sleep that matters. Below, what was measured may be the time between two readings of the clocks.
const NOTICEABLE: Duration = Duration::from_millis(50);

/// Larger than any datagram that we accept, so that longer ones are seen to be longer.
const BUFFER: usize = 2048;

/// An order of the owner.
#[derive(Debug)]
pub(super) enum Order {
    Seeds(Vec<SocketAddr>),
    Claim(Vec<IpAddr>),
    Release(Vec<IpAddr>),
    Tell(Facts),
    Keys(KeyRing),
    Leave,
}

/// What the thread is connected to.
pub(super) struct Port {
    /// Reads and writes. Not through tokio, whose idea of what is ready may lag behind the socket: then timers would
    /// run although their refutation waits, and first datagrams would be lost.
    pub(super) socket: std::net::UdpSocket,
    /// The same socket; tells when there is something to read.
    pub(super) readiness: UdpSocket,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) views: watch::Sender<SharedView>,
    pub(super) counts: watch::Sender<Counters>,
    pub(super) stop: CancellationToken,
}

/// What happened at the socket that the machine cannot know.
#[derive(Default)]
struct Troubles {
    send_errors: u64,
    receive_errors: u64,
}

/// How long the computer slept: the monotonic clock, by which everything here is timed, stands still meanwhile; the boot
/// time clock does not.
#[derive(Default)]
struct Sleep {
    total: Duration,
}

// === impl Sleep ===

impl Sleep {
    /// Sleep since the last call.
    fn since_last(&mut self) -> Duration {
        let total = Self::total();
        let slept = total.saturating_sub(self.total);
        self.total = self.total.max(total);
        slept
    }

    /// Sleep since the computer started; nothing where the clocks cannot be read.
    fn total() -> Duration {
        let read = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
        // In this order an interruption between the two looks like less sleep, which does not count.
        let all = read(ClockId::CLOCK_BOOTTIME);
        all.saturating_sub(read(ClockId::CLOCK_MONOTONIC))
    }
}

enum Wake {
    Stop,
    Order(Option<Order>),
    Socket,
    Deadline,
}

/// Runs the machine until it is stopped, its owner is gone, or a second after leaving.
pub(super) async fn run(mut gossip: Gossip, mut port: Port) {
    let mut troubles = Troubles::default();
    let mut end: Option<Instant> = None;
    let mut sleep = Sleep::default();
    sleep.since_last();
    loop {
        port.deliver(&mut gossip, &mut troubles);
        let Some(wake) = port.wait(gossip.next_deadline(), end).await else { return };
        let slept = sleep.since_last();
        if slept >= NOTICEABLE {
            tracing::warn!(seconds = slept.as_secs_f64(), "the computer slept");
            gossip.handle(now(), Input::Slept(slept));
        }
        // Socket before orders and timers, whatever woke us.
        port.read(&mut gossip, &mut troubles);
        match wake {
            Wake::Stop | Wake::Order(None) => {
                port.deliver(&mut gossip, &mut troubles);
                return;
            }
            Wake::Order(Some(order)) => {
                if matches!(order, Order::Leave) && end.is_none() {
                    end = now().checked_add(LINGER);
                }
                gossip.handle(now(), order.into());
            }
            Wake::Socket | Wake::Deadline => {}
        }
        let now = now();
        if gossip.next_deadline().is_some_and(|due| due <= now) {
            gossip.handle_deadline(now);
        }
    }
}

// === impl Port ===

impl Port {
    /// Waits for something to do; `None` when the time after leaving is over. Each branch can be dropped without loss.
    async fn wait(&mut self, deadline: Option<Instant>, end: Option<Instant>) -> Option<Wake> {
        let until = |at: Option<Instant>| async move {
            match at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Some(Wake::Stop),
            () = until(end) => None,
            order = self.orders.recv() => Some(Wake::Order(order)),
            _ready = self.readiness.readable() => Some(Wake::Socket),
            () = until(deadline) => Some(Wake::Deadline),
        }
    }

    /// Hands datagrams to the machine until there are none, or for one batch.
    fn read(&self, gossip: &mut Gossip, troubles: &mut Troubles) {
        let mut buffer = [0; BUFFER];
        for _ in 0..BATCH {
            match self.receive(&mut buffer) {
                Ok((length, from)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    gossip.handle(now(), Input::Datagram { from, bytes });
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // An ICMP error of an earlier datagram, or a short-lived lack of memory; the next call goes on.
                    troubles.receive_errors += 1;
                    if troubles.receive_errors.is_power_of_two() {
                        let errors = troubles.receive_errors;
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            errors,
                            "gossip datagram not received"
                        );
                    }
                }
            }
        }
    }

    /// One datagram, if there is one. That there is none must be told to tokio, so that it waits for the next.
    fn receive(&self, buffer: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
        match self.socket.recv_from(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => self.readiness.try_recv_from(buffer),
            received => received,
        }
    }

    /// Sends what the machine wants sent and publishes its view.
    fn deliver(&self, gossip: &mut Gossip, troubles: &mut Troubles) {
        while let Some(output) = gossip.poll() {
            match output {
                Output::Send { to, bytes } => self.send(to, &bytes, troubles),
                Output::View(view) => {
                    self.views.send_replace(view);
                }
            }
        }
        let counters = gossip.counters();
        let counters =
            Counters { send_errors: troubles.send_errors, receive_errors: troubles.receive_errors, ..counters };
        self.counts.send_replace(counters);
    }

    /// Sends one datagram. One that cannot be sent now is lost, like on the network: an unreachable network or a full
    /// queue must not stop the others.
    fn send(&self, to: SocketAddr, bytes: &[u8], troubles: &mut Troubles) {
        if let Err(error) = self.socket.send_to(bytes, self.reachable(to)) {
            troubles.send_errors += 1;
            if troubles.send_errors.is_power_of_two() {
                let errors = troubles.send_errors;
                tracing::warn!(
                    member = %to,
                    error = &error as &dyn std::error::Error,
                    errors,
                    "gossip datagram not sent"
                );
            }
        }
    }

    /// A dual-stack socket reaches IPv4 by mapped addresses only.
    fn reachable(&self, to: SocketAddr) -> SocketAddr {
        match (self.socket.local_addr(), to.ip()) {
            (Ok(SocketAddr::V6(_)), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        }
    }
}

// === impl Order ===

impl From<Order> for Input<'static> {
    fn from(order: Order) -> Self {
        match order {
            Order::Seeds(seeds) => Self::Seeds(seeds),
            Order::Claim(vips) => Self::Claim(vips),
            Order::Release(vips) => Self::Release(vips),
            Order::Tell(facts) => Self::Tell(facts),
            Order::Keys(keys) => Self::Keys(keys),
            Order::Leave => Self::Leave,
        }
    }
}
