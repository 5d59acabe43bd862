//! Reads the source, keeps the [`Book`](crate::Book), writes status, then tells.

mod args;
mod charge;
mod desk;
mod refusals;
mod retry;

use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use args::{ControllerArgs, RunError};
use charge::{Charge, Turn};
use desk::{Desk, Job, Went};
use ferrolb_daemon::Readiness;
use ferrolb_source::kubernetes::{self, Audience, Identity};
use ferrolb_source::{Cluster, Location, Source, SourceError, WriteError, Writer, configured_namespace, directory};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kube::Client;
use prometheus::Registry;
use retry::Retry;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::{self, Watched};
use crate::guard::guard;
use crate::lease::{Held, Lease};
use crate::metrics::Metrics;
use crate::webhook::{ShownOfWebhooks, WebhookMode, serve_webhooks};

/// Who says what the events say, and whose fields the written ones are.
pub(crate) const COMPONENT: &str = "ferrolb-controller";
/// What nobody tells of when it is changed or removed, the ConfigurationState, is looked at this often: one question, by
/// the one controller that is in charge, costs less than a watch.
const CHECK: Duration = Duration::from_secs(5);
/// A Lease that nobody holds is ours by then.
const FIRST_LEASE: Duration = Duration::from_secs(1);

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
            desk.done(job, written, Instant::now());
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
    for (name, value) in args.ignored.given() {
        tracing::info!(name, value, "accepted, but it has no meaning here");
    }
    match args.source.parse()? {
        Location::Directory(path) => on_directory(args, &path, tasks, &shutdown).await,
        Location::Kubernetes => on_kubernetes(args, tasks, &shutdown).await,
    }
}

async fn on_directory(
    args: &ControllerArgs,
    path: &Path,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    let namespace = configured_namespace(args.namespace.clone());
    let source = ferrolb_source::open_directory(path, namespace, tasks, shutdown.clone())?;
    source.writer.become_controller().map_err(RunError::Charge)?;
    let (registry, ready) = (Registry::new(), Readiness::default());
    let desk = Desk::new(args.class(), Metrics::new(&registry)?);
    ferrolb_daemon::serve(&args.daemon, registry, ready.clone(), tasks, shutdown).await?;
    let charge = Charge::new(None, source.refresh.clone());
    Controller::new(desk, source, charge, ready).work(shutdown).await;
    Ok(())
}

async fn on_kubernetes(
    args: &ControllerArgs,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    let client = kubernetes::client(args.kubeconfig.as_deref()).await.map_err(SourceError::from)?;
    let namespace = kubernetes::namespace(configured_namespace(args.namespace.clone()));
    let (assigns, webhooks) = (Readiness::default(), Readiness::default());
    let ready = Readiness::with([assigns.clone(), webhooks.clone()]);
    ready.set(true);
    let registry = Registry::new();
    let desk = Desk::new(args.class(), Metrics::new(&registry)?);
    let guard = guard(&args.guard, &args.webhook.tls, client.clone(), tasks, shutdown)?;
    let health = Ipv6Addr::UNSPECIFIED.into();
    ferrolb_daemon::serve_guarded(&args.daemon, guard, health, registry.clone(), ready, tasks, shutdown).await?;
    let mode = args.webhook.webhook_mode;
    let (held, release) = match mode {
        WebhookMode::OnlyWebhook => (None, CancellationToken::new()),
        WebhookMode::Enabled | WebhookMode::Disabled => candidate(args, &client, &namespace, tasks, shutdown).await,
    };
    let identity = Identity { component: COMPONENT.to_owned(), pod: args.pod_name.clone() };
    let audience = Audience::Controller;
    let source =
        ferrolb_source::open_kubernetes(&client, audience, identity, namespace.clone(), tasks, shutdown.clone());
    let failures = source.failure_count();
    let help = "Watches that failed and were begun anew";
    registry.register(ferrolb_daemon::observed("ferrolb_watch_failures_total", help, failures)?)?;
    if let Some(held) = held.clone().filter(|_| args.failure.fail_endpoints) {
        let watched = Watched { held, writer: source.writer.clone(), namespace: namespace.clone() };
        failure::spawn(&args.failure, client.clone(), watched, &registry, tasks, shutdown.clone())?;
    }
    if mode == WebhookMode::Disabled {
        webhooks.set(true);
    } else {
        let shown = ShownOfWebhooks { ready: webhooks, requests: desk.metrics.webhook_requests.clone() };
        serve_webhooks(&args.webhook, client, &namespace, source.cluster.clone(), tasks, shutdown, shown).await?;
    }
    if held.is_none() {
        assigns.set(true);
        shutdown.cancelled().await;
        return Ok(());
    }
    let charge = Charge::new(held, source.refresh.clone());
    Controller::new(desk, source, charge, assigns).work(shutdown).await;
    // Nothing is being written any more: the next one need not wait for the Lease to expire.
    release.cancel();
    Ok(())
}

