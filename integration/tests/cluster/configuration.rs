//! Custom resources beside the values, as the API server's own calls to the webhooks see them.

use serde_json::json;

use crate::common::{NAMESPACE, WEB, stage};

/// A custom resource in the namespace of the installation.
fn resource(version: &str, kind: &str, name: &str, spec: &serde_json::Value) -> String {
    json!({
        "apiVersion": format!("metallb.io/{version}"),
        "kind": kind,
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": spec,
    })
    .to_string()
}

#[test]
fn the_api_server_has_resources_judged_by_the_webhook_through_its_service() {
    let Some(stage) = stage() else { return };
    let overlapping = resource("v1beta1", "IPAddressPool", "twice", &json!({ "addresses": ["10.10.52.8/30"] }));
    let refused = stage.cluster.kubectl_with(&["apply", "--filename", "-"], &overlapping).unwrap_err().to_string();
    assert!(refused.contains("denied the request") && refused.contains("10.10.52.8/30"), "{refused}");

    let good = resource("v1beta1", "IPAddressPool", "more", &json!({ "addresses": ["10.10.53.0/24"] }));
    stage.cluster.apply(&good).unwrap();
    stage.cluster.kubectl(&["delete", "ipaddresspools.metallb.io", "more", "--namespace", NAMESPACE]).unwrap();
}

#[test]
fn the_api_server_has_peers_converted_between_their_versions() {
    let Some(stage) = stage() else { return };
    let peer = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "10.10.0.1", "holdTime": "30s" });
    stage.cluster.apply(&resource("v1beta2", "BGPPeer", "router", &peer)).unwrap();
    let old = stage.cluster.get(&["bgppeers.v1beta1.metallb.io", "router", "--namespace", NAMESPACE]).unwrap();
    stage.cluster.kubectl(&["delete", "bgppeers.metallb.io", "router", "--namespace", NAMESPACE]).unwrap();
    assert_eq!(old.pointer("/apiVersion"), Some(&json!("metallb.io/v1beta1")));
    assert_eq!(old.pointer("/spec/peerAddress"), Some(&json!("10.10.0.1")));
    assert_eq!(old.pointer("/spec/holdTime"), Some(&json!("30s")));
}

#[test]
fn status_and_events_say_where_an_address_is_and_the_tool_in_the_pod_says_why() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let owner = stage.owner(address);
    let statuses = stage
        .cluster
        .wait_for("the status names the owner", |cluster| {
            let statuses = cluster.get(&["servicel2statuses", "--namespace", NAMESPACE]).ok()?;
            let statuses = statuses.pointer("/items")?.as_array()?.clone();
            let named = statuses.iter().any(|status| status.pointer("/status/node") == Some(&json!(owner)));
            named.then_some(statuses)
        })
        .unwrap();
    assert!(statuses.iter().any(|status| status.pointer("/status/serviceName") == Some(&json!("web"))), "{statuses:?}");
    let events =
        stage.cluster.get(&["events", "--field-selector", "involvedObject.name=web,reason=nodeAssigned"]).unwrap();
    assert!(!events.pointer("/items").unwrap().as_array().unwrap().is_empty());
    let in_a_pod = ["exec", "--namespace", NAMESPACE, "daemonset/ferrolb-speaker", "--", "ferrolb", "explain", WEB];
    let explained = stage.cluster.kubectl(&in_a_pod).unwrap();
    assert!(explained.contains(&format!("announced from {owner}")), "{explained}");
}
