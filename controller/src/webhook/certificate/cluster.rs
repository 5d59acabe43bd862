//! The Secret, the `ValidatingWebhookConfiguration` and the CRD as the API server holds them: read, watched, and
//! written only where nobody else has written since.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::webhook::certificate::decision::Stored;

const CONFIGURATION: &str = "metallb-webhook-configuration";
const CRD: &str = "bgppeers.metallb.io";
/// For one call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The server ends a watch after this many seconds, so a dead connection is noticed soon after.
const WATCH_TIMEOUT: u32 = 50;
/// Keys of the Secret.
const KEYS: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

/// A call that failed. Nothing is known to have changed.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("{what}: no answer from the API server in {TIMEOUT:?}")]
    Timeout { what: String },
    #[error("{what}: somebody else was faster")]
    Conflict { what: String },
    #[error("{what}")]
    Api {
        what: String,
        #[source]
        source: kube::Error,
    },
}

/// An object that the authority is injected into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Webhooks,
    Conversion,
}

impl Target {
    /// Kind and name.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Webhooks => format!("ValidatingWebhookConfiguration {CONFIGURATION}"),
            Self::Conversion => format!("CustomResourceDefinition {CRD}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Webhooks => CONFIGURATION,
            Self::Conversion => CRD,
        }
    }
}

/// The objects, over one client.
pub(crate) struct Objects {
    client: Client,
    secrets: Api<Secret>,
    secret: String,
}

// === impl Objects ===

impl Objects {
    pub(crate) fn new(client: Client, namespace: &str, secret: &str) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace), client, secret: secret.to_owned() }
    }

    /// The Secret, if there is one.
    pub(crate) async fn secret(&self) -> Result<Option<Secret>, CallError> {
        timed(format!("get Secret {}", self.secret), self.secrets.get_opt(&self.secret)).await
    }

    /// Writes `stored` into the Secret as it was read, or into a new one.
    pub(crate) async fn write(&self, read: Option<Secret>, stored: &Stored) -> Result<(), CallError> {
        let exists = read.is_some();
        let mut secret = read.unwrap_or_default();
        secret.metadata.name = Some(self.secret.clone());
        secret.metadata.managed_fields = None;
        let data = secret.data.get_or_insert_default();
        let parts = [&stored.authority, &stored.authority_key, &stored.certificate, &stored.key];
        for (key, part) in KEYS.into_iter().zip(parts) {
            match part {
                Some(part) => data.insert(key.to_owned(), ByteString(part.clone())),
                None => data.remove(key),
            };
        }
        let params = PostParams::default();
        if exists {
            // It carries the resource version that was read.
            let what = format!("update Secret {}", self.secret);
            timed(what, self.secrets.replace(&self.secret, &params, &secret)).await?;
        } else {
            timed(format!("create Secret {}", self.secret), self.secrets.create(&params, &secret)).await?;
        }
        Ok(())
    }

    /// Such an object whole, unknown fields included, if there is one.
    pub(crate) async fn get(&self, target: Target) -> Result<Option<DynamicObject>, CallError> {
        timed(format!("get {}", target.describe()), self.api(target).get_opt(target.name())).await
    }

    /// Writes it back, unless it has changed since it was read.
    pub(crate) async fn replace(&self, target: Target, object: &DynamicObject) -> Result<(), CallError> {
        let what = format!("update {}", target.describe());
        timed(what, self.api(target).replace(target.name(), &PostParams::default(), object)).await?;
        Ok(())
    }

    fn api(&self, target: Target) -> Api<DynamicObject> {
        let resource = match target {
            Target::Webhooks => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Target::Conversion => ApiResource::erase::<CustomResourceDefinition>(&()),
        };
        Api::all_with(self.client.clone(), &resource)
    }

    /// Watches all three until `shutdown`; `changed` is told of anything that may have happened to them.
    pub(crate) fn watch(&self, changed: &Arc<Notify>, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let secrets = self.secrets.clone().into_client();
        let namespace = self.secrets.namespace().unwrap_or_default().to_owned();
        let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(secrets, &namespace);
        let configurations = Api::<PartialObjectMeta<ValidatingWebhookConfiguration>>::all(self.client.clone());
        let crds = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(self.client.clone());
        tasks.spawn(follow(secrets, self.secret.clone(), Arc::clone(changed), shutdown.clone()));
        tasks.spawn(follow(configurations, CONFIGURATION.to_owned(), Arc::clone(changed), shutdown.clone()));
        tasks.spawn(follow(crds, CRD.to_owned(), Arc::clone(changed), shutdown.clone()));
    }
}

/// Watches one object by name until `shutdown`. Holds nothing but the watch.
async fn follow<K>(api: Api<PartialObjectMeta<K>>, name: String, changed: Arc<Notify>, shutdown: CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let kind = K::kind(&()).into_owned();
    let config = watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_TIMEOUT);
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut broken = false;
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            None => return,
            Some(Ok(_)) => {
                broken = false;
                changed.notify_one();
            }
            Some(Err(error)) if broken => {
                tracing::debug!(kind, name, error = ferrolb_daemon::sentence(&error), "watch failed again");
            }
            Some(Err(error)) => {
                broken = true;
                tracing::warn!(kind, name, error = ferrolb_daemon::sentence(&error), "watch failed");
            }
        }
    }
}

async fn timed<T>(what: String, call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        // "AlreadyExists" has the same code.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(CallError::Conflict { what }),
        Ok(Err(source)) => Err(CallError::Api { what, source }),
        Err(_elapsed) => Err(CallError::Timeout { what }),
    }
}

/// What a Secret holds of ours.
pub(crate) fn stored(secret: &Secret) -> Stored {
    let empty = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&empty);
    let [authority, authority_key, certificate, key] =
        KEYS.map(|key| data.get(key).map(|bytes| bytes.0.clone()).filter(|bytes| !bytes.is_empty()));
    Stored { authority, authority_key, certificate, key }
}
