//! Metrics, as monitoring gets them: over TLS, with the token of an account that may.

use serde_json::json;

use crate::common::{apply, printed};
use crate::installation::Installation;

/// What the controller shows.
pub(crate) async fn scrape(installation: &Installation) -> String {
    let cluster = &installation.cluster;
    let (rbac, name) = ("rbac.authorization.k8s.io", json!({ "name": "monitoring" }));
    let version = format!("{rbac}/v1");
    let account = json!({ "name": "monitoring", "namespace": "default" });
    let items = json!([
        { "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account },
        {
            "apiVersion": version, "kind": "ClusterRole", "metadata": name,
            "rules": [{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }],
        },
        {
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": name,
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": "monitoring" },
            "subjects": [{ "kind": "ServiceAccount", "name": "monitoring", "namespace": "default" }],
        },
    ]);
    printed(&apply(cluster, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await);
    let server = format!("--server=https://{}", installation.metrics());
    let token = cluster.token_for("default", "monitoring").await.unwrap();
    let kubeconfig = cluster.kubeconfig_with_token(&token).unwrap();
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let scrape = [kubeconfig.as_str(), &server, "--insecure-skip-tls-verify", "get", "--raw", "/metrics"];
    printed(&cluster.kubectl(&scrape, "").await.unwrap())
}
