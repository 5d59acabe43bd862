//! Status and events on the API server.
//!
//! Every call is made once and ends within four seconds; whoever asked for it decides whether to try again.

mod announcement;
mod configuration_state;
mod events;
mod failed;
mod node_health;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_api::v1beta1::{IPAddressPool, IPAddressPoolStatus};
use k8s_openapi::api::core::v1 as core;
use kube::api::{DeleteParams, Patch, PatchParams, Request};
use kube::client::Body;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, watch};

pub(crate) use events::EventQueue;
pub(super) use failed::status;
use failed::{Failed, in_time, within};

use crate::cluster::Cluster;
use crate::object::{ObjectKey, Version};
use crate::writer::{WriteError, WriteErrorClass};

/// Who writes.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// For example `ferrolb-controller`; the `fieldManager` of what it writes.
    pub component: String,
    /// Name of the own pod; empty where there is none. What is written for the pod goes with it.
    pub pod: String,
}

/// The writing side of an API server.
pub(crate) struct KubernetesWriter {
    client: Client,
    namespace: String,
    identity: Identity,
    cluster: watch::Receiver<Arc<Cluster>>,
    /// How many statuses are being written.
    under_way: watch::Sender<usize>,
    /// UID of the own pod.
    pod: OnceCell<String>,
}

/// A status that is being written.
struct UnderWay<'a>(&'a watch::Sender<usize>);

// === impl KubernetesWriter ===

impl fmt::Debug for KubernetesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesWriter").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl KubernetesWriter {
    pub(crate) fn new(
        client: Client,
        namespace: String,
        identity: Identity,
        cluster: watch::Receiver<Arc<Cluster>>,
    ) -> Self {
        Self { client, namespace, identity, cluster, under_way: watch::Sender::new(0), pod: OnceCell::new() }
    }

    /// One patch of the status subresource, which takes the annotation too. It is refused where the Service is not the
    /// version any more that the addresses were chosen for.
    pub(crate) async fn write_service(
        &self,
        key: &ObjectKey,
        version: &Version,
        ips: &[IpAddr],
        pool: Option<&str>,
    ) -> Result<(), WriteError> {
        let ingress = (!ips.is_empty()).then(|| ips.iter().map(|ip| json!({ "ip": ip })).collect::<Vec<_>>());
        let mut patch = json!({
            "metadata": { "annotations": { ALLOCATED_FROM_POOL: pool } },
            "status": { "loadBalancer": { "ingress": ingress } },
        });
        if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(version.resource_version));
            metadata.insert("uid".to_owned(), json!(version.uid));
        }
        let path = core::Service::url_path(&(), Some(&key.namespace));
        let what = || format!("the status of Service {key}");
        self.patch_status(&path, &key.name, &patch).await.map_err(|error| error.of(what()))
    }

    /// A pool that is no object (one of legacy configuration) has no counters to write.
    pub(crate) async fn write_pool(&self, key: &ObjectKey, status: IPAddressPoolStatus) -> Result<(), WriteError> {
        let path = IPAddressPool::url_path(&(), Some(&key.namespace));
        let patch = json!({ "status": status });
        match self.patch_status(&path, &key.name, &patch).await {
            Err(Failed { class: WriteErrorClass::Gone, .. }) => Ok(()),
            other => other.map_err(|error| error.of(format!("the status of IPAddressPool {key}"))),
        }
    }

    async fn patch_status(&self, path: &str, name: &str, patch: &Value) -> Result<(), Failed> {
        let _under_way = UnderWay::new(&self.under_way);
        let params = PatchParams { field_manager: Some(self.identity.component.clone()), ..PatchParams::default() };
        let request = Request::new(path)
            .patch_subresource("status", name, &params, &Patch::Merge(patch))
            .map_err(|error| Failed::local(Box::new(error)))?;
        in_time(self.send(request.map(Body::from))).await
    }

    /// A call of which nothing but its success is of interest.
    async fn send(&self, request: http::Request<Body>) -> Result<(), Failed> {
        let response = self.client.send(request).await.map_err(Failed::call)?;
        let (head, body) = response.into_parts();
        // Read to its end, so that the connection can be used again.
        let body = body.collect_bytes().await.map_err(Failed::call)?;
        if head.status.is_success() { Ok(()) } else { Err(Failed::answer(head.status, &head.headers, &body)) }
    }

    /// The UID of the own pod; `None`: there is none, or it is not there any more.
    async fn pod_uid(&self) -> Result<Option<&str>, Failed> {
        if self.identity.pod.is_empty() {
            return Ok(None);
        }
        let fetch = || async {
            let pods: Api<PartialObjectMeta<core::Pod>> = Api::namespaced(self.client.clone(), &self.namespace);
            let pod = within(pods.get(&self.identity.pod)).await?;
            Ok(pod.metadata.uid.unwrap_or_default())
        };
        match self.pod.get_or_try_init(fetch).await {
            Ok(uid) => Ok(Some(uid.as_str())),
            Err(Failed { class: WriteErrorClass::Gone, .. }) => {
                let (namespace, pod) = (&self.namespace, &self.identity.pod);
                tracing::debug!(namespace, pod, "our pod is not there, so what is written belongs to nobody");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// `ownerReferences` of what goes with the own pod.
    async fn owner(&self) -> Result<Value, Failed> {
        Ok(match self.pod_uid().await? {
            None => json!([]),
            Some(uid) => json!([{ "apiVersion": "v1", "kind": "Pod", "name": self.identity.pod, "uid": uid }]),
        })
    }
}

// === impl UnderWay ===

impl<'a> UnderWay<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Deletes exactly the object that was seen, not one that took its name meanwhile.
fn exactly(uid: Option<String>) -> DeleteParams {
    let preconditions = kube::api::Preconditions { uid, resource_version: None };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}
