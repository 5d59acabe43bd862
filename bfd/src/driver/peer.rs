//! With whom there is a session, and how.

use std::fmt;
use std::net::IpAddr;

use crate::session::Config;

/// Which session: one per neighbour address, or several where they differ in what packets arrive with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The neighbour's address. A link-local one (fe80::/10) needs the interface.
    pub address: IpAddr,
    /// Our address: packets are sent from it and must come to it. `None`: sent from where the route says, taken at any.
    /// Must be of the same family.
    pub source: Option<IpAddr>,
    /// Through which interface, by name. `None`: sent where the route leads, taken from any.
    pub interface: Option<String>,
    /// In which VRF, by the name of its device. `None`: in the main one.
    pub vrf: Option<String>,
    /// Whether routers may be in between (RFC 5883): port 4784 and a minimum TTL instead of port 3784 and TTL 255.
    pub multihop: bool,
}

impl Peer {
    /// A neighbour on the same link.
    pub fn single_hop(address: IpAddr) -> Self {
        Self { address, source: None, interface: None, vrf: None, multihop: false }
    }

    /// One behind routers.
    pub fn multihop(address: IpAddr) -> Self {
        Self { multihop: true, ..Self::single_hop(address) }
    }

    /// Seen from `source`.
    #[must_use]
    pub fn from(self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Through the interface of that name.
    #[must_use]
    pub fn on(self, interface: impl Into<String>) -> Self {
        Self { interface: Some(interface.into()), ..self }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(interface) = &self.interface {
            write!(f, "%{interface}")?;
        }
        if let Some(vrf) = &self.vrf {
            write!(f, " vrf {vrf}")?;
        }
        if let Some(source) = &self.source {
            write!(f, " from {source}")?;
        }
        if self.multihop {
            f.write_str(" multihop")?;
        }
        Ok(())
    }
}

/// How a session is to be. A change takes effect while it is up, without a flap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Intervals, multiplier, passive mode.
    pub session: Config,
    /// The lowest TTL or hop limit that a packet of a multihop session may arrive with, 1 to 255; of no meaning for a single
    /// hop, where it must be 255. Default 254: one router in between.
    pub minimum_ttl: u8,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { session: Config::default(), minimum_ttl: 254 }
    }
}
