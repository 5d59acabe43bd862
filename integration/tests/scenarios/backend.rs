//! A place where manifests are applied and status is read, whichever it is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may fail the test")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrolb_integration::apiserver::{self, ControlPlane, Options, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing takes so long, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// The namespace of the configuration.
pub(crate) const NAMESPACE: &str = "ferrolb-system";

pub(crate) enum Backend {
    Directory(TempDir),
    Kubernetes(Box<ControlPlane>),
}

/// Where a scenario plays: the place, and the controller at work there.
pub(crate) struct Stage {
    backend: Backend,
    controller: Option<Process>,
    arguments: Vec<String>,
    logs: TempDir,
}

// === impl Backend ===

impl Backend {
    pub(crate) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().unwrap())
    }

    /// `None`, and said so, where the programs cannot be had.
    pub(crate) async fn kubernetes() -> Option<Self> {
        let programs = apiserver::available().unwrap()?;
        let cluster = ControlPlane::start(Options::new(programs)).await.unwrap();
        let crds: Vec<Value> = ferrolb_api::crds::all().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": crds });
        kubectl(&cluster, &["apply", "-f", "-"], &list.to_string()).await;
        kubectl(&cluster, &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "").await;
        kubectl(&cluster, &["create", "namespace", NAMESPACE], "").await;
        Some(Self::Kubernetes(Box::new(cluster)))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory(_) => "directory",
            Self::Kubernetes(_) => "API server",
        })
    }
}

async fn kubectl(cluster: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = cluster.kubectl(arguments, input).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn controller() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("ferrolb-controller")
}

fn plural(kind: &str) -> &'static str {
    match kind {
        "Service" => "services",
        "IPAddressPool" => "ipaddresspools",
        "Namespace" => "namespaces",
        other => panic!("no scenario needs {other}"),
    }
}

/// A file of the directory: one for each object.
fn file(folder: &Path, kind: &str, namespace: &str, name: &str) -> PathBuf {
    folder.join(format!("{kind}-{namespace}-{name}.yaml"))
}

// === impl Stage ===

impl Stage {
    pub(crate) fn new(backend: Backend) -> Self {
        Self { backend, controller: None, arguments: Vec::new(), logs: tempfile::tempdir().unwrap() }
    }

    /// Says which scenario plays, for whoever has to find out where one failed.
    #[expect(clippy::print_stderr, reason = "shown by the test harness when the test fails")]
    pub(crate) fn announce(&self, scenario: &str) {
        eprintln!("{}: {scenario}", self.backend);
    }

    /// A controller at work in an empty place.
    pub(crate) async fn begin(&mut self) {
        self.arguments.clear();
        if let Backend::Kubernetes(cluster) = &self.backend {
            for kind in ["services", "ipaddresspools"] {
                kubectl(cluster, &["delete", kind, "--all", "--all-namespaces", "--wait=false"], "").await;
            }
            // Its own Service is there again as soon as the API server looks.
            kubectl(cluster, &["delete", "events", "--all", "--all-namespaces"], "").await;
        }
        self.start();
    }

    /// The controller leaves in order.
    pub(crate) async fn end(&mut self) {
        if let Some(controller) = self.controller.take() {
            assert!(controller.terminate(DEADLINE).await.unwrap().success());
        }
        if let Backend::Directory(folder) = &mut self.backend {
            *folder = tempfile::tempdir().unwrap();
        }
    }

