//! ferrolb as its manifests install it: the real controller, with the rights of its own ServiceAccount, beside the API
//! server that calls its webhooks.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_api::crds;
use ferrolb_integration::apiserver::{ControlPlane, Process, call_conversion_at, call_webhooks_at, loopback_service};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::ask::{get, may_create};
use crate::common::{apply, documents, established, manifest_text, own_control_plane, printed};
use crate::patience::eventually;

/// The Service by which the API server reaches the webhooks.
const WEBHOOK_SERVICE: &str = "metallb-webhook-service";
/// The pod that the controller takes itself for.
pub(crate) const POD: &str = "controller-0";
/// A controller ends well within this.
const END: Duration = Duration::from_secs(15);

/// A control plane with ferrolb on it.
pub(crate) struct Installation {
    pub(crate) cluster: ControlPlane,
    ports: Ports,
    /// That of the controller's ServiceAccount.
    kubeconfig: PathBuf,
    controller: Option<Process>,
    /// Whether it runs with flags of a test's own.
    altered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    webhooks: u16,
    metrics: u16,
    health: u16,
}

/// The installation that tests share, one test at a time: no pool, no Service, the controller running and answering.
/// None where the machine cannot run a control plane.
pub(crate) async fn installation() -> Option<MutexGuard<'static, Installation>> {
    static SHARED: OnceCell<Option<Mutex<Installation>>> = OnceCell::const_new();
    let shared = SHARED.get_or_init(async || {
        let cluster = own_control_plane().await?;
        let installation = Installation::prepare(cluster).await;
        installation.install_crds().await;
        Some(Mutex::new(installation))
    });
    let mut installation = shared.await.as_ref()?.lock().await;
    installation.restore().await;
    Some(installation)
}

// === impl Installation ===

