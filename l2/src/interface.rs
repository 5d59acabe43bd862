//! The interfaces an announcement may use, as the caller describes them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use pnet_base::MacAddr;

/// An interface that may announce. Which ones may is the caller's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name in this network namespace, for example `eth0`.
    pub name: String,
    /// Kernel index, positive and unique while the interface exists.
    pub index: u32,
    /// The hardware address neighbours shall learn.
    pub mac: MacAddr,
    /// Whether frames can be sent and received: administratively up, with carrier.
    pub up: bool,
    /// Its link-local IPv6 address, from which advertisements are sent. Without one they are sent from the address they
    /// are about, which neighbours take as well.
    pub link_local: Option<Ipv6Addr>,
}

/// Which of the interfaces an address is announced on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interfaces {
    /// Every interface the announcer knows.
    All,
    /// Interfaces of exactly these names; a name nobody bears is no error.
    Named(BTreeSet<String>),
}

impl Interfaces {
    /// Whether the interface called `name` is one of these.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }

    /// Adds those of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) => {}
            (this @ Self::Named(_), Self::All) => *this = Self::All,
            (Self::Named(names), Self::Named(more)) => names.extend(more),
        }
    }
}

/// A router reached through an interface. Routers keep entries for hours and some ignore what is sent to everybody, so
/// each round of an announcement tells the routers of its family in person too: by ARP with the question for the router's
/// own address from the VIP, which every implementation learns from (RFC 826, packet reception); by NDP with the
/// advertisement (RFC 4861 §7.2.6), sent to nobody else. The question of NDP is not asked: its answer would come for the
/// VIP, which the kernel has not, and a node that forwards would look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Index of the interface that leads to it.
    pub index: u32,
    /// Its protocol address.
    pub address: IpAddr,
    /// Its hardware address if known; else the request of ARP is broadcast, and NDP tells nothing in person.
    pub mac: Option<MacAddr>,
}
