//! `kubectl ferrolb`: finds the speakers, tells who does not answer, with the rights that people have.
//!
//! No kubelet runs here, so no speaker answers: what they answer is seen in `cli/tests/cluster` and on a real cluster.

use std::path::{Path, PathBuf};
use std::process::Output;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::{self, ControlPlane};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::ask::{ask, path};
use crate::common::{apply, crds_text, established, manifest_text, own_control_plane, printed};
use crate::installation::program;
use crate::{kubelet, planted};

/// A control plane with the pods of an installation whose speakers do not answer, and of a MetalLB beside it.
pub(crate) async fn stage() -> Option<&'static ControlPlane> {
    static STAGE: OnceCell<Option<ControlPlane>> = OnceCell::const_new();
    let make = async || {
        let cluster = own_control_plane().await?;
        for manifest in ["namespace.yaml", "rbac.yaml"] {
            printed(&apply(&cluster, &manifest_text(manifest)).await);
        }
        printed(&apply(&cluster, &crds_text()).await);
        established(&cluster).await;
        let client = cluster.client().await.unwrap();
        let kubelet = kubelet::serve(planted::LOG);
        let mut objects = vec![node("node-1", kubelet)];
        objects.extend(["foreign", "speaker-1", "speaker-2", "speaker-3"].map(pod));
        for object in objects {
            printed(&apply(&cluster, &object.to_string()).await);
            let status = object["status"].clone();
            let status = json!({ "status": status });
            ask(&client, "PATCH", &format!("{}/status", path(&object)), &status).await.object().unwrap();
        }
        for object in planted::objects() {
            printed(&apply(&cluster, &object.to_string()).await);
        }
        Some(cluster)
    };
    STAGE.get_or_init(make).await.as_ref()
}

fn node(name: &str, kubelet: std::net::SocketAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "annotations": { "k3s.io/node-args": planted::NODE_ARGUMENTS } },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": kubelet.ip() }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } },
        },
    })
}

/// `speaker-1` is on a node whose kubelet runs no command, `speaker-2` on one that does not exist, `speaker-3` does not run.
fn pod(name: &str) -> Value {
    let product = if name == "foreign" { "metallb" } else { "ferrolb" };
    let node = format!("node-{}", name.trim_start_matches("speaker-"));
    let phase = if name == "speaker-3" { "Pending" } else { "Running" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": DEFAULT_NAMESPACE,
            "labels": { "app.kubernetes.io/name": product, "app.kubernetes.io/component": "speaker" },
        },
        "spec": {
            "serviceAccountName": "speaker", "nodeName": node, "automountServiceAccountToken": false,
            "containers": [{
                "name": "speaker", "image": format!("{product}:1"),
                "args": planted::ARGUMENTS, "env": [{ "name": "HARMLESS", "value": planted::VARIABLE }],
            }],
        },
        "status": { "phase": phase },
    })
}

/// Runs `ferrolb` as whoever the kubeconfig is for.
pub(crate) async fn ferrolb(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("ferrolb"));
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig).kill_on_drop(true);
    for variable in ["FERROLB_NAMESPACE", "METALLB_NAMESPACE", "FERROLB_ADMIN_SOCKET"] {
        command.env_remove(variable);
    }
    command.output().await.unwrap()
}

