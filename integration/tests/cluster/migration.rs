//! MetalLB replaced by ferrolb where it stands: its own chart and programs on a cluster, and a client who asks all the time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ferrolb_integration::cluster::{Cluster, Options, web};
use ferrolb_integration::{Family, ProbeOptions, apiserver};
use serde_json::{Value, json};

use crate::common::{Stage, WEB, say, stage};

/// Where MetalLB is, and ferrolb comes to be.
const NAMESPACE: &str = "metallb-system";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ferrolb");
/// MetalLB as its chart installs it, but for what layer 2 has no use for.
const METALLB: &str = "\
controller: {image: {repository: metallb-controller, tag: test, pullPolicy: Never}, command: /usr/local/bin/controller}
speaker:
  image: {repository: metallb-speaker, tag: test, pullPolicy: Never}
  command: /usr/local/bin/speaker
  securityContext: {runAsUser: 0}
frrk8s: {enabled: false}
";
/// Of `helm get values`, what remains when the images are taken out.
const FERROLB: &str = "\
image: {pullPolicy: Never}
speaker: {priorityClassName: ''}
frrk8s: {enabled: false}
";
const RESOURCES: &str = "\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system, labels: {team: net}}
spec: {addresses: [10.10.52.0/24, 'fd00:10:10::52:0/112']}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {ipAddressPools: [lan]}
";
/// Asks for an address by the annotation of old.
const FIXED: &str = "default/fixed";
const ASKS: &str = "metallb.universe.tf/loadBalancerIPs: 10.10.52.77";

/// A cluster with MetalLB at work on it.
struct Before {
    stage: Stage,
    addresses: Vec<IpAddr>,
    /// What must outlive everything.
    lives: Vec<Value>,
}

fn before(chart: &Path) -> Before {
    let cluster = Cluster::up(&Options { family: Family::Dual, metallb: true, ..Options::default() }).unwrap();
    let stage = Stage { cluster };
    let cluster = &stage.cluster;
    let chart = chart.to_str().unwrap();
    helm(cluster, &["install", "metallb", chart, "--create-namespace", "--wait", "--timeout=5m"], METALLB);
    cluster.wait_for("MetalLB's webhook takes resources", |cluster| cluster.apply(RESOURCES).ok()).unwrap();
    cluster.apply(&web("web", "", "  ipFamilyPolicy: RequireDualStack\n")).unwrap();
    cluster.apply(&web("fixed", ASKS, "")).unwrap();
    cluster.serve_from(&["web", "fixed"], &stage.nodes()).unwrap();
    let addresses = addresses(&stage);
    assert_eq!(addresses.last().unwrap().to_string(), "10.10.52.77");
    answered(&stage, &addresses);
    let lives = lives(cluster);
    Before { stage, addresses, lives }
}

#[expect(clippy::disallowed_methods, reason = "a figure is printed")]
fn now() -> Instant {
    Instant::now()
}

fn helm(cluster: &Cluster, arguments: &[&str], values: &str) {
    let mut line = arguments.to_vec();
    line.extend(["--namespace", NAMESPACE]);
    if !values.is_empty() {
        line.extend(["--values", "-"]);
    }
    cluster.helm(&line, values).unwrap();
}

/// `kubectl ferrolb migrate metallb`, which has to succeed; what it would change, or has changed.
fn migrate(stage: &Stage, arguments: &[&str]) -> Vec<String> {
    let output = stage.cluster.ferrolb(&[&["migrate", "metallb", "--output=json"], arguments].concat()).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}{}", String::from_utf8_lossy(&output.stdout));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes = plan["changes"].as_array().unwrap().iter();
    changes.map(|change| change["object"].as_str().unwrap().to_owned()).collect()
}

fn addresses(stage: &Stage) -> Vec<IpAddr> {
    [WEB, FIXED].iter().flat_map(|service| stage.addresses(service)).collect()
}

/// Custom resources as they were written, and Services with what they hold.
fn lives(cluster: &Cluster) -> Vec<Value> {
    let own = |what: &[&str]| {
        let object = cluster.get(what).unwrap();
        let metadata = ["uid", "labels", "annotations"].map(|field| object["metadata"][field].clone());
        (metadata, object)
    };
    let resources = ["ipaddresspool", "l2advertisement"].map(|kind| {
        let (metadata, object) = own(&[kind, "lan", "--namespace", NAMESPACE]);
        json!([metadata, object["metadata"]["generation"], object["spec"]])
    });
    let services = ["web", "fixed"].map(|name| {
        let (metadata, object) = own(&["service", name]);
        let ingress = object["status"]["loadBalancer"]["ingress"].as_array().unwrap().iter();
        json!([metadata, ingress.map(|one| one["ip"].clone()).collect::<Vec<Value>>()])
    });
    resources.into_iter().chain(services).collect()
}

