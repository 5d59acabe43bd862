//! Tells what happens: status objects, events, the log. What is to be told is compared with what was told, so nothing is
//! told twice, and what could not be told is told later.

mod conflicts;
mod pace;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_config::{Class, Interfaces, ObjectRef, Problem};
use ferrolb_l2::driver::Observed;
use ferrolb_source::{ConfigurationState, Event, EventType, KernelSetting, ObjectKey, Protocol, Writer};
use smallvec::SmallVec;
use tokio_util::task::TaskTracker;

use self::conflicts::Conflicts;
use self::pace::Pace;
use self::queue::{Item, Queue, Write};
use super::COMPONENT;
use super::interfaces::Port;
use crate::plan::{Contradiction, NodePlan};

/// When it is looked whether something has failed, and tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often what was written is looked at, since others may have changed or deleted it.
const REASSERT: Duration = Duration::from_secs(30);
/// How many status objects are looked at each time.
const REASSERTED: usize = 100;

/// What a status says of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    namespace: Arc<str>,
    /// Interfaces or peers.
    places: Vec<String>,
    /// In order.
    addresses: SmallVec<[IpAddr; 2]>,
}

/// The same by Service and protocol. There may be thousands, and most are in both of these.
type ToldOf = BTreeMap<Item, Arc<Told>>;

/// Whether somebody else can change what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory of our own.
    Own,
    /// An API server.
    Shared,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reporter {
    node: String,
    /// Where status objects are.
    namespace: Arc<str>,
    queue: Queue,
    /// What is announced from here.
    wanted: ToldOf,
    /// What the status objects say, as far as is known.
    shown: ToldOf,
    /// What it was when the last `nodeAssigned` was told.
    assigned: ToldOf,
    paces: BTreeMap<Item, Pace>,
    failed: BTreeMap<ObjectKey, Interfaces>,
    /// Services that want different things of one route.
    contradictions: Vec<Contradiction>,
    conflicts: Conflicts,
    problems: Vec<Problem>,
    /// Settings of the kernel that should be others.
    kernel: Vec<KernelSetting>,
    /// Those of them that an event was about.
    told: BTreeSet<KernelSetting>,
    state: Option<ConfigurationState>,
    state_shown: bool,
    port_errors: BTreeMap<String, String>,
    retry_at: Option<Instant>,
    reassert_at: Option<Instant>,
    /// Where to go on looking.
    reasserted: Option<Item>,
}

// === impl Reporter ===

impl Reporter {
    pub(super) fn new(node: &str, writer: Writer, place: Place, tasks: &TaskTracker, now: Instant) -> Self {
        Self {
            node: node.to_owned(),
            namespace: Arc::default(),
            queue: Queue::new(node, writer, tasks),
            wanted: BTreeMap::new(),
            shown: BTreeMap::new(),
            assigned: BTreeMap::new(),
            paces: BTreeMap::new(),
            failed: BTreeMap::new(),
            contradictions: Vec::new(),
            conflicts: Conflicts::new(now),
            problems: Vec::new(),
            kernel: Vec::new(),
            told: BTreeSet::new(),
            state: None,
            state_shown: false,
            port_errors: BTreeMap::new(),
            retry_at: None,
            reassert_at: (place == Place::Shared).then(|| now + REASSERT),
            reasserted: None,
        }
    }

