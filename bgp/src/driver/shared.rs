//! What the tasks of a driver share: the RIB behind one lock, which is held briefly, and what each peer's task last told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::status::{Malformed, Octets, PeerStatus, Problem};
use super::transport::Remote;
use crate::rib::{self, Best, PeerId, PeerName, Rib};
use crate::session;

/// Shared by all tasks and the handle. No lock is taken while another one is held.
#[derive(Debug)]
pub(super) struct Shared {
    rib: Mutex<Rib>,
    directory: Mutex<BTreeMap<PeerId, Entry>>,
    /// Something in the status is different.
    pub(super) changed: Notify,
}

/// What is known of a peer.
#[derive(Debug)]
struct Entry {
    name: PeerName,
    told: Told,
    /// There is something to write to it.
    wake: Arc<Notify>,
    /// It was deleted, and is only saying so to the peer.
    deleted: bool,
}

/// What a peer's task tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) remote: Remote,
    pub(super) session: session::Summary,
    pub(super) octets: Octets,
    pub(super) malformed: Malformed,
    pub(super) problem: Option<Problem>,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new() -> Self {
        Self { rib: Mutex::new(Rib::new()), directory: Mutex::default(), changed: Notify::new() }
    }

    /// Adds a peer; it is woken when there is something to write.
    pub(super) fn add(&self, name: &PeerName, policy: rib::Policy, remote: Remote) -> (PeerId, Arc<Notify>) {
        let id = self.rib.lock().add(name.clone(), policy);
        let wake = Arc::new(Notify::new());
        let told = Told {
            remote,
            session: session::Summary::default(),
            octets: Octets::default(),
            malformed: Malformed::default(),
            problem: None,
        };
        let entry = Entry { name: name.clone(), told, wake: Arc::clone(&wake), deleted: false };
        self.directory.lock().insert(id, entry);
        self.changed.notify_one();
        (id, wake)
    }

    /// The peer is not configured any more: it is not to be seen, though its task may still be ending.
    pub(super) fn delete(&self, id: PeerId) {
        if let Some(entry) = self.directory.lock().get_mut(&id) {
            entry.deleted = true;
        }
        self.changed.notify_one();
    }

    /// The peer's task has ended.
    pub(super) fn remove(&self, id: PeerId) {
        self.with_rib(|rib| rib.remove(id));
        self.directory.lock().remove(&id);
        self.changed.notify_one();
    }

    /// Does something with the RIB, and then what it asks for.
    pub(super) fn with_rib<T>(&self, action: impl FnOnce(&mut Rib) -> T) -> T {
        let mut outputs = smallvec::SmallVec::<[rib::Output; 4]>::new();
        let result = {
            let mut rib = self.rib.lock();
            let result = action(&mut rib);
            outputs.extend(std::iter::from_fn(|| rib.poll()));
            result
        };
        if !outputs.is_empty() {
            let directory = self.directory.lock();
            for output in outputs {
                match output {
                    rib::Output::Pending(peer) => {
                        if let Some(entry) = directory.get(&peer) {
                            entry.wake.notify_one();
                        }
                    }
                    rib::Output::Swept { peer, family, routes } => {
                        let peer = directory.get(&peer).map(|entry| entry.name.as_str());
                        tracing::info!(peer, ?family, routes, "stale routes were swept");
                    }
                    rib::Output::Best(prefix) => tracing::trace!(%prefix, "another path is best"),
                }
            }
            self.changed.notify_one();
        }
        result
    }

    pub(super) fn tell(&self, id: PeerId, told: Told) {
        if let Some(entry) = self.directory.lock().get_mut(&id) {
            entry.told = told;
        }
        self.changed.notify_one();
    }

    /// Whether the session of a peer is up, as far as was told.
    pub(super) fn is_up(&self, id: PeerId) -> bool {
        let directory = self.directory.lock();
        directory.get(&id).is_some_and(|entry| entry.told.session.state == session::State::Established)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.rib.lock().next_deadline()
    }

    pub(super) fn id(&self, name: &PeerName) -> Option<PeerId> {
        let directory = self.directory.lock();
        directory.iter().find(|(_, entry)| entry.name == *name && !entry.deleted).map(|(id, _)| *id)
    }

    pub(super) fn rib_of<T>(&self, name: &PeerName, action: impl FnOnce(&Rib, PeerId) -> T) -> Option<T> {
        let id = self.id(name)?;
        Some(action(&self.rib.lock(), id))
    }

    pub(super) fn best(&self, prefix: &IpNet) -> Option<(PeerName, Best)> {
        let best = self.rib.lock().best(prefix)?.clone();
        let name = self.directory.lock().get(&best.peer)?.name.clone();
        Some((name, best))
    }

    /// All peers as they are now.
    pub(super) fn peers(&self) -> BTreeMap<PeerName, PeerStatus> {
        let told: Vec<(PeerId, PeerName, Told)> = {
            let directory = self.directory.lock();
            let there = directory.iter().filter(|(_, entry)| !entry.deleted);
            there.map(|(id, entry)| (*id, entry.name.clone(), entry.told.clone())).collect()
        };
        let rib = self.rib.lock();
        let status = |(id, name, told): (PeerId, PeerName, Told)| {
            let Told { remote, session, octets, malformed, problem } = told;
            (name, PeerStatus { remote, session, routes: rib.summary(id), octets, malformed, problem })
        };
        told.into_iter().map(status).collect()
    }
}
