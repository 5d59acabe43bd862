//! `BFDProfile`: how BFD (RFC 5880) watches over BGP sessions.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of BFD for the sessions whose `BGPPeer` names this profile.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BFDProfile",
    doc = "Parameters of BFD for the sessions whose `BGPPeer` names this profile.",
    plural = "bfdprofiles",
    singular = "bfdprofile",
    namespaced,
    status = "BFDProfileStatus",
    derive = "PartialEq",
    printcolumn(name = "Passive Mode", type_ = "boolean", json_path = ".spec.passiveMode"),
    printcolumn(name = "Transmit Interval", type_ = "integer", json_path = ".spec.transmitInterval"),
    printcolumn(name = "Receive Interval", type_ = "integer", json_path = ".spec.receiveInterval"),
    printcolumn(name = "Multiplier", type_ = "integer", json_path = ".spec.detectMultiplier")
)]
#[serde(rename_all = "camelCase")]
pub struct BFDProfileSpec {
    /// Shortest interval at which we can receive control packets, in milliseconds, 10 to 60000; absent: 300.
    #[schemars(with = "Option<i32>", range(min = 10, max = 60000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_interval: Option<u32>,
    /// Shortest interval at which we want to send control packets, in milliseconds, 10 to 60000; absent: 300.
    #[schemars(with = "Option<i32>", range(min = 10, max = 60000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_interval: Option<u32>,
    /// How many intervals without a packet end the session, 2 to 255; absent: 3.
    #[schemars(with = "Option<i32>", range(min = 2, max = 255))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_multiplier: Option<u32>,
    /// Interval of echo packets, in milliseconds, 10 to 60000; absent: 50.
    #[schemars(with = "Option<i32>", range(min = 10, max = 60000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo_interval: Option<u32>,
    /// Whether to use the echo function (RFC 5880 section 6.4); absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo_mode: Option<bool>,
    /// Whether to wait for the peer's first control packet before sending any; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive_mode: Option<bool>,
    /// Lowest TTL accepted in control packets over several hops (RFC 5883), 1 to 254; absent: 254.
    #[schemars(with = "Option<i32>", range(min = 1, max = 254))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_ttl: Option<u32>,
}

/// Nothing is reported here.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BFDProfileStatus {}
