//! Nodes of the simulated cluster: a number, from which name and address follow.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ferrolb_gossip::NodeName;

/// Port of gossip.
const PORT: u16 = 7946;

/// A node, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub u8);

// === impl Node ===

impl Node {
    /// Its name in Kubernetes.
    pub fn name(self) -> NodeName {
        NodeName::from(self.to_string())
    }

    /// Its `InternalIP`.
    pub const fn ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.0.saturating_add(1)))
    }

    /// Where its gossip is reached.
    pub const fn addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }

    /// The node that is reached there.
    pub fn at(addr: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = addr.ip() else { return None };
        let [10, 0, 0, last] = ip.octets() else { return None };
        last.checked_sub(1).map(Self)
    }

    /// The node of that name.
    pub fn named(name: &NodeName) -> Option<Self> {
        name.as_str().strip_prefix("node-")?.parse().ok().map(Self)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("node-{}", self.0))
    }
}
