//! Reads the source, keeps the [`Book`](crate::Book), writes status, then tells.

mod args;
mod desk;

use std::sync::Arc;
use std::time::Duration;

pub use args::{ControllerArgs, RunError};
use desk::{Desk, Job};
use ferrolb_daemon::Readiness;
use ferrolb_source::kubernetes::{self, Audience, Identity};
use ferrolb_source::{Cluster, Location, Source, WriteError, Writer, configured_namespace, directory};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use prometheus::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

/// MetalLB's choice between its BGP implementations.
const BGP_TYPE: &str = "METALLB_BGP_TYPE";
/// A write that failed is tried again after this, and after twice as long each time up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Assigns once and ends; what was left out or is wrong without hindering that, a sentence each.
///
/// # Errors
/// [`RunError::Refused`] when the configuration is; nothing is written then.
pub async fn once(args: &ControllerArgs) -> Result<Vec<String>, RunError> {
    let Location::Directory(path) = args.source.parse()? else { return Err(RunError::OnceNeedsDirectory) };
    let writer = Writer::directory(&path);
    // Before reading: what another one writes meanwhile would be read too early.
    if path.is_dir() {
        writer.become_controller().map_err(RunError::Charge)?;
    }
    let cluster = directory::load(&path, configured_namespace(args.namespace.clone()).as_deref())?;
    let mut desk = Desk::new(args.class(), Metrics::new(&Registry::new())?);
    desk.take_over(&cluster);
    if !desk.refused().is_empty() {
        return Err(RunError::Refused(desk.refused().to_vec()));
    }
    desk.converge(&cluster);
    let mut result = Ok(());
    while let Some(job) = desk.next_job(0) {
        let (job, written) = write(&writer, job).await;
        if let Err(error) = written {
            result = result.and(Err(error));
        } else {
            desk.done(job, written);
        }
    }
    result = result.and(clean_up(&desk, &writer, &cluster));
    for event in desk.events() {
        result = result.and(writer.event(&event));
    }
    result?;
    Ok(desk.remarks())
}

/// Works until `shutdown`.
///
/// # Errors
/// Something without which there is nothing to do.
pub async fn run(args: &ControllerArgs, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<(), RunError> {
    if std::env::var_os(BGP_TYPE).is_some() {
        tracing::info!("{BGP_TYPE} has no meaning here: one implementation has the features of all");
    }
    let namespace = configured_namespace(args.namespace.clone());
    let source = match args.source.parse()? {
        Location::Directory(path) => ferrolb_source::open_directory(&path, namespace, tasks, shutdown.clone())?,
        Location::Kubernetes => {
            let client =
                kubernetes::client(args.kubeconfig.as_deref()).await.map_err(ferrolb_source::SourceError::from)?;
            let identity = Identity { component: "ferrolb-controller".to_owned(), pod: args.pod_name.clone() };
            let audience = Audience::Controller;
            ferrolb_source::open_kubernetes(&client, audience, identity, namespace, tasks, shutdown.clone())
        }
    };
    source.writer.become_controller().map_err(RunError::Charge)?;
    let registry = Registry::new();
    let ready = Readiness::default();
    let desk = Desk::new(args.class(), Metrics::new(&registry)?);
    ferrolb_daemon::serve(&args.daemon, registry, ready.clone(), tasks, &shutdown).await?;
    let mut controller = Controller { desk, source, ready, writes: FuturesUnordered::new(), retry: Retry::default() };
    controller.work(&shutdown).await;
    Ok(())
}

type Written = (Job, Result<String, WriteError>);

struct Controller {
    desk: Desk,
    source: Source,
    ready: Readiness,
    /// Under way.
    writes: FuturesUnordered<BoxFuture<'static, Written>>,
    retry: Retry,
}

/// When to try again what has failed.
#[derive(Debug, Default)]
struct Retry {
    at: Option<Instant>,
    failures: u32,
}

// === impl Retry ===

impl Retry {
    fn failed(&mut self) {
        if self.at.is_none() {
            let pause = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_RETRY);
            self.failures += 1;
            self.at = Some(Instant::now() + pause);
        }
    }
}

// === impl Controller ===

impl Controller {
    async fn work(&mut self, shutdown: &CancellationToken) {
        self.source_changed();
        loop {
            self.start_writes();
            let again = self.retry.at;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some((job, result)) = self.writes.next(), if !self.writes.is_empty() => {
                    let succeeded = result.is_ok();
                    if self.desk.done(job, result) {
                        self.retry.failed();
                    } else if succeeded {
                        self.retry.failures = 0;
                    }
                    self.tell();
                }
                changed = self.source.cluster.changed() => {
                    if changed.is_err() { return }
                    self.source_changed();
                }
                () = sleep_until(again), if again.is_some() => {
                    self.retry.at = None;
                    self.converge();
                }
            }
        }
    }

    fn source_changed(&mut self) {
        let cluster = Arc::clone(&self.source.cluster.borrow_and_update());
        self.desk.take_over(&cluster);
        self.ready.set(self.desk.is_configured());
        self.converge();
        if let Err(error) = clean_up(&self.desk, &self.source.writer, &cluster) {
            tracing::error!(error = &error as &dyn std::error::Error, "status of what is gone not removed");
            self.desk.metrics.update_errors.inc();
            self.retry.failed();
        }
    }

    fn converge(&mut self) {
        let cluster = Arc::clone(&self.source.cluster.borrow());
        self.desk.converge(&cluster);
        self.tell();
    }

    fn tell(&mut self) {
        for event in self.desk.events() {
            if let Err(error) = self.source.writer.event(&event) {
                tracing::debug!(error = &error as &dyn std::error::Error, "event lost");
                self.desk.metrics.update_errors.inc();
            }
        }
    }

    fn start_writes(&mut self) {
        while self.writes.len() < self.source.writer.concurrency() {
            let Some(job) = self.desk.next_job(self.writes.len()) else { return };
            let writer = self.source.writer.clone();
            self.writes.push(async move { write(&writer, job).await }.boxed());
        }
    }
}

async fn write(writer: &Writer, job: Job) -> Written {
    let result = match &job {
        Job::Service(key, version, status) => {
            writer.service_status(key, version, &status.ips, status.pool.as_deref()).await
        }
        Job::Pool(key, status) => writer.pool_status(key, *status).await.map(|()| String::new()),
        Job::State(state) => writer.configuration_state(state).await.map(|()| String::new()),
    };
    (job, result)
}

/// Removes the status of what is gone, unless something is unreadable that may stand for it.
fn clean_up(desk: &Desk, writer: &Writer, cluster: &Cluster) -> Result<(), WriteError> {
    if !cluster.is_complete_for_allocation() || !desk.is_configured() {
        return Ok(());
    }
    let services = writer.retain_services(&|key| cluster.services.contains_key(key));
    services.and(writer.retain_pools(&|key| desk.has_pool(key)))
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
