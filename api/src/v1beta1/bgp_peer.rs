//! `BGPPeer` as it was in `v1beta1`: deprecated, still served.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A router that the nodes speak BGP with, in the older form.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BGPPeer",
    doc = "A router that the nodes speak BGP with, in the older form.",
    plural = "bgppeers",
    singular = "bgppeer",
    namespaced,
    storage = false,
    deprecated = "v1beta1 is deprecated, please use v1beta2",
    status = "BGPPeerStatus",
    derive = "PartialEq",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.peerAddress"),
    printcolumn(name = "ASN", type_ = "string", json_path = ".spec.peerASN"),
    printcolumn(name = "BFD Profile", type_ = "string", json_path = ".spec.bfdProfile"),
    printcolumn(name = "Multi Hops", type_ = "string", json_path = ".spec.ebgpMultiHop")
)]
#[serde(rename_all = "camelCase")]
pub struct BGPPeerSpec {
    /// AS number of this side, 1 to 4294967295.
    #[schemars(with = "i64", range(min = 0, max = 4_294_967_295_u32))]
    #[serde(rename = "myASN")]
    pub my_asn: u32,
    /// AS number of the router, 1 to 4294967295.
    #[schemars(with = "i64", range(min = 0, max = 4_294_967_295_u32))]
    #[serde(rename = "peerASN")]
    pub peer_asn: u32,
    /// Address of the router.
    pub peer_address: String,
    /// Address to connect from; absent: what the routing table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// TCP port of the router, 0 to 16384; 0 or absent: 179.
    #[schemars(range(min = 0, max = 16384))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_port: Option<u16>,
    /// Hold time (RFC 4271 section 4.2) in Go's notation of durations, such as `90s`; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_time: Option<String>,
    /// Interval of KEEPALIVE messages in Go's notation of durations, such as `30s`; absent: a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,
    /// BGP identifier, written as an IPv4 address; absent: made from the node.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    pub router_id: Option<String>,
    /// Nodes that speak with the router; any selector will do, none: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selectors: Option<Vec<NodeSelector>>,
    /// Password of TCP MD5 signatures (RFC 2385).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `BFDProfile` by name; absent: no BFD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd_profile: Option<String>,
    /// Whether the router, in another AS, may be more than one hop away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebgp_multi_hop: Option<bool>,
}

/// Selects nodes by label; all of it has to match.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Conditions on labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<Vec<MatchExpression>>,
}

/// A condition on a label.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[schemars(extend("required" = ["key", "operator", "values"]))]
pub struct MatchExpression {
    /// Name of the label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values to compare with. The schema wants at least one; where a selector came from `v1beta2` there may be none.
    #[schemars(length(min = 1))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Nothing is reported here.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BGPPeerStatus {}
