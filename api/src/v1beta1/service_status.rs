//! `ServiceL2Status` and `ServiceBGPStatus`: which node announces a Service, and how.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nothing is configured here.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ServiceL2Status",
    doc = "The node that answers ARP and NDP for a Service's addresses.",
    plural = "servicel2statuses",
    singular = "servicel2status",
    namespaced,
    status = "ServiceL2StatusStatus",
    derive = "PartialEq",
    printcolumn(name = "Allocated Node", type_ = "string", json_path = ".status.node"),
    printcolumn(name = "Service Name", type_ = "string", json_path = ".status.serviceName"),
    printcolumn(name = "Service Namespace", type_ = "string", json_path = ".status.serviceNamespace")
)]
pub struct ServiceL2StatusSpec {}

/// The node that answers ARP and NDP for a Service's addresses.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceL2StatusStatus {
    /// The node that announces.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Name of the Service.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Namespace of the Service.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// Interfaces that are announced on; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<InterfaceInfo>>,
}

/// An interface that a Service is announced on.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Name of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Nothing is configured here.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ServiceBGPStatus",
    doc = "The peers that a node announces a Service's addresses to.",
    plural = "servicebgpstatuses",
    singular = "servicebgpstatus",
    namespaced,
    status = "ServiceBGPStatusStatus",
    derive = "PartialEq",
    printcolumn(name = "Node", type_ = "string", json_path = ".status.node"),
    printcolumn(name = "Service Name", type_ = "string", json_path = ".status.serviceName"),
    printcolumn(name = "Service Namespace", type_ = "string", json_path = ".status.serviceNamespace")
)]
pub struct ServiceBGPStatusSpec {}

/// The peers that a node announces a Service's addresses to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBGPStatusStatus {
    /// The node that announces.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Name of the Service.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Namespace of the Service.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "Value is immutable" }]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// Names of the `BGPPeer`s, sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,
}
