//! The kernel's view of the network: today its links, later routes and rules.
//!
//! [`links`] is pure; the feature `driver` reads the kernel over netlink (RFC 3549) and follows its changes.

#[cfg(feature = "driver")]
pub mod driver;
pub mod links;
