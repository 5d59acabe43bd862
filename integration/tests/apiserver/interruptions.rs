//! What is not as it should be on the API server's side: restarts, kinds that are not known yet, objects that no
//! schema held back. Nothing is lost, and what can be served is.

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_api::crds;
use kube::Client;
use serde_json::{Value, json};

use crate::ask::{ask, get, path};
use crate::common::{apply, established, own_control_plane, printed};
use crate::installation::{Installation, address_of, pool, service};
use crate::patience::eventually;

#[tokio::test]
async fn crashes_of_the_api_server_and_of_etcd_cost_time_and_nothing_else() {
    let Some(cluster) = own_control_plane().await else { return };
    let mut installation = Installation::prepare(cluster).await;
    installation.install_crds().await;
    installation.start_controller(&[]);
    installation.serving().await;
    let client = installation.client().await;
    printed(&apply(&installation.cluster, &pool("pool", &["192.0.2.0/29"]).to_string()).await);
    let mut served = vec![given(&installation, &client, "first").await];

    installation.cluster.kill_api_server().unwrap();
    installation.cluster.start_api_server().await.unwrap();
    served.push(given(&installation, &client, "after-the-api-server").await);
    unchanged(&client, &served).await;

    installation.cluster.kill_etcd().unwrap();
    installation.cluster.start_etcd().await.unwrap();
    served.push(given(&installation, &client, "after-etcd").await);
    unchanged(&client, &served).await;

    // Both at once, and a change that nobody could see.
    installation.cluster.kill_api_server().unwrap();
    installation.cluster.kill_etcd().unwrap();
    installation.cluster.start_etcd().await.unwrap();
    installation.cluster.start_api_server().await.unwrap();
    served.push(given(&installation, &client, "after-both").await);
    unchanged(&client, &served).await;
    installation.serving().await;
}

#[tokio::test]
async fn kinds_that_come_late_and_objects_that_no_schema_held_back_harm_nobody() {
    let Some(cluster) = own_control_plane().await else { return };
    let mut installation = Installation::prepare(cluster).await;
    let client = installation.client().await;
    // Assigned by whoever was here before.
    let held = service("held");
    printed(&apply(&installation.cluster, &held.to_string()).await);
    let status = json!({
        "metadata": { "annotations": { "metallb.io/ip-allocated-from-pool": "pool" } },
        "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.5" }] } },
    });
    let held_before = ask(&client, "PATCH", &format!("{}/status", path(&held)), &status).await.object().unwrap();
    installation.start_controller(&[]);
    eventually("the controller misses the kinds", async || {
        let log = installation.log();
        if log.contains("ipaddresspools.metallb.io") && log.contains("is not installed") { Ok(()) } else { Err(log) }
    })
    .await;
    let unready = installation.ready().await.unwrap_err();
    assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
    assert_eq!(get(&client, &held).await.unwrap(), held_before);

    installation.install_crds().await;
    installation.serving().await;
    printed(&apply(&installation.cluster, &pool("pool", &["192.0.2.5-192.0.2.9"]).to_string()).await);
    given(&installation, &client, "new").await;
    let held_after = get(&client, &held).await.unwrap();
    assert_eq!(held_after["status"], held_before["status"]);

    malformed(&installation, &client).await;
    assert_eq!(get(&client, &held).await.unwrap()["status"], held_before["status"]);
}

/// A pool that cannot be read, and then another one that never could: the rest goes on, by what it said before.
async fn malformed(installation: &Installation, client: &Client) {
    let cluster = &installation.cluster;
    printed(&apply(cluster, &pool("other", &["198.51.100.0/29"]).to_string()).await);
    // Neither the schema nor the webhook is in the way.
    printed(
        &cluster
            .kubectl(&["delete", "validatingwebhookconfigurations", "metallb-webhook-configuration"], "")
            .await
            .unwrap(),
    );
    printed(&apply(cluster, &relaxed().to_string()).await);
    established(cluster).await;
    let chosen = |name: &str| {
        let mut service = service(name);
        service["metadata"]["annotations"] = json!({ "metallb.io/address-pool": "other" });
        service
    };
    let before = chosen("before");
    printed(&apply(cluster, &before.to_string()).await);
    let address = eventually("the pool is in force", async || address_of(client, &before).await).await;
    assert!(address.starts_with("198.51.100."), "{address}");
    let before = get(client, &before).await.unwrap();

    let seven = json!({ "spec": { "addresses": 7 } });
    eventually("the pool is malformed", async || {
        ask(client, "PATCH", &path(&pool("other", &[])), &seven).await.object()
    })
    .await;
    reported(client, "Invalid", &["IPAddressPool ferrolb-system/other", "spec.addresses"]).await;
    let events = "/api/v1/namespaces/ferrolb-system/events?fieldSelector=involvedObject.name=other,type=Warning";
    eventually("an event of the pool tells of it", async || {
        let list = ask(client, "GET", events, &Value::Null).await.object()?;
        let told = list["items"].as_array().into_iter().flatten().any(|event| {
            event["reason"] == "ConfigurationError" && event["message"].as_str().unwrap().contains("spec.addresses")
        });
        if told { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    let after = chosen("after");
    printed(&apply(cluster, &after.to_string()).await);
    let address = eventually("what it said before holds", async || address_of(client, &after).await).await;
    assert!(address.starts_with("198.51.100."), "{address}");

    let mut never = pool("never", &[]);
    never["spec"]["addresses"] = json!(7);
    printed(&apply(cluster, &never.to_string()).await);
    reported(client, "Invalid", &["IPAddressPool ferrolb-system/other", "IPAddressPool ferrolb-system/never"]).await;
    given(installation, client, "beside").await;
    assert_eq!(get(client, &before).await.unwrap(), before);

    ask(client, "DELETE", &path(&never), &Value::Null).await.object().unwrap();
    let mended = json!({ "spec": { "addresses": ["198.51.100.0/29"] } });
    ask(client, "PATCH", &path(&pool("other", &[])), &mended).await.object().unwrap();
    reported(client, "Valid", &[]).await;
    assert_eq!(get(client, &before).await.unwrap(), before);
}

/// Waits until the controller says so of the configuration.
async fn reported(client: &Client, result: &str, sentences: &[&str]) {
    let state = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState",
        "metadata": { "name": "controller", "namespace": DEFAULT_NAMESPACE },
    });
    eventually("the configuration is reported on", async || {
        let status = get(client, &state).await?["status"].clone();
        let summary = status["errorSummary"].as_str().unwrap_or_default();
        let all = sentences.iter().all(|sentence| summary.contains(sentence));
        if status["result"] == result && all { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

/// The CRD of pools with a schema that lets everything pass.
fn relaxed() -> Value {
    let crd = crds::all().into_iter().find(|crd| crd.spec.names.kind == "IPAddressPool").unwrap();
    let mut crd = json!(crd);
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = anything;
    crd
}

/// Creates a Service and waits for its address; the Service as it is then.
async fn given(installation: &Installation, client: &Client, name: &str) -> Value {
    let service = service(name);
    printed(&apply(&installation.cluster, &service.to_string()).await);
    eventually("a new Service has an address", async || address_of(client, &service).await).await;
    get(client, &service).await.unwrap()
}

/// Nobody has touched these Services.
async fn unchanged(client: &Client, services: &[Value]) {
    for service in services {
        assert_eq!(&get(client, service).await.unwrap(), service);
    }
}
