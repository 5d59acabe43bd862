//! A whole Kubernetes on the lab's hosts: its control plane on `control`, a machine on every node.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use super::Supervisor;
use super::cluster::{Cluster, requests};
use super::manifests::Manifests;
use super::processes::Spec;
use crate::apiserver;
use crate::cluster;
use crate::error::{Error, chain, system};
use crate::layout::Layout;
use crate::namespaces::{HELM, KUBECONFIG, KUBECTL, PLUGIN};

/// The host of the control plane.
pub(super) const CONTROL: &str = "control";
/// How long the API server and the nodes may take; the bound of a hang.
const READY_DEADLINE: Duration = Duration::from_secs(180);
/// How long one look at them may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// Writes all files, and gives the API server's place to those who ask it.
pub(super) async fn prepare(kubernetes: &cluster::Setup, layout: &Layout, record: Manifests) -> Result<Cluster, Error> {
    let server = cluster::write_files(kubernetes, layout)?;
    let nodes: Vec<&str> = layout.nodes().map(|node| node.name.as_str()).collect();
    cluster::make_cgroups(&kubernetes.cgroup, &nodes)?;
    let admin = apiserver::kubeconfig(&cluster::folder(), apiserver::ADMINISTRATOR);
    let links = [
        (kubernetes.programs.join("kubectl"), KUBECTL),
        (kubernetes.binaries.cli.clone(), PLUGIN),
        (kubernetes.helm.clone(), HELM),
        (admin.clone(), KUBECONFIG),
    ];
    for (target, name) in links {
        symlink(target, name).map_err(system(format!("make {name}")))?;
    }
    Ok(Cluster::elsewhere(server, apiserver::client_of(&admin).await?, record))
}

impl Supervisor {
    /// Starts everything and waits until all nodes are ready.
    pub(super) async fn start_kubernetes(&self, kubernetes: &cluster::Setup) -> Result<(), Error> {
        let (server, client) = self.api()?;
        let images = {
            let (setup, folder) = (kubernetes.clone(), cluster::image_folder());
            tokio::task::spawn_blocking(move || cluster::write_images(&setup, &folder))
        };
        let [first, second] = cluster::control_plane(kubernetes, &self.layout, server);
        self.events.progress("starting etcd and kube-apiserver").await;
        self.start_on_control(first).await?;
        self.until("the API server is ready", || api_server_is_ready(&client)).await?;
        self.events.progress(&format!("the API server at {server} is ready; starting the nodes")).await;
        for node in cluster::node_objects(&self.layout) {
            requests::apply(&client, &node).await?;
        }
        self.start_on_control(second).await?;
        images.await.map_err(|error| system("make the images")(std::io::Error::other(error)))??;
        for node in self.layout.nodes() {
            let command = cluster::machine_command(&self.setup.lab, kubernetes, self.layout.family(), node);
            let name = format!("machine-{}", node.name);
            self.processes.start(Spec { name, place: node.name.clone(), command }).await?;
        }
        self.until("all nodes are ready", || nodes_are_ready(&client)).await?;
        self.events.progress("all nodes are ready").await;
        Ok(())
    }

    fn api(&self) -> Result<(SocketAddr, Client), Error> {
        let cluster = self.ground.cluster();
        let cluster = cluster.ok_or_else(|| Error::Refused { reason: "this lab has no API server".to_owned() })?;
        Ok((cluster.address(), cluster.client()))
    }

    async fn start_on_control(&self, lines: Vec<cluster::Line>) -> Result<(), Error> {
        for (name, command) in lines {
            let spec = Spec { name: name.to_owned(), place: CONTROL.to_owned(), command };
            self.processes.start(spec).await?;
        }
        Ok(())
    }

    /// Looks until `look` finds nothing missing.
    async fn until<F: Future<Output = Result<(), String>>>(
        &self,
        what: &str,
        mut look: impl FnMut() -> F,
    ) -> Result<(), Error> {
        let mut last = String::new();
        let looking = async {
            loop {
                match timeout(LOOK_DEADLINE, look()).await {
                    Ok(Ok(())) => return,
                    Ok(Err(reason)) => last = reason,
                    Err(_elapsed) => "no answer".clone_into(&mut last),
                }
                sleep(POLL).await;
            }
        };
        let waited = timeout(READY_DEADLINE, looking).await;
        waited.map_err(|_elapsed| Error::TimedOut { what: format!("{what} ({last})"), after: READY_DEADLINE })
    }
}

async fn api_server_is_ready(client: &Client) -> Result<(), String> {
    let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
    let answer = client.request_text(request).await.map_err(|error| chain(&error))?;
    if answer == "ok" { Ok(()) } else { Err(answer) }
}

async fn nodes_are_ready(client: &Client) -> Result<(), String> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await.map_err(|error| chain(&error))?;
    let is_ready = |node: &Node| {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let missing = nodes.items.iter().filter(|node| !is_ready(node)).filter_map(|node| node.metadata.name.clone());
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not ready: {}", missing.join(", "))) }
}

/// Whether `process` is a program of a node's machine, which has a log of its own.
pub(super) fn has_log(process: &str, layout: &Layout) -> bool {
    ["containerd", "kubelet", "kube-proxy"].iter().any(|program| {
        let node = process.strip_prefix(program).and_then(|rest| rest.strip_prefix('-'));
        node.is_some_and(|node| layout.node(node).is_some())
    })
}
