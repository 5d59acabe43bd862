//! `BGPAdvertisement`: pools whose addresses are announced by BGP, and the attributes of their routes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Announces the addresses of some pools by BGP from every node that may.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BGPAdvertisement",
    doc = "Announces the addresses of some pools by BGP from every node that may.",
    plural = "bgpadvertisements",
    singular = "bgpadvertisement",
    namespaced,
    status = "BGPAdvertisementStatus",
    derive = "PartialEq",
    printcolumn(name = "IPAddressPools", type_ = "string", json_path = ".spec.ipAddressPools"),
    printcolumn(name = "IPAddressPool Selectors", type_ = "string", json_path = ".spec.ipAddressPoolSelectors"),
    printcolumn(name = "Peers", type_ = "string", json_path = ".spec.peers"),
    printcolumn(name = "Node Selectors", type_ = "string", json_path = ".spec.nodeSelectors", priority = 10)
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": concat!(
        "!has(self.serviceSelectors) || self.serviceSelectors.size() == 0 || ",
        "((!has(self.aggregationLength) || self.aggregationLength == 32) && ",
        "(!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
    ),
    "message": concat!(
        "serviceSelectors and aggregationLength are mutually exclusive, can only be used together with ",
        "default aggregationLength (32) and aggregationLengthV6 (128)",
    ),
}]))]
#[serde(rename_all = "camelCase")]
pub struct BGPAdvertisementSpec {
    /// Length of the IPv4 prefixes that are announced, 1 to 32; 32 announces each address on its own.
    #[schemars(range(min = 1))]
    #[serde(default = "host_v4")]
    pub aggregation_length: i32,
    /// Length of the IPv6 prefixes that are announced, 1 to 128; 128 announces each address on its own.
    #[serde(default = "host_v6", rename = "aggregationLengthV6")]
    pub aggregation_length_v6: i32,
    /// How often the local AS number is put in front of the AS_PATH towards the peer, 1 to 10; absent: not at all
    /// beyond what eBGP itself does.
    #[schemars(range(min = 1, max = 10))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_path_prepend: Option<u32>,
    /// LOCAL_PREF, for iBGP peers only; absent: 100.
    #[schemars(with = "Option<i32>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    /// Communities of the routes: `64512:100`, `large:64512:1:2`, or the name that a `Community` gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<Vec<String>>,
    /// Pools by name; with `ipAddressPoolSelectors` the union. Neither: all pools.
    #[serde(default, rename = "ipAddressPools", skip_serializing_if = "Option::is_none")]
    pub ip_address_pools: Option<Vec<String>>,
    /// Pools by label; any selector will do.
    #[serde(default, rename = "ipAddressPoolSelectors", skip_serializing_if = "Option::is_none")]
    pub ip_address_pool_selectors: Option<Vec<LabelSelector>>,
    /// Nodes that announce; any selector will do, none: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selectors: Option<Vec<LabelSelector>>,
    /// `BGPPeer`s to announce to, by name; none: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,
    /// Services by label; any selector will do, none: all Services. Only where each address is announced on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_selectors: Option<Vec<LabelSelector>>,
}

/// Nothing is reported here.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BGPAdvertisementStatus {}

// === impl BGPAdvertisementSpec ===

impl Default for BGPAdvertisementSpec {
    /// What an empty `spec` means: everything, to everyone, each address on its own.
    fn default() -> Self {
        Self {
            aggregation_length: host_v4(),
            aggregation_length_v6: host_v6(),
            as_path_prepend: None,
            local_pref: None,
            communities: None,
            ip_address_pools: None,
            ip_address_pool_selectors: None,
            node_selectors: None,
            peers: None,
            service_selectors: None,
        }
    }
}

fn host_v4() -> i32 {
    32
}

fn host_v6() -> i32 {
    128
}
