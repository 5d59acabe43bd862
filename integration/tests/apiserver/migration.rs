//! `ferrolb migrate metallb` beside the real thing: MetalLB's own chart installed by helm, its own controller assigning
//! addresses. No pod runs here: how speakers change places is seen on a real cluster.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use ferrolb_integration::apiserver::{self, AuditEntry, ControlPlane, Process};
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::ask::{ask, get, path};
use crate::common::{apply, own_control_plane, printed};
use crate::installation::{address_of, free_port, program, service};
use crate::patience::eventually;

/// Where MetalLB is, and ferrolb comes to be.
const NAMESPACE: &str = "metallb-system";
/// The pod that MetalLB's controller takes itself for.
const POD: &str = "metallb-controller-0";
/// A controller ends well within this.
const END: Duration = Duration::from_secs(15);

/// A control plane with MetalLB on it, two Services that it gave addresses to, and a second revision of its release.
struct Stage {
    cluster: ControlPlane,
    client: Client,
    home: TempDir,
    metallb: Option<Process>,
}

fn object(version: &str, kind: &str, name: &str) -> Value {
    let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } });
    if kind != "ValidatingWebhookConfiguration" && kind != "CustomResourceDefinition" {
        object["metadata"]["namespace"] = NAMESPACE.into();
    }
    object
}

fn with_spec(mut object: Value, spec: Value) -> Value {
    object["spec"] = spec;
    object
}

fn deployment(name: &str) -> Value {
    object("apps/v1", "Deployment", name)
}

fn daemon_set(name: &str) -> Value {
    object("apps/v1", "DaemonSet", name)
}

fn definition(plural: &str) -> Value {
    object("apiextensions.k8s.io/v1", "CustomResourceDefinition", &format!("{plural}.metallb.io"))
}

fn webhooks() -> Value {
    object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "metallb-webhook-configuration")
}

fn webhook_service() -> Value {
    object("v1", "Service", "metallb-webhook-service")
}

fn custom(kind: &str, name: &str, spec: Value) -> Value {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    with_spec(object(version, kind, name), spec)
}

fn pool() -> Value {
    custom("IPAddressPool", "pool", json!({ "addresses": ["192.0.2.10-192.0.2.20"] }))
}

/// The one gets any address, the other the one it asks for by an annotation of old.
fn services() -> [Value; 2] {
    let mut second = service("second");
    second["metadata"]["annotations"] = json!({ "metallb.universe.tf/loadBalancerIPs": "192.0.2.15" });
    [service("first"), second]
}

/// What of an object is the operator's: neither its life nor its status.
fn written(object: &Value) -> Value {
    let mut metadata = ["labels", "annotations"].map(|field| object["metadata"][field].clone());
    if let Some(annotations) = metadata[1].as_object_mut() {
        // The API server counts there how often the template of a DaemonSet was changed.
        annotations.remove("deprecated.daemonset.template.generation");
    }
    json!({ "metadata": metadata, "spec": object["spec"], "webhooks": object["webhooks"] })
}

// === impl Stage ===

impl Stage {
    async fn up() -> Option<Self> {
        let (helm, metallb) = (apiserver::helm().unwrap(), apiserver::metallb().unwrap());
        let (Some(_), Some(metallb)) = (helm, metallb) else { return None };
        let cluster = own_control_plane().await?;
        let client = cluster.client().await.unwrap();
        let home = TempDir::new().unwrap();
        let mut stage = Self { cluster, client, home, metallb: None };
        let chart = metallb.join("chart");
        let chart = chart.to_str().unwrap();
        stage.helm(&["install", "metallb", chart, "--create-namespace"]).await.unwrap();
        // Nobody answers webhooks here; the upgrade below brings them back.
        stage.kubectl(&["delete", "validatingwebhookconfigurations", "--all"]).await;
        let pod = with_spec(
            object("v1", "Pod", POD),
            json!({
                "serviceAccountName": "metallb-controller", "automountServiceAccountToken": false,
                "containers": [{ "name": "controller", "image": "metallb" }],
            }),
        );
        let mut objects = vec![pod, pool(), custom("L2Advertisement", "all", json!({}))];
        objects.extend(services());
        for object in &objects {
            printed(&apply(&stage.cluster, &object.to_string()).await);
        }
        stage.metallb = Some(stage.controller(&metallb.join("controller")));
        let [first, second] = stage.addresses().await;
        assert_eq!([first.as_str(), second.as_str()], ["192.0.2.10", "192.0.2.15"]);
        stage.helm(&["upgrade", "metallb", chart]).await.unwrap();
        Some(stage)
    }

