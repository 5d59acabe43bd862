//! `BGPConfiguration`: BGP for the whole cluster (name `default`) or for one node (name `node.<node>`).

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::BGPPassword;

/// What holds for BGP on all nodes, or on one.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "BGPConfiguration",
    doc = "BGP for the whole cluster (name `default`) or for one node (name `node.<node>`).",
    plural = "bgpconfigurations",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct BGPConfigurationSpec {
    /// AS number of the nodes that have none of their own; absent: 64512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// Addresses to listen on: `None` (all) or `NodeIP`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_mode: Option<String>,
    /// Names for communities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<Vec<Community>>,
    /// Interfaces whose routes are not taken from the kernel, shell patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_interfaces: Option<Vec<String>>,
    /// Metric of ordinary IPv4 routes in the kernel, 1 to 2147483646.
    #[serde(default, rename = "ipv4NormalRoutePriority", skip_serializing_if = "Option::is_none")]
    pub ipv4_normal_route_priority: Option<i64>,
    /// Metric of ordinary IPv6 routes in the kernel, 1 to 2147483646.
    #[serde(default, rename = "ipv6NormalRoutePriority", skip_serializing_if = "Option::is_none")]
    pub ipv6_normal_route_priority: Option<i64>,
    /// TCP port to listen on; absent: 179.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// IPv4 address that workloads on the node peer with.
    #[serde(default, rename = "localWorkloadPeeringIPV4", skip_serializing_if = "Option::is_none")]
    pub local_workload_peering_ipv4: Option<String>,
    /// IPv6 address that workloads on the node peer with.
    #[serde(default, rename = "localWorkloadPeeringIPV6", skip_serializing_if = "Option::is_none")]
    pub local_workload_peering_ipv6: Option<String>,
    /// How much BIRD logs: `Trace`, `Debug`, `Info`, `Warning`, `Error`, `Fatal`, in any case; absent: `Info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_severity_screen: Option<String>,
    /// Restart time of graceful restart (RFC 4724) in the mesh, in Go's notation of durations; absent: `120s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_mesh_max_restart_time: Option<String>,
    /// Password of the sessions of the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_mesh_password: Option<BGPPassword>,
    /// Whether every node peers with every other; absent: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_to_node_mesh_enabled: Option<bool>,
    /// Communities of the routes within some prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_advertisements: Option<Vec<PrefixAdvertisement>>,
    /// Who programs routes between nodes: `Enabled`, `Disabled`, `EnabledIPIPOnly`, `EnabledNoEncapOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_cluster_routes: Option<String>,
    /// Prefixes of cluster IPs to announce.
    #[serde(default, rename = "serviceClusterIPs", skip_serializing_if = "Option::is_none")]
    pub service_cluster_ips: Option<Vec<ServiceBlock>>,
    /// Prefixes within which external IPs are announced.
    #[serde(default, rename = "serviceExternalIPs", skip_serializing_if = "Option::is_none")]
    pub service_external_ips: Option<Vec<ServiceBlock>>,
    /// Whether load balancer prefixes are announced whole: `Enabled` or `Disabled` (each address on its own); absent:
    /// `Enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_load_balancer_aggregation: Option<String>,
    /// Prefixes within which load balancer addresses are announced.
    #[serde(default, rename = "serviceLoadBalancerIPs", skip_serializing_if = "Option::is_none")]
    pub service_load_balancer_ips: Option<Vec<ServiceBlock>>,
}

/// A name for a community.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Community {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A community (`64512:100`), or a large one (`64512:1:2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Communities for the routes within a prefix.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixAdvertisement {
    /// The prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Communities, by name or literally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<Vec<String>>,
}

/// A prefix of Service addresses.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceBlock {
    /// The prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
}
