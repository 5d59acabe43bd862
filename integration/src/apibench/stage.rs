//! The API server, and what stands on it before anything is measured.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_api::v1beta1::IPAddressPool;
use ferrolb_api::{DEFAULT_NAMESPACE, crds};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Request};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, Resource};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::apiserver::{ControlPlane, Error, Options};

/// Requests under way at once, as many as the controller has.
const UNDER_WAY: usize = 16;
/// Where the Services of the bulk are.
pub(super) const BULK: &str = "bulk";
/// Where those are that are created one after the other.
pub(super) const SAMPLES: &str = "samples";
/// The pod that the controller takes itself for.
pub(super) const POD: &str = "bench";
/// The pool; its addresses are for benchmarks (RFC 2544).
const POOL: (&str, &str) = ("bench", "198.18.0.0/15");
/// A CRD that is not served by then will not be.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Stage {
    pub(super) plane: ControlPlane,
    pub(super) client: Client,
}

// === impl Stage ===

impl Stage {
    /// Starts an API server with CRDs, namespaces, a pool and a pod.
    pub(super) async fn set_up(programs: PathBuf) -> Result<Self, Error> {
        let plane = ControlPlane::start(Options::new(programs)).await?;
        let client = plane.client().await?;
        let stage = Self { plane, client };
        stage.install().await?;
        for namespace in [DEFAULT_NAMESPACE, BULK, SAMPLES] {
            stage.create::<core::Namespace>(None, &json!({ "metadata": { "name": namespace } })).await?;
        }
        let (name, addresses) = POOL;
        let pool = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": { "name": name },
            "spec": { "addresses": [addresses] },
        });
        let ours = Some(DEFAULT_NAMESPACE);
        stage.create::<IPAddressPool>(ours, &pool).await?;
        stage.create::<core::ServiceAccount>(ours, &json!({ "metadata": { "name": "default" } })).await?;
        let containers = json!([{ "name": "controller", "image": "controller" }]);
        let pod = json!({ "metadata": { "name": POD }, "spec": { "containers": containers } });
        stage.create::<core::Pod>(ours, &pod).await?;
        Ok(stage)
    }

    async fn install(&self) -> Result<(), Error> {
        let definitions = Api::all(self.client.clone());
        for crd in crds::all() {
            let name = crd.metadata.name.clone().unwrap_or_default();
            let what = format!("install {name}");
            definitions.create(&PostParams::default(), &crd).await.map_err(asked(what))?;
            let served = await_condition(definitions.clone(), &name, is_crd_established());
            let served = async { Ok(Box::pin(served).await) };
            within(ESTABLISHED, format!("{name} is served"), served).await?.ok();
        }
        Ok(())
    }

    async fn create<K: Resource<DynamicType = ()>>(
        &self,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<(), Error> {
        let what = || format!("create {} {object}", K::kind(&()));
        let request =
            Request::new(K::url_path(&(), namespace)).create(&PostParams::default(), object.to_string().into());
        let request = request.map_err(|error| asked(what())(kube::Error::BuildRequest(error)))?;
        self.client.request::<IgnoredAny>(request).await.map(drop).map_err(asked(what()))
    }

    /// Creates a Service that wants an address.
    pub(super) async fn create_service(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let service = json!({
            "metadata": { "name": name, "labels": { "app": name } },
            "spec": {
                "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "selector": { "app": name },
                "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }],
            },
        });
        self.create::<core::Service>(Some(namespace), &service).await
    }

    /// Creates all Services of the bulk.
    pub(super) async fn create_bulk(&self, count: usize) -> Result<(), Error> {
        each(count, async |number| self.create_service(BULK, &name(number)).await).await
    }

    /// The bar: a status and an annotation for each Service of the bulk, as fast as the API server takes them.
    pub(super) async fn patch_bulk(&self, count: usize) -> Result<(), Error> {
        let patch = |number: usize| {
            let [high, low] = u16::try_from(number % 65_536).unwrap_or_default().to_be_bytes();
            json!({
                "metadata": { "annotations": { ALLOCATED_FROM_POOL: POOL.0 } },
                "status": { "loadBalancer": { "ingress": [{ "ip": format!("198.18.{high}.{low}") }] } },
            })
        };
        each(count, async |number| self.patch(&name(number), &patch(number)).await).await
    }

    /// Takes all addresses away.
    pub(super) async fn clear_bulk(&self, count: usize) -> Result<(), Error> {
        let patch = json!({
            "metadata": { "annotations": { ALLOCATED_FROM_POOL: null } },
            "status": { "loadBalancer": { "ingress": null } },
        });
        each(count, async |number| self.patch(&name(number), &patch).await).await
    }

    async fn patch(&self, name: &str, patch: &Value) -> Result<(), Error> {
        let what = || format!("patch the status of {name}");
        let params = PatchParams { field_manager: Some("bench".to_owned()), ..PatchParams::default() };
        let path = core::Service::url_path(&(), Some(BULK));
        let request = Request::new(path).patch_subresource("status", name, &params, &Patch::Merge(patch));
        let request = request.map_err(|error| asked(what())(kube::Error::BuildRequest(error)))?;
        self.client.request::<IgnoredAny>(request).await.map(drop).map_err(asked(what()))
    }

    /// Deletes what was created one after the other.
    pub(super) async fn delete_samples(&self, count: usize) -> Result<(), Error> {
        let services: Api<core::Service> = Api::namespaced(self.client.clone(), SAMPLES);
        let services = &services;
        each(count, async |number| {
            let deleted = services.delete(&name(number), &DeleteParams::default()).await;
            deleted.map(drop).map_err(asked("delete a Service"))
        })
        .await
    }
}

/// The name of the Service of a number.
pub(super) fn name(number: usize) -> String {
    format!("service-{number:05}")
}

/// Does something for every number, so many at a time.
async fn each(count: usize, work: impl AsyncFn(usize) -> Result<(), Error>) -> Result<(), Error> {
    let work = &work;
    let all = stream::iter((0..count).map(|number| async move { work(number).await }));
    all.buffer_unordered(UNDER_WAY).try_collect().await
}

/// Something that has to happen within a time.
pub(super) async fn within<T>(
    after: Duration,
    what: impl Into<String>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(after, work).await {
        Ok(result) => result,
        Err(_elapsed) => {
            Err(Error::TimedOut { what: what.into(), after, last: "not yet".to_owned(), log: String::new() })
        }
    }
}

/// An error of the API server with what was asked.
pub(super) fn asked(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |source| Error::Api { what, source: Box::new(source) }
}