/// A ServiceAccount of this name with these rules in our namespace; its kubeconfig.
pub(crate) async fn person(cluster: &ControlPlane, name: &str, rules: &Value) -> PathBuf {
    let (rbac, version) = ("rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1");
    let metadata = json!({ "name": name, "namespace": DEFAULT_NAMESPACE });
    let items = json!([
        { "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata },
        { "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules },
        {
            "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": DEFAULT_NAMESPACE }],
        },
    ]);
    printed(&apply(cluster, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await);
    let token = cluster.token_for(DEFAULT_NAMESPACE, name).await.unwrap();
    cluster.kubeconfig_with_token(&token).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What each node said or why it did not.
fn reasons(output: &Output) -> Vec<(String, String)> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    all.as_array().unwrap().iter().map(|line| (field(line, "node"), field(line, "error"))).collect()
}

#[tokio::test]
async fn speakers_are_found_wherever_they_are_and_each_that_does_not_answer_is_a_row() {
    let Some(cluster) = stage().await else { return };
    for question in [&["status"][..], &["members"], &["l2"], &["explain", "default/web"]] {
        let mut arguments = question.to_vec();
        arguments.extend(["--timeout", "2", "--output", "json"]);
        let output = ferrolb(cluster.admin_kubeconfig(), &arguments).await;
        assert_eq!(output.status.code(), Some(1), "{question:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "ferrolb: 3 of 3 nodes did not answer\n");
        let reasons = reasons(&output);
        let nodes: Vec<&str> = reasons.iter().map(|(node, _)| node.as_str()).collect();
        assert_eq!(nodes, ["node-1", "node-2", "node-3"], "MetalLB's speaker is none of ours");
        assert_eq!(reasons[0].1, "no answer within 2 s");
        assert!(reasons[1].1.contains("node-2") && reasons[1].1.contains("not found"), "{reasons:?}");
        assert_eq!(reasons[2].1, "its pod is Pending");
    }
    let output = ferrolb(cluster.admin_kubeconfig(), &["status", "--timeout", "2"]).await;
    assert!(text(&output.stdout).contains("no answer within 2 s"), "{}", text(&output.stdout));
    let output = ferrolb(cluster.admin_kubeconfig(), &["status", "--namespace", "default"]).await;
    assert!(text(&output.stderr).contains("no pod of a speaker is in namespace default"), "{}", text(&output.stderr));
    let output = ferrolb(cluster.admin_kubeconfig(), &["status", "--context", "none"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[tokio::test]
async fn the_rights_that_the_documentation_names_are_enough_and_each_that_lacks_is_named() {
    let Some(cluster) = stage().await else { return };
    let pods = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] });
    let exec = json!({ "apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"] });
    let ask = ["status", "--timeout", "2", "--output", "json"];

    // Only in the namespace of the speakers, so they are looked for there.
    let kubeconfig = person(cluster, "operator", &json!([pods, exec])).await;
    let reasons_of_all = reasons(&ferrolb(&kubeconfig, &ask).await);
    assert_eq!(reasons_of_all[0], ("node-1".to_owned(), "no answer within 2 s".to_owned()));

    let kubeconfig = person(cluster, "onlooker", &json!([pods])).await;
    let (_, refused) = reasons(&ferrolb(&kubeconfig, &ask).await).swap_remove(0);
    assert!(refused.contains("the rights to get and create pods/exec are needed"), "{refused}");
    assert!(refused.contains("onlooker"), "the API server's own words: {refused}");

    let kubeconfig = person(cluster, "stranger", &json!([])).await;
    let output = ferrolb(&kubeconfig, &ask).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ferrolb: may not list pods"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn kubectl_finds_the_plugin_and_completes_its_words() {
    let Some(cluster) = stage().await else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["kubectl-ferrolb", "kubectl_complete-ferrolb"] {
        std::os::unix::fs::symlink(program("ferrolb"), folder.path().join(name)).unwrap();
    }
    let kubectl = apiserver::available().unwrap().unwrap().join("kubectl");
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(&kubectl);
        let home = folder.path();
        command.args(arguments).env("PATH", home).env("HOME", home).env("KUBECONFIG", cluster.admin_kubeconfig());
        command.env_remove("FERROLB_NAMESPACE").kill_on_drop(true).output().await.unwrap()
    };
    let output = run(&["ferrolb", "status", "--timeout", "2", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(reasons(&output).len(), 3);
    let help = text(&run(&["ferrolb", "status", "--help"]).await.stdout);
    assert!(help.contains("Usage: kubectl ferrolb status"), "{help}");
    let words = text(&run(&["__complete", "ferrolb", "sup"]).await.stdout);
    assert!(words.starts_with("support-bundle\t") && words.trim_end().ends_with(":4"), "{words}");
}
