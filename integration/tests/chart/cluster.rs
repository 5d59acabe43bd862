//! The chart installed by Helm on a real API server: what it takes, what an upgrade, a rollback and an uninstallation
//! leave. No pods run there.

use ferrolb_api::crds;
use ferrolb_integration::apiserver::{self, ControlPlane, Options};
use serde_json::Value;

use crate::helm::{Helm, helm, repository, values_file};

/// A control plane and Helm; none where the machine lacks what they need, which is then said.
async fn cluster() -> Option<(ControlPlane, Helm)> {
    let helm = helm()?;
    let programs = apiserver::available().unwrap()?;
    Some((ControlPlane::start(Options::new(programs)).await.unwrap(), helm))
}

/// Helm as administrator of the cluster.
fn administered(cluster: &ControlPlane, helm: &Helm, arguments: &[&str]) -> Result<String, String> {
    let kubeconfig = cluster.admin_kubeconfig().to_str().unwrap().to_owned();
    let mut all = vec!["--kubeconfig", &kubeconfig];
    all.extend(arguments);
    helm.run(&all)
}

/// What kubectl prints, if it has nothing to complain of.
async fn kubectl(cluster: &ControlPlane, arguments: &[&str], stdin: &str) -> String {
    let output = cluster.kubectl(arguments, stdin).await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An object; none where it does not exist.
async fn get(cluster: &ControlPlane, kind: &str, name: &str) -> Option<Value> {
    let arguments = ["get", kind, name, "-n", "lb", "-o", "json", "--ignore-not-found"];
    let text = kubectl(cluster, &arguments, "").await;
    if text.trim().is_empty() { None } else { Some(serde_json::from_str(&text).unwrap()) }
}

async fn keys(cluster: &ControlPlane) -> Option<String> {
    let secret = get(cluster, "secret", "ferrolb-gossip").await?;
    Some(secret["data"]["keys"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_release_comes_changes_goes_back_and_goes() {
    let Some((cluster, helm)) = cluster().await else { return };
    let chart = repository("charts/ferrolb");
    let chart = chart.to_str().unwrap();
    let run = |arguments: &[&str]| administered(&cluster, &helm, arguments);

    let first = run(&["install", "ferrolb", chart, "-n", "lb", "--create-namespace"]).unwrap();
    assert!(first.contains("It has no pool of addresses yet") && !first.contains("no meaning"), "{first}");
    let made = keys(&cluster).await.unwrap();
    assert!(get(&cluster, "configmap", "config").await.is_none());

    // A second key is added by hand, as a rotation begins.
    let rotated = r#"{"stringData": {"keys": "first\nsecond"}}"#;
    kubectl(&cluster, &["patch", "secret", "ferrolb-gossip", "-n", "lb", "-p", rotated], "").await;
    let own = keys(&cluster).await.unwrap();
    assert_ne!(own, made);

    let everything: Vec<String> =
        ["inline-layer2", "lists"].iter().map(|name| values_file(name).to_str().unwrap().to_owned()).collect();
    let set = "ipAddressPools[0].name=other,ipAddressPools[0].addresses={203.0.113.0/24}";
    let second = run(&["upgrade", "ferrolb", chart, "-n", "lb", "-f", &everything[0], "--set", set]).unwrap();
    assert!(second.contains("made of your values"), "{second}");
    assert_eq!(keys(&cluster).await.unwrap(), own, "an upgrade leaves the keys alone");
    let map = get(&cluster, "configmap", "config").await.unwrap();
    assert!(map["data"]["config"].as_str().unwrap().contains("10.10.52.0/24"));
    assert!(map["data"]["values"].as_str().unwrap().contains("203.0.113.0/24"));

    // What the controller puts into the webhooks is not the chart's to take away.
    let authority = "Y2E=";
    let patch = format!(r#"[{{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "{authority}"}}]"#);
    let webhooks = "validatingwebhookconfiguration";
    let name = "metallb-webhook-configuration";
    kubectl(&cluster, &["patch", webhooks, name, "--type=json", "-p", &patch], "").await;
    run(&["upgrade", "ferrolb", chart, "-n", "lb", "-f", &everything[1]]).unwrap();
    let configuration = get(&cluster, webhooks, name).await.unwrap();
    assert_eq!(configuration["webhooks"][0]["clientConfig"]["caBundle"], authority);
    let map = get(&cluster, "configmap", "config").await.unwrap();
    assert!(map["data"].get("config").is_none(), "what the values do not say any more is gone");

    run(&["rollback", "ferrolb", "1", "-n", "lb"]).unwrap();
    assert_eq!(keys(&cluster).await.unwrap(), own, "a rollback leaves the keys alone");
    assert!(get(&cluster, "configmap", "config").await.is_none());

    run(&["uninstall", "ferrolb", "-n", "lb"]).unwrap();
    for (kind, name) in [
        ("deployment", "ferrolb-controller"),
        ("daemonset", "ferrolb-speaker"),
        ("clusterrole", "ferrolb:speaker"),
        (webhooks, name),
        ("service", "metallb-webhook-service"),
    ] {
        assert!(get(&cluster, kind, name).await.is_none(), "{kind} {name}");
    }
    for crd in crds::all() {
        let name = crd.metadata.name.unwrap();
        assert!(get(&cluster, "crd", &name).await.is_some(), "{name} outlives the release, and its objects with it");
    }
    // What is stored can be listed and deleted although nobody converts any more.
    let peer = r#"{"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "left", "namespace": "lb"},
        "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"}}"#;
    kubectl(&cluster, &["create", "-f", "-"], peer).await;
    assert!(get(&cluster, "bgppeers", "left").await.is_some());
    kubectl(&cluster, &["delete", "bgppeers", "left", "-n", "lb"], "").await;
    assert_eq!(keys(&cluster).await.unwrap(), own);

    // The same release comes back to what was left.
    run(&["install", "ferrolb", chart, "-n", "lb"]).unwrap();
    assert_eq!(keys(&cluster).await.unwrap(), own);
}

#[tokio::test]
async fn an_api_server_takes_every_object_without_a_complaint() {
    let Some((cluster, helm)) = cluster().await else { return };
    kubectl(&cluster, &["create", "namespace", "ferrolb-system"], "").await;
    for (files, sets) in [
        (&["lists"][..], &[][..]),
        (&["nulls"], &["prometheus.prometheusRule.enabled=false"]),
        // The CRDs of the Prometheus operator are not there.
        (
            &["everything", "inline-bgp"],
            &["prometheus.serviceMonitor.enabled=false,prometheus.prometheusRule.enabled=false"],
        ),
        (&["metallb-defaults", "own-images"], &["networkpolicies.enabled=true"]),
    ] {
        let rendered = helm.template(files, sets).unwrap();
        let items = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": rendered.0 }).to_string();
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"];
        let said = kubectl(&cluster, &apply, &items).await;
        assert_eq!(said.lines().count(), rendered.0.len(), "{files:?}: {said}");
    }
}

#[tokio::test]
async fn notes_name_what_has_no_meaning_and_what_keeps_speakers_away() {
    let Some((cluster, helm)) = cluster().await else { return };
    let chart = repository("charts/ferrolb");
    kubectl(&cluster, &["create", "namespace", "lb"], "").await;
    let label = "pod-security.kubernetes.io/enforce=baseline";
    kubectl(&cluster, &["label", "namespace", "lb", label], "").await;
    let files = ["metallb-defaults", "own-images"].map(|name| values_file(name).to_str().unwrap().to_owned());
    let arguments = ["install", "ferrolb", chart.to_str().unwrap(), "-n", "lb", "-f", &files[0], "-f", &files[1]];
    let said = administered(&cluster, &helm, &arguments).unwrap();
    for words in [
        "These values have no meaning here",
        "speaker.frr: there is no FRR",
        "speaker.reloader: ",
        "frrk8s: there is no FRR",
        "WARNING: Pod Security admission enforces \"baseline\"",
        "kubectl label namespace lb --overwrite pod-security.kubernetes.io/enforce=privileged",
        "kubectl -n lb rollout status daemonset/ferrolb-speaker",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("bgpDebounceTimeout") && !said.contains("frr-k8s"), "nobody set them: {said}");
}
