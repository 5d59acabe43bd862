//! Installation in one go, what may be applied beside it, and removal.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use ferrolb_integration::cluster::web;
use serde_json::Value;

use crate::common::{NAMESPACE, Stage, VALUES, WEB, stage};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ferrolb/files/crds");

/// Names of the definitions that are there.
fn definitions(stage: &Stage) -> Vec<String> {
    let names = stage.cluster.kubectl(&["get", "customresourcedefinitions", "--output", "name"]).unwrap();
    names.lines().filter(|name| name.ends_with(".metallb.io")).map(str::to_owned).collect()
}

#[test]
fn one_installation_brings_everything_and_removal_releases_addresses_and_keeps_definitions() {
    let Some(stage) = stage() else { return };
    let addresses = stage.addresses(WEB);
    for address in &addresses {
        assert!(stage.ask(*address).starts_with("node-"), "{address}: {}", stage.ask(*address));
    }

    let before = definitions(&stage);
    assert_eq!(before.len(), 9, "{before:?}");
    stage.cluster.uninstall().unwrap();
    for address in &addresses {
        assert_eq!(stage.cluster.lab().owner(*address).unwrap(), None, "{address}");
    }
    assert_eq!(definitions(&stage), before);
    // They can still be listed, although nobody converts any more.
    for plural in ["ipaddresspools", "l2advertisements", "bgppeers"] {
        stage.cluster.kubectl(&["get", &format!("{plural}.metallb.io"), "--all-namespaces"]).unwrap();
    }

    stage.cluster.install(VALUES, &[]).unwrap();
    assert_eq!(stage.addresses(WEB), addresses, "a Service keeps its addresses through a removal");
    stage.owner(addresses[0]);
    stage
        .cluster
        .wait_for("the controller and three speakers tell of their configuration", |cluster| {
            let states = cluster.get(&["configurationstates", "--namespace", NAMESPACE]).ok()?;
            (states["items"].as_array()?.len() == 4).then_some(())
        })
        .unwrap();
}

#[test]
fn every_definition_can_be_applied_by_kubectl_on_both_sides() {
    let Some(stage) = stage() else { return };
    for how in [
        ["--server-side=false", "--dry-run=server"].as_slice(),
        &["--server-side", "--force-conflicts", "--dry-run=server"],
    ] {
        let mut arguments = vec!["apply", "--filename", CRDS, "--output", "name"];
        arguments.extend(how);
        let applied = stage.cluster.kubectl(&arguments).unwrap();
        assert_eq!(applied.lines().count(), 10, "{applied}");
    }
}

#[test]
fn nothing_that_was_asked_of_the_api_server_was_forbidden() {
    let Some(stage) = stage() else { return };
    stage.cluster.apply(&web("short", "", "")).unwrap();
    stage.owner(stage.address("default/short"));
    stage.cluster.kubectl(&["delete", "service,daemonset", "short"]).unwrap();
    stage
        .cluster
        .wait_for("its status is removed", |cluster| {
            let statuses = cluster.get(&["servicel2statuses", "--namespace", NAMESPACE]).ok()?;
            let of_it = |status: &Value| status["status"]["serviceName"] == "short";
            (!statuses["items"].as_array()?.iter().any(of_it)).then_some(())
        })
        .unwrap();
    let log = stage.cluster.lab().exec("control", &["cat", "/run/lab/cluster/kubernetes/audit.log"]).unwrap();
    let log = String::from_utf8(log.stdout).unwrap();
    let ours = format!("system:serviceaccount:{NAMESPACE}:");
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours: Vec<Value> = entries
        .filter(|entry| entry["user"]["username"].as_str().is_some_and(|user| user.starts_with(&ours)))
        .collect();
    assert!(ours.len() > 50, "controller and speakers ask a lot: {}", ours.len());
    let is_forbidden = |entry: &&Value| entry["responseStatus"]["code"] == 403;
    let forbidden: Vec<String> =
        ours.iter().filter(is_forbidden).map(|entry| entry["requestURI"].to_string()).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn controller_and_speaker_may_nothing_that_is_not_theirs() {
    let Some(stage) = stage() else { return };
    let may = |account: &str, question: &[&str]| {
        let user = format!("system:serviceaccount:{NAMESPACE}:ferrolb-{account}");
        let mut arguments = vec!["auth", "can-i", "--as", &user];
        arguments.extend(question);
        let output = stage.cluster.try_kubectl(&arguments, "").unwrap();
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    assert!(may("controller", &["patch", "services", "--subresource", "status", "--namespace", "default"]));
    assert!(may("speaker", &["watch", "services", "--all-namespaces"]));
    for question in [
        ["get", "secrets", "--namespace", "default"].as_slice(),
        &["update", "services", "--namespace", "default"],
        &["delete", "services", "--namespace", "default"],
        &["create", "pods", "--namespace", NAMESPACE],
        &["patch", "nodes"],
        &["create", "ipaddresspools.metallb.io", "--namespace", NAMESPACE],
        &["update", "customresourcedefinitions/ipaddresspools.metallb.io"],
        &["escalate", "clusterroles"],
    ] {
        for account in ["controller", "speaker"] {
            assert!(!may(account, question), "{account} may {question:?}");
        }
    }
    assert!(!may("speaker", &["patch", "services", "--subresource", "status", "--namespace", "default"]));
}

#[test]
fn pods_have_no_more_than_they_need() {
    let Some(stage) = stage() else { return };
    let pods = stage.cluster.get(&["pods", "--namespace", NAMESPACE]).unwrap();
    for pod in pods["items"].as_array().unwrap() {
        let spec = &pod["spec"];
        let container = &spec["containers"][0]["securityContext"];
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{}", pod["metadata"]["name"]);
    }
}
