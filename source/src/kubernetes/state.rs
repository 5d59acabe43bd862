//! What all watches together have seen, as one [`Cluster`]. Pure: told of changes, it says what is so.
//!
//! A list that begins again is collected beside what is known and takes its place when it is complete, so that what
//! was deleted meanwhile disappears and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Labels, ObjectRef, Problem, Resources};

use super::kind::Kind;
use crate::cluster::{Cluster, Services};
use crate::object::{Endpoint, Node, ObjectKey, Service};

/// An object, reduced to what is used of it. No larger than two words, whatever it is: there are many Services.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    Service(Arc<Service>),
    Slice(Box<Slice>),
    Node(Arc<Node>),
    Namespace(Box<Labels>),
    Config(Box<Configured>),
}

/// An EndpointSlice: the Service it belongs to, and its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    pub(super) service: ObjectKey,
    pub(super) endpoints: Vec<Endpoint>,
}

/// An object of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Configured {
    pub(super) object: ObjectRef,
    pub(super) uid: String,
    /// What it says; of one that cannot be read, what it said before.
    pub(super) resources: Resources,
    /// Why it cannot be read.
    pub(super) problems: Vec<Problem>,
    pub(super) pool_status: Option<IPAddressPoolStatus>,
}

/// What a watch has seen.
#[derive(Debug)]
pub(super) enum Change {
    /// A list begins; the `u64` is the refresh that asked for it.
    Begin(u64),
    /// An object of the list.
    Listed(ObjectKey, Stored),
    /// The list is complete.
    Complete,
    /// An object is new or different.
    Applied(ObjectKey, Stored),
    /// An object is gone.
    Gone(ObjectKey),
    /// The API server does not know the kind.
    Unknown,
}

#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<ObjectKey, Stored>,
    /// The list that is under way, and the refresh that asked for it.
    next: Option<(u64, BTreeMap<ObjectKey, Stored>)>,
    /// The refresh that the objects are as recent as; `None`: never listed.
    refreshed: Option<u64>,
    unknown: bool,
    /// Nothing is complete without it.
    needed: bool,
}

/// All watches' objects.
#[derive(Debug)]
pub(super) struct State {
    namespace: String,
    tables: BTreeMap<Kind, Table>,
    /// The objects of their table are here: they are many, and published as they are.
    services: Services,
    endpoints: BTreeMap<ObjectKey, Arc<Vec<Endpoint>>>,
    slices: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
}

// === impl State ===

impl State {
    pub(super) fn new(namespace: &str, kinds: &[Kind], needed: impl Fn(Kind) -> bool) -> Self {
        let table = |kind: &Kind| (*kind, Table { needed: needed(*kind), ..Table::default() });
        Self {
            namespace: namespace.to_owned(),
            tables: kinds.iter().map(table).collect(),
            services: Services::default(),
            endpoints: BTreeMap::new(),
            slices: BTreeMap::new(),
        }
    }

    /// Takes a change into account; whether anything is different now.
    pub(super) fn apply(&mut self, kind: Kind, change: Change) -> bool {
        let change = self.remember(kind, change);
        let Some(table) = self.tables.get_mut(&kind) else { return false };
        match change {
            Change::Begin(refresh) => {
                table.next = Some((refresh, BTreeMap::new()));
                false
            }
            Change::Listed(key, stored) => {
                if let Some((_, next)) = &mut table.next {
                    next.insert(key.beside(next), stored);
                }
                false
            }
            Change::Complete => {
                let Some((refresh, next)) = table.next.take() else { return false };
                let new = std::mem::take(&mut table.unknown) | (table.refreshed.replace(refresh) != Some(refresh));
                self.replace(kind, next) || new
            }
            Change::Applied(key, stored) => self.put(kind, key, Some(stored)),
            Change::Gone(key) => self.put(kind, key, None),
            Change::Unknown => {
                let first = !table.unknown || table.refreshed.is_none();
                table.unknown = true;
                table.next = None;
                table.refreshed.get_or_insert(0);
                self.replace(kind, BTreeMap::new()) || first
            }
        }
    }

    fn replace(&mut self, kind: Kind, next: BTreeMap<ObjectKey, Stored>) -> bool {
        let Some(table) = self.tables.get(&kind) else { return false };
        let known: &mut dyn Iterator<Item = &ObjectKey> =
            if kind == Kind::Service { &mut self.services.keys() } else { &mut table.objects.keys() };
        let gone: Vec<ObjectKey> = known.filter(|key| !next.contains_key(*key)).cloned().collect();
        let mut changed = false;
        for key in gone {
            changed |= self.put(kind, key, None);
        }
        for (key, stored) in next {
            changed |= self.put(kind, key, Some(stored));
        }
        changed
    }

    /// What is told of an object, with what is known of it: one that cannot be read says what it said before, and of one
    /// that is as it was there are no two copies, or a list that begins again would take as much memory as all others.
    fn remember(&self, kind: Kind, change: Change) -> Change {
        match change {
            Change::Listed(key, Stored::Service(now)) => match self.services.get_key_value(&key) {
                Some((key, before)) if *before == now => {
                    Change::Listed(key.clone(), Stored::Service(Arc::clone(before)))
                }
                _ => Change::Listed(key, Stored::Service(now)),
            },
            Change::Listed(key, Stored::Config(now)) => {
                let now = self.readable(kind, &key, now);
                Change::Listed(key, Stored::Config(now))
            }
            Change::Applied(key, Stored::Config(now)) => {
                let now = self.readable(kind, &key, now);
                Change::Applied(key, Stored::Config(now))
            }
            Change::Begin(_)
            | Change::Listed(..)
            | Change::Complete
            | Change::Applied(..)
            | Change::Gone(_)
            | Change::Unknown => change,
        }
    }

