//! The book of all assignments: runs [`converge`](crate::converge) over every Service that changed, and says what has
//! to be written.
//!
//! What the book says holds, not what the source shows: a status that was just written needs a moment to come back.

mod collisions;
mod entry;
mod known;
mod outgoing;
mod remarks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

pub use entry::Status;
use entry::{Entry, Shown, Turn};
use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Config, Labels};
use ferrolb_source::{Cluster, ObjectKey, Service, Version};
use foldhash::HashMap;
use known::{Known, Missing, Pair};
use outgoing::Leaving;

use crate::allocator::Allocator;
use crate::converge::{Facts, Notice, Outcome, claim, converge};
use crate::request::sharing;

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

/// Something to tell a Service's owner, once its status is written.
pub type Told = (Arc<ObjectKey>, Notice);

/// All assignments.
#[derive(Debug, Default)]
pub struct Book {
    class: Option<String>,
    config: Option<Arc<Config>>,
    namespaces: BTreeMap<String, Labels>,
    allocator: Allocator,
    /// Services of every kind.
    known: Known,
    /// Those that are ours or were.
    entries: HashMap<Arc<ObjectKey>, Entry>,
    /// Those of them that want an address or one more.
    waiting: BTreeSet<Turn>,
    /// Those of them whose status is not what it should be.
    unwritten: BTreeSet<Arc<ObjectKey>>,
    /// Those whose status is being written, and whether they have changed meanwhile.
    under_way: BTreeMap<Arc<ObjectKey>, bool>,
    /// Those whose status could not be written; they rest until [`Book::retry`] or until they change.
    failed: BTreeSet<Arc<ObjectKey>>,
    /// Those that have rested.
    again: BTreeSet<Arc<ObjectKey>>,
    /// What they still show and do not hold any more.
    leaving: Leaving,
}

