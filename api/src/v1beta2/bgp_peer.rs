//! `BGPPeer`: a router that the nodes speak BGP with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A router that the nodes speak BGP with.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "metallb.io",
    version = "v1beta2",
    kind = "BGPPeer",
    doc = "A router that the nodes speak BGP with.",
    plural = "bgppeers",
    singular = "bgppeer",
    namespaced,
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
    /// AS number of the router, 1 to 4294967295; 0 or absent where `dynamicASN` says it.
    #[schemars(with = "Option<i64>", range(min = 0, max = 4_294_967_295_u32))]
    #[serde(default, rename = "peerASN", skip_serializing_if = "Option::is_none")]
    pub peer_asn: Option<u32>,
    /// Takes whatever AS number the router has, as long as it is of this side's AS, or is not. Instead of `peerASN`.
    #[serde(default, rename = "dynamicASN", skip_serializing_if = "Option::is_none")]
    pub dynamic_asn: Option<DynamicASN>,
    /// AS number to show to this router in place of `myASN`, 1 to 4294967295.
    #[schemars(with = "Option<i64>", range(min = 1, max = 4_294_967_295_u32))]
    #[serde(default, rename = "localASN", skip_serializing_if = "Option::is_none")]
    pub local_asn: Option<u32>,
    /// Address of the router. Instead of `interface`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<String>,
    /// Interface whose only IPv6 neighbour is the router (peering by link-local address). Instead of `peerAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Address to connect from; absent: what the routing table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// TCP port of the router, 1 to 16384.
    #[schemars(range(min = 1, max = 16384))]
    #[serde(default = "bgp_port")]
    pub peer_port: u16,
    /// Hold time (RFC 4271 section 4.2) in Go's notation of durations, such as `90s`; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_time: Option<String>,
    /// Interval of KEEPALIVE messages in Go's notation of durations, such as `30s`; absent: a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,
    /// Time between attempts to connect in Go's notation of durations, whole seconds from `1s` to `65535s`.
    #[schemars(extend("x-kubernetes-validations" = [
        {
            "rule": "duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535",
            "message": "connect time should be between 1 seconds to 65535",
        },
        {
            "rule": "duration(self).getMilliseconds() % 1000 == 0",
            "message": "connect time should contain a whole number of seconds",
        },
    ]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_time: Option<String>,
    /// BGP identifier, written as an IPv4 address; absent: made from the node.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    pub router_id: Option<String>,
    /// Nodes that speak with the router; any selector will do, none: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selectors: Option<Vec<LabelSelector>>,
    /// Password of TCP MD5 signatures (RFC 2385). Instead of `passwordSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Secret of type `kubernetes.io/basic-auth` whose key `password` holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretReference>,
    /// `BFDProfile` by name; absent: no BFD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd_profile: Option<String>,
    /// Whether the router keeps its routes to us while the session restarts (RFC 4724). Cannot be changed later.
    #[schemars(extend("x-kubernetes-validations" = [
        { "rule": "self == oldSelf", "message": "EnableGracefulRestart cannot be changed after creation" },
    ]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_graceful_restart: Option<bool>,
    /// Whether the router, in another AS, may be more than one hop away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebgp_multi_hop: Option<bool>,
    /// Linux VRF device that the session lives in; absent: the default VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf: Option<String>,
    /// Deprecated, without effect.
    #[serde(default, rename = "disableMP")]
    pub disable_mp: bool,
    /// Whether to negotiate both IPv4 and IPv6 unicast on the session, whichever family it runs over (RFC 4760).
    #[serde(default)]
    pub dual_stack_address_family: bool,
}

/// Which AS numbers of the router will do.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DynamicASN {
    /// The same as this side's.
    Internal,
    /// Any other than this side's.
    External,
}

/// Points to a Secret.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretReference {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ignored: Secrets are read from the namespace of the configuration only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Nothing is reported here.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BGPPeerStatus {}

// === impl BGPPeerSpec ===

impl Default for BGPPeerSpec {
    /// All fields at what the schema defaults them to; `my_asn`, which has no default, is 0 and has to be set.
    fn default() -> Self {
        Self {
            my_asn: 0,
            peer_asn: None,
            dynamic_asn: None,
            local_asn: None,
            peer_address: None,
            interface: None,
            source_address: None,
            peer_port: bgp_port(),
            hold_time: None,
            keepalive_time: None,
            connect_time: None,
            router_id: None,
            node_selectors: None,
            password: None,
            password_secret: None,
            bfd_profile: None,
            enable_graceful_restart: None,
            ebgp_multi_hop: None,
            vrf: None,
            disable_mp: false,
            dual_stack_address_family: false,
        }
    }
}

fn bgp_port() -> u16 {
    179
}