    /// Starts the controller with more arguments than before.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.kill();
        self.start();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.kill().unwrap();
        }
    }

    pub(crate) fn start(&mut self) {
        let mut arguments = vec!["--port=0".to_owned(), "--health-probe-port=0".to_owned()];
        // The same pod as before: it goes on with the Lease that it has.
        arguments.push("--pod-name=stage".to_owned());
        arguments.push(format!("--namespace={NAMESPACE}"));
        match &self.backend {
            Backend::Directory(folder) => arguments.push(format!("--source=dir={}", folder.path().display())),
            Backend::Kubernetes(cluster) => {
                arguments.push("--source=kube".to_owned());
                arguments.push("--webhook-mode=disabled".to_owned());
                arguments.push(format!("--kubeconfig={}", cluster.admin_kubeconfig().display()));
            }
        }
        arguments.extend(self.arguments.iter().cloned());
        let program = controller();
        self.controller = Some(Process::start("controller", &program, &arguments, &[], self.logs.path()).unwrap());
    }

    /// Applies an object given as YAML.
    pub(crate) async fn apply(&mut self, yaml: &str) {
        let object: Value = serde_yaml::from_str(yaml).unwrap();
        match &self.backend {
            Backend::Kubernetes(cluster) => {
                kubectl(cluster, &["apply", "-f", "-"], yaml).await;
            }
            Backend::Directory(folder) => {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("default");
                let path = file(folder.path(), text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
                let temporary = path.with_extension("new");
                std::fs::write(&temporary, yaml).unwrap();
                std::fs::rename(temporary, path).unwrap();
            }
        }
    }

    pub(crate) async fn delete(&mut self, kind: &str, namespace: &str, name: &str) {
        match &self.backend {
            Backend::Kubernetes(cluster) => {
                kubectl(cluster, &["delete", plural(kind), "-n", namespace, name], "").await;
            }
            Backend::Directory(folder) => std::fs::remove_file(file(folder.path(), kind, namespace, name)).unwrap(),
        }
    }

    /// A pool of these addresses; `more` is the rest of its spec.
    pub(crate) async fn pool(&mut self, name: &str, addresses: &str, more: &str) {
        self.apply(&format!(
            "{{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {{name: {name}, namespace: {NAMESPACE}}}, \
             spec: {{addresses: [{addresses}]{more}}}}}"
        ))
        .await;
    }

    /// A Service of type LoadBalancer in namespace `default`; `metadata` and `spec` are the rest of each.
    pub(crate) async fn service(&mut self, name: &str, metadata: &str, spec: &str) {
        self.apply(&format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default{metadata}}}, \
             spec: {{type: LoadBalancer, ports: [{{port: 80}}]{spec}}}}}"
        ))
        .await;
    }

    /// An object's status and the annotations that are the controller's.
    async fn written(&self, kind: &str, namespace: &str, name: &str) -> Value {
        match &self.backend {
            Backend::Kubernetes(cluster) => {
                let output =
                    cluster.kubectl(&["get", plural(kind), "-n", namespace, name, "-o", "json"], "").await.unwrap();
                serde_json::from_slice(&output.stdout).unwrap_or_default()
            }
            Backend::Directory(folder) => {
                let path = folder.path().join(format!("status/{}/{namespace}/{name}.yaml", plural(kind)));
                let text = std::fs::read_to_string(path).unwrap_or_default();
                serde_yaml::from_str(&text).unwrap_or_default()
            }
        }
    }

    /// The addresses of a Service, as a user sees them.
    pub(crate) async fn addresses(&self, service: &str) -> Vec<String> {
        let written = self.written("Service", "default", service).await;
        let ingress = written.pointer("/status/loadBalancer/ingress").and_then(Value::as_array).cloned();
        let ip = |entry: &Value| entry.get("ip").and_then(Value::as_str).unwrap_or_default().to_owned();
        ingress.iter().flatten().map(ip).collect()
    }

    /// The pool that the annotation names.
    pub(crate) async fn pool_of(&self, service: &str) -> Option<String> {
        let written = self.written("Service", "default", service).await;
        written
            .pointer("/metadata/annotations/metallb.io~1ip-allocated-from-pool")
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// Waits until a Service has these addresses.
    pub(crate) async fn has(&self, service: &str, addresses: &[&str]) {
        let mut seen = Vec::new();
        let arrived = tokio::time::timeout(DEADLINE, async {
            loop {
                seen = self.addresses(service).await;
                if seen == addresses {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(arrived.await.is_ok(), "{}: {service} has {seen:?}, not {addresses:?}\n{}", self.backend, self.log());
    }

    /// Waits until a pool counts so many IPv4 addresses assigned.
    pub(crate) async fn counts(&self, pool: &str, assigned: u64) {
        self.until(&format!("pool {pool} counts {assigned}"), async || {
            let written = self.written("IPAddressPool", NAMESPACE, pool).await;
            written.pointer("/status/assignedIPv4").and_then(Value::as_u64) == Some(assigned)
        })
        .await;
    }

    /// Waits until an event of this reason was told of a Service, whose message contains `text`.
    pub(crate) async fn told(&self, service: &str, reason: &str, text: &str) {
        self.until(&format!("{service} is told {reason} {text}"), async || {
            let events = self.events(service).await;
            events.iter().any(|(told, message)| told == reason && message.contains(text))
        })
        .await;
    }

    /// Reason and message of everything that a Service was told.
    pub(crate) async fn events(&self, service: &str) -> Vec<(String, String)> {
        let text = |event: &Value, key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match &self.backend {
            Backend::Kubernetes(cluster) => {
                let list = kubectl(cluster, &["get", "events", "-n", "default", "-o", "json"], "").await;
                let list: Value = serde_json::from_str(&list).unwrap();
                let events = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                let of =
                    |event: &&Value| event.pointer("/involvedObject/name").and_then(Value::as_str) == Some(service);
                events.iter().filter(of).map(|event| (text(event, "reason"), text(event, "message"))).collect()
            }
            Backend::Directory(folder) => {
                let lines = std::fs::read_to_string(folder.path().join("status/events.jsonl")).unwrap_or_default();
                let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let of = |event: &Value| event.pointer("/object/name").and_then(Value::as_str) == Some(service);
                events.filter(of).map(|event| (text(&event, "reason"), text(&event, "message"))).collect()
            }
        }
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let arrived = tokio::time::timeout(DEADLINE, async {
            while !holds().await {
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(arrived.await.is_ok(), "{}: never {what}\n{}", self.backend, self.log());
    }

    /// Waits until the controller has seen everything that was applied so far: a Service that comes last has its
    /// address.
    pub(crate) async fn settle(&mut self) {
        self.pool("marker", "203.0.113.0/24", ", autoAssign: false").await;
        self.service("marker", ", annotations: {metallb.io/address-pool: marker}", "").await;
        self.has("marker", &["203.0.113.0"]).await;
        self.delete("Service", "default", "marker").await;
        self.until("the marker is gone", async || self.addresses("marker").await.is_empty()).await;
        self.delete("IPAddressPool", NAMESPACE, "marker").await;
    }

    /// The real API server of this stage.
    pub(crate) fn cluster(&mut self) -> Option<&mut ControlPlane> {
        match &mut self.backend {
            Backend::Kubernetes(cluster) => Some(cluster),
            Backend::Directory(_) => None,
        }
    }

    fn log(&self) -> String {
        self.controller.as_ref().map(Process::log_tail).unwrap_or_default()
    }
}
