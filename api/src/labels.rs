//! Labels on the objects that ferrolb writes its state to, and the beginnings of their names.

/// On `ServiceL2Status` and `ServiceBGPStatus`: the node that announces.
pub const NODE: &str = "metallb.io/node";
/// On `ServiceL2Status` and `ServiceBGPStatus`: name of the Service.
pub const SERVICE_NAME: &str = "metallb.io/service-name";
/// On `ServiceL2Status` and `ServiceBGPStatus`: namespace of the Service.
pub const SERVICE_NAMESPACE: &str = "metallb.io/service-namespace";

/// On `ConfigurationState`: the component that it speaks of, [`COMPONENT_CONTROLLER`] or [`COMPONENT_SPEAKER`].
pub const COMPONENT_TYPE: &str = "metallb.io/component-type";
/// On `ConfigurationState` of a speaker: its node.
pub const NODE_NAME: &str = "metallb.io/node-name";

/// Value of [`COMPONENT_TYPE`], and name of the controllers' `ConfigurationState`.
pub const COMPONENT_CONTROLLER: &str = "controller";
/// Value of [`COMPONENT_TYPE`]; the name of a speaker's `ConfigurationState` is this, `-` and its node's name.
pub const COMPONENT_SPEAKER: &str = "speaker";

/// Beginning of the names of `ServiceL2Status`.
pub const L2_STATUS_PREFIX: &str = "l2-";
/// Beginning of the names of `ServiceBGPStatus`.
pub const BGP_STATUS_PREFIX: &str = "bgp-";

/// Type of the controllers' condition in their `ConfigurationState`.
pub const CONDITION_POOLS: &str = "poolReconcilerValid";
/// Type of a speaker's condition in its `ConfigurationState`.
pub const CONDITION_CONFIG: &str = "configReconcilerValid";

/// Type of the condition of a speaker's ConfigurationState that tells of settings of the node's kernel. It says nothing
/// about the configuration, so the state's result stays what it is without it.
pub const CONDITION_KERNEL: &str = "kernelSettingsValid";
