//! Where everything comes together: the configuration in force, the [`Book`], and what has to be written and told.
//!
//! It never waits: it says which [`Job`] comes next and is told how each went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Config, ObjectRef, Problem, Resources, parse};
use ferrolb_source::{
    Cluster, ConfigurationState, Event, EventType, Node, ObjectKey, Skipped, Version, WriteError, WriteErrorClass,
};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::COMPONENT;
use super::refusals::Refusals;
use crate::book::{Book, Change, Status};
use crate::converge::Notice;
use crate::metrics::Metrics;

type Nodes = BTreeMap<String, Arc<Node>>;

/// Something to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// A Service's addresses.
    Service(ObjectKey, Version, Status),
    /// A pool's counters.
    Pool(ObjectKey, IPAddressPoolStatus),
    /// Whether the configuration is in force.
    State(ConfigurationState),
}

/// How a job went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// Nothing is left to be tried again.
    Well,
    /// It has to be tried again; `quiet`: after nothing was written for so long.
    Wrong { quiet: Option<Duration> },
    /// It is done or comes again by itself, and says nothing about the rest.
    Otherwise,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    class: Option<String>,
    book: Book,
    pub(super) metrics: Metrics,
    /// In force.
    config: Option<Arc<Config>>,
    namespace: String,
    /// What the configuration was made from, so that it is not checked again for every Service that changes.
    checked: Option<(Resources, Vec<Problem>)>,
    /// All that is wrong with what was checked last.
    problems: Vec<Problem>,
    /// Those of them for which it is not in force.
    refused: Vec<Problem>,
    collisions: Vec<Problem>,
    /// What collisions were looked for in.
    looked_at: Option<(Arc<Config>, Nodes)>,
    reported: Vec<Problem>,
    skipped: BTreeSet<Skipped>,
    jobs: Jobs,
    /// As the source last showed them.
    shown_pools: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    refusals: Refusals,
    /// To be told once the status they are about is written.
    waiting: BTreeMap<Arc<ObjectKey>, SmallVec<[Notice; 1]>>,
    untold: Vec<Event>,
}

/// What is to be written, and what is being written.
#[derive(Debug, Default)]
struct Jobs {
    pools: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    /// Pools as they were written, or are being written.
    written_pools: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    state: Option<ConfigurationState>,
    written_state: Option<ConfigurationState>,
    /// Could not be written.
    failed_state: Option<ConfigurationState>,
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(class: Option<String>, metrics: Metrics) -> Self {
        Self {
            book: Book::new(class.clone()),
            class,
            metrics,
            config: None,
            namespace: String::new(),
            checked: None,
            problems: Vec::new(),
            refused: Vec::new(),
            collisions: Vec::new(),
            looked_at: None,
            reported: Vec::new(),
            skipped: BTreeSet::new(),
            jobs: Jobs::default(),
            shown_pools: BTreeMap::new(),
            refusals: Refusals::default(),
            waiting: BTreeMap::new(),
            untold: Vec::new(),
        }
    }

    /// Whether there is a configuration to work by.
    pub(super) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    /// What is wrong with the configuration as it was last seen, so that it is not in force.
    pub(super) fn refused(&self) -> &[Problem] {
        &self.refused
    }

    /// What is worth knowing for somebody at a terminal.
    pub(super) fn remarks(&self) -> Vec<String> {
        let left_out = self.skipped.iter().map(|skipped| format!("left out: {skipped}"));
        left_out.chain(self.reported.iter().map(ToString::to_string)).collect()
    }

    /// Forgets all assignments: somebody else is in charge. They are claimed again from what the source shows.
    pub(super) fn resign(&mut self) {
        self.book = Book::new(self.class.clone());
        self.jobs = Jobs::default();
        self.forget_refusals(|_, _| false);
        self.waiting.clear();
        self.untold.clear();
        // Whoever is in charge shows them.
        self.metrics.pools(self.book.allocator());
    }

    /// Begins to be in charge: what is wrong is told as it is now, not what was wrong while somebody else told it.
    pub(super) fn begin(&mut self) {
        self.untold.clear();
        self.reported.clear();
        self.publish_problems();
    }