/// Waits until the client has an answer from each.
fn answered(stage: &Stage, addresses: &[IpAddr]) {
    for address in addresses {
        let node = |_: &Cluster| Some(stage.ask(*address)).filter(|answer| answer.starts_with("node-"));
        stage.cluster.wait_for(&format!("{address} answers"), node).unwrap();
    }
}

/// Steps 2 to 4 of the documentation: nobody but MetalLB announces.
fn prepare(stage: &Stage) {
    migrate(stage, &["--apply"]);
    helm(&stage.cluster, &["install", "ferrolb", CHART], FERROLB);
    let rollout = ["rollout", "status", "deployment/ferrolb-controller", "--namespace", NAMESPACE, "--timeout=3m"];
    stage.cluster.kubectl(&rollout).unwrap();
    // With the priority that they have otherwise they would push MetalLB's out of the nodes.
    let speakers = stage.cluster.get(&["daemonset", "ferrolb-speaker", "--namespace", NAMESPACE]).unwrap();
    assert_eq!(speakers["status"]["numberReady"], 0, "they wait for MetalLB's");
}

impl Before {
    /// For how long nobody answered by ARP; a question takes a quarter of a second.
    fn silence(&self, over: &AtomicBool) -> Duration {
        let (mut answered, mut longest) = (now(), Duration::ZERO);
        while !over.load(Ordering::Relaxed) {
            if self.stage.cluster.lab().owner(self.addresses[0]).unwrap().is_some() {
                longest = longest.max(answered.elapsed());
                answered = now();
            }
        }
        longest
    }

    /// Does it while the client asks, and says what it saw.
    fn seen(&self, what: &str, change: impl FnOnce(&Stage)) {
        let target = ProbeOptions::new((self.addresses[0], 80).into());
        let over = AtomicBool::new(false);
        let (report, silent) = std::thread::scope(|scope| {
            let newcomer = scope.spawn(|| self.silence(&over));
            let report = self.stage.under_load_of(&target, change);
            over.store(true, Ordering::Relaxed);
            (report, newcomer.join().unwrap())
        });
        let (gap, lost, of) = (report.longest_gap(), report.failures, report.attempts);
        say(&format!(
            "from MetalLB, {what}: gap {gap:?}, {lost} of {of} connections lost; for whoever asks by ARP no answer for {silent:?}"
        ));
        answered(&self.stage, &self.addresses);
        assert_eq!(addresses(&self.stage), self.addresses);
        assert_eq!(lives(&self.stage.cluster), self.lives);
    }
}

#[test]
fn metallb_is_replaced_under_traffic_and_put_back_with_no_address_changed_and_no_resource_lost() {
    let Some(_others_wait) = stage() else { return };
    let Some(metallb) = apiserver::metallb().unwrap() else { return };
    let before = before(&metallb.join("chart"));
    let stage = &before.stage;
    assert!(migrate(stage, &[]).contains(&format!("Deployment {NAMESPACE}/metallb-controller")));
    assert_eq!(lives(&stage.cluster), before.lives, "looking changes nothing");

    before.seen("ferrolb's controllers take its place", prepare);
    assert_eq!(migrate(stage, &[]), [format!("DaemonSet {NAMESPACE}/metallb-speaker")]);
    // It returns when every address is announced by one node again.
    before.seen("ferrolb's speakers take its place", |stage| drop(migrate(stage, &["--apply"])));

    before.seen("back to it", |stage| {
        helm(&stage.cluster, &["uninstall", "ferrolb", "--wait", "--timeout=3m"], "");
        migrate(stage, &["--rollback", "--apply"]);
        let rollout = ["rollout", "status", "daemonset/metallb-speaker", "--namespace", NAMESPACE, "--timeout=3m"];
        stage.cluster.kubectl(&rollout).unwrap();
    });

    prepare(stage);
    migrate(stage, &["--apply"]);
    before.seen("its removal", |stage| helm(&stage.cluster, &["uninstall", "metallb", "--wait", "--timeout=3m"], ""));
    stage.cluster.kubectl(&["delete", "secret", "ferrolb-migration", "--namespace", NAMESPACE]).unwrap();
    stage.cluster.apply(&web("later", "", "")).unwrap();
    answered(stage, &stage.addresses("default/later"));
}
