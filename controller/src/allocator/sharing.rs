//! Who uses one address together, and who may join.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::{ObjectKey, Port, Service, TrafficPolicy};
use foldhash::HashMap;
use smallvec::SmallVec;

use super::free::Place;
use super::pool::some_of;
use super::{Asker, AssignError};

/// What Services that share an address have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sharing {
    /// The annotation `allow-shared-ip`; never empty.
    pub key: String,
    /// Services that prefer local endpoints share only where they select the same ones: one node answers for both.
    pub backend: String,
}

impl Sharing {
    /// What a Service with the sharing key `key` shares on.
    pub fn of(key: &str, service: &Service) -> Self {
        let backend = match service.traffic_policy {
            TrafficPolicy::Cluster => String::new(),
            TrafficPolicy::Local => {
                service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
            }
        };
        Self { key: key.to_owned(), backend }
    }
}

/// The users of one address.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// In order of name.
    holders: SmallVec<[Arc<ObjectKey>; 1]>,
    /// `None`: its only holder shares it with nobody.
    shared: Option<Box<Shared>>,
}

#[derive(Debug)]
struct Shared {
    sharing: Sharing,
    ports: BTreeMap<Port, Arc<ObjectKey>>,
}

// === impl Users ===

impl Users {
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    pub(super) fn holders(&self) -> &[Arc<ObjectKey>] {
        &self.holders
    }

    pub(super) fn sharing(&self) -> Option<&Sharing> {
        self.shared.as_ref().map(|shared| &shared.sharing)
    }

    /// Whether the asker may use the address beside its other users.
    pub(super) fn admits(&self, asker: &Asker<'_>, ip: IpAddr) -> Result<(), AssignError> {
        let alone = match self.holders.as_slice() {
            [] => true,
            [holder] => holder == asker.key,
            _ => false,
        };
        if alone {
            return Ok(());
        }
        let Some(shared) = self.shared.as_ref().filter(|shared| Some(&shared.sharing) == asker.sharing) else {
            let others = self.holders.iter().filter(|holder| *holder != asker.key).map(ToString::to_string);
            return Err(AssignError::InUse { who: asker.key.to_string(), others: some_of(others, 0, ",") });
        };
        let taken = |port: &&Port| shared.ports.get(port).is_some_and(|holder| holder != asker.key);
        match asker.ports.iter().find(taken) {
            Some(port) => Err(AssignError::Port { port: port.clone(), ip }),
            None => Ok(()),
        }
    }

    /// Only after [`Users::admits`].
    pub(super) fn join(&mut self, asker: &Asker<'_>) {
        if let Err(place) = self.holders.binary_search(asker.key) {
            self.holders.insert(place, Arc::clone(asker.key));
        }
        let Some(sharing) = asker.sharing else {
            self.shared = None;
            return;
        };
        let shared =
            self.shared.get_or_insert_with(|| Box::new(Shared { sharing: sharing.clone(), ports: BTreeMap::new() }));
        shared.ports.extend(asker.ports.iter().map(|port| (port.clone(), Arc::clone(asker.key))));
    }

    /// Takes `key` out, which listened on `ports`.
    pub(super) fn leave(&mut self, key: &ObjectKey, ports: &[Port]) {
        if let Ok(place) = self.holders.binary_search_by(|holder| holder.as_ref().cmp(key)) {
            self.holders.remove(place);
        }
        if self.holders.is_empty() {
            self.shared = None;
        } else if let Some(shared) = &mut self.shared {
            for port in ports {
                shared.ports.remove(port);
            }
        }
    }
}

/// The addresses of one family in one pool whose users share on the same thing.
#[derive(Debug, Default)]
pub(super) struct Group {
    addresses: BTreeSet<Place>,
    /// Where a port is taken: the addresses that do for a Service are found without asking their users.
    ports: HashMap<Port, BTreeSet<Place>>,
}

// === impl Group ===

impl Group {
    pub(super) fn join(&mut self, place: Place, ports: &[Port]) {
        self.addresses.insert(place);
        for port in ports {
            self.ports.entry(port.clone()).or_default().insert(place);
        }
    }

    /// Frees these ports of an address, and forgets the address if nobody else uses it.
    pub(super) fn leave(&mut self, place: Place, ports: &[Port], others: Others) {
        for port in ports {
            if let Some(places) = self.ports.get_mut(port) {
                places.remove(&place);
                if places.is_empty() {
                    self.ports.remove(port);
                }
            }
        }
        if others == Others::None {
            self.addresses.remove(&place);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The first address on which all `ports` are free, if it comes before `limit`.
    pub(super) fn first(&self, ports: &[Port], limit: Option<Place>) -> Option<Place> {
        let taken: SmallVec<[&BTreeSet<Place>; 4]> = ports.iter().filter_map(|port| self.ports.get(port)).collect();
        if taken.iter().any(|places| places.len() == self.addresses.len()) {
            return None;
        }
        let before = self.addresses.iter().take_while(|place| limit.is_none_or(|limit| **place < limit));
        before.copied().find(|place| !taken.iter().any(|places| places.contains(place)))
    }
}

/// Whether an address that somebody left has other users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// It has.
    Some,
    /// It is free.
    None,
}
