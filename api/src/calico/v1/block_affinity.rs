//! `BlockAffinity`: a block of Pod addresses that belongs to a node, or is about to.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Which block belongs to which node.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "BlockAffinity",
    doc = "A block of Pod addresses that belongs to a node, or is about to.",
    plural = "blockaffinities",
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct BlockAffinitySpec {
    /// The block.
    pub cidr: String,
    /// `true` where the affinity is being deleted, else `false`, as text.
    pub deleted: String,
    /// Name of the node.
    pub node: String,
    /// `confirmed`, `pending` or `pendingDeletion`.
    pub state: String,
    /// `host` or `virtual`; absent: `host`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}