/// Takes part in who is in charge. Whoever is before the first reading begins need not read again, so that is waited
/// for a moment.
async fn candidate(
    args: &ControllerArgs,
    client: &Client,
    namespace: &str,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> (Option<watch::Receiver<Held>>, CancellationToken) {
    let release = CancellationToken::new();
    let lease = Lease::new(client.clone(), namespace, &args.lease_name, &args.lease_identity());
    let mut held = lease.spawn(tasks, release.clone());
    let first = held.wait_for(|held| held.deadline().is_some());
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        _ = tokio::time::timeout(FIRST_LEASE, first) => {}
    }
    (Some(held), release)
}

type Written = (Job, Result<(), WriteError>);

struct Controller {
    desk: Desk,
    source: Source,
    charge: Charge,
    ready: Readiness,
    /// Under way.
    writes: FuturesUnordered<BoxFuture<'static, Written>>,
    retry: Retry,
}

// === impl Controller ===

impl Controller {
    fn new(desk: Desk, source: Source, charge: Charge, ready: Readiness) -> Self {
        Self { desk, source, charge, ready, writes: FuturesUnordered::new(), retry: Retry::default() }
    }

    async fn work(&mut self, shutdown: &CancellationToken) {
        self.source_changed();
        let mut checks = tokio::time::interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let cluster = Arc::clone(&self.source.cluster.borrow());
            self.look_at_charge(&cluster);
            self.start_writes();
            let now = Instant::now();
            let again = self.retry.next(now).into_iter().chain(self.desk.next_refused()).min();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.finish().await,
                Some((job, result)) = self.writes.next(), if !self.writes.is_empty() => {
                    self.done(job, result);
                    self.tell();
                }
                changed = self.source.cluster.changed() => {
                    if changed.is_err() { return }
                    self.source_changed();
                }
                () = self.charge.changed() => {}
                _ = checks.tick(), if self.charge.is_in_charge() => {
                    self.desk.tidy(&cluster);
                    self.tell();
                }
                () = sleep_until(again), if again.is_some() => self.try_again(),
            }
        }
    }

    fn done(&mut self, job: Job, result: Result<(), WriteError>) {
        let now = Instant::now();
        match self.desk.done(job, result, now) {
            Went::Well => self.retry.succeeded(),
            Went::Wrong { quiet } => self.retry.failed(quiet, now),
            Went::Otherwise => {}
        }
    }

    fn try_again(&mut self) {
        let now = Instant::now();
        self.desk.retry_refused(now);
        if self.retry.is_due(now) {
            self.desk.retry();
            self.converge();
        }
    }

    /// Sees through what is under way: whoever is in charge next must not meet a write of ours.
    async fn finish(&mut self) {
        while let Some((job, result)) = self.writes.next().await {
            self.desk.done(job, result, Instant::now());
        }
        self.tell();
    }

    fn source_changed(&mut self) {
        let cluster = Arc::clone(&self.source.cluster.borrow_and_update());
        self.desk.take_over(&cluster);
        self.ready.set(self.desk.is_configured());
        self.converge();
        if !self.charge.is_in_charge() {
            // Whoever is tells them.
            self.desk.events();
            return;
        }
        if let Err(error) = clean_up(&self.desk, &self.source.writer, &cluster) {
            tracing::error!(error = ferrolb_daemon::sentence(&error), "status of what is gone not removed");
            self.desk.metrics.update_errors.inc();
            self.retry.failed(None, Instant::now());
        }
    }

    fn converge(&mut self) {
        let cluster = Arc::clone(&self.source.cluster.borrow());
        self.look_at_charge(&cluster);
        if self.charge.is_in_charge() {
            self.desk.converge(&cluster);
            self.tell();
        }
    }

    fn look_at_charge(&mut self, cluster: &Cluster) {
        match self.charge.turn(cluster) {
            Turn::None => {}
            Turn::Begins => {
                self.desk.begin();
                self.desk.converge(cluster);
                self.tell();
            }
            Turn::Ends => {
                self.desk.resign();
                self.writes.clear();
            }
        }
    }

    fn tell(&mut self) {
        for event in self.desk.events() {
            if let Err(error) = self.source.writer.event(&event) {
                tracing::debug!(error = ferrolb_daemon::sentence(&error), "event lost");
                self.desk.metrics.update_errors.inc();
            }
        }
    }

    fn start_writes(&mut self) {
        let quiet = self.retry.is_quiet(Instant::now());
        while !quiet && self.writes.len() < self.source.writer.concurrency() && self.charge.may_write() {
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
        Job::Pool(key, status) => writer.pool_status(key, *status).await,
        Job::State(state) => writer.configuration_state(state).await,
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
