//! What the announcer really does, for whoever wants to know.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::error::PortError;
use crate::announcer::{InterfaceCounters, VipStatus};

/// What is really announced. Changes of substance are published within 20 ms, counters alone within a second.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Every address that shall be announced, where it is, and what happened to it.
    pub vips: BTreeMap<IpAddr, VipStatus>,
    /// Every interface that shall be used and is up, by name.
    pub interfaces: BTreeMap<String, InterfaceStatus>,
    /// Claims that nobody received in time.
    pub heard_dropped: u64,
}

/// How an interface is.
#[derive(Debug, Clone)]
pub struct InterfaceStatus {
    /// Its kernel index.
    pub index: u32,
    /// Whether its socket is open.
    pub open: bool,
    /// What is wrong, if anything is.
    pub error: Option<Arc<PortError>>,
    /// What was received.
    pub counters: InterfaceCounters,
}
