//! The book of all assignments: runs [`converge`](crate::converge) over every Service that changed, and says what has
//! to be written.
//!
//! What the book says holds, not what the source shows: a status that was just written needs a moment to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_api::annotations;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Config, Labels};
use ferrolb_source::{Cluster, EventType, ObjectKey, Service, Version};

use crate::allocator::Allocator;
use crate::converge::{Facts, Notice, claim, converge, pool_annotation};
use crate::request::sharing;

/// A Service's status as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Addresses in order.
    pub ips: Vec<IpAddr>,
    /// The pool they are from.
    pub pool: Option<String>,
}

/// A status that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which Service.
    pub key: ObjectKey,
    /// The version of the Service that it was chosen for.
    pub version: Version,
    /// As it should be.
    pub status: Status,
}

/// What the book asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Statuses that are not as they should be and that nobody is writing yet.
    pub statuses: Vec<Change>,
    /// What to tell, after the statuses are written.
    pub notices: Vec<(ObjectKey, Notice)>,
}

#[derive(Debug)]
struct Entry {
    service: Arc<Service>,
    /// What it should hold.
    status: Status,
    /// What the source has shown or a write has confirmed.
    shown: Status,
    /// Handed out to be written.
    writing: Option<Status>,
    /// Of the Service as the source has shown it or a write has left it.
    version: Version,
    waiting: bool,
    told: Vec<Notice>,
}

/// All assignments.
#[derive(Debug, Default)]
pub struct Book {
    class: Option<String>,
    config: Option<Arc<Config>>,
    namespaces: BTreeMap<String, Labels>,
    allocator: Allocator,
    entries: BTreeMap<ObjectKey, Entry>,
}

// === impl Book ===

impl Book {
    /// An empty book of the Services of one load balancer class (`None`: of those without one).
    pub fn new(class: Option<String>) -> Self {
        Self { class, ..Self::default() }
    }

    /// The allocator, for counters.
    pub fn allocator(&self) -> &Allocator {
        &self.allocator
    }

    /// Every pool's counters.
    pub fn pool_statuses(&self) -> BTreeMap<String, IPAddressPoolStatus> {
        let status = |name: &str| Some((name.to_owned(), self.allocator.status(name)?));
        self.allocator.pool_names().filter_map(status).collect()
    }

    /// Brings the book up to date and says what has to be written and told.
    pub fn update(&mut self, cluster: &Cluster, config: &Arc<Config>) -> Changes {
        let everything = self.config.as_ref() != Some(config) || self.namespaces != cluster.namespaces;
        self.config = Some(Arc::clone(config));
        self.namespaces.clone_from(&cluster.namespaces);
        // While something is unreadable, what is missing may stand there.
        let mut freed = cluster.is_complete_for_allocation() && self.forget_the_gone(cluster);
        let (changed, eased) = self.take_over(cluster);
        freed |= eased;
        let dirty: Vec<ObjectKey> = if everything {
            self.allocator = Allocator::new(config.pools.values());
            self.claim_all();
            self.in_order(|_| true)
        } else {
            // Whoever has waited for an address is older than whoever asks now.
            let waits = |key: &ObjectKey| freed && self.entries.get(key).is_some_and(|entry| entry.waiting);
            self.in_order(|key| changed.contains(key) || waits(key))
        };
        let mut changes = Changes::default();
        freed = eased;
        for key in dirty {
            freed |= self.converge(&key, &mut changes);
        }
        while freed {
            freed = false;
            let waiting = self.in_order(|key| self.entries.get(key).is_some_and(|entry| entry.waiting));
            for key in waiting {
                freed |= self.converge(&key, &mut changes);
            }
        }
        self.collect_statuses(&mut changes);
        changes
    }