    /// To be called now and then: has the state of the configuration looked at again, in case somebody changed or
    /// removed it, and tells what waited for a status that arrived although the answer to its write was lost.
    pub(super) fn tidy(&mut self, cluster: &Cluster) {
        self.jobs.state = self.jobs.state.take().or_else(|| self.jobs.written_state.take());
        let (arrived, waiting): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(key, _)| self.book.is_written(key));
        self.waiting = waiting;
        for (key, notices) in arrived.into_iter().filter(|(key, _)| cluster.services.contains_key(key)) {
            self.untold.extend(notices.into_iter().map(|notice| told(&key, notice)));
        }
    }

    /// Checks the configuration and takes it over, or keeps the last good one.
    pub(super) fn take_over(&mut self, cluster: &Cluster) {
        if cluster.reading {
            return;
        }
        let skipped: BTreeSet<Skipped> = cluster.skipped.iter().cloned().collect();
        for new in skipped.difference(&self.skipped) {
            tracing::info!(object = %new.object, place = new.place, reason = new.reason, "left out");
        }
        self.skipped = skipped;
        let same = |(resources, problems): &(Resources, Vec<Problem>)| {
            *resources == cluster.resources && *problems == cluster.problems
        };
        if !self.checked.as_ref().is_some_and(same) {
            self.check(cluster);
            self.checked = Some((cluster.resources.clone(), cluster.problems.clone()));
        }
    }

    fn check(&mut self, cluster: &Cluster) {
        let parsed = parse(&cluster.resources);
        let all: Vec<Problem> = cluster.problems.iter().chain(&parsed.problems).cloned().collect();
        let mut refused: Vec<Problem> = parsed.for_allocation().err().unwrap_or_default();
        if !cluster.is_complete_for_allocation() {
            refused.splice(0..0, cluster.problems.iter().cloned());
        }
        if refused.is_empty() {
            self.namespace.clone_from(&cluster.namespace);
            if self.config.as_deref() != Some(&parsed.config) {
                tracing::info!(pools = parsed.config.pools.len(), "configuration in force");
                self.config = Some(Arc::new(parsed.config));
            }
        }
        self.problems = all;
        self.refused = refused;
        self.publish_problems();
        self.metrics.config_loaded.set(i64::from(self.config.is_some()));
        self.metrics.config_stale.set(i64::from(!self.refused.is_empty()));
    }

    /// Tells what is new of everything that is wrong, and has the rest written down.
    fn publish_problems(&mut self) {
        let all: Vec<Problem> = self.problems.iter().chain(&self.collisions).cloned().collect();
        self.report(&all);
        let remarks = all.into_iter().filter(|problem| !self.refused.contains(problem)).collect();
        self.jobs.state = Some(ConfigurationState { node: None, errors: self.refused.clone(), remarks, kernel: None });
    }

    /// Looks for pools that hold what belongs to somebody else. That takes a look at everything, so it is done when
    /// pools or nodes change.
    fn look_for_collisions(&mut self, cluster: &Cluster, config: &Arc<Config>) {
        let same = self
            .looked_at
            .as_ref()
            .is_some_and(|(before, nodes)| Arc::ptr_eq(before, config) && *nodes == cluster.nodes);
        if !same {
            self.looked_at = Some((Arc::clone(config), cluster.nodes.clone()));
            let collisions = self.book.collisions(cluster);
            if collisions != self.collisions {
                self.collisions = collisions;
                self.publish_problems();
            }
        }
    }

    fn report(&mut self, problems: &[Problem]) {
        for problem in problems.iter().filter(|problem| !self.reported.contains(problem)) {
            tracing::warn!(object = %problem.object, field = problem.field, value = problem.value, "{}", problem.message);
            self.untold.push(Event {
                event_type: EventType::Warning,
                reason: "ConfigurationError",
                message: problem.to_string(),
                object: problem.object.clone(),
                source: COMPONENT,
            });
        }
        self.reported = problems.to_vec();
    }

    /// Brings the book up to date.
    pub(super) fn converge(&mut self, cluster: &Cluster) {
        self.metrics.updates.inc();
        let Some(config) = self.config.clone() else { return };
        let notices = self.book.update(cluster, &config);
        // Events trail behind the statuses they speak of.
        for (key, notice) in notices {
            if self.book.is_written(&key) {
                self.untold.push(told(&key, notice));
            } else {
                self.waiting.entry(key).or_default().push(notice);
            }
        }
        self.metrics.pools(self.book.allocator());
        // What needs no writing any more, or is gone, is not refused any more.
        self.forget_refusals(|book, key| !book.is_written(key));
        self.collect_pools(cluster);
        self.look_for_collisions(cluster, &config);
    }

    fn collect_pools(&mut self, cluster: &Cluster) {
        let mut now = BTreeMap::new();
        for (name, status) in self.book.pool_statuses() {
            let key = ObjectKey::new(self.namespace.clone(), name);
            let shown = cluster.pool_statuses.get(&key);
            // Somebody else changed it: what is shown is neither what we wrote nor what was shown before.
            let tampered = shown != Some(&status) && shown != self.shown_pools.get(&key);
            if self.jobs.written_pools.get(&key) != Some(&status) || tampered {
                self.jobs.pools.insert(key.clone(), status);
            } else {
                self.jobs.pools.remove(&key);
            }
            now.insert(key, status);
        }
        self.jobs.pools.retain(|key, _| now.contains_key(key));
        self.jobs.written_pools.retain(|key, _| now.contains_key(key));
        self.shown_pools.clone_from(&cluster.pool_statuses);
    }

    /// Whether a pool of this name is configured.
    pub(super) fn has_pool(&self, key: &ObjectKey) -> bool {
        *key.namespace == *self.namespace && self.book.allocator().pool_names().any(|name| *name == *key.name)
    }

    /// What to write next: Services first, since somebody waits for them; counters when nothing else is left, so that
    /// they are written once for many changes.
    pub(super) fn next_job(&mut self, under_way: usize) -> Option<Job> {
        if let Some(Change { key, version, status }) = self.book.next_unwritten() {
            return Some(Job::Service(key, version, status));
        }
        if under_way > 0 {
            return None;
        }
        if let Some((key, status)) = self.jobs.pools.pop_first() {
            self.jobs.written_pools.insert(key.clone(), status);
            return Some(Job::Pool(key, status));
        }
        let state = self.jobs.state.take().filter(|state| self.jobs.written_state.as_ref() != Some(state))?;
        self.jobs.written_state = Some(state.clone());
        Some(Job::State(state))
    }

    /// How a job went.
    pub(super) fn done(&mut self, job: Job, result: Result<(), WriteError>, now: Instant) -> Went {
        match result {
            Ok(()) => {
                self.went_well(job);
                if self.has_failed() { Went::Otherwise } else { Went::Well }
            }
            Err(error) => self.went_wrong(job, &error, now),
        }
    }

    fn went_well(&mut self, job: Job) {
        let Job::Service(key, _, status) = job else { return };
        tracing::info!(service = %key, ips = ?status.ips, pool = status.pool, "status written");
        self.book.written(&key, &status);
        self.refusals.remove(&key);
        self.metrics.refused(self.refusals.len());
        if self.book.is_written(&key) {
            let notices = self.waiting.remove(&key).unwrap_or_default();
            self.untold.extend(notices.into_iter().map(|notice| told(&key, notice)));
        }
    }

    fn went_wrong(&mut self, job: Job, error: &WriteError, now: Instant) -> Went {
        let reason = ferrolb_daemon::sentence(error);
        match error.class {
            WriteErrorClass::Failed | WriteErrorClass::Refused => {
                tracing::error!(error = reason, "status not written");
                self.metrics.update_errors.inc();
            }
            WriteErrorClass::Conflict | WriteErrorClass::Gone => {
                tracing::debug!(error = reason, "status not written; what the object is now decides anew");
            }
        }
        match job {
            Job::Service(key, _, status) => {
                let rests = self.book.not_written(&key);
                if error.class == WriteErrorClass::Refused {
                    // What was refused is not what the Service is now: that is tried first.
                    if rests {
                        self.note_refusal(&key, &status, &error.source.to_string(), now);
                    }
                    return Went::Otherwise;
                }
            }
            Job::Pool(key, _) => {
                self.jobs.written_pools.remove(&key);
            }
            Job::State(state) => {
                self.jobs.written_state = None;
                self.jobs.failed_state = Some(state);
            }
        }
        Went::Wrong { quiet: error.retry_after }
    }

    /// Nobody but the Service's owner, or whoever made the rules, can do something about it.
    fn note_refusal(&mut self, key: &ObjectKey, status: &Status, reason: &str, now: Instant) {
        self.metrics.status_refused.inc();
        if self.refusals.add(key, reason, now) {
            let ips = status.ips.iter().map(|ip| format!("\"{ip}\"")).collect::<Vec<_>>().join(" ");
            let message = format!("Failed to update the status of \"{key}\" to [{ips}]: {reason}").into();
            self.untold
                .push(told(key, Notice { event_type: EventType::Warning, reason: "UpdateStatusFailed", message }));
        }
        self.metrics.refused(self.refusals.len());
    }

    /// Forgets the refusals of all Services but those that `stays` says.
    fn forget_refusals(&mut self, stays: impl Fn(&Book, &ObjectKey) -> bool) {
        if self.refusals.len() > 0 {
            self.refusals.retain(|key| stays(&self.book, key));
            self.metrics.refused(self.refusals.len());
        }
    }

    /// Whether something could not be written and waits to be tried again with everything else that could not.
    fn has_failed(&self) -> bool {
        self.jobs.failed_state.is_some() || self.book.failed() > self.refusals.resting()
    }

    /// It is time to try again what could not be written.
    pub(super) fn retry(&mut self) {
        self.book.retry(|key| self.refusals.rests(key));
        let failed = self.jobs.failed_state.take();
        self.jobs.state = self.jobs.state.take().or(failed);
    }

    /// When something that was refused is to be tried again.
    pub(super) fn next_refused(&self) -> Option<Instant> {
        self.refusals.next_due()
    }

    /// Tries again what was refused and whose time has come.
    pub(super) fn retry_refused(&mut self, now: Instant) {
        while let Some(key) = self.refusals.pop_due(now) {
            self.book.retry_one(&key);
        }
    }

    /// What is to be told now.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.untold)
    }
}

/// Shared by thousands of events that wait.
static SERVICE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("Service"));

fn told(key: &ObjectKey, notice: Notice) -> Event {
    Event {
        event_type: notice.event_type,
        reason: notice.reason,
        message: notice.message.into_string(),
        object: ObjectRef {
            kind: Arc::clone(&SERVICE),
            namespace: Arc::clone(&key.namespace),
            name: Arc::clone(&key.name),
        },
        source: COMPONENT,
    }
}