    fn controller(&self, program: &Path) -> Process {
        let metrics = format!("--port={}", free_port());
        let arguments = ["--webhook-mode=disabled", "--disable-cert-rotation", "--health-probe-port=0", &metrics];
        let kubeconfig = self.cluster.admin_kubeconfig().to_str().unwrap();
        let environment = [("KUBECONFIG", kubeconfig), ("METALLB_NAMESPACE", NAMESPACE), ("METALLB_POD_NAME", POD)];
        Process::start("metallb", program, arguments, &environment, self.cluster.folder()).unwrap()
    }

    async fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(apiserver::helm().unwrap().unwrap());
        let kubeconfig = self.cluster.admin_kubeconfig();
        command.args(arguments).args(["--namespace", NAMESPACE]).env("KUBECONFIG", kubeconfig).kill_on_drop(true);
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), self.home.path());
        }
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    async fn kubectl(&self, arguments: &[&str]) {
        let output = self.cluster.kubectl(arguments, "").await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    async fn install_ferrolb(&self) {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ferrolb");
        self.helm(&["install", "ferrolb", chart]).await.unwrap();
    }

    /// `ferrolb migrate metallb`; its exit code, what it printed and what it complained of.
    async fn migrate(&self, arguments: &[&str]) -> (i32, Value, String) {
        let mut command = Command::new(program("ferrolb"));
        command.args(["migrate", "metallb", "--output", "json", "--timeout", "1"]).args(arguments);
        command.arg("--kubeconfig").arg(self.cluster.admin_kubeconfig()).env_remove("FERROLB_NAMESPACE");
        let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.unwrap();
        let complaint = String::from_utf8_lossy(&stderr).into_owned();
        (status.code().unwrap(), serde_json::from_slice(&stdout).unwrap_or_default(), complaint)
    }

    /// The same where it has to succeed.
    async fn migrated(&self, arguments: &[&str]) -> Value {
        let (code, plan, complaint) = self.migrate(arguments).await;
        assert_eq!(code, 0, "{complaint} {plan:#}");
        plan
    }

    /// The same, and nothing is asked of the API server but to tell.
    async fn looks(&self, arguments: &[&str]) -> Value {
        let before = self.cluster.audit_log().unwrap().len();
        let plan = self.migrated(arguments).await;
        let asked = self.cluster.audit_log().unwrap().split_off(before);
        // MetalLB's controller, which is called so, has the same rights.
        let ours =
            |entry: &&AuditEntry| !entry.user.starts_with("system:") && !entry.user_agent.starts_with("controller");
        let verbs: BTreeSet<&str> = asked.iter().filter(ours).map(|entry| entry.verb.as_str()).collect();
        assert_eq!(verbs, BTreeSet::from(["get", "list"]));
        plan
    }

    async fn addresses(&self) -> [String; 2] {
        let [first, second] = services();
        let address = async |service: &Value| {
            eventually("it has an address", async || address_of(&self.client, service).await).await
        };
        [address(&first).await, address(&second).await]
    }

    async fn get(&self, object: &Value) -> Value {
        // Not while the API server prepares for a definition that was just changed.
        eventually("it can be read", async || get(&self.client, object).await).await
    }

    async fn is_there(&self, object: &Value) -> bool {
        ask(&self.client, "GET", &path(object), &Value::Null).await.code == 200
    }

    /// What must outlive everything: UIDs of custom resources and Services, and the Services' addresses.
    async fn lives(&self) -> Vec<Value> {
        let mut lives = Vec::new();
        for object in [pool(), custom("L2Advertisement", "all", json!({}))].iter().chain(&services()) {
            let object = self.get(object).await;
            let fields = ["uid", "generation", "annotations"].map(|field| object["metadata"][field].clone());
            lives.push(json!([fields, object["spec"], object["status"]["loadBalancer"]]));
        }
        lives
    }

    /// Says for the kubelets and kube-controller-manager that are not here that ferrolb's controller is available.
    async fn controller_is_available(&self) {
        let available = json!({ "status": { "replicas": 2, "readyReplicas": 2, "availableReplicas": 2 } });
        let status = format!("{}/status", path(&deployment("ferrolb-controller")));
        ask(&self.client, "PATCH", &status, &available).await.object().unwrap();
    }
}