    /// A status was written, which made `resource_version` of the Service: until the source shows something else, this
    /// is what stands there.
    pub fn written(&mut self, key: &ObjectKey, status: &Status, resource_version: String) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.shown.clone_from(status);
            entry.writing = None;
            entry.version.resource_version = resource_version;
        }
    }

    /// A status could not be written: it is asked for again.
    pub fn not_written(&mut self, key: &ObjectKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.writing = None;
        }
    }

    /// Whether a Service's status is as it should be.
    pub fn is_written(&self, key: &ObjectKey) -> bool {
        self.entries.get(key).is_none_or(|entry| entry.status == entry.shown)
    }

    fn forget_the_gone(&mut self, cluster: &Cluster) -> bool {
        let allocator = &mut self.allocator;
        let mut freed = false;
        self.entries.retain(|key, _| {
            let stays = cluster.services.contains_key(key);
            freed |= !stays && allocator.release(key);
            stays
        });
        freed
    }

    /// Takes over new and changed Services: which they are, and whether one of them may have become easier to share
    /// an address with.
    fn take_over(&mut self, cluster: &Cluster) -> (BTreeSet<ObjectKey>, bool) {
        let mut changed = BTreeSet::new();
        let mut eased = false;
        for (key, service) in &cluster.services {
            if let Some(entry) = self.entries.get_mut(key) {
                if Arc::ptr_eq(&entry.service, service) || entry.service == *service {
                    continue;
                }
                let shown = shown(service);
                // Only what the source has newly come to show is news: an older state may still be on its way here
                // when a newer one was already written.
                if shown != self::shown(&entry.service) {
                    entry.shown = shown;
                }
                let shares = |service: &Service| (sharing(service), service.ports.clone());
                eased |= !entry.status.ips.is_empty() && shares(&entry.service) != shares(service);
                entry.version.clone_from(&service.version);
                entry.service = Arc::clone(service);
                changed.insert(key.clone());
            } else if service.is_ours(self.class.as_deref()) || has_leftovers(service) {
                let shown = shown(service);
                let entry = Entry {
                    service: Arc::clone(service),
                    status: shown.clone(),
                    shown,
                    writing: None,
                    version: service.version.clone(),
                    waiting: false,
                    told: Vec::new(),
                };
                self.entries.insert(key.clone(), entry);
                changed.insert(key.clone());
            }
        }
        (changed, eased)
    }

    /// The oldest first, so that in a dispute the one that was there first keeps what it has.
    fn in_order(&self, wanted: impl Fn(&ObjectKey) -> bool) -> Vec<ObjectKey> {
        let mut keys: Vec<&ObjectKey> = self.entries.keys().filter(|key| wanted(key)).collect();
        keys.sort_by_cached_key(|key| (self.entries.get(key).map(|entry| entry.service.age.clone()), (*key).clone()));
        keys.into_iter().cloned().collect()
    }

    fn claim_all(&mut self) {
        for key in self.in_order(|_| true) {
            let Some(entry) = self.entries.get(&key) else { continue };
            claim(&facts(&key, entry, &self.namespaces, self.class.as_deref()), &mut self.allocator);
        }
    }

    /// Whether an address may have become free or easier to share.
    fn converge(&mut self, key: &ObjectKey, changes: &mut Changes) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let before = self.allocator.holding(key).cloned();
        let outcome = converge(&facts(key, entry, &self.namespaces, self.class.as_deref()), &mut self.allocator);
        let after = self.allocator.holding(key);
        let freed = before.as_ref().is_some_and(|before| after != Some(before));
        entry.status =
            after.map(|held| Status { ips: held.ips.clone(), pool: Some(held.pool.clone()) }).unwrap_or_default();
        entry.waiting = outcome.waiting;
        let mut outcome = outcome;
        if entry.status != entry.shown {
            outcome.notices.extend(deprecated(&entry.service));
        }
        // A state that goes on is told once.
        let news = outcome.notices.iter().filter(|notice| !entry.told.contains(notice));
        changes.notices.extend(news.map(|notice| (key.clone(), notice.clone())));
        entry.told = outcome.notices;
        freed
    }

    fn collect_statuses(&mut self, changes: &mut Changes) {
        let class = self.class.as_deref();
        self.entries.retain(|key, entry| {
            if entry.status != entry.shown && entry.writing.as_ref() != Some(&entry.status) {
                let status = entry.status.clone();
                changes.statuses.push(Change {
                    key: key.clone(),
                    version: entry.version.clone(),
                    status: status.clone(),
                });
                entry.writing = Some(status);
            }
            entry.status != entry.shown || entry.service.is_ours(class)
        });
    }
}

/// Whether a Service that is no load balancer any more still shows what it had when it was one.
fn has_leftovers(service: &Service) -> bool {
    !service.load_balancer && (!service.ingress.is_empty() || pool_annotation(service).is_some())
}

/// The warning for annotations of old.
fn deprecated(service: &Service) -> Option<Notice> {
    let names: Vec<&str> = annotations::deprecated(&service.annotations).collect();
    let message = format!("annotations of old: {}; use those that begin with metallb.io/", names.join(", "));
    (!names.is_empty()).then_some(Notice { event_type: EventType::Warning, reason: "deprecatedAnnotation", message })
}

fn facts<'a>(
    key: &'a ObjectKey,
    entry: &'a Entry,
    namespaces: &'a BTreeMap<String, Labels>,
    class: Option<&str>,
) -> Facts<'a> {
    static NO_LABELS: Labels = Labels::new();
    Facts {
        key,
        service: &entry.service,
        ours: entry.service.is_ours(class),
        namespace_labels: namespaces.get(&key.namespace).unwrap_or(&NO_LABELS),
        held: &entry.status.ips,
    }
}

fn shown(service: &Service) -> Status {
    let pool = pool_annotation(service).map(str::to_owned);
    Status { ips: service.ingress.clone(), pool }
}
