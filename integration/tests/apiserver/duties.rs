//! The real controller at work with no more than the rights of its service account.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_api::v1beta1::{ConfigurationResult, ConfigurationState, IPAddressPool};
use ferrolb_integration::apiserver::{ControlPlane, Process, service_account_user};
use k8s_openapi::api::core::v1::{Event, Service};
use kube::Api;
use kube::api::ListParams;
use kube::runtime::wait::await_condition;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::common::{SOON, apply, crds_text, established, manifest_text, own_control_plane, printed};

/// What the controller does with nothing but a pool and a Service to serve, one verb each.
const DONE: [&str; 4] = [
    "services/status patch",
    "ipaddresspools/status.metallb.io patch",
    "events create",
    "configurationstates/status.metallb.io patch",
];

#[tokio::test]
async fn the_controller_is_refused_nothing() {
    let Some(cluster) = own_control_plane().await else { return };
    for manifests in [manifest_text("namespace.yaml"), manifest_text("rbac.yaml"), crds_text()] {
        printed(&apply(&cluster, &manifests).await);
    }
    established(&cluster).await;
    printed(&apply(&cluster, &world()).await);
    let mut controller = start(&cluster).await;

    let client = cluster.client().await.unwrap();
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    comes(&mut controller, services, "web", |service: &Service| {
        let ingress = || service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?.ip.clone();
        ingress().as_deref() == Some("192.0.2.7")
    })
    .await;
    let pools: Api<IPAddressPool> = Api::namespaced(client.clone(), DEFAULT_NAMESPACE);
    comes(&mut controller, pools, "pool", |pool: &IPAddressPool| {
        pool.status.as_ref().is_some_and(|status| status.assigned_ipv4 == 1)
    })
    .await;
    let states: Api<ConfigurationState> = Api::namespaced(client.clone(), DEFAULT_NAMESPACE);
    comes(&mut controller, states, "controller", |state: &ConfigurationState| {
        state.status.as_ref().is_some_and(|status| status.result == Some(ConfigurationResult::Valid))
    })
    .await;
    let events: Api<Event> = Api::namespaced(client.clone(), "default");
    let told = async {
        let about = ListParams::default().fields("involvedObject.name=web,reason=IPAllocated");
        while events.list(&about).await.unwrap().items.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, told).await.unwrap();

    // What it does to leave in order is a duty, too.
    assert!(controller.terminate(SOON).await.unwrap().success());

    let (done, refused) = requests(&cluster);
    assert_eq!(refused, BTreeSet::new());
    for duty in DONE {
        assert!(done.contains(duty), "{duty} is not among {done:#?}");
    }
}

/// A pool, a Service, and the controller's own pod, which nobody runs.
fn world() -> String {
    let items = json!([
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "controller-0", "namespace": DEFAULT_NAMESPACE },
            "spec": { "serviceAccountName": "controller", "containers": [{ "name": "c", "image": "ferrolb" }] },
        },
        {
            "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": { "name": "pool", "namespace": DEFAULT_NAMESPACE },
            "spec": { "addresses": ["192.0.2.7-192.0.2.9"] },
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
        },
    ]);
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// The controller with its account's token.
async fn start(cluster: &ControlPlane) -> Process {
    let token = cluster.token_for(DEFAULT_NAMESPACE, "controller").await.unwrap();
    let kubeconfig = cluster.kubeconfig_with_token(&token).unwrap();
    let arguments = [
        "--source=kube".to_owned(),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--namespace={DEFAULT_NAMESPACE}"),
        "--pod-name=controller-0".to_owned(),
        "--port=0".to_owned(),
        "--health-probe-port=0".to_owned(),
    ];
    Process::start("controller", &program(), arguments, &[], cluster.folder()).unwrap()
}

/// Beside the test's own folder.
fn program() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("ferrolb-controller")
}

/// Waits until an object is as it should become.
async fn comes<K>(controller: &mut Process, api: Api<K>, name: &str, is_so: impl Fn(&K) -> bool)
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + DeserializeOwned + 'static,
{
    let condition = |object: Option<&K>| object.is_some_and(&is_so);
    let so = tokio::time::timeout(SOON, await_condition(api, name, condition)).await;
    assert!(so.is_ok_and(|so| so.is_ok()), "{name} did not become so; the controller:\n{}", controller.log_tail());
}

/// What the controller asked for, and what of that was refused, as `resource.group verb`.
fn requests(cluster: &ControlPlane) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut done, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let user = service_account_user(DEFAULT_NAMESPACE, "controller");
    for entry in cluster.audit_log().unwrap().into_iter().filter(|entry| entry.user == user) {
        let subresource = if entry.subresource.is_empty() { String::new() } else { format!("/{}", entry.subresource) };
        let group = if entry.group.is_empty() { String::new() } else { format!(".{}", entry.group) };
        let what = format!("{}{subresource}{group} {}", entry.resource, entry.verb);
        if !entry.allowed || entry.code == 403 {
            refused.insert(format!("{what} {}/{} ({})", entry.namespace, entry.name, entry.uri));
        }
        done.insert(what);
    }
    (done, refused)
}
