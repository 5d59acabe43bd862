//! Statuses that the API server does not take: their owners are told, nobody else waits, and once what was in the way
//! is gone they are written.

use kube::Client;
use serde_json::{Value, json};

use crate::ask::{ask, delete, path};
use crate::common::{apply, printed};
use crate::installation::{address_of, installation, pool, service};
use crate::patience::eventually;
use crate::scraping::scrape;

/// All annotations of an object together have room for so many bytes.
const ROOM: usize = 256 * 1024;

/// A policy under which the status of Services named `denied` cannot be written, and its binding.
fn policy() -> [Value; 2] {
    let (version, name) = ("admissionregistration.k8s.io/v1", json!({ "name": "no-status" }));
    [
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": name,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["services/status"],
                }] },
                "validations": [{ "expression": "object.metadata.name != 'denied'", "message": "nobody may have it" }],
            },
        }),
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": name,
            "spec": { "policyName": "no-status", "validationActions": ["Deny"] },
        }),
    ]
}

#[tokio::test]
async fn who_does_not_get_its_status_is_told_why_and_gets_it_once_nothing_is_in_the_way() {
    let Some(installation) = installation().await else { return };
    let client = installation.client().await;
    printed(&apply(&installation.cluster, &pool("pool", &["192.0.2.0/28"]).to_string()).await);
    for rule in policy() {
        printed(&apply(&installation.cluster, &rule.to_string()).await);
    }
    let (mut full, denied, other) = (service("full"), service("denied"), service("other"));
    // Too little room is left for ours.
    full["metadata"]["annotations"] = json!({ "example.com/notes": "x".repeat(ROOM - 40) });
    in_force(&client).await;
    for service in [&full, &denied] {
        ask(&client, "POST", "/api/v1/namespaces/default/services", service).await.object().unwrap();
    }
    told(&client, "full", "metadata.annotations: Too long").await;
    told(&client, "denied", "nobody may have it").await;

    ask(&client, "POST", "/api/v1/namespaces/default/services", &other).await.object().unwrap();
    eventually("another Service is served meanwhile", async || address_of(&client, &other).await).await;
    eventually("the metrics count them", async || {
        let metrics = scrape(&installation).await;
        if metrics.contains("ferrolb_services_refused 2") { Ok(()) } else { Err(metrics) }
    })
    .await;

    // One by its owner, at once; the other by whoever made the rule, at the next trial.
    let room = json!({ "metadata": { "annotations": { "example.com/notes": null } } });
    ask(&client, "PATCH", &path(&full), &room).await.object().unwrap();
    eventually("there is room", async || address_of(&client, &full).await).await;
    for rule in policy() {
        let done = installation.cluster.kubectl(&["delete", "-f", "-"], &rule.to_string()).await.unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    eventually("nothing forbids it", async || address_of(&client, &denied).await).await;
    eventually("nothing is refused any more", async || {
        let metrics = scrape(&installation).await;
        if metrics.contains("ferrolb_services_refused 0") { Ok(()) } else { Err(metrics) }
    })
    .await;
    for (name, reason) in [("full", "Too long"), ("denied", "nobody may have it")] {
        assert_eq!(refusals(&client, name).await, 1, "{name} is told {reason:?} once, however often it is tried");
    }
    for service in [full, denied, other] {
        delete(&client, &service).await;
    }
}

/// A policy takes a moment until it holds.
async fn in_force(client: &Client) {
    let probe = service("denied");
    eventually("the policy is in force", async || {
        ask(client, "POST", "/api/v1/namespaces/default/services", &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": probe["metadata"], "spec": { "ports": [{ "port": 80 }] },
        }))
        .await;
        let patch = json!({ "metadata": { "annotations": { "example.com/probe": "x" } } });
        let answer = ask(client, "PATCH", &format!("{}/status?dryRun=All", path(&probe)), &patch).await;
        if answer.refusal().contains("nobody may have it") { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    delete(client, &probe).await;
}

async fn told(client: &Client, name: &str, reason: &str) {
    eventually("an event tells of it", async || {
        let list = events(client, name).await;
        let messages: Vec<&str> = list.iter().filter_map(|event| event["message"].as_str()).collect();
        let found = messages.iter().any(|message| message.contains(reason));
        if found { Ok(()) } else { Err(format!("{messages:?}")) }
    })
    .await;
}

async fn refusals(client: &Client, name: &str) -> usize {
    events(client, name).await.len()
}

async fn events(client: &Client, name: &str) -> Vec<Value> {
    let selector = format!("involvedObject.name={name},reason=UpdateStatusFailed,type=Warning");
    let path = format!("/api/v1/namespaces/default/events?fieldSelector={selector}");
    let list = ask(client, "GET", &path, &Value::Null).await.object().unwrap();
    list["items"].as_array().unwrap().clone()
}