    /// How much was not written since the last time somebody asked.
    pub(super) fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// When [`Reporter::handle_deadline`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.reassert_at).min()
    }

    /// Tries again what has failed or was held back, and looks after what was written.
    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            let failed = self.queue.take_failed();
            for item in failed.items {
                // What should be there is written again, what should not is removed again.
                if self.wanted.contains_key(&item) {
                    self.shown.remove(&item);
                } else {
                    let namespace = Arc::clone(&self.namespace);
                    self.shown.insert(item, Arc::new(Told { namespace, ..Told::default() }));
                }
            }
            self.state_shown &= !failed.state;
        }
        if self.reassert_at.is_some_and(|at| at <= now) {
            self.reassert_at = Some(now + REASSERT);
            self.state_shown = false;
            let after = self.reasserted.take();
            let rest = self.wanted.keys().filter(|item| after.as_ref().is_none_or(|after| *item > after));
            let due: Vec<Item> = rest.take(REASSERTED).cloned().collect();
            self.reasserted = due.last().filter(|_| due.len() == REASSERTED).cloned();
            self.shown.retain(|item, _| !due.contains(item));
        }
        self.flush(now);
    }

    /// Tells what is newly wrong with the configuration; the controller publishes it as events.
    pub(super) fn problems(&mut self, now: Instant, problems: &[Problem], hinders: impl Fn(&Problem) -> bool) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::warn!(object = %problem.object, field = problem.field, value = problem.value, "{}", problem.message);
        }
        self.problems = problems.to_vec();
        let concerned = problems.iter().filter(|problem| problem.class == Class::MissingReference || hinders(problem));
        let (remarks, errors): (Vec<Problem>, Vec<Problem>) =
            concerned.cloned().partition(|problem| problem.class == Class::MissingReference);
        let kernel = Some(self.kernel.clone());
        let remarks = remarks.into_iter().chain(self.contradictions.iter().map(|c| self.remark(c))).collect();
        self.show(ConfigurationState { node: Some(self.node.clone()), errors, remarks, kernel });
        self.flush(now);
    }

    /// Tells which settings of the kernel should be others: in the ConfigurationState, and of each by an event of the node
    /// when it is new.
    pub(super) fn kernel(&mut self, now: Instant, settings: Vec<KernelSetting>) {
        for setting in settings.iter().filter(|setting| !self.kernel.contains(setting)) {
            let KernelSetting { interface, kind, message } = setting;
            tracing::warn!(interface, kind, "{message}");
            // The same again, for example after another interface came, is no news.
            if self.told.insert(setting.clone()) {
                let object = ObjectRef::new("Node", "", &*self.node);
                let message = format!("{kind}: {setting}");
                let reason = "KernelSettings";
                self.send(Event { event_type: EventType::Warning, reason, message, object, source: COMPONENT });
            }
        }
        self.kernel = settings;
        if let Some(state) = self.state.clone() {
            self.show(ConfigurationState { kernel: Some(self.kernel.clone()), ..state });
        }
        self.flush(now);
    }

    fn show(&mut self, state: ConfigurationState) {
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state);
            self.state_shown = false;
        }
    }

    /// Tells which interfaces newly cannot announce, and which addresses strangers hold.
    pub(super) fn observed(&mut self, observed: &Observed, plan: &NodePlan) {
        let errors = observed.interfaces.iter().filter_map(|(name, status)| {
            let error = status.error.as_ref()?;
            Some((name.clone(), ferrolb_daemon::sentence(error.as_ref())))
        });
        let errors: BTreeMap<String, String> = errors.collect();
        for (interface, error) in errors.iter().filter(|(name, error)| self.port_errors.get(*name) != Some(error)) {
            tracing::error!(interface, error, "cannot announce");
        }
        self.port_errors = errors;
        for stranger in self.conflicts.in_use(&observed.in_use) {
            let message = format!(
                "address {} is in use by {} on interface {} of node \"{}\"; it is not announced from there before that \
                 ends",
                stranger.vip, stranger.mac, stranger.interface, self.node
            );
            self.warn(plan, stranger.vip, "AddressInUse", &message);
        }
    }

    /// Tells that a stranger claims an address that is announced from here.
    pub(super) fn conflict(&mut self, now: Instant, heard: &ferrolb_l2::Heard, plan: &NodePlan) {
        if self.conflicts.heard(now, heard.vip, heard.mac, &heard.interface) {
            let message = format!(
                "address {} is announced from node \"{}\", and {} on its interface {} claims it too",
                heard.vip, self.node, heard.mac, heard.interface
            );
            self.warn(plan, heard.vip, "AddressConflict", &message);
        }
    }

    /// Tells what is newly announced from here and what no longer.
    pub(super) fn plan(&mut self, now: Instant, plan: &NodePlan, namespace: &str, ports: &[Port]) {
        let before = std::mem::take(&mut self.wanted);
        if *self.namespace != *namespace {
            self.namespace = namespace.into();
        }
        for (item, told) in wanted(plan, &self.namespace) {
            // What has not changed is kept, and shared with what was told of it.
            let same = before.get(&item).filter(|before| ***before == told).map(Arc::clone);
            self.wanted.insert(item, same.unwrap_or_else(|| Arc::new(told)));
        }
        for (service, allowed) in &plan.failed {
            if self.failed.get(service) != Some(allowed) {
                self.announce_failed(service, allowed, ports);
            }
        }
        self.failed.clone_from(&plan.failed);
        self.contradict(&plan.bgp.contradictions);
        let held: BTreeSet<IpAddr> = plan.l2.iter().map(|announcement| announcement.vip).collect();
        self.conflicts.retain(|vip| held.contains(&vip));
        self.flush(now);
    }

    /// Queues whatever is not as it should be.
    fn flush(&mut self, now: Instant) {
        let (mut full, mut later) = (false, None);
        let gone = self.shown.keys().filter(|item| !self.wanted.contains_key(*item));
        for item in gone.cloned().collect::<Vec<_>>() {
            let namespace = self.shown.get(&item).map(|told| Arc::clone(&told.namespace)).unwrap_or_default();
            // Where another node announces by L2, its status has already replaced ours.
            if self.queue.push(Write::Withdrawn { namespace, item: item.clone() }) {
                tracing::info!(service = %item.0, protocol = item.1.name(), "no longer announced from here");
                self.shown.remove(&item);
            } else {
                full = true;
            }
        }
        for (item, told) in &self.wanted {
            if self.shown.get(item) != Some(told) {
                let Told { namespace, places, .. } = Told::clone(told);
                if self.queue.push(Write::Announced { namespace, item: item.clone(), places }) {
                    self.shown.insert(item.clone(), Arc::clone(told));
                } else {
                    full = true;
                }
            }
        }
        self.assigned.retain(|item, _| self.wanted.contains_key(item));
        self.paces.retain(|_, pace| !pace.is_full(now));
        for (item, told) in &self.wanted {
            if self.assigned.get(item).is_some_and(|assigned| assigned.addresses == told.addresses) {
                continue;
            }
            match self.paces.entry(item.clone()).or_insert_with(|| Pace::new(now)).permit(now) {
                Ok(()) => {
                    let (service, protocol) = (&item.0, item.1.name());
                    let message = format!("announcing from node \"{}\" with protocol \"{protocol}\"", self.node);
                    // An event that finds no room is lost, and counted.
                    self.event(EventType::Normal, "nodeAssigned", message, service);
                    self.assigned.insert(item.clone(), Arc::clone(told));
                }
                Err(at) => later = later.into_iter().chain([at]).min(),
            }
        }
        if let Some(state) = self.state.as_ref().filter(|_| !self.state_shown) {
            self.state_shown = self.queue.push(Write::State(state.clone()));
            full |= !self.state_shown;
        }
        let again = (full || !self.queue.is_idle()).then(|| now + RETRY);
        self.retry_at = self.retry_at.into_iter().chain(again).chain(later).min();
    }

    /// Tells what Services newly contradict each other in: in the ConfigurationState, and by an event of the one that
    /// does not get what it wants.
    fn contradict(&mut self, contradictions: &[Contradiction]) {
        if self.contradictions == contradictions {
            return;
        }
        let same = |a: &Contradiction, b: &Contradiction| {
            let of = |c: &Contradiction| (c.conflict, c.used.advertisement.clone(), c.overruled.advertisement.clone());
            of(a) == of(b)
        };
        for new in contradictions.iter().filter(|new| !self.contradictions.iter().any(|known| same(known, new))) {
            self.event(EventType::Warning, "conflictingAdvertisements", new.to_string(), &new.overruled.service);
        }
        if let Some(mut state) = self.state.clone() {
            let old: Vec<Problem> = self.contradictions.iter().map(|c| self.remark(c)).collect();
            state.remarks.retain(|remark| !old.contains(remark));
            state.remarks.extend(contradictions.iter().map(|c| self.remark(c)));
            self.show(state);
        }
        self.contradictions = contradictions.to_vec();
    }

    /// A contradiction as it stands in the ConfigurationState.
    fn remark(&self, contradiction: &Contradiction) -> Problem {
        let Contradiction { conflict, overruled, .. } = contradiction;
        let object = ObjectRef::new("BGPAdvertisement", &*self.namespace, &*overruled.advertisement);
        let (field, value) = (format!("spec.{conflict}"), overruled.value.to_string());
        Problem::new(object, field, value, contradiction.to_string()).announcement()
    }

    fn announce_failed(&self, service: &ObjectKey, allowed: &Interfaces, ports: &[Port]) {
        let known: Vec<&str> = ports.iter().filter(|port| port.usable.is_ok()).map(|port| port.name.as_str()).collect();
        let named = match allowed {
            Interfaces::All => String::new(),
            Interfaces::Named(names) => {
                format!(" named {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
        };
        let message = format!(
            "no node can announce the address: node \"{}\" has no usable interface{named}; it can announce on: {}",
            self.node,
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        self.event(EventType::Warning, "announceFailed", message, service);
    }

    fn warn(&self, plan: &NodePlan, vip: IpAddr, reason: &'static str, message: &str) {
        let services = plan.l2.iter().filter(|announcement| announcement.vip == vip);
        for service in services.flat_map(|announcement| &announcement.services) {
            self.event(EventType::Warning, reason, message.to_owned(), service);
        }
    }

    fn event(&self, event_type: EventType, reason: &'static str, message: String, service: &ObjectKey) {
        tracing::info!(service = %service, reason, "{message}");
        let object = ObjectRef::new("Service", &*service.namespace, &*service.name);
        self.send(Event { event_type, reason, message, object, source: COMPONENT });
    }

    fn send(&self, event: Event) {
        let object = event.object.clone();
        if !self.queue.push(Write::Event(event)) {
            tracing::warn!(%object, "too much waits to be written; an event is lost");
        }
    }
}

/// What is to be told of a plan.
fn wanted(plan: &NodePlan, namespace: &Arc<str>) -> BTreeMap<Item, Told> {
    let mut wanted: BTreeMap<Item, Told> = BTreeMap::new();
    for announcement in &plan.l2 {
        for service in &announcement.services {
            let told = wanted.entry((service.clone(), Protocol::Layer2)).or_insert_with(|| Told {
                namespace: Arc::clone(namespace),
                places: match &announcement.interfaces {
                    Interfaces::All => Vec::new(),
                    Interfaces::Named(names) => names.iter().cloned().collect(),
                },
                addresses: SmallVec::new(),
            });
            // The plan has each address once, in order.
            told.addresses.push(announcement.vip);
        }
    }
    // Where there is no peer to tell, nothing is announced.
    for (service, told) in plan.bgp.services.iter().filter(|(_, told)| !told.peers.is_empty()) {
        let told = Told {
            namespace: Arc::clone(namespace),
            places: told.peers.iter().map(ToString::to_string).collect(),
            addresses: told.addresses.iter().copied().collect(),
        };
        wanted.insert((service.clone(), Protocol::Bgp), told);
    }
    wanted
}

#[cfg(test)]
mod tests;