impl Installation {
    /// Applies the manifests, but no CRD, and starts nothing.
    pub(crate) async fn prepare(cluster: ControlPlane) -> Self {
        let ports = Ports { webhooks: free_port(), metrics: free_port(), health: free_port() };
        for manifest in ["namespace.yaml", "rbac.yaml"] {
            printed(&apply(&cluster, &manifest_text(manifest)).await);
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": POD, "namespace": DEFAULT_NAMESPACE },
            "spec": { "serviceAccountName": "controller", "containers": [{ "name": "controller", "image": "ferrolb" }] },
        });
        printed(&apply(&cluster, &pod.to_string()).await);
        let token = cluster.token_for(DEFAULT_NAMESPACE, "controller").await.unwrap();
        let kubeconfig = cluster.kubeconfig_with_token(&token).unwrap();
        let installation = Self { cluster, ports, kubeconfig, controller: None, altered: false };
        installation.install_webhooks().await;
        installation
    }

    /// Applies the CRDs; that of BGPPeer is converted by the controller.
    pub(crate) async fn install_crds(&self) {
        let converted = |crd| {
            let mut crd = crds::with_conversion(crd, DEFAULT_NAMESPACE, WEBHOOK_SERVICE, None);
            call_conversion_at(&mut crd, self.ports.webhooks);
            crd
        };
        let several =
            |crd: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
                crd.spec.versions.len() > 1
            };
        let all: Vec<_> = crds::all().into_iter().map(|crd| if several(&crd) { converted(crd) } else { crd }).collect();
        printed(&apply(&self.cluster, &json!({ "apiVersion": "v1", "kind": "List", "items": all }).to_string()).await);
        established(&self.cluster).await;
    }

    /// Applies the manifest of the webhooks; their Service leads to this machine.
    pub(crate) async fn install_webhooks(&self) {
        for document in documents(&manifest_text("webhooks.yaml")) {
            let ours = match document["kind"].as_str().unwrap() {
                "Service" => json!(loopback_service(DEFAULT_NAMESPACE, WEBHOOK_SERVICE)),
                "ValidatingWebhookConfiguration" => {
                    let mut configuration: ValidatingWebhookConfiguration = serde_json::from_value(document).unwrap();
                    call_webhooks_at(&mut configuration, self.ports.webhooks);
                    json!(configuration)
                }
                other => panic!("webhooks.yaml holds a {other}"),
            };
            printed(&apply(&self.cluster, &ours.to_string()).await);
        }
    }

    /// A client who may do everything.
    pub(crate) async fn client(&self) -> Client {
        self.cluster.client().await.unwrap()
    }

    /// Starts the controller.
    pub(crate) fn start_controller(&mut self, flags: &[&str]) {
        assert!(self.controller.is_none(), "it runs already");
        self.altered = !flags.is_empty();
        let Ports { webhooks, metrics, health } = self.ports;
        let ports = [("--webhook-port", webhooks), ("--port", metrics), ("--health-probe-port", health)];
        let mut line = vec!["--kubeconfig".to_owned(), self.kubeconfig.to_str().unwrap().to_owned()];
        line.extend(ports.iter().flat_map(|(flag, port)| [(*flag).to_owned(), port.to_string()]));
        line.extend(["--pod-name", POD].iter().chain(flags).map(|text| (*text).to_owned()));
        let program = program("ferrolb-controller");
        let process = Process::start("controller", &program, line, &[], self.cluster.folder()).unwrap();
        self.controller = Some(process);
    }

    /// Ends the controller in order, as a rolling update does.
    pub(crate) async fn stop_controller(&mut self) {
        let Some(process) = self.controller.take() else { return };
        let log = process.log().to_owned();
        let status = process.terminate(END).await.unwrap();
        assert!(status.success(), "{status}; {}", std::fs::read_to_string(log).unwrap());
    }

    /// What the controllers have logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.cluster.folder().join("controller.log")).unwrap_or_default()
    }

    /// Whether the controller says that it can do its work.
    pub(crate) async fn ready(&mut self) -> Result<(), String> {
        if let Some(status) = self.controller.as_mut().and_then(|process| process.ended().unwrap()) {
            panic!("the controller ended with {status}: {}", self.log());
        }
        let look = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.health)).await?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n\r\n").await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        };
        match look.await {
            Ok(text) if text.starts_with("HTTP/1.1 200 ") => Ok(()),
            Ok(text) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits until the controller is ready and the API server gets an answer from its webhooks.
    pub(crate) async fn serving(&mut self) {
        eventually("the controller is ready", async || self.ready().await).await;
        let client = self.client().await;
        let probe = pool("probe", &["203.0.113.0/24"]);
        eventually("the webhooks answer", async || may_create(&client, &probe).await.object()).await;
        let peer = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer",
            "metadata": { "name": "probe", "namespace": DEFAULT_NAMESPACE },
            "spec": { "myASN": 64512, "peerASN": 64513, "peerAddress": "203.0.113.1" },
        });
        eventually("the conversion answers", async || may_create(&client, &peer).await.object()).await;
    }

    /// Where the controller serves its metrics.
    pub(crate) fn metrics(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.metrics).into()
    }

    /// Undoes what a test that failed may have left.
    async fn restore(&mut self) {
        if self.altered {
            self.stop_controller().await;
        }
        if self.controller.is_none() {
            self.start_controller(&[]);
        }
        self.serving().await;
        for kinds in ["ipaddresspools,l2advertisements,bgpadvertisements,bgppeers,communities", "bfdprofiles"] {
            // A profile may go once the controller knows that its peer is gone.
            eventually("the configuration is empty", async || {
                let clear = ["delete", kinds, "--all", "-n", DEFAULT_NAMESPACE];
                let done = self.cluster.kubectl(&clear, "").await.unwrap();
                if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
            })
            .await;
        }
    }
}

/// A pool of our namespace.
pub(crate) fn pool(name: &str, addresses: &[&str]) -> Value {
    json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": { "name": name, "namespace": DEFAULT_NAMESPACE }, "spec": { "addresses": addresses },
    })
}

/// The address of a Service.
pub(crate) async fn address_of(client: &Client, service: &Value) -> Result<String, String> {
    let status = get(client, service).await?["status"].clone();
    let address = status["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
    address.ok_or_else(|| status.to_string())
}

/// A Service of type LoadBalancer.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
    })
}

/// The Lease of the replicas.
pub(crate) fn lease() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "ferrolb-controller", "namespace": DEFAULT_NAMESPACE },
    })
}

/// One of our programs, as cargo puts them beside `lab`.
pub(crate) fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name(name);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
