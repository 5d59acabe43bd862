//! `crd.projectcalico.org/v1`.
//!
//! Where Calico's schema has an enumeration there is a string here, so that a value of a newer Calico makes nothing
//! unreadable; the values that are known stand with the field. An object without `spec`, which the schema allows and
//! Calico's own tools never write, cannot be read.

mod bgp_configuration;
mod bgp_filter;
mod bgp_peer;
mod block_affinity;
mod ip_pool;

use serde::{Deserialize, Serialize};

pub use bgp_configuration::{BGPConfiguration, BGPConfigurationSpec, Community, PrefixAdvertisement, ServiceBlock};
pub use bgp_filter::{
    AddCommunity, BGPFilter, BGPFilterCommunities, BGPFilterOperation, BGPFilterPrefixLength, BGPFilterRule,
    BGPFilterSpec, PrependASPath, SetPriority,
};
pub use bgp_peer::{BGPPeer, BGPPeerSpec};
pub use block_affinity::{BlockAffinity, BlockAffinitySpec};
pub use ip_pool::{IPPool, IPPoolSpec, IPPoolStatus};

/// Where a password of BGP sessions is found.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BGPPassword {
    /// The key of a Secret, in the namespace of Calico's node agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeySelector>,
}

/// Points to a key of a Secret.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretKeySelector {
    /// The key.
    pub key: String,
    /// Name of the Secret.
    #[serde(default)]
    pub name: String,
    /// Whether the Secret or its key may be missing; absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}