    fn readable(&self, kind: Kind, key: &ObjectKey, mut now: Box<Configured>) -> Box<Configured> {
        let before = self.tables.get(&kind).and_then(|table| table.objects.get(key));
        if let Some(Stored::Config(before)) = before
            && !now.problems.is_empty()
            && now.resources == Resources::default()
        {
            now.resources.clone_from(&before.resources);
        }
        now
    }

    fn put_service(&mut self, key: ObjectKey, service: Option<Arc<Service>>) -> bool {
        if self.services.get(&key) == service.as_ref() {
            return false;
        }
        match service {
            Some(service) => {
                let key = key.beside(&self.services);
                self.services.insert(key, service)
            }
            None => self.services.remove(&key),
        };
        true
    }

    fn put(&mut self, kind: Kind, key: ObjectKey, stored: Option<Stored>) -> bool {
        let stored = match stored {
            Some(Stored::Service(service)) => return self.put_service(key, Some(service)),
            None if kind == Kind::Service => return self.put_service(key, None),
            other => other,
        };
        let Some(table) = self.tables.get_mut(&kind) else { return false };
        if table.objects.get(&key) == stored.as_ref() {
            return false;
        }
        let owner = |stored: &Stored| match stored {
            Stored::Slice(slice) => Some(slice.service.clone()),
            Stored::Service(_) | Stored::Node(_) | Stored::Namespace(_) | Stored::Config(_) => None,
        };
        let after = stored.as_ref().and_then(owner);
        let before = match stored {
            Some(stored) => table.objects.insert(key.clone(), stored),
            None => table.objects.remove(&key),
        };
        let before = before.as_ref().and_then(owner);
        if let Some(service) = before.filter(|before| after.as_ref() != Some(before)) {
            self.leave(&service, &key);
        }
        if let Some(service) = after {
            self.slices.entry(service.clone()).or_default().insert(key);
            self.gather(&service);
        }
        true
    }

    fn leave(&mut self, service: &ObjectKey, slice: &ObjectKey) {
        if let Some(slices) = self.slices.get_mut(service) {
            slices.remove(slice);
        }
        self.gather(service);
    }

    /// Puts the endpoints of all slices of a Service together.
    fn gather(&mut self, service: &ObjectKey) {
        let objects = self.tables.get(&Kind::EndpointSlice).map(|table| &table.objects);
        let endpoints: Vec<Endpoint> = self
            .slices
            .get(service)
            .into_iter()
            .flatten()
            .filter_map(|slice| match objects?.get(slice)? {
                Stored::Slice(slice) => Some(&slice.endpoints),
                Stored::Service(_) | Stored::Node(_) | Stored::Namespace(_) | Stored::Config(_) => None,
            })
            .flatten()
            .cloned()
            .collect();
        if self.slices.get(service).is_none_or(BTreeSet::is_empty) {
            self.slices.remove(service);
            self.endpoints.remove(service);
        } else {
            self.endpoints.insert(service.clone(), Arc::new(endpoints));
        }
    }

    /// Whether every kind that is needed has been listed.
    pub(super) fn is_complete(&self) -> bool {
        self.tables.values().all(|table| !table.needed || table.refreshed.is_some())
    }

    /// How many objects there are, for pacing.
    pub(super) fn len(&self) -> usize {
        self.services.len() + self.tables.values().map(|table| table.objects.len()).sum::<usize>()
    }

    /// All of it at this moment.
    pub(super) fn cluster(&self) -> Cluster {
        let refreshed = self.tables.values().filter(|table| table.needed && !table.unknown);
        let refreshed = refreshed.filter_map(|table| table.refreshed).min();
        let mut cluster = Cluster {
            services: self.services.clone(),
            endpoints: self.endpoints.clone(),
            namespace: self.namespace.clone(),
            refreshed: refreshed.unwrap_or_default(),
            authoritative: true,
            ..Cluster::default()
        };
        for (kind, table) in &self.tables {
            if let (true, Kind::Custom(custom)) = (table.unknown, kind) {
                cluster.problems.push(custom.unknown());
            }
            for (key, stored) in &table.objects {
                match stored {
                    Stored::Service(_) | Stored::Slice(_) => break,
                    Stored::Node(node) => {
                        cluster.resources.nodes.insert(key.name.to_string(), node.labels.clone());
                        cluster.nodes.insert(key.name.to_string(), Arc::clone(node));
                    }
                    Stored::Namespace(labels) => {
                        cluster.namespaces.insert(key.name.to_string(), labels.as_ref().clone());
                    }
                    Stored::Config(configured) => {
                        cluster.resources.extend(configured.resources.clone());
                        cluster.problems.extend(configured.problems.iter().cloned());
                        cluster.uids.insert(configured.object.clone(), configured.uid.clone());
                        if let Some(status) = configured.pool_status {
                            cluster.pool_statuses.insert(key.clone(), status);
                        }
                    }
                }
            }
        }
        cluster
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