/// Whether a Service is a load balancer, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    /// Of another class.
    Foreign,
    /// No load balancer.
    Other,
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

    /// Brings the book up to date and says what has to be told.
    pub fn update(&mut self, cluster: &Cluster, config: &Arc<Config>) -> Vec<Told> {
        let news = self.reconfigure(cluster, config);
        // While something is unreadable, what is missing may stand there.
        let certain = cluster.authoritative || cluster.is_complete_for_allocation();
        let missing = if certain { Missing::Gone } else { Missing::Unreadable };
        let difference = self.known.update(&cluster.services, missing);
        let mut pass = Pass { freed: self.forget(&difference.gone), ..Pass::default() };
        for pair in &difference.changed {
            self.take_over(pair, &mut pass);
        }
        pass.dirty.sort_unstable();
        self.claim_all(news, &pass.dirty);
        self.reserve_all(news, &mut pass);
        if news != News::None {
            pass.dirty = self.turns(|_| true);
        } else if pass.freed {
            // Whoever has waited for an address is older than whoever asks now.
            pass.dirty.extend(self.waiting.iter().cloned());
        }
        pass.dirty.sort_unstable();
        pass.dirty.dedup();
        pass.freed = pass.eased;
        for turn in std::mem::take(&mut pass.dirty) {
            self.converge(&turn.key, &mut pass);
        }
        while std::mem::take(&mut pass.freed) {
            let waiting: Vec<Turn> = self.waiting.iter().cloned().collect();
            for turn in waiting {
                self.converge(&turn.key, &mut pass);
            }
        }
        pass.notices
    }

    /// Takes over configuration and namespaces, and says what of it is new.
    fn reconfigure(&mut self, cluster: &Cluster, config: &Arc<Config>) -> News {
        let news = match &self.config {
            Some(before) if Arc::ptr_eq(before, config) => News::None,
            Some(before) if before.pools != config.pools => News::Pools,
            Some(before) if before == config => News::None,
            Some(_) => News::Rules,
            None => News::Pools,
        };
        self.config = Some(Arc::clone(config));
        if self.namespaces == cluster.namespaces {
            return news;
        }
        self.namespaces.clone_from(&cluster.namespaces);
        news.max(News::Rules)
    }

    /// Forgets Services that are gone; whether an address may have become free.
    fn forget(&mut self, gone: &[Arc<ObjectKey>]) -> bool {
        let mut freed = false;
        for key in gone {
            freed |= self.drop_entry(key);
            freed |= self.allocator.unreserve(key);
        }
        freed
    }

    /// Whether it held anything.
    fn drop_entry(&mut self, key: &ObjectKey) -> bool {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.unwritten.remove(&key);
            self.leaving.remove(&key);
            self.failed.remove(&key);
            self.again.remove(&key);
            if entry.waiting {
                self.waiting.remove(&Turn { service: entry.service, key });
            }
        }
        self.allocator.release(key)
    }

    fn take_over(&mut self, (key, service): &Pair, pass: &mut Pass) {
        let kind = self.kind(service);
        pass.freed |= self.allocator.unreserve(key);
        let Some(entry) = self.entries.get_mut(key) else {
            if kind == Kind::Ours || (kind == Kind::Other && has_leftovers(service, self.class.as_deref())) {
                let entry = Entry::new(Arc::clone(service));
                mark(&mut self.unwritten, key, false, entry.is_behind());
                self.entries.insert(Arc::clone(key), entry);
                pass.dirty.push(turn(key, service));
            } else if kind == Kind::Foreign {
                pass.foreign.push((Arc::clone(key), Arc::clone(service)));
            }
            return;
        };
        if std::mem::take(&mut entry.waiting) {
            self.waiting.remove(&turn(key, &entry.service));
        }
        let was_behind = entry.is_behind();
        let (shown, before) = (Shown::by(service), Shown::by(&entry.service));
        let is_what_it_holds = shown.status.ips.as_slice() == entry.ips.as_slice();
        let (is_ours, is_as_before) = (!shown.is_empty(), shown == before);
        // Only what the source has newly come to show is news: an older state may still be on its way here when a
        // newer one was already written.
        if !is_as_before {
            entry.show(shown);
        }
        pass.eased |= !entry.ips.is_empty()
            && (sharing(&entry.service) != sharing(service) || entry.service.ports != service.ports);
        entry.service = Arc::clone(service);
        self.failed.remove(key);
        if let Some(changed) = self.under_way.get_mut(key) {
            *changed = true;
        }
        let mine = match kind {
            Kind::Ours => true,
            // What we wrote we take back; what somebody else has written there since is not ours to clear.
            Kind::Foreign => is_ours && (is_as_before || is_what_it_holds),
            Kind::Other => is_ours,
        };
        if mine {
            mark(&mut self.unwritten, key, was_behind, entry.is_behind());
            pass.dirty.push(turn(key, service));
            return;
        }
        pass.freed |= self.drop_entry(key);
        if kind == Kind::Foreign {
            pass.foreign.push((Arc::clone(key), Arc::clone(service)));
        }
    }

    /// Claims what is held before anything is given out. Whoever is as it was comes before whoever changed: who holds
    /// an address keeps it, not who is older.
    fn claim_all(&mut self, news: News, changed: &[Turn]) {
        if news == News::Pools {
            let pools = self.config.iter().flat_map(|config| config.pools.values());
            self.allocator = Allocator::new(pools).expecting(self.entries.len());
            if changed.len() < self.entries.len() {
                let mut unchanged = self.turns(|turn| changed.binary_search(turn).is_err());
                unchanged.sort_unstable();
                for turn in unchanged {
                    self.claim(&turn.key);
                }
            }
        }
        for turn in changed {
            self.claim(&turn.key);
        }
    }

    fn claim(&mut self, key: &Arc<ObjectKey>) {
        // What is claimed already is safe.
        if let Some(entry) = self.entries.get(key)
            && self.allocator.holding(key).is_none()
        {
            claim(&facts(key, entry, &self.namespaces, self.class.as_deref()), &mut self.allocator);
        }
    }

    /// Keeps from being given out what Services of other classes show, and has a look at whoever holds it already.
    fn reserve_all(&mut self, news: News, pass: &mut Pass) {
        let mut foreign = std::mem::take(&mut pass.foreign);
        if news == News::Pools {
            let unowned =
                |(key, service): &&Pair| self.kind(service) == Kind::Foreign && !self.entries.contains_key(key);
            foreign = self.known.iter().filter(unowned).cloned().collect();
        }
        for (key, service) in foreign.iter().filter(|(_, service)| !service.ingress.is_empty()) {
            self.allocator.reserve(key, &service.ingress);
            for ip in self.allocator.reserves(key) {
                let holders = self.allocator.holders(*ip).iter();
                let entries = holders.filter_map(|key| Some(turn(key, &self.entries.get(key)?.service)));
                pass.dirty.extend(entries);
            }
        }
    }

    fn turns(&self, wanted: impl Fn(&Turn) -> bool) -> Vec<Turn> {
        let all = self.entries.iter().map(|(key, entry)| turn(key, &entry.service));
        all.filter(wanted).collect()
    }

    fn converge(&mut self, key: &Arc<ObjectKey>, pass: &mut Pass) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let before = self.allocator.holding(key).cloned();
        let facts = facts(key, entry, &self.namespaces, self.class.as_deref());
        let ours = facts.ours;
        let mut outcome = converge(&facts, &mut self.allocator);
        let after = self.allocator.holding(key);
        // An address may have become free or easier to share.
        pass.freed |= before.is_some() && before.as_ref() != after;
        let was_behind = entry.is_behind();
        entry.hold(after);
        if let Some(config) = self.config.as_deref().filter(|_| ours) {
            remarks::add(key, entry, config, &self.allocator, &mut outcome);
        }
        let Outcome { notices, gists, waiting } = outcome;
        pass.notices.extend(notices.into_iter().map(|notice| (Arc::clone(key), notice)));
        entry.told = gists;
        match (std::mem::replace(&mut entry.waiting, waiting), waiting) {
            (false, true) => {
                self.waiting.insert(turn(key, &entry.service));
            }
            (true, false) => {
                self.waiting.remove(&turn(key, &entry.service));
            }
            _ => {}
        }
        mark(&mut self.unwritten, key, was_behind, entry.is_behind());
        self.leaving.set(key, entry.leaving());
        // Until the source shows that it is cleared, an old state of it may come again.
        if !ours && !entry.is_behind() && Shown::by(&entry.service).is_empty() {
            self.drop_entry(key);
        }
    }

    fn kind(&self, service: &Service) -> Kind {
        match (service.is_ours(self.class.as_deref()), service.load_balancer) {
            (true, _) => Kind::Ours,
            (false, true) => Kind::Foreign,
            (false, false) => Kind::Other,
        }
    }
}

