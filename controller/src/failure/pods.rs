//! Makes the pods of a dead node not ready, as the node lifecycle controller will.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::lease::Held;
use crate::run::COMPONENT;

/// For one call: less than what a Lease lasts beyond what its holder believes.
const CALL: Duration = Duration::from_secs(4);
/// Patches under way at a time.
const AT_A_TIME: usize = 16;
/// How often it is tried, and the pause between.
const TRIALS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// The condition that EndpointSlices go by.
const READY: &str = "Ready";

/// What became of a node's pods.
#[derive(Debug, Default)]
pub(super) struct Failed {
    /// How many were made not ready.
    pub(super) pods: usize,
    /// What kept others from it, after all trials.
    pub(super) error: Option<String>,
}

/// Makes every ready pod of `node` not ready, as long as this controller is in charge.
pub(super) async fn fail(client: &Client, held: &watch::Receiver<Held>, node: &str) -> Failed {
    let mut failed = Failed::default();
    for trial in 0..TRIALS {
        if trial > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        failed.error = match round(client, held, node).await {
            Ok(results) => results.into_iter().fold(None, |error, result| match result {
                Ok(()) => {
                    failed.pods += 1;
                    error
                }
                Err(new) => error.or(Some(new)),
            }),
            Err(error) => Some(error),
        };
        if failed.error.is_none() {
            break;
        }
    }
    failed
}

async fn round(client: &Client, held: &watch::Receiver<Held>, node: &str) -> Result<Vec<Result<(), String>>, String> {
    let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let pods = timed(held, Api::<Pod>::all(client.clone()).list(&of_node)).await?;
    let patches = pods.items.into_iter().filter(is_ready).map(|pod| patch(client, held, pod, node));
    Ok(stream::iter(patches).buffer_unordered(AT_A_TIME).collect().await)
}

/// A pod that has changed since it was listed is looked at again in the next round: somebody may know better.
async fn patch(client: &Client, held: &watch::Receiver<Held>, pod: Pod, node: &str) -> Result<(), String> {
    let patch = json!({
        "metadata": { "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version },
        "status": { "conditions": [{
            "type": READY,
            "status": "False",
            "reason": "NodeFailed",
            "message": format!("{COMPONENT}: most speakers hold {node} for dead"),
            "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }] },
    });
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(COMPONENT.to_owned()), ..PatchParams::default() };
    let api = Api::<Pod>::namespaced(client.clone(), &namespace);
    timed(held, api.patch_status(&name, &params, &Patch::Strategic(&patch))).await.map(drop)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == READY && condition.status == "True")
}

/// A call that is made only by the controller in charge, and given up in time.
async fn timed<T>(held: &watch::Receiver<Held>, call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    if !held.borrow().allows(Instant::now().into_std()) {
        return Err("another controller is in charge now".to_owned());
    }
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|error| ferrolb_daemon::sentence(&error)),
        Err(_elapsed) => Err(format!("no answer within {CALL:?}")),
    }
}
