//! `--fail-endpoints`: pods of a node that most speakers report are made not ready, and no others.

use ferrolb_api::DEFAULT_NAMESPACE;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use crate::ask::{ask, delete, get, path};
use crate::common::{apply, manifest_text, printed};
use crate::duties::{every_right_is_used, rights};
use crate::installation::installation;
use crate::patience::eventually;
use crate::scraping::scrape;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const MANIFEST: &str = "optional/node-failure.yaml";

/// A pod on a node; its account is one that there is.
fn pod(node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": format!("on-{node}"), "namespace": DEFAULT_NAMESPACE },
        "spec": {
            "nodeName": node, "serviceAccountName": "controller", "containers": [{ "name": "web", "image": "web" }],
        },
    })
}

fn lease(node: &str) -> Value {
    let spec = json!({ "holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": micro_time() });
    let metadata = json!({ "name": node, "namespace": "kube-node-lease" });
    json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec })
}

fn report(speaker: &str, dead: &[&str]) -> Value {
    let unreachable = dead.iter().map(|node| json!({ "node": node, "since": micro_time(), "checked": micro_time() }));
    json!({
        "apiVersion": "ferrolb.io/v1alpha1", "kind": "NodeHealthReport",
        "metadata": { "name": speaker, "namespace": DEFAULT_NAMESPACE },
        "spec": { "unreachable": unreachable.collect::<Vec<_>>() },
    })
}

fn micro_time() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// What a kubelet writes of its pod.
async fn kubelet_says_ready(client: &Client, node: &str) {
    let since = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": since });
    let status = json!({ "status": { "phase": "Running", "conditions": [ready] } });
    ask(client, "PATCH", &format!("{}/status", path(&pod(node))), &status).await.object().unwrap();
}

/// The condition Ready of the pod on a node.
async fn ready(client: &Client, node: &str) -> Result<Value, String> {
    let conditions = get(client, &pod(node)).await?["status"]["conditions"].clone();
    let ready = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Ready");
    ready.cloned().ok_or_else(|| conditions.to_string())
}

/// Renews what is there.
async fn renew(client: &Client, object: &Value) {
    ask(client, "PATCH", &path(object), &json!({ "spec": object["spec"] })).await.object().unwrap();
}

#[tokio::test]
async fn pods_of_a_node_that_most_speakers_miss_are_made_not_ready_and_no_others() {
    let Some(mut installation) = installation().await else { return };
    let client = installation.client().await;
    printed(&apply(&installation.cluster, &manifest_text(MANIFEST)).await);
    let items: Vec<Value> = NODES.iter().flat_map(|node| [pod(node), lease(node), report(node, &[])]).collect();
    printed(
        &apply(&installation.cluster, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await,
    );
    for node in NODES {
        kubelet_says_ready(&client, node).await;
    }
    installation.stop_controller().await;
    installation.start_controller(&["--fail-endpoints"]);
    eventually("the controller is ready", async || installation.ready().await).await;

    // It knows who is well after 20 s. As long as that takes two nodes renew their Leases and miss the third.
    let failed = eventually("the pod is not ready", async || {
        for node in ["n1", "n2"] {
            renew(&client, &lease(node)).await;
            renew(&client, &report(node, &["n3"])).await;
        }
        let ready = ready(&client, "n3").await?;
        if ready["status"] == "False" { Ok(ready) } else { Err(ready.to_string()) }
    })
    .await;
    assert_eq!(failed["reason"], "NodeFailed", "{failed:#}");
    let events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=n3,reason=EndpointsFailed";
    let message = eventually("an event tells of it", async || {
        let list = ask(&client, "GET", events, &Value::Null).await.object()?;
        list["items"][0]["message"].as_str().map(str::to_owned).ok_or_else(|| list.to_string())
    })
    .await;
    assert!(message.starts_with("2 of 3 speakers ") && message.contains("1 of its pods"), "{message}");
    for node in ["n1", "n2"] {
        assert_eq!(ready(&client, node).await.unwrap()["status"], "True", "{node}");
    }

    // The kubelet knows better, and has the last word, whatever speakers go on saying; then another node dies.
    kubelet_says_ready(&client, "n3").await;
    eventually("the second pod is not ready", async || {
        for node in ["n2", "n3"] {
            renew(&client, &lease(node)).await;
        }
        renew(&client, &report("n2", &["n1", "n3"])).await;
        renew(&client, &report("n3", &["n1"])).await;
        let ready = ready(&client, "n1").await?;
        if ready["status"] == "False" { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    for node in ["n2", "n3"] {
        assert_eq!(ready(&client, node).await.unwrap()["status"], "True", "{node}");
    }
    eventually("both are counted", async || {
        let metrics = scrape(&installation).await;
        if metrics.contains("ferrolb_node_failures_total 2") { Ok(()) } else { Err(metrics) }
    })
    .await;
    let metrics = scrape(&installation).await;
    assert!(metrics.contains("ferrolb_node_failures_refused_total{guard=\"starting\"} 1"), "{metrics}");
    every_right_is_used(&installation.cluster, &rights(MANIFEST)).await;
    for node in NODES {
        for object in [pod(node), lease(node), report(node, &[])] {
            delete(&client, &object).await;
        }
    }
}
