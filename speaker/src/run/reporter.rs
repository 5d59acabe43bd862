//! Tells what happened: status and events, written on a thread of their own so that a slow disk delays no announcement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrolb_config::{Interfaces, ObjectRef, Problem};
use ferrolb_l2::driver::Observed;
use ferrolb_source::{Event, EventType, ObjectKey, Writer};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::interfaces::Port;
use crate::plan::NodePlan;

const COMPONENT: &str = "ferrolb-speaker";
/// Writes that wait for the disk: those of a takeover of a thousand addresses, twice. Beyond them they are dropped and
/// counted.
const PENDING: usize = 4096;

#[derive(Debug)]
enum Write {
    Event(Event),
    Announced { namespace: String, service: ObjectKey, interfaces: Vec<String> },
    Withdrawn { namespace: String, service: ObjectKey },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    namespace: String,
    interfaces: Vec<String>,
}

/// See the module. Dropping it lets the thread finish what waits.
#[derive(Debug)]
pub(super) struct Reporter {
    node: String,
    writes: mpsc::Sender<Write>,
    lost: Arc<AtomicU64>,
    told: BTreeMap<ObjectKey, Told>,
    failed: BTreeSet<ObjectKey>,
    problems: Vec<Problem>,
    port_errors: BTreeMap<String, String>,
}

// === impl Reporter ===

impl Reporter {
    pub(super) fn new(node: &str, writer: Writer, tasks: &TaskTracker) -> Self {
        let (writes, mut pending) = mpsc::channel(PENDING);
        let lost = Arc::new(AtomicU64::new(0));
        let (name, errors) = (node.to_owned(), Arc::clone(&lost));
        let runtime = Handle::current();
        tasks.spawn_blocking(move || {
            while let Some(write) = pending.blocking_recv() {
                let result = match write {
                    Write::Event(event) => writer.event(&event),
                    Write::Announced { namespace, service, interfaces } => {
                        runtime.block_on(writer.l2_status(&namespace, &service, &name, &interfaces))
                    }
                    Write::Withdrawn { namespace, service } => {
                        runtime.block_on(writer.remove_l2_status(&namespace, &service, &name))
                    }
                };
                if let Err(error) = result {
                    errors.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(error = ferrolb_daemon::sentence(&error), "not written");
                }
            }
        });
        Self {
            node: node.to_owned(),
            writes,
            lost,
            told: BTreeMap::new(),
            failed: BTreeSet::new(),
            problems: Vec::new(),
            port_errors: BTreeMap::new(),
        }
    }

    /// Writes that failed since the last time somebody asked.
    pub(super) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Tells what is newly wrong with the configuration; the controller publishes it as events.
    pub(super) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::warn!(object = %problem.object, field = problem.field, value = problem.value, "{}", problem.message);
        }
        self.problems = problems.to_vec();
    }

    /// Tells which interfaces newly cannot announce, and which can again.
    pub(super) fn interfaces(&mut self, observed: &Observed) {
        let errors = observed.interfaces.iter().filter_map(|(name, status)| {
            let error = status.error.as_ref()?;
            Some((name.clone(), ferrolb_daemon::sentence(error.as_ref())))
        });
        let errors: BTreeMap<String, String> = errors.collect();
        for (interface, error) in errors.iter().filter(|(name, error)| self.port_errors.get(*name) != Some(error)) {
            tracing::error!(interface, error, "cannot announce");
        }
        self.port_errors = errors;
    }

    /// Tells what is newly announced from here and what no longer.
    pub(super) fn plan(&mut self, plan: &NodePlan, namespace: &str, ports: &[Port]) {
        let mut now: BTreeMap<ObjectKey, Told> = BTreeMap::new();
        let mut failed = BTreeSet::new();
        for announcement in &plan.l2 {
            let interfaces = match &announcement.interfaces {
                Interfaces::All => Vec::new(),
                Interfaces::Named(names) => names.iter().cloned().collect(),
            };
            let usable =
                |port: &Port| port.usable.is_ok() && (interfaces.is_empty() || interfaces.contains(&port.name));
            // Before the kernel has told of any link, nothing is known to be missing.
            let fails = !ports.is_empty() && !ports.iter().any(usable);
            for service in &announcement.services {
                if fails {
                    failed.insert(service.clone());
                    self.announce_failed(service, &interfaces, ports);
                } else {
                    let told = Told { namespace: namespace.to_owned(), interfaces: interfaces.clone() };
                    now.insert(service.clone(), told);
                }
            }
        }
        self.failed = failed;
        for (service, told) in std::mem::replace(&mut self.told, now.clone()) {
            if !now.contains_key(&service) {
                tracing::info!(service = %service, "no longer announced from here");
                // Where another node announces, its status has already replaced ours.
                self.write(Write::Withdrawn { namespace: told.namespace, service });
            } else if now.get(&service) == Some(&told) {
                now.remove(&service);
            }
        }
        for (service, Told { namespace, interfaces }) in now {
            let message = format!("announcing from node \"{}\" with protocol \"layer2\"", self.node);
            self.event(EventType::Normal, "nodeAssigned", message, &service);
            self.write(Write::Announced { namespace, service, interfaces });
        }
    }

    fn announce_failed(&self, service: &ObjectKey, interfaces: &[String], ports: &[Port]) {
        if self.failed.contains(service) {
            return;
        }
        let known: Vec<&str> = ports.iter().filter(|port| port.usable.is_ok()).map(|port| port.name.as_str()).collect();
        let message = format!(
            "node \"{}\" owns the address but has no usable interface{}; it can announce on: {}",
            self.node,
            if interfaces.is_empty() { String::new() } else { format!(" named {}", interfaces.join(", ")) },
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        self.event(EventType::Warning, "announceFailed", message, service);
    }

    fn event(&self, event_type: EventType, reason: &'static str, message: String, service: &ObjectKey) {
        tracing::info!(service = %service, reason, "{message}");
        let object = ObjectRef::new("Service", &*service.namespace, &*service.name);
        self.write(Write::Event(Event { event_type, reason, message, object, source: COMPONENT }));
    }

    fn write(&self, write: Write) {
        if self.writes.try_send(write).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
