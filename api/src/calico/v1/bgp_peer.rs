//! `BGPPeer`: a router, or other nodes, that some nodes speak BGP with beside the mesh.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::BGPPassword;

/// Who peers with whom, and how.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "crd.projectcalico.org",
    version = "v1",
    kind = "BGPPeer",
    doc = "A router, or other nodes, that some nodes speak BGP with beside the mesh.",
    plural = "bgppeers",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct BGPPeerSpec {
    /// AS number of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// `BGPFilter`s by name, asked in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<String>>,
    /// Deprecated for `nextHopMode`: whether to pass routes on with the next hop that they came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_original_next_hop: Option<bool>,
    /// Interval of KEEPALIVE messages, in Go's notation of durations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,
    /// AS number to show to this peer in place of the node's.
    #[serde(default, rename = "localASNumber", skip_serializing_if = "Option::is_none")]
    pub local_as_number: Option<u32>,
    /// Workloads on the node to peer with, a selector in Calico's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_workload_selector: Option<String>,
    /// Restart time of graceful restart (RFC 4724), in Go's notation of durations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_restart_time: Option<String>,
    /// Next hop of the routes that are announced: `Auto`, `Self` or `Keep`; absent: `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop_mode: Option<String>,
    /// The node that has this peer; absent, and no `nodeSelector`: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The nodes that have this peer, a selector in Calico's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<String>,
    /// How often the own AS number may stand in the AS_PATH of routes that are accepted; absent: never.
    #[serde(default, rename = "numAllowedLocalASNumbers", skip_serializing_if = "Option::is_none")]
    pub num_allowed_local_as_numbers: Option<i32>,
    /// Password of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<BGPPassword>,
    /// Address of the peer, with a port after it where that is not 179.
    #[serde(default, rename = "peerIP", skip_serializing_if = "Option::is_none")]
    pub peer_ip: Option<String>,
    /// Nodes that are the peers, a selector in Calico's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_selector: Option<String>,
    /// Gateway through which the peer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable_by: Option<String>,
    /// Whether nodes that `peerSelector` selects peer back by themselves: `Auto` or `Manual`; absent: `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_peering: Option<String>,
    /// Address to connect from: `UseNodeIP` or `None` (what the routing table says); absent: `UseNodeIP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// Hops that the peer may be away under TTL security (RFC 5082); absent: no TTL security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_security: Option<i64>,
}