/// What one update gathers.
#[derive(Debug, Default)]
struct Pass {
    /// To be looked at.
    dirty: Vec<Turn>,
    /// Services of other classes that changed.
    foreign: Vec<Pair>,
    /// Whether an address may have become free.
    freed: bool,
    /// Whether a Service that holds an address changed what it shares on.
    eased: bool,
    notices: Vec<Told>,
}

/// How much of the configuration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    None,
    /// Who may have what: everything is looked at again.
    Rules,
    /// What there is: everything is claimed again.
    Pools,
}

fn turn(key: &Arc<ObjectKey>, service: &Arc<Service>) -> Turn {
    Turn { service: Arc::clone(service), key: Arc::clone(key) }
}

fn mark(unwritten: &mut BTreeSet<Arc<ObjectKey>>, key: &Arc<ObjectKey>, before: bool, now: bool) {
    match (before, now) {
        (false, true) => {
            unwritten.insert(Arc::clone(key));
        }
        (true, false) => {
            unwritten.remove(key);
        }
        _ => {}
    }
}

/// Whether a Service that is no load balancer any more still shows what it had when it was one. A type change takes
/// the class away too, so where there is a class only our annotation tells whose it was.
fn has_leftovers(service: &Service, class: Option<&str>) -> bool {
    pool_annotation(service).is_some() || (class.is_none() && !service.ingress.is_empty())
}

/// The annotation of a Service that got its addresses from us: the pool.
fn pool_annotation(service: &Service) -> Option<&str> {
    service.annotations.get(ALLOCATED_FROM_POOL)
}

fn facts<'a>(
    key: &'a Arc<ObjectKey>,
    entry: &'a Entry,
    namespaces: &'a BTreeMap<String, Labels>,
    class: Option<&str>,
) -> Facts<'a> {
    static NO_LABELS: LazyLock<Labels> = LazyLock::new(Labels::new);
    Facts {
        key,
        service: &entry.service,
        ours: entry.service.is_ours(class),
        namespace_labels: namespaces.get(&*key.namespace).unwrap_or(&NO_LABELS),
        held: &entry.ips,
        told: &entry.told,
    }
}
