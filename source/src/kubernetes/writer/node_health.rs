//! `NodeHealthReport`: which nodes this node's speaker holds for dead.

use ferrolb_api::v1alpha1::{NodeHealthReport, UnreachableNode};
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;

use super::{Failed, KubernetesWriter, within};
use crate::writer::WriteError;

impl KubernetesWriter {
    pub(crate) async fn write_node_health(&self, node: &str, nodes: &[UnreachableNode]) -> Result<(), WriteError> {
        self.apply_node_health(node, nodes).await.map_err(|error| error.of(format!("NodeHealthReport {node}")))
    }

    /// It goes with the own pod: a report of nobody must not count.
    async fn apply_node_health(&self, node: &str, nodes: &[UnreachableNode]) -> Result<(), Failed> {
        let api: Api<NodeHealthReport> = Api::namespaced(self.client.clone(), &self.namespace);
        let report = json!({
            "apiVersion": NodeHealthReport::api_version(&()),
            "kind": NodeHealthReport::kind(&()),
            "metadata": { "name": node, "ownerReferences": self.owner().await? },
            "spec": { "unreachable": nodes },
        });
        let params = PatchParams::apply(&self.identity.component).force();
        within(api.patch(node, &params, &Patch::Apply(&report))).await.map(drop)
    }
}
