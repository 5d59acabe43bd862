//! The ground that a run stands on: a control plane with ferrolb's kinds, the pools and the marker.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::error::Error;
use super::pools::{MARKER_POOL, POOLS};
use super::{NAMESPACE, SERVICES};
use crate::apiserver::{ControlPlane, Options};

/// The Service that is created last.
pub(super) const MARKER: &str = "marker";

pub(super) async fn set(programs: PathBuf) -> Result<ControlPlane, Error> {
    let cluster = ControlPlane::start(Options::new(programs)).await?;
    let crds = ferrolb_api::crds::all();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": crds });
    kubectl(&cluster, &["apply", "-f", "-"], &list).await?;
    kubectl(&cluster, &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], &Value::Null).await?;
    for namespace in [NAMESPACE, SERVICES] {
        kubectl(&cluster, &["create", "namespace", namespace], &Value::Null).await?;
    }
    let pools: Vec<Value> = POOLS.iter().map(super::pools::Pool::manifest).collect();
    kubectl(&cluster, &["apply", "-f", "-"], &json!({ "apiVersion": "v1", "kind": "List", "items": pools })).await?;
    Ok(cluster)
}

/// Creates the marker: what the controller has to do comes before it.
pub(super) async fn mark(services: &Api<Service>) -> Result<(), Error> {
    let what = || "create the marker".to_owned();
    let marker = json!({
        "metadata": { "name": MARKER, "annotations": { "metallb.io/address-pool": MARKER_POOL } },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
    });
    let marker = serde_json::from_value(marker).map_err(|source| Error::Object { what: what(), source })?;
    let created = services.create(&PostParams::default(), &marker).await;
    created.map(drop).map_err(|source| Error::Api { what: what(), source: Box::new(source) })
}

async fn kubectl(cluster: &ControlPlane, arguments: &[&str], input: &Value) -> Result<(), Error> {
    let output = cluster.kubectl(arguments, &input.to_string()).await?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Kubectl { what: arguments.join(" "), complaint })
}
