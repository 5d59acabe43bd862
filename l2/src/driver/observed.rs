//! What the announcer really does, for whoever wants to know.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::error::PortError;
use crate::announcer::{AddressInUse, InterfaceCounters, VipStatus};

/// What is really announced. Changes of substance are published within 20 ms, counters alone within a second.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Every address that shall be announced, where it is, and what happened to it.
    pub vips: BTreeMap<IpAddr, VipStatus>,
    /// Every interface that shall be used and is up, by name.
    pub interfaces: BTreeMap<String, InterfaceStatus>,
    /// Claims that nobody received in time.
    pub heard_dropped: u64,
    /// Addresses that are not announced because strangers hold them, or are announced nevertheless
    /// ([`Config::announce_in_use`](crate::Config::announce_in_use)).
    pub in_use: Vec<AddressInUse>,
    /// How often this process stood still for longer than
    /// [`Config::stall_tolerance`](crate::Config::stall_tolerance).
    pub stalls: u64,
    /// Whether nothing is announced until ownership is confirmed with
    /// [`Handle::confirm`](super::Handle::confirm).
    pub stalled: bool,
}

/// How an interface is.
#[derive(Debug, Clone)]
pub struct InterfaceStatus {
    /// Its kernel index.
    pub index: u32,
    /// Whether the sockets it needs are open.
    pub open: bool,
    /// What is wrong, if anything is.
    pub error: Option<Arc<PortError>>,
    /// What was received.
    pub counters: InterfaceCounters,
}
