//! `NodeHealthReport`: which nodes a speaker holds for dead.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which nodes the speaker of the node of this name holds for dead. Written by speakers, only with `nodeFailure.failEndpoints`.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "ferrolb.io",
    version = "v1alpha1",
    kind = "NodeHealthReport",
    doc = "Which nodes the speaker of the node of this name holds for dead. Written by speakers, only with `nodeFailure.failEndpoints`.",
    plural = "nodehealthreports",
    singular = "nodehealthreport",
    namespaced,
    derive = "PartialEq",
    printcolumn(name = "Unreachable", type_ = "string", json_path = ".spec.unreachable[*].node"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct NodeHealthReportSpec {
    /// Nodes that are gone from gossip and whose address does not answer; each for at most a minute, for by then
    /// Kubernetes knows by itself.
    #[serde(default)]
    pub unreachable: Vec<UnreachableNode>,
}

/// A node that a speaker holds for dead.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UnreachableNode {
    /// Name of the node.
    pub node: String,
    /// Since when, by the clock of the one who reports.
    pub since: MicroTime,
    /// When its address was last tried, by the same clock. It is tried every 5 s, so a report that nobody renews is old.
    pub checked: MicroTime,
}
