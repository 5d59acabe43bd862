//! BGPPeer in both of its versions, and what may be created and deleted where: as users of kubectl see it.

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::ControlPlane;
use serde_json::{Value, json};

use crate::ask::{may_create, may_delete};
use crate::common::apply;
use crate::installation::installation;
use crate::patience::eventually;

#[tokio::test]
async fn a_peer_of_either_version_is_read_as_both() {
    let Some(installation) = installation().await else { return };
    let cluster = &installation.cluster;
    let old = json!({
        "myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.1", "peerPort": 1179, "holdTime": "1m30s",
        "routerID": "192.0.2.1", "password": "example", "bfdProfile": "fast",
        "nodeSelectors": [{ "matchLabels": { "rack": "a" }, "matchExpressions": [
            { "key": "zone", "operator": "In", "values": ["x", "y"] },
        ] }],
    });
    let said = applied(cluster, &peer("v1beta1", "old", &old)).await;
    assert!(said.contains("v1beta1 is deprecated, please use v1beta2"), "{said}");
    let found = read(cluster, "v1beta2", "old").await;
    for (field, value) in old.as_object().unwrap() {
        assert_eq!(&found["spec"][field], value, "{field} of {found:#}");
    }
    assert_eq!(read(cluster, "v1beta1", "old").await["spec"], old);

    // What the older version has no room for comes back from it.
    let new = json!({
        "myASN": 64512, "dynamicASN": "external", "interface": "eth1", "vrf": "red", "connectTime": "10s",
        "enableGracefulRestart": true, "passwordSecret": { "name": "session" }, "keepaliveTime": "10s",
    });
    applied(cluster, &peer("v1beta2", "new", &new)).await;
    let mut lowered = read(cluster, "v1beta1", "new").await;
    let spec = &lowered["spec"];
    assert_eq!((&spec["peerASN"], &spec["peerAddress"], spec.get("vrf")), (&json!(0), &json!(""), None), "{spec}");
    assert_eq!(spec.get("holdTime"), None, "{spec}");
    lowered["spec"]["sourceAddress"] = json!("192.0.2.9");
    for field in ["managedFields", "creationTimestamp", "generation", "uid"] {
        lowered["metadata"].as_object_mut().unwrap().remove(field);
    }
    let replaced = cluster.kubectl(&["replace", "-f", "-"], &lowered.to_string()).await.unwrap();
    assert!(replaced.status.success(), "{}", String::from_utf8_lossy(&replaced.stderr));
    let raised = read(cluster, "v1beta2", "new").await;
    assert_eq!(raised["spec"]["sourceAddress"], "192.0.2.9");
    for (field, value) in new.as_object().unwrap() {
        assert_eq!(&raised["spec"][field], value, "{field} of {raised:#}");
    }
    assert_eq!(raised["metadata"]["annotations"].get("ferrolb.io/v1beta2-fields"), None, "{raised:#}");
}

#[tokio::test]
async fn times_that_a_peer_does_not_say_stay_unsaid() {
    let Some(installation) = installation().await else { return };
    let cluster = &installation.cluster;
    // Two peers of one address are refused, and other tests have theirs in this namespace.
    for (version, address) in [("v1beta1", "198.51.100.11"), ("v1beta2", "198.51.100.12")] {
        let spec = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": address });
        let name = format!("silent-{version}");
        applied(cluster, &peer(version, &name, &spec)).await;
        for read_as in ["v1beta2", "v1beta1", "v1beta2"] {
            let found = read(cluster, read_as, &name).await;
            for time in ["holdTime", "keepaliveTime", "connectTime"] {
                assert_eq!(found["spec"].get(time), None, "{name} as {read_as}: {found:#}");
            }
            // Lists are converted, too.
            let list = ["get", &format!("bgppeers.{read_as}.metallb.io"), "-n", DEFAULT_NAMESPACE, "-o", "json"];
            let list = json_of(cluster, &list).await;
            let items = list["items"].as_array().unwrap();
            assert!(items.iter().any(|item| item["metadata"]["name"] == name && item["spec"] == found["spec"]));
        }
    }
}

#[tokio::test]
async fn a_profile_goes_when_no_peer_needs_it_any_more() {
    let Some(installation) = installation().await else { return };
    let (cluster, client) = (&installation.cluster, installation.client().await);
    let profile = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "BFDProfile",
        "metadata": { "name": "needed", "namespace": DEFAULT_NAMESPACE }, "spec": {},
    });
    applied(cluster, &profile).await;
    let user = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.20", "bfdProfile": "needed" });
    applied(cluster, &peer("v1beta2", "user", &user)).await;
    let sentence = "failed to delete BFDProfile needed, used by BGPPeer user";
    eventually("the controller knows the peer", async || {
        let answer = may_delete(&client, &profile).await;
        if answer.refusal().contains(sentence) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    let delete = ["delete", "bfdprofile", "needed", "-n", DEFAULT_NAMESPACE];
    let refused = cluster.kubectl(&delete, "").await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains(sentence), "{said}");

    let leave = ["delete", "bgppeer", "user", "-n", DEFAULT_NAMESPACE];
    assert!(cluster.kubectl(&leave, "").await.unwrap().status.success());
    eventually("the controller knows that it is gone", async || may_delete(&client, &profile).await.object()).await;
    assert!(cluster.kubectl(&delete, "").await.unwrap().status.success());
}

#[tokio::test]
async fn nothing_is_created_outside_of_the_own_namespace() {
    let Some(installation) = installation().await else { return };
    let (cluster, client) = (&installation.cluster, installation.client().await);
    for (version, kind, spec) in [
        ("v1beta1", "IPAddressPool", json!({ "addresses": ["192.0.2.0/24"] })),
        ("v1beta1", "L2Advertisement", json!({})),
        ("v1beta1", "BGPAdvertisement", json!({})),
        ("v1beta1", "Community", json!({})),
        ("v1beta1", "BFDProfile", json!({})),
        ("v1beta1", "BGPPeer", json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.31" })),
        ("v1beta2", "BGPPeer", json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.32" })),
    ] {
        let mut object = json!({
            "apiVersion": format!("metallb.io/{version}"), "kind": kind,
            "metadata": { "name": "stray", "namespace": "default" }, "spec": spec,
        });
        let refused = apply(cluster, &object.to_string()).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        let sentence = format!("denied the request: resource must be created in {DEFAULT_NAMESPACE} namespace");
        assert!(!refused.status.success() && said.contains(&sentence), "{kind}: {said}");
        object["metadata"]["namespace"] = json!(DEFAULT_NAMESPACE);
        let at_home = may_create(&client, &object).await;
        assert_eq!(at_home.code, 201, "{kind}: {at_home}");
    }
}

fn peer(version: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("metallb.io/{version}"), "kind": "BGPPeer",
        "metadata": { "name": name, "namespace": DEFAULT_NAMESPACE }, "spec": spec,
    })
}

/// Applies an object; what kubectl had to say about it.
async fn applied(cluster: &ControlPlane, object: &Value) -> String {
    let output = apply(cluster, &object.to_string()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A peer as kubectl shows it in a version.
async fn read(cluster: &ControlPlane, version: &str, name: &str) -> Value {
    let kind = format!("bgppeers.{version}.metallb.io");
    let peer = json_of(cluster, &["get", &kind, name, "-n", DEFAULT_NAMESPACE, "-o", "json"]).await;
    assert_eq!(peer["apiVersion"], format!("metallb.io/{version}"));
    peer
}

async fn json_of(cluster: &ControlPlane, arguments: &[&str]) -> Value {
    let output = cluster.kubectl(arguments, "").await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
