//! Wire formats: bytes in, values out, and back. Nothing here decides anything.

pub mod arp;
pub mod ndp;

/// Length in bytes of an Ethernet header.
pub(crate) const ETHERNET_LEN: usize = 14;
