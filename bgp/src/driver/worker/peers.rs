//! Peers: made, changed and ended as the owner wants it, and given the connections that are theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::Worker;
use crate::driver::config::{Desired, PeerConfig};
use crate::driver::listener::{Incoming, Wanted};
use crate::driver::peer::{self, Level, State, Task};
use crate::driver::socket::is_link_local;
use crate::driver::status::Problem;
use crate::driver::transport::{Remote, host};
use crate::driver::{now, sys};
use crate::rib::{PeerId, PeerName, RouteSet};
use crate::session::{self, Mode, Stop};

/// A peer's task, from outside.
pub(super) struct Entry {
    id: PeerId,
    pub(super) level: watch::Sender<Level>,
    pub(super) orders: mpsc::Sender<peer::Order>,
    routes: Arc<RouteSet>,
}

// === impl Worker ===

impl Worker {
    /// Makes it so.
    pub(super) fn apply(&mut self, desired: &Desired) {
        let wanted: BTreeMap<&PeerName, &PeerConfig> = desired.peers.iter().map(|peer| (&peer.name, peer)).collect();
        let gone: Vec<PeerName> = self.peers.keys().filter(|name| !wanted.contains_key(name)).cloned().collect();
        for name in gone {
            if let Some(entry) = self.peers.remove(&name) {
                self.shared.delete(entry.id);
                entry.level.send_modify(|level| level.stop = Some(Stop::Deleted));
            }
        }
        self.impossible.clear();
        for (name, config) in wanted {
            self.apply_peer(name, config, desired);
        }
        self.relevel();
        self.publisher.changed();
    }

    fn apply_peer(&mut self, name: &PeerName, config: &PeerConfig, desired: &Desired) {
        let routes = desired.routes.get(name).cloned().unwrap_or_default();
        let bfd = desired.bfd.get(name).copied().unwrap_or_default();
        if let Some(entry) = self.peers.get_mut(name) {
            entry.level.send_if_modified(|level| {
                let different = *level.config != *config;
                // What cannot be leaves the peer as it was, with the reason in the status.
                let problem = if different { impossible(config) } else { level.impossible.clone() };
                let changed = (different && problem.is_none()) || level.bfd != bfd || level.impossible != problem;
                if different && problem.is_none() {
                    level.config = Arc::new(config.clone());
                }
                level.bfd = bfd;
                level.impossible = problem;
                changed
            });
        } else {
            let problem = impossible(config);
            if let Some(problem) = problem {
                self.impossible.insert(name.clone(), (config.transport.remote.clone(), problem));
                return;
            }
            let Some(entry) = self.start(config, bfd) else { return };
            self.peers.insert(name.clone(), entry);
        }
        if let Some(entry) = self.peers.get_mut(name)
            && !Arc::ptr_eq(&entry.routes, &routes)
        {
            entry.routes = Arc::clone(&routes);
            let id = entry.id;
            self.shared.with_rib(|rib| rib.set_routes(id, routes));
        }
    }

    fn start(&mut self, config: &PeerConfig, bfd: crate::driver::config::BfdState) -> Option<Entry> {
        let seed = self.config.seed.wrapping_add(self.config.seed.rotate_left(17) ^ seed_of(config.name.as_str()));
        let machine = session::Peer::new(Arc::clone(&config.session), seed, self.config.restarted).ok()?;
        let (id, wake) = self.shared.add(&config.name, config.policy.clone(), config.transport.remote.clone());
        let neighbor = config.transport.remote.interface().and_then(|interface| self.links.neighbor(interface));
        let level =
            Level { config: Arc::new(config.clone()), bfd, neighbor, problem: None, impossible: None, stop: None };
        let state = State::new(&level, machine);
        let (level, level_rx) = watch::channel(level);
        let (orders, orders_rx) = mpsc::channel(peer::ORDERS);
        let task = Task {
            shared: Arc::clone(&self.shared),
            id,
            level: level_rx,
            orders: orders_rx,
            wake,
            tracker: self.tracker.clone(),
            state,
        };
        self.tracker.spawn(task.run());
        Some(Entry { id, level, orders, routes: Arc::default() })
    }