fn changed(plan: &Value) -> Vec<&str> {
    plan["changes"].as_array().unwrap().iter().map(|change| change["object"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn metallb_is_replaced_with_no_address_changed_and_no_resource_lost() {
    let Some(mut stage) = Stage::up().await else { return };
    let lives = stage.lives().await;

    // Looking changes nothing.
    let plan = stage.looks(&[]).await;
    assert_eq!(changed(&plan).len(), 14, "backup, controller, record, webhooks, Service, nine definitions: {plan:#}");

    // What has no counterpart here is refused, and nothing is done.
    let peer = json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "203.0.113.1" });
    let peer = custom("BGPPeer", "router", peer);
    stage.kubectl(&["delete", "validatingwebhookconfiguration", "metallb-webhook-configuration"]).await;
    printed(&apply(&stage.cluster, &peer.to_string()).await);
    let (code, plan, complaint) = stage.migrate(&["--apply"]).await;
    assert_eq!((code, complaint.as_str()), (2, "ferrolb: nothing was changed: there are problems\n"), "{plan:#}");
    assert!(plan["problems"][0].as_str().unwrap().starts_with("1 BGPPeers and 0 BGPAdvertisements"), "{plan:#}");
    assert_eq!(stage.migrated(&["--without-bgp"]).await["problems"], json!([]));
    stage.kubectl(&["delete", "bgppeers", "router", "--namespace", NAMESPACE]).await;

    // The first half: MetalLB's controller rests, and Helm will leave alone what is to stay.
    stage.migrated(&["--apply"]).await;
    assert_eq!(stage.get(&deployment("metallb-controller")).await["spec"]["replicas"], 0);
    assert_eq!(changed(&stage.migrated(&[]).await), [""; 0], "doing it twice is doing it once");
    stage.metallb.take().unwrap().terminate(END).await.unwrap();
    stage.install_ferrolb().await;
    let conversion = stage.get(&definition("bgppeers")).await["spec"]["conversion"]["webhook"]["clientConfig"].clone();
    assert_eq!(conversion["service"]["path"], "/convert");

    // The second half waits for ferrolb's controller, and then stops MetalLB's speakers.
    let (code, plan, _) = stage.migrate(&["--apply"]).await;
    assert_eq!(code, 2, "{plan:#}");
    assert!(plan["problems"][0].as_str().unwrap().contains("is not available yet"), "{plan:#}");
    stage.controller_is_available().await;
    assert_eq!(changed(&stage.migrated(&[]).await), ["DaemonSet metallb-system/metallb-speaker"]);
    let (code, _, complaint) = stage.migrate(&["--apply"]).await;
    assert_eq!(code, 1, "no speaker runs here, and it says so: {complaint}");
    assert!(complaint.contains("DaemonSet metallb-system/ferrolb-speaker: 0 of 0 are ready"), "{complaint}");
    assert_eq!(changed(&stage.migrated(&[]).await), [""; 0]);

    // ferrolb goes on where MetalLB stopped.
    let (metrics, health) = (format!("--port={}", free_port()), format!("--health-probe-port={}", free_port()));
    let kubeconfig = stage.cluster.admin_kubeconfig().to_str().unwrap();
    let flags = ["--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "--webhook-mode=disabled", &metrics, &health];
    let program = program("ferrolb-controller");
    let ferrolb = Process::start("ferrolb", &program, flags, &[], stage.cluster.folder()).unwrap();
    let third = service("third");
    printed(&apply(&stage.cluster, &third.to_string()).await);
    let address = eventually("a new Service is served", async || address_of(&stage.client, &third).await).await;
    assert_eq!(address, "192.0.2.11");
    assert_eq!(stage.lives().await, lives);

    // The removal of MetalLB's release removes MetalLB, and nothing else.
    stage.helm(&["uninstall", "metallb"]).await.unwrap();
    assert!(!stage.is_there(&daemon_set("metallb-speaker")).await);
    assert!(stage.is_there(&webhooks()).await && stage.is_there(&webhook_service()).await);
    for plural in ["ipaddresspools", "bgppeers", "servicel2statuses"] {
        assert!(stage.is_there(&definition(plural)).await, "{plural}");
    }
    let others = stage.cluster.kubectl(&["get", "customresourcedefinitions", "--output", "name"], "").await.unwrap();
    assert!(printed(&others).contains("frrk8s.metallb.io"), "definitions of the chart's other parts stay, too");
    assert_eq!(stage.lives().await, lives);
    let plan = stage.migrated(&[]).await;
    assert_eq!(plan["next"], "kubectl --namespace metallb-system delete secret ferrolb-migration");
    ferrolb.terminate(END).await.unwrap();
}

#[tokio::test]
async fn everything_can_be_put_back_and_helm_owns_metallb_again() {
    let Some(stage) = Stage::up().await else { return };
    let lives = stage.lives().await;
    let touched = [
        deployment("metallb-controller"),
        daemon_set("metallb-speaker"),
        definition("bgppeers"),
        definition("ipaddresspools"),
        webhooks(),
    ];
    let look = async || {
        let mut all = Vec::new();
        for object in &touched {
            all.push(written(&stage.get(object).await));
        }
        all
    };
    let before = look().await;
    let (code, _, complaint) = stage.migrate(&["--rollback", "--apply"]).await;
    assert_eq!(code, 2);
    assert!(complaint.contains("there is nothing to put back"), "{complaint}");

    stage.migrated(&["--apply"]).await;
    stage.install_ferrolb().await;
    stage.controller_is_available().await;
    assert_eq!(stage.migrate(&["--apply"]).await.0, 1, "MetalLB's speakers are stopped, and none of ours run here");
    assert_ne!(look().await, before);

    let (code, plan, _) = stage.migrate(&["--rollback", "--apply"]).await;
    assert_eq!(code, 2, "{plan:#}");
    assert!(plan["problems"][0].as_str().unwrap().contains("helm uninstall ferrolb"), "{plan:#}");
    stage.helm(&["uninstall", "ferrolb"]).await.unwrap();
    stage.looks(&["--rollback"]).await;
    stage.migrated(&["--rollback", "--apply"]).await;
    assert_eq!(look().await, before);
    assert!(stage.is_there(&webhook_service()).await);
    assert_eq!(stage.lives().await, lives);
    assert!(!stage.is_there(&object("v1", "Secret", "ferrolb-migration")).await);

    // Helm goes on with its release as if nothing had been, in every direction.
    let chart = apiserver::metallb().unwrap().unwrap().join("chart");
    stage.helm(&["upgrade", "metallb", chart.to_str().unwrap()]).await.unwrap();
    stage.helm(&["uninstall", "metallb"]).await.unwrap();
    // As it would have before; the API server takes its time to clear away what was of that kind.
    eventually("the definitions go with helm's release", async || {
        let there = stage.is_there(&definition("ipaddresspools")).await;
        if there { Err("ipaddresspools are still defined".to_owned()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn metallb_of_manifests_with_a_legacy_config_map_is_found_and_handed_over() {
    let Some(cluster) = own_control_plane().await else { return };
    let workload = |kind: &str, component: &str| {
        let labels = json!({ "app": "metallb", "component": component });
        let container = json!({ "name": component, "image": "metallb", "args": ["--port=7472", "--config=config"] });
        let mut object = with_spec(
            object("apps/v1", kind, component),
            json!({
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
            }),
        );
        object["metadata"]["labels"] = labels;
        object
    };
    let mut map = object("v1", "ConfigMap", "config");
    let pools = "address-pools: [{name: default, protocol: layer2, addresses: [192.0.2.10-192.0.2.20]}]";
    map["data"] = json!({ "config": pools });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let first = service("first");
    for object in [&namespace, &workload("Deployment", "controller"), &workload("DaemonSet", "speaker"), &map, &first] {
        printed(&apply(&cluster, &object.to_string()).await);
    }
    let client = cluster.client().await.unwrap();
    let hold = async |address: &str| {
        let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } });
        ask(&client, "PATCH", &format!("{}/status", path(&first)), &status).await.object().unwrap();
    };
    hold("192.0.2.99").await;
    let home = TempDir::new().unwrap();
    let stage = Stage { cluster, client: client.clone(), home, metallb: None };

    let (code, plan, _) = stage.migrate(&[]).await;
    assert_eq!(code, 2, "{plan:#}");
    let problem = "Service default/first has 192.0.2.99, which no pool has: it would get another address";
    assert_eq!(plan["problems"], json!([problem]));
    hold("192.0.2.12").await;
    let plan = stage.migrated(&["--apply"]).await;
    assert_eq!(changed(&plan), ["Secret metallb-system/ferrolb-migration", "Deployment metallb-system/controller"]);
    assert_eq!(stage.get(&deployment("controller")).await["spec"]["replicas"], 0);
    stage.install_ferrolb().await;
    stage.controller_is_available().await;
    let plan = stage.migrated(&["--namespace", NAMESPACE]).await;
    assert_eq!(changed(&plan), ["DaemonSet metallb-system/speaker"]);
    assert_eq!(address_of(&client, &first).await.unwrap(), "192.0.2.12");
}
