//! What is done on purpose loses nothing: updates, drained and excluded nodes, other keys.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::{NAMESPACE, Stage, VALUES, WEB, stage};

/// What a cloud's load balancers leave out.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

#[test]
fn a_rolling_update_of_controllers_and_speakers_loses_no_connection() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let new = ["--set", "speaker.podAnnotations.round=second", "--set", "controller.podAnnotations.round=second"];
    let report = stage.under_load(address, |stage| {
        stage.cluster.install(VALUES, &new).unwrap();
        stage.speakers_are_whole();
    });
    assert_eq!(report.failures, 0, "{report:?}");
    assert_eq!(stage.address(WEB), address);
}

#[test]
fn addresses_leave_a_drained_node_without_a_loss() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    let report = stage.under_load(address, |stage| {
        let mut arguments = vec!["drain", first.as_str(), "--ignore-daemonsets", "--delete-emptydir-data"];
        arguments.extend(["--timeout", "2m"]);
        stage.cluster.kubectl(&arguments).unwrap();
        stage.owner_beside(address, &first);
    });
    stage.cluster.kubectl(&["uncordon", &first]).unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
}

#[test]
fn addresses_leave_an_excluded_node_without_a_loss() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    let report = stage.under_load(address, |stage| {
        stage.cluster.kubectl(&["label", "node", &first, &format!("{EXCLUDED}=")]).unwrap();
        stage.owner_beside(address, &first);
    });
    stage.cluster.kubectl(&["label", "node", &first, &format!("{EXCLUDED}-")]).unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
}

/// The speakers' pods.
const SPEAKERS: [&str; 5] = ["pods", "--namespace", NAMESPACE, "--selector", "app.kubernetes.io/component=speaker"];

/// Writes the keys of gossip and waits until every speaker has them.
fn set_keys(stage: &Stage, keys: &[&str]) {
    let before = replacements(stage);
    let patch = json!({ "stringData": { "keys": keys.join("\n") } }).to_string();
    stage.cluster.kubectl(&["patch", "secret", "ferrolb-gossip", "--namespace", NAMESPACE, "--patch", &patch]).unwrap();
    // A kubelet looks after a pod's Secrets once a minute, and at once when the pod changes.
    let round = format!("round={}", before.values().sum::<usize>());
    stage.cluster.kubectl(&[&["annotate", "--overwrite"][..], &SPEAKERS, &[&round]].concat()).unwrap();
    stage
        .cluster
        .wait_for("every speaker has the new keys", |_| {
            let now = replacements(stage);
            before.iter().all(|(pod, times)| now.get(pod).is_some_and(|now| now > times)).then_some(())
        })
        .unwrap();
}

/// How often each speaker has read new keys.
fn replacements(stage: &Stage) -> BTreeMap<String, usize> {
    let names = stage.cluster.kubectl(&[&["get", "--output=name"][..], &SPEAKERS].concat()).unwrap();
    let times = |pod: &str| {
        let log = stage.cluster.kubectl(&["logs", "--namespace", NAMESPACE, pod]).unwrap();
        log.matches("group keys replaced").count()
    };
    names.lines().map(|pod| (pod.to_owned(), times(pod))).collect()
}

#[test]
fn the_keys_of_gossip_are_replaced_under_traffic_and_nobody_is_taken_for_dead() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let owner = stage.owner(address);
    let missed = || stage.nodes().iter().map(|node| stage.rejoins(node)).collect::<Vec<_>>();
    let before = missed();
    let ring = stage.cluster.get(&["secret", "ferrolb-gossip", "--namespace", NAMESPACE]).unwrap();
    let ring = ring.pointer("/data/keys").and_then(Value::as_str).unwrap().to_owned();
    let decoded = stage.cluster.lab().exec("switch", &["sh", "-c", &format!("echo {ring} | base64 -d")]).unwrap();
    let old = String::from_utf8(decoded.stdout).unwrap().trim().to_owned();
    let new = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
    let report = stage.under_load(address, |stage| {
        for keys in [&[old.as_str(), new][..], &[new, &old], &[new]] {
            set_keys(stage, keys);
        }
        stage.speakers_are_whole();
    });
    assert_eq!(report.failures, 0, "{report:?}");
    assert_eq!((stage.owner(address), missed()), (owner, before));
    // What comes next knows the new key only.
    let replaced = stage.under_load(address, |stage| {
        stage.cluster.install(VALUES, &["--set", "speaker.podAnnotations.round=keys"]).unwrap();
        stage.speakers_are_whole();
    });
    assert_eq!(replaced.failures, 0, "{replaced:?}");
    let kept = stage.cluster.kubectl(&["get", "secret", "ferrolb-gossip", "--namespace", NAMESPACE, "-o", "yaml"]);
    assert!(!kept.unwrap().contains(&ring), "an upgrade leaves the keys alone");
}