    /// Tells each peer what follows from the others and from interfaces, and listens as they need it.
    pub(super) fn relevel(&mut self) {
        let names: BTreeSet<String> = self
            .peers
            .values()
            .filter_map(|entry| match &entry.level.borrow().config.transport.remote {
                Remote::Interface(interface) => Some(interface.clone()),
                Remote::Address(_) | Remote::LinkLocal { .. } => None,
            })
            .collect();
        self.links.set(now(), &names.into_iter().collect::<Vec<_>>());
        let mut wanted = Wanted::new();
        let mut owners = BTreeMap::new();
        for (name, entry) in &self.peers {
            let config = Arc::clone(&entry.level.borrow().config);
            let neighbor = match &config.transport.remote {
                Remote::Interface(interface) => self.links.neighbor(interface),
                Remote::Address(_) | Remote::LinkLocal { .. } => None,
            };
            let mut problem = None;
            if accepts(&config) {
                let device = config.transport.device.clone();
                let keys = wanted.entry(device.clone()).or_default();
                let address = match &config.transport.remote {
                    Remote::Address(address) => Some(*address),
                    Remote::LinkLocal { address, .. } => Some(IpAddr::V6(*address)),
                    Remote::Interface(_) => neighbor.map(|neighbor| IpAddr::V6(neighbor.address)),
                };
                if let Some(address) = address {
                    let place = (device, address);
                    match owners.get(&place) {
                        None => {
                            if let Some(password) = &config.transport.password {
                                keys.insert(host(address), password.clone());
                            }
                            owners.insert(place, (name.clone(), config.transport.password.clone()));
                        }
                        Some((other, password)) if *password != config.transport.password => {
                            problem = Some(Problem::PasswordConflict { other: other.clone() });
                        }
                        Some(_) => {}
                    }
                }
            }
            entry.level.send_if_modified(|level| {
                let changed = level.neighbor != neighbor || level.problem != problem;
                level.neighbor = neighbor;
                level.problem = problem;
                changed
            });
        }
        self.listeners.want(now(), wanted);
    }

    /// Gives a connection to the peer that it is from.
    pub(super) fn accept(&mut self, incoming: Incoming) {
        let Incoming { stream, peer, device } = incoming;
        let mut candidates: Vec<(&PeerName, &Entry)> = self
            .peers
            .iter()
            .filter(|(_, entry)| is_from(&entry.level.borrow().config, peer, device.as_deref()))
            .collect();
        // Several peers may have one address, at different ports; only those that dial are told apart by it. One that takes
        // connections and is not up comes first.
        candidates.sort_by_key(|(_, entry)| (!accepts(&entry.level.borrow().config), self.shared.is_up(entry.id)));
        let Some((name, entry)) = candidates.first() else {
            self.unknown_sources = self.unknown_sources.saturating_add(1);
            self.publisher.changed();
            tracing::debug!(%peer, "refused a connection that is of no peer");
            return;
        };
        if entry.orders.try_send(peer::Order::Accepted(stream, peer)).is_err() {
            tracing::debug!(peer = %name, "closed a connection of a peer that makes too many");
            self.overflowed = self.overflowed.saturating_add(1);
            self.publisher.changed();
        }
    }
}

/// Why a configuration cannot be, if so.
fn impossible(config: &PeerConfig) -> Option<Problem> {
    session::Peer::new(Arc::clone(&config.session), 0, false).err().map(Problem::Config)
}

fn accepts(config: &PeerConfig) -> bool {
    config.disabled.is_none() && matches!(config.session.mode, Mode::Passive | Mode::Both)
}

fn is_from(config: &PeerConfig, peer: SocketAddr, device: Option<&str>) -> bool {
    if config.transport.device.as_deref() != device {
        return false;
    }
    let on = |interface: &str| match peer {
        SocketAddr::V6(peer) => sys::interface_index(interface) == Some(peer.scope_id()),
        SocketAddr::V4(_) => false,
    };
    match &config.transport.remote {
        Remote::Address(address) => *address == peer.ip(),
        Remote::LinkLocal { address, interface } => IpAddr::V6(*address) == peer.ip() && on(interface),
        Remote::Interface(interface) => is_link_local(peer.ip()) && on(interface),
    }
}

/// A number for the name, so that peers do not act in step.
fn seed_of(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}
