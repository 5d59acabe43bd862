//! The edge: watches Leases and reports, asks the [`Jury`], acts and tells.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use clap::Args;
use ferrolb_api::v1alpha1::NodeHealthReport;
use ferrolb_config::ObjectRef;
use ferrolb_source::{Event, EventType, Writer};
use futures::stream::{BoxStream, StreamExt, select};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pods::{Failed, fail};
use super::{Input, Jury, Verdict};
use crate::lease::Held;
use crate::run::COMPONENT;

/// Where kubelets keep their Leases.
const LEASES: &str = "kube-node-lease";
/// What Kubernetes takes where a Lease does not say.
const LEASE_SECONDS: i32 = 40;
/// The server ends a watch after this many seconds, so a dead connection is noticed soon after.
const WATCH_SECONDS: u32 = 50;

/// Flags for nodes that die.
#[derive(Debug, Clone, Args)]
pub struct FailureArgs {
    /// Fail the endpoints of nodes that most speakers report as dead, before Kubernetes does. Speakers need the flag, too.
    #[arg(long, env = "FERROLB_FAIL_ENDPOINTS", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true")]
    pub fail_endpoints: bool,
    /// Percent of the nodes that may be unavailable with the one whose endpoints fail; one always may.
    #[arg(long, env = "FERROLB_FAIL_ENDPOINTS_MAX_UNAVAILABLE", value_name = "PERCENT", default_value_t = 34,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub fail_endpoints_max_unavailable: u8,
}

/// What is watched, and who acts.
#[derive(Debug)]
pub struct Watched {
    /// Says when this controller is in charge.
    pub held: watch::Receiver<Held>,
    /// Tells of what was decided.
    pub writer: Writer,
    /// Where reports are.
    pub namespace: String,
}

struct Metrics {
    failures: IntCounter,
    refused: IntCounterVec,
}

struct Run {
    client: Client,
    jury: Jury,
    watched: Watched,
    metrics: Metrics,
    /// Nodes whose pods are being patched.
    under_way: JoinSet<(Verdict, Failed)>,
}

/// Fails endpoints until `shutdown`.
///
/// # Errors
/// A name of a metric is taken in this registry.
pub fn spawn(
    args: &FailureArgs,
    client: Client,
    watched: Watched,
    registry: &Registry,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> prometheus::Result<()> {
    let metrics = Metrics::new(registry)?;
    let jury = Jury::new(Instant::now().into_std(), args.fail_endpoints_max_unavailable);
    let run = Run { client, jury, watched, metrics, under_way: JoinSet::new() };
    tasks.spawn(shutdown.run_until_cancelled_owned(run.work()));
    Ok(())
}

// === impl Run ===

impl Run {
    async fn work(mut self) {
        let leases = follow(Api::namespaced(self.client.clone(), LEASES), lease, Input::LeaseGone);
        let reports = Api::namespaced(self.client.clone(), &self.watched.namespace);
        let mut told = select(leases, follow(reports, report, Input::ReportGone));
        loop {
            tokio::select! {
                Some(Ok((verdict, failed))) = self.under_way.join_next() => self.failed(&verdict, &failed),
                inputs = told.next() => {
                    let Some(inputs) = inputs else { return };
                    let now = Instant::now().into_std();
                    for input in inputs {
                        self.jury.handle(now, input);
                    }
                    if self.watched.held.borrow().allows(now) {
                        self.jury.verdicts(now).into_iter().for_each(|verdict| self.act(verdict));
                    }
                }
            }
        }
    }

    fn act(&mut self, verdict: Verdict) {
        let Some(guard) = verdict.guard else {
            let (client, held) = (self.client.clone(), self.watched.held.clone());
            self.under_way.spawn(async move {
                let failed = fail(&client, &held, &verdict.node).await;
                (verdict, failed)
            });
            return;
        };
        self.metrics.refused.with_label_values(&[guard.as_str()]).inc();
        self.tell(&verdict, "EndpointsNotFailed", &format!("its endpoints are left to Kubernetes: {guard}"));
    }

    fn failed(&self, verdict: &Verdict, failed: &Failed) {
        self.metrics.failures.inc();
        let mut outcome = format!("{} of its pods were made not ready", failed.pods);
        if let Some(error) = &failed.error {
            outcome = format!("{outcome}, others could not be: {error}");
        }
        self.tell(verdict, "EndpointsFailed", &outcome);
    }

    fn tell(&self, verdict: &Verdict, reason: &'static str, outcome: &str) {
        let Verdict { node, votes, speakers, .. } = verdict;
        let message =
            format!("{votes} of {speakers} speakers neither hear its speaker nor reach its address; {outcome}");
        tracing::warn!(node, reason, message);
        let object = ObjectRef::new("Node", "", node.as_str());
        let event = Event { event_type: EventType::Warning, reason, message, object, source: COMPONENT };
        if let Err(error) = self.watched.writer.event(&event) {
            tracing::debug!(error = ferrolb_daemon::sentence(&error), "event lost");
        }
    }
}

// === impl Metrics ===

impl Metrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let refused = Opts::new("ferrolb_node_failures_refused_total", "Dead nodes that were left to Kubernetes");
        let failures = IntCounter::new("ferrolb_node_failures_total", "Dead nodes whose endpoints were failed")?;
        let metrics = Self { failures, refused: IntCounterVec::new(refused, &["guard"])? };
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        Ok(metrics)
    }
}

/// What is told of one kind. After a gap the kind is listed anew; what is not on the list is gone.
fn follow<K>(api: Api<K>, there: fn(K) -> Input, gone: fn(String) -> Input) -> BoxStream<'static, Vec<Input>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let (mut known, mut listed) = (BTreeSet::new(), BTreeSet::new());
    let name = |object: &K| object.meta().name.clone().unwrap_or_default();
    let events = watcher(api, watcher::Config::default().timeout(WATCH_SECONDS)).default_backoff();
    let inputs = events.map(move |event| match event {
        Ok(watcher::Event::Init) => {
            listed.clear();
            Vec::new()
        }
        Ok(watcher::Event::InitApply(object)) => {
            listed.insert(name(&object));
            vec![there(object)]
        }
        Ok(watcher::Event::InitDone) => {
            let before = std::mem::replace(&mut known, std::mem::take(&mut listed));
            before.difference(&known).cloned().map(gone).collect()
        }
        Ok(watcher::Event::Apply(object)) => {
            known.insert(name(&object));
            vec![there(object)]
        }
        Ok(watcher::Event::Delete(object)) => {
            known.remove(&name(&object));
            vec![gone(name(&object))]
        }
        Err(error) => {
            let kind = K::kind(&());
            tracing::warn!(%kind, error = ferrolb_daemon::sentence(&error), "watch failed");
            Vec::new()
        }
    });
    inputs.boxed()
}

fn lease(lease: Lease) -> Input {
    let (node, version) = identity(lease.metadata);
    let seconds = lease.spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(LEASE_SECONDS);
    Input::Lease { node, version, duration: Duration::from_secs(seconds.unsigned_abs().into()) }
}

fn report(report: NodeHealthReport) -> Input {
    let (speaker, version) = identity(report.metadata);
    let unreachable = report.spec.unreachable.into_iter().map(|unreachable| unreachable.node).collect();
    Input::Report { speaker, version, unreachable }
}

fn identity(metadata: ObjectMeta) -> (String, String) {
    (metadata.name.unwrap_or_default(), metadata.resource_version.unwrap_or_default())
}
