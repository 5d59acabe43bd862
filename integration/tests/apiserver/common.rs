//! What these tests share.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use ferrolb_api::{DEFAULT_NAMESPACE, crds};
use ferrolb_integration::apiserver::{self, ControlPlane, Options};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A bound for what has no reason to take long.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A control plane of one's own, to break; none where the machine cannot run one, which is then said.
pub(crate) async fn own_control_plane() -> Option<ControlPlane> {
    let programs = apiserver::available().unwrap()?;
    Some(ControlPlane::start(Options::new(programs)).await.unwrap())
}

/// The control plane that tests share: our CRDs and our manifests but for the webhooks are applied. A test keeps to
/// names of its own. It goes when the tests' process ends.
pub(crate) async fn shared_control_plane() -> Option<&'static ControlPlane> {
    static SHARED: OnceCell<Option<ControlPlane>> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let cluster = own_control_plane().await?;
            for manifest in ["namespace.yaml", "rbac.yaml"] {
                printed(&apply(&cluster, &manifest_text(manifest)).await);
            }
            printed(&apply(&cluster, &crds_text()).await);
            established(&cluster).await;
            Some(cluster)
        })
        .await
        .as_ref()
}

/// `kubectl apply`, strict about fields that nobody knows.
pub(crate) async fn apply(cluster: &ControlPlane, manifests: &str) -> Output {
    cluster.kubectl(&["apply", "--validate=strict", "-f", "-"], manifests).await.unwrap()
}

/// What a command printed, if it succeeded without a word of complaint.
pub(crate) fn printed(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All CRDs as one list.
pub(crate) fn crds_text() -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": crds::all() }).to_string()
}

/// Every CRD is served.
pub(crate) async fn established(cluster: &ControlPlane) {
    let definitions = Api::all(cluster.client().await.unwrap());
    for crd in crds::all() {
        let name = crd.metadata.name.unwrap();
        let served = await_condition(definitions.clone(), &name, is_crd_established());
        tokio::time::timeout(SOON, served).await.unwrap().unwrap();
    }
}

/// A file of charts/manifests.
pub(crate) fn manifest_text(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("charts/manifests").join(name)).unwrap()
}

/// The objects of a file of manifests.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Creates an object of group metallb.io in our namespace.
pub(crate) async fn create(client: &Client, version: &str, kind: &str, name: &str, spec: &Value) -> kube::Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("metallb.io", version, kind));
    let resource = ApiResource { plural: plural(kind), ..resource };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), DEFAULT_NAMESPACE, &resource);
    let object = json!({
        "apiVersion": format!("metallb.io/{version}"), "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.map(drop)
}

/// The plural of a kind, by its CRD.
pub(crate) fn plural(kind: &str) -> String {
    crds::all().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap().spec.names.plural
}
