//! One watch for each kind: list, then follow, again from the start whenever that breaks or somebody asks.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::kind::{self, Kind};
use super::lean::LeanService;
use super::state::{Change, Stored};
use super::writer;

/// The API server ends a watch after so many seconds, so a connection that died silently is noticed 5 s later.
const WATCH_SECONDS: u32 = 50;
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`] until something succeeds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A kind that the API server does not know is looked for this often.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(2);
/// Objects on a page of a list; a page is in memory whole, as text and read.
const PAGE: u32 = 200;
/// Slices without this label belong to no Service.
const OF_A_SERVICE: &str = "kubernetes.io/service-name";

/// What every watch shares.
#[derive(Clone)]
pub(super) struct Hub {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// Changes on their way to the state. When it is full, watches wait, and the API server with them.
    pub(super) changes: mpsc::Sender<(Kind, Change)>,
    /// Goes up when everything is to be listed anew.
    pub(super) refresh: watch::Receiver<u64>,
    /// Watches that failed.
    pub(super) failures: Arc<AtomicU64>,
    pub(super) shutdown: CancellationToken,
}

impl Hub {
    /// Follows one kind until shutdown.
    pub(super) async fn follow(self, kind: Kind) {
        let client = self.client.clone();
        let all = config();
        match kind {
            Kind::Service => {
                let api = Api::<LeanService>::all(client);
                self.run(kind, api, all, |object| Some(kind::service(&object.0))).await;
            }
            Kind::EndpointSlice => {
                let api = Api::<EndpointSlice>::all(client);
                self.run(kind, api, all.labels(OF_A_SERVICE), |object| kind::slice(&object)).await;
            }
            Kind::Node => {
                // Every node asks for every node: let the API server answer from its cache.
                let cached = all.any_semantic();
                self.run(kind, Api::<core::Node>::all(client), cached, |object| Some(kind::node(&object))).await;
            }
            Kind::Namespace => {
                let api = Api::<PartialObjectMeta<core::Namespace>>::all(client);
                let labels = |object: PartialObjectMeta<core::Namespace>| object.metadata.labels.unwrap_or_default();
                let stored = |object| Stored::Namespace(Box::new(labels(object).into()));
                self.run(kind, api, all, |object| Some(stored(object))).await;
            }
            Kind::ConfigMap => {
                let api = Api::<core::ConfigMap>::namespaced(client, &self.namespace);
                let named = all.fields("metadata.name=config");
                self.run(kind, api, named, |object| kind::config_map(&object)).await;
            }
            Kind::Secret => {
                let api = Api::<core::Secret>::namespaced(client, &self.namespace);
                self.run(kind, api, all, |object| Some(kind::secret(&object))).await;
            }
            Kind::Custom(custom) => {
                let resource = custom.resource();
                let api = Api::<DynamicObject>::namespaced_with(client, &self.namespace, &resource);
                self.run(kind, api, all, |object| Some(kind::custom(&resource, &object))).await;
            }
        }
    }

    async fn run<K>(
        mut self,
        kind: Kind,
        api: Api<K>,
        config: watcher::Config,
        project: impl Fn(K) -> Option<Stored> + Send,
    ) where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let refresh = *self.refresh.borrow_and_update();
            let mut events = std::pin::pin!(watcher(api.clone(), config.clone()));
            loop {
                let event = tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return,
                    changed = self.refresh.changed() => if changed.is_err() { return } else { break },
                    event = events.next() => event,
                };
                let Some(event) = event else { break };
                let change = match event {
                    Ok(event) => {
                        // That a list begins is no success yet.
                        if !matches!(event, Event::Init) {
                            pause = FIRST_PAUSE;
                        }
                        change(event, refresh, &project)
                    }
                    Err(error) => {
                        let (unknown, wait) = self.failed(kind, &error, &mut pause);
                        if unknown && self.changes.send((kind, Change::Unknown)).await.is_err() {
                            return;
                        }
                        tokio::select! {
                            biased;
                            () = self.shutdown.cancelled() => return,
                            () = tokio::time::sleep(wait) => continue,
                        }
                    }
                };
                if let Some(change) = change
                    && self.changes.send((kind, change)).await.is_err()
                {
                    return;
                }
            }
        }
    }

    /// Whether the API server does not know the kind, and how long to wait.
    fn failed(&self, kind: Kind, error: &watcher::Error, pause: &mut Duration) -> (bool, Duration) {
        let status = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => writer::status(error),
            watcher::Error::WatchError(status) => Some(&**status),
            watcher::Error::NoResourceVersion => None,
        };
        if matches!(kind, Kind::Custom(_)) && status.is_some_and(|status| status.code == 404) {
            return (true, UNKNOWN_PAUSE);
        }
        // "Gone" is how the API server asks for a new list.
        if status.is_some_and(|status| status.code == 410) {
            return (false, Duration::ZERO);
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        let wait = jittered(*pause);
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        let plural = kind.plural();
        if status.is_some_and(|status| status.code == 403) {
            tracing::error!(kind = plural, error = error as &dyn std::error::Error, "not allowed to watch; check RBAC");
        } else {
            tracing::warn!(kind = plural, error = error as &dyn std::error::Error, ?wait, "watch failed");
        }
        (false, wait)
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE)
}

fn change<K: Resource>(event: Event<K>, refresh: u64, project: &impl Fn(K) -> Option<Stored>) -> Option<Change> {
    let key = |object: &K| kind::key(object.meta());
    Some(match event {
        Event::Init => Change::Begin(refresh),
        Event::InitApply(object) => Change::Listed(key(&object), project(object)?),
        Event::InitDone => Change::Complete,
        Event::Apply(object) => {
            let key = key(&object);
            project(object).map_or(Change::Gone(key.clone()), |stored| Change::Applied(key, stored))
        }
        Event::Delete(object) => Change::Gone(key(&object)),
    })
}

/// Between half and all of it, so that many do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
