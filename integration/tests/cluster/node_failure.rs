//! `nodeFailure.failEndpoints`: what becomes of connections to pods of a node that dies, and of one whose speaker does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::net::SocketAddr;

use ferrolb_integration::cluster::Cluster;
use serde_json::Value;

use crate::common::{NAMESPACE, Stage, VALUES, WEB, say, stage};

/// Renewals of all Leases by which a controller that has begun before them knows who is well: they come every 10 s.
const RENEWALS: usize = 3;

/// Waits until the kubelets have renewed their Leases so often.
fn kubelets_renew(stage: &Stage, nodes: &[String], times: usize) {
    let renewed = |cluster: &Cluster, node: &str| {
        let lease = cluster.get(&["lease", node, "--namespace", "kube-node-lease"]).ok()?;
        Some(lease["spec"]["renewTime"].clone())
    };
    for _ in 0..times {
        let before: Vec<Option<Value>> = nodes.iter().map(|node| renewed(&stage.cluster, node)).collect();
        let all = |cluster: &Cluster| {
            let now: Vec<Option<Value>> = nodes.iter().map(|node| renewed(cluster, node)).collect();
            now.iter().zip(&before).all(|(now, before)| now.is_some() && now != before).then_some(())
        };
        stage.cluster.wait_for("the Leases are renewed", all).unwrap();
    }
}

/// Nodes with ready endpoints of the Service, by any of its slices.
fn ready_on(cluster: &Cluster) -> Option<Vec<String>> {
    let slices = cluster.get(&["endpointslices", "--selector", "kubernetes.io/service-name=web"]).ok()?;
    let endpoints = slices["items"].as_array()?.iter().flat_map(|slice| slice["endpoints"].as_array().unwrap());
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
    let mut nodes: Vec<String> = ready.map(|endpoint| endpoint["nodeName"].as_str().unwrap().to_owned()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    Some(nodes)
}

/// Makes sure that the controller in charge is on another node: when it dies too, its Lease has to run out first. It may be
/// a new one that has just begun.
fn charge_is_not_on(stage: &Stage, node: &str) {
    let mut deleted = false;
    let elsewhere = |cluster: &Cluster| {
        let lease = cluster.get(&["lease", "ferrolb-controller", "--namespace", NAMESPACE]).ok()?;
        let holder = lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty())?.to_owned();
        let pod = cluster.get(&["pod", &holder, "--namespace", NAMESPACE]).ok()?;
        if pod["spec"]["nodeName"] != node {
            return Some(());
        }
        cluster.kubectl(&["delete", "pod", &holder, "--namespace", NAMESPACE]).unwrap();
        deleted = true;
        None
    };
    stage.cluster.wait_for("the controller in charge is elsewhere", elsewhere).unwrap();
    if deleted {
        kubelets_renew(stage, &stage.nodes(), RENEWALS);
    }
}

/// Events of that reason.
fn told(stage: &Stage, reason: &str) -> Vec<String> {
    let selector = format!("involvedObject.kind=Node,reason={reason}");
    let events = stage.cluster.get(&["events", "--namespace", "default", "--field-selector", &selector]).unwrap();
    let events = events["items"].as_array().unwrap().iter();
    events.map(|event| event["involvedObject"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dead_node_gets_no_new_connections_before_kubernetes_has_noticed_and_a_dead_speaker_changes_nothing() {
    let Some(stage) = stage() else { return };
    stage.cluster.install(&format!("{VALUES}nodeFailure: {{failEndpoints: true}}\n"), &[]).unwrap();
    stage.speakers_are_whole();
    let nodes = stage.nodes();
    let reports = |cluster: &Cluster| {
        let reports = cluster.get(&["nodehealthreports.ferrolb.io", "--namespace", NAMESPACE]).ok()?;
        (reports["items"].as_array()?.len() == nodes.len()).then_some(())
    };
    stage.cluster.wait_for("every speaker reports", reports).unwrap();
    kubelets_renew(&stage, &nodes, RENEWALS);

    a_speaker_dies_alone(&stage);
    a_node_dies(&stage);
    stage.cluster.install(VALUES, &[]).unwrap();
}

/// It stands still, so that its kernel answers for it and nobody takes its place.
fn a_speaker_dies_alone(stage: &Stage) {
    let nodes = stage.nodes();
    let (lone, others) = nodes.split_last().unwrap();
    stage.cluster.signal_speaker(lone, "STOP").unwrap();
    let missed = |cluster: &Cluster| {
        let seen = cluster.members().ok()?;
        others.iter().all(|node| seen.get(node).is_some_and(|members| !members.contains(lone))).then_some(())
    };
    stage.cluster.wait_for("its speaker is missed", missed).unwrap();
    kubelets_renew(stage, &nodes, 1);
    assert_eq!(ready_on(&stage.cluster).unwrap(), nodes);
    assert_eq!((told(stage, "EndpointsFailed"), told(stage, "EndpointsNotFailed")), (vec![], vec![]));
    stage.cluster.signal_speaker(lone, "CONT").unwrap();
    stage.speakers_are_whole();
}

fn a_node_dies(stage: &Stage) {
    let address = stage.address(WEB);
    let dead = stage.owner(address);
    charge_is_not_on(stage, &dead);
    let others = stage.others(&dead);
    let explained = |cluster: &Cluster| {
        let explained = cluster.ferrolb(&["explain", WEB, "--node", &others[0]]).ok()?;
        String::from_utf8_lossy(&explained.stdout).contains("so that its endpoints fail").then_some(())
    };
    let report = stage
        .cluster
        .lab()
        .gap(SocketAddr::new(address, 80), |lab| {
            lab.kill(&dead)?;
            stage.cluster.wait_for("no ready endpoint is on the dead node", |cluster| {
                (ready_on(cluster)? == others).then_some(())
            })?;
            let node = stage.cluster.get(&["node", &dead])?;
            let conditions = node["status"]["conditions"].as_array().unwrap();
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
            assert_eq!(ready["status"], "True", "Kubernetes has not noticed yet");
            stage.cluster.wait_for("it is explained", explained)
        })
        .unwrap();
    say(&format!(
        "with failEndpoints, the owner crashed with a pod on it: gap {:?}; some of {} connections failed for {:?} ({} of them)",
        report.longest_gap(),
        report.attempts,
        report.failing.map(|failing| failing.duration).unwrap_or_default(),
        report.failures,
    ));
    assert_eq!((told(stage, "EndpointsFailed"), told(stage, "EndpointsNotFailed")), (vec![dead.clone()], vec![]));

    stage.cluster.lab().heal(&dead).unwrap();
    stage.speakers_are_whole();
    let all = stage.nodes();
    let back = |cluster: &Cluster| (ready_on(cluster)? == all).then_some(());
    stage.cluster.wait_for("its kubelet makes its pods ready again", back).unwrap();
}
