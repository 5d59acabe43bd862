//! `metallb.io/v1beta2`.

#![expect(clippy::duplicated_attributes, reason = "printcolumn is given once for each column")]

mod bgp_peer;

pub use bgp_peer::{BGPPeer, BGPPeerSpec, BGPPeerStatus, DynamicASN, SecretReference};
