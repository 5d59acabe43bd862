//! `IPPool`: addresses for Pods, tunnels or load balancers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// A prefix, what it is for and how Pods within it are reached.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "IPPool",
    doc = "Addresses for Pods, tunnels or load balancers.",
    plural = "ippools",
    schema = "disabled",
    status = "IPPoolStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct IPPoolSpec {
    /// What the addresses are for: `Workload`, `Tunnel`, `LoadBalancer`; absent: workloads and tunnels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_uses: Option<Vec<String>>,
    /// `Automatic`, or `Manual`: only for those who ask for the pool; absent: `Automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_mode: Option<String>,
    /// Length of the prefixes that nodes are given; absent: 26 or 122, by family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<i64>,
    /// The prefix.
    pub cidr: String,
    /// Whether routes within the prefix are kept from all BGP peers; absent: no.
    #[serde(default, rename = "disableBGPExport", skip_serializing_if = "Option::is_none")]
    pub disable_bgp_export: Option<bool>,
    /// Whether no new addresses are given; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// When traffic goes through IP-in-IP: `Never`, `Always` or `CrossSubnet`; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipip_mode: Option<String>,
    /// Namespaces that may use the pool, a selector in Calico's language; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<String>,
    /// Whether traffic that leaves the pools is masqueraded; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_outgoing: Option<bool>,
    /// Nodes that may use the pool, a selector in Calico's language; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<String>,
    /// When traffic goes through VXLAN: `Never`, `Always` or `CrossSubnet`; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vxlan_mode: Option<String>,
}

/// What Calico says of the pool.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct IPPoolStatus {
    /// Conditions by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}
