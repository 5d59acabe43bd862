//! Interfaces with unnumbered peers: whether they are there, and who is on the other side.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::driver::neighbor::{Link, Neighbors, Port};
use crate::driver::peer::Neighbor;
use crate::driver::socket::is_link_local;
use crate::driver::status::NeighborStatus;
use crate::driver::{now, sys};

/// Until sockets that could not be opened are tried again.
const RETRY: Duration = Duration::from_secs(10);

/// While no peer is unnumbered, nothing is open.
#[derive(Debug, Default)]
pub(super) struct Links {
    interfaces: Vec<String>,
    neighbors: Neighbors,
    sockets: Option<Sockets>,
    retry: Option<Instant>,
}

#[derive(Debug)]
struct Sockets {
    port: Port,
    changes: AsyncFd<Socket>,
}

// === impl Links ===

impl Links {
    /// These interfaces have unnumbered peers.
    pub(super) fn set(&mut self, now: Instant, interfaces: &[String]) {
        if self.interfaces == interfaces {
            return;
        }
        self.interfaces = interfaces.to_vec();
        if !self.interfaces.is_empty() && self.sockets.is_none() {
            self.open(now);
        }
        self.look(now);
        if self.interfaces.is_empty() {
            self.sockets = None;
            self.retry = None;
        }
    }

    fn open(&mut self, now: Instant) {
        let sockets = || -> io::Result<Sockets> {
            Ok(Sockets { port: Port::open()?, changes: sys::register(sys::link_changes()?, Interest::READABLE)? })
        };
        match sockets() {
            Ok(sockets) => {
                self.sockets = Some(sockets);
                self.retry = None;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "unnumbered BGP peers cannot be found: no socket for router advertisements");
                self.retry = now.checked_add(RETRY);
            }
        }
    }

    /// Looks at the interfaces anew.
    fn look(&mut self, now: Instant) {
        let Some(sockets) = &self.sockets else { return };
        let addresses = sys::addresses().unwrap_or_default();
        let mut links = BTreeMap::new();
        for name in &self.interfaces {
            let Some(index) = sys::interface_index(name) else { continue };
            let own = addresses.iter().filter(|own| own.index == index).find_map(|own| match own.address {
                IpAddr::V6(address) if is_link_local(own.address) => Some(address),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            });
            let Some(own) = own else { continue };
            if let Err(error) = sockets.port.join(index) {
                tracing::debug!(
                    interface = name,
                    error = &error as &dyn std::error::Error,
                    "solicitations are not heard"
                );
            }
            links.insert(name.clone(), Link { index, own });
        }
        self.neighbors.set(now, &links);
        self.send();
    }

    fn send(&mut self) {
        let actions = self.neighbors.take_actions();
        let Some(sockets) = &self.sockets else { return };
        for action in actions {
            // The interface may have gone meanwhile; that will be seen.
            if let Err(error) = sockets.port.send(&action) {
                tracing::debug!(?action, error = &error as &dyn std::error::Error, "not sent");
            }
        }
    }

    /// Waits until something came in. Returns whether who is a neighbour may be different now.
    pub(super) async fn changed(&mut self) -> bool {
        let Some(sockets) = &self.sockets else { return pending().await };
        let arrived = tokio::select! {
            arrived = sockets.port.receive() => Some(arrived),
            ready = sockets.changes.readable() => {
                if let Ok(mut ready) = ready {
                    drain(sockets.changes.get_ref());
                    ready.clear_ready();
                }
                None
            }
        };
        let now = now();
        let Some(arrived) = arrived else {
            self.look(now);
            return true;
        };
        match arrived {
            Ok(arrived) => {
                let mut changed = false;
                for message in arrived {
                    changed |= self.neighbors.handle(now, message.index, message.from, message.message);
                }
                self.send();
                changed
            }
            Err(error) => {
                // For example ENETDOWN of an interface that went down; seen once, then cleared by the kernel.
                tracing::debug!(error = &error as &dyn std::error::Error, "router advertisements were not read");
                false
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.neighbors.next_deadline().into_iter().chain(self.retry).min()
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.retry.is_some_and(|retry| retry <= now) {
            self.open(now);
            self.look(now);
        }
        self.neighbors.handle_deadline(now);
        self.send();
    }

    /// The router on an interface.
    pub(super) fn neighbor(&self, interface: &str) -> Option<Neighbor> {
        let (link, address) = self.neighbors.get(interface)?;
        Some(Neighbor { index: link.index, address: address? })
    }

    pub(super) fn status(&self) -> BTreeMap<String, NeighborStatus> {
        let status = |name: &String| {
            let known = self.neighbors.get(name);
            let own = known.map(|(link, _)| link.own);
            (name.clone(), NeighborStatus { own, neighbor: known.and_then(|(_, address)| address) })
        };
        self.interfaces.iter().map(status).collect()
    }
}

fn drain(socket: &Socket) {
    let mut octets = [std::mem::MaybeUninit::uninit(); 8192];
    // Not what it says matters but that something changed; ENOBUFS says so, too.
    while !matches!(socket.recv(&mut octets), Err(error) if error.kind() == io::ErrorKind::WouldBlock) {}
}
