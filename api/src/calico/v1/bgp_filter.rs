//! `BGPFilter`: which routes are taken from and given to the peers that name it.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Rules by direction and family. The first rule that matches decides; where none does, the next filter is asked.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "BGPFilter",
    doc = "Which routes are taken from and given to the peers that name it.",
    plural = "bgpfilters",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct BGPFilterSpec {
    /// For IPv4 routes to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_v4: Option<Vec<BGPFilterRule>>,
    /// For IPv6 routes to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_v6: Option<Vec<BGPFilterRule>>,
    /// For IPv4 routes from the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_v4: Option<Vec<BGPFilterRule>>,
    /// For IPv6 routes from the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_v6: Option<Vec<BGPFilterRule>>,
}

/// A rule: it matches a route where all of its conditions do.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BGPFilterRule {
    /// `Accept` or `Reject`.
    pub action: String,
    /// Condition: the AS_PATH begins with these AS numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_path_prefix: Option<Vec<u32>>,
    /// Condition: how the route stands to this prefix, by `matchOperator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Condition: the route bears these communities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<BGPFilterCommunities>,
    /// Condition: the route leads through this interface, a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// How the route's prefix stands to `cidr`: `Equal`, `NotEqual`, `In` or `NotIn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_operator: Option<String>,
    /// What to do to a route that is accepted, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<BGPFilterOperation>>,
    /// Condition: the session is `eBGP` or `iBGP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_type: Option<String>,
    /// Condition: the length of the route's prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<BGPFilterPrefixLength>,
    /// Condition: the route's metric in the kernel, 1 to 2147483646.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Condition: where the route came from: `RemotePeers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Communities to look for.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct BGPFilterCommunities {
    /// One community (`64512:100`), or large one (`64512:1:2`).
    pub values: Vec<String>,
}

/// Bounds of a prefix's length.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BGPFilterPrefixLength {
    /// Longest; absent: 32 or 128, by family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i32>,
    /// Shortest; absent: the length of `cidr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i32>,
}

/// A change to a route. One of the members is there; none of them: an operation of a newer Calico.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BGPFilterOperation {
    /// Adds a community.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_community: Option<AddCommunity>,
    /// Puts AS numbers in front of the AS_PATH.
    #[serde(default, rename = "prependASPath", skip_serializing_if = "Option::is_none")]
    pub prepend_as_path: Option<PrependASPath>,
    /// Sets the metric in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_priority: Option<SetPriority>,
}

/// Adds a community.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct AddCommunity {
    /// A community (`64512:100`), or a large one (`64512:1:2`).
    pub value: String,
}

/// Puts AS numbers in front of the AS_PATH.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct PrependASPath {
    /// The AS numbers, as they then stand.
    pub prefix: Vec<u32>,
}

/// Sets the metric in the kernel.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetPriority {
    /// The metric, 1 to 2147483646.
    pub value: i64,
}
