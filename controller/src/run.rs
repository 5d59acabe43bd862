//! Reads the source, keeps the [`Book`], writes status, then tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Config, ObjectRef, Problem, parse};
use ferrolb_daemon::{DaemonArgs, Readiness};
use ferrolb_source::{
    Cluster, Event, EventType, Location, ObjectKey, Skipped, Source, SourceError, WriteError, Writer,
    configured_namespace, directory,
};
use prometheus::Registry;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::{Book, Changes};
use crate::converge::Notice;
use crate::metrics::Metrics;

/// Who says what the events say.
const COMPONENT: &str = "ferrolb-controller";
/// MetalLB's choice between its BGP implementations.
const BGP_TYPE: &str = "METALLB_BGP_TYPE";
/// A write that failed is tried again after this, and after twice as long each time up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Flags of `ferrolb-controller`.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// Where resources come from and status goes: `dir=PATH`.
    #[arg(long, env = "FERROLB_SOURCE", value_name = "dir=PATH")]
    pub source: String,
    /// Namespace of the configuration objects [default: the one that they all name].
    #[arg(long, env = "FERROLB_NAMESPACE")]
    pub namespace: Option<String>,
    /// Assign, write and exit: 0 done, 2 the configuration is refused.
    #[arg(long)]
    pub once: bool,
    /// Serve Services of this loadBalancerClass only [default: those without one].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub lb_class: String,
    /// Log level, ports.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Why the controller ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// `--once`, and the configuration is refused.
    #[error("the configuration is refused; nothing was written")]
    Refused(Vec<Problem>),
    /// A status could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Another controller is at work, or the status directory is not writable.
    #[error("cannot take charge of the status")]
    Charge(#[source] WriteError),
    /// A port is taken.
    #[error(transparent)]
    Http(#[from] ferrolb_daemon::HttpError),
    /// The kernel grants no threads.
    #[error(transparent)]
    Runtime(#[from] ferrolb_daemon::RuntimeError),
    /// Two metrics of one name: a bug.
    #[error("metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

impl ControllerArgs {
    fn class(&self) -> Option<String> {
        Some(self.lb_class.clone()).filter(|class| !class.is_empty())
    }
}

/// Assigns once and ends; what was left out or is wrong without hindering that, a sentence each.
///
/// # Errors
/// [`RunError::Refused`] when the configuration is; nothing is written then.
pub fn once(args: &ControllerArgs) -> Result<Vec<String>, RunError> {
    let Location::Directory(path) = args.source.parse()?;
    let writer = Writer::directory(&path);
    // Before reading: what another one writes meanwhile would be read too early.
    let exists = path.is_dir();
    if exists {
        writer.become_controller().map_err(RunError::Charge)?;
    }
    let cluster = directory::load(&path, configured_namespace(args.namespace.clone()).as_deref())?;
    let mut controller = Controller::new(args, writer, Metrics::new(&Registry::new())?);
    let refused = controller.take_over(&cluster);
    if !refused.is_empty() {
        return Err(RunError::Refused(refused));
    }
    controller.converge(&cluster)?;
    let left_out = controller.skipped.iter().map(|skipped| format!("left out: {skipped}"));
    Ok(left_out.chain(controller.reported.iter().map(ToString::to_string)).collect())
}

/// Works until `shutdown`.
///
/// # Errors
/// Something without which there is nothing to do.
pub async fn run(args: &ControllerArgs, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<(), RunError> {
    let location: Location = args.source.parse()?;
    let Source { mut cluster, writer } =
        ferrolb_source::open(&location, configured_namespace(args.namespace.clone()), tasks, shutdown.clone())?;
    writer.become_controller().map_err(RunError::Charge)?;
    if std::env::var_os(BGP_TYPE).is_some() {
        tracing::info!("{BGP_TYPE} has no meaning here: one implementation has the features of all");
    }
    let registry = Registry::new();
    let ready = Readiness::default();
    let mut controller = Controller::new(args, writer, Metrics::new(&registry)?);
    ferrolb_daemon::serve(&args.daemon, registry, ready.clone(), tasks, &shutdown).await?;
    let mut retry = FIRST_RETRY;
    loop {
        let now = Arc::clone(&cluster.borrow_and_update());
        controller.take_over(&now);
        let again = match controller.converge(&now) {
            Ok(()) => {
                retry = FIRST_RETRY;
                None
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, retry = ?retry, "status not written");
                controller.metrics.update_errors.inc();
                let delay = retry;
                retry = (retry * 2).min(LONGEST_RETRY);
                Some(delay)
            }
        };
        ready.set(controller.config.is_some());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            changed = cluster.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
    }
}

struct Controller {
    book: Book,
    writer: Writer,
    metrics: Metrics,
    /// In force.
    config: Option<Arc<Config>>,
    namespace: String,
    reported: Vec<Problem>,
    skipped: BTreeSet<Skipped>,
    pools: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    /// As the source last showed them.
    shown_pools: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    /// To be told once the status they are about is written.
    waiting: Vec<(ObjectKey, Notice)>,
    untold: Vec<Event>,
}

// === impl Controller ===

impl Controller {
    fn new(args: &ControllerArgs, writer: Writer, metrics: Metrics) -> Self {
        Self {
            book: Book::new(args.class()),
            writer,
            metrics,
            config: None,
            namespace: String::new(),
            reported: Vec::new(),
            skipped: BTreeSet::new(),
            pools: BTreeMap::new(),
            shown_pools: BTreeMap::new(),
            waiting: Vec::new(),
            untold: Vec::new(),
        }
    }

    /// Checks the configuration and takes it over, or keeps the last good one and returns what is wrong.
    fn take_over(&mut self, cluster: &Cluster) -> Vec<Problem> {
        let skipped: BTreeSet<Skipped> = cluster.skipped.iter().cloned().collect();
        for new in skipped.difference(&self.skipped) {
            tracing::info!(object = %new.object, place = new.place, reason = new.reason, "left out");
        }
        self.skipped = skipped;
        let parsed = parse(&cluster.resources);
        let all: Vec<Problem> = cluster.problems.iter().chain(&parsed.problems).cloned().collect();
        self.report(&all);
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
        self.metrics.config_loaded.set(i64::from(self.config.is_some()));
        self.metrics.config_stale.set(i64::from(!refused.is_empty()));
        refused
    }

    fn report(&mut self, problems: &[Problem]) {
        for problem in problems.iter().filter(|problem| !self.reported.contains(problem)) {
            tracing::warn!(object = %problem.object, field = problem.field, value = problem.value, "{}", problem.message);
            self.untold.push(Event {
                event_type: EventType::Warning,
                reason: "ConfigurationError".to_owned(),
                message: problem.to_string(),
                object: problem.object.clone(),
                source: COMPONENT.to_owned(),
            });
        }
        self.reported = problems.to_vec();
    }

    /// Brings every status to what it should be; the first failure is returned, the rest is tried all the same.
    fn converge(&mut self, cluster: &Cluster) -> Result<(), WriteError> {
        self.metrics.updates.inc();
        let mut result = Ok(());
        if let Some(config) = self.config.clone() {
            let Changes { statuses, notices } = self.book.update(cluster, &config);
            let mut failed = BTreeSet::new();
            for (key, status) in statuses {
                match self.writer.service_status(&key, &status.ips, status.pool.as_deref()) {
                    Ok(()) => {
                        tracing::info!(service = %key, ips = ?status.ips, pool = status.pool, "status written");
                        self.book.written(&key, &status);
                    }
                    Err(error) => {
                        result = result.and(Err(error));
                        failed.insert(key);
                    }
                }
            }
            // Events trail behind the statuses they speak of.
            self.waiting.extend(notices);
            let (wait, tell): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.waiting).into_iter().partition(|(key, _)| failed.contains(key));
            self.waiting = wait;
            self.untold.extend(tell.into_iter().map(|(key, notice)| Event {
                event_type: notice.event_type,
                reason: notice.reason.to_owned(),
                message: notice.message,
                object: ObjectRef::new("Service", key.namespace, key.name),
                source: COMPONENT.to_owned(),
            }));
            result = result.and(self.write_pools(cluster)).and(self.clean_up(cluster));
        }
        for event in std::mem::take(&mut self.untold) {
            result = result.and(self.writer.event(&event));
        }
        result
    }

    fn write_pools(&mut self, cluster: &Cluster) -> Result<(), WriteError> {
        self.metrics.pools(self.book.allocator());
        let mut result = Ok(());
        let mut statuses = BTreeMap::new();
        for (name, status) in self.book.pool_statuses() {
            let key = ObjectKey::new(self.namespace.clone(), name);
            let shown = cluster.pool_statuses.get(&key);
            // Somebody else changed it: what is shown is neither what we wrote nor what was shown before.
            let tampered = shown != Some(&status) && shown != self.shown_pools.get(&key);
            if (self.pools.get(&key) != Some(&status) || tampered)
                && let Err(error) = self.writer.pool_status(&key, status)
            {
                result = result.and(Err(error));
                continue;
            }
            statuses.insert(key, status);
        }
        self.pools = statuses;
        self.shown_pools.clone_from(&cluster.pool_statuses);
        result
    }

    fn clean_up(&self, cluster: &Cluster) -> Result<(), WriteError> {
        if !cluster.is_complete_for_allocation() {
            return Ok(());
        }
        let services = self.writer.retain_services(&|key| cluster.services.contains_key(key));
        services.and(self.writer.retain_pools(&|key| self.pools.contains_key(key)))
    }
}
