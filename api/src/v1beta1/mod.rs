//! `metallb.io/v1beta1`.

#![expect(clippy::duplicated_attributes, reason = "printcolumn is given once for each column")]

mod ip_address_pool;
mod l2_advertisement;

pub use ip_address_pool::{IPAddressPool, IPAddressPoolSpec, IPAddressPoolStatus, ServiceAllocation};
pub use l2_advertisement::{L2Advertisement, L2AdvertisementSpec, L2AdvertisementStatus, NodePreference};
