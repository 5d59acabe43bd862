//! The table of links, and how the kernel's notifications fold into it.

mod announcing;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

pub use self::announcing::{Candidate, Exclusion, announcing};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name in the kernel")]
pub struct Link {
    /// Kernel index, positive and unique while the link exists; may be used again after that.
    pub index: u32,
    /// Name, for example `eth0`; may change.
    pub name: String,
    /// Hardware address, if it is one of Ethernet's size.
    pub mac: Option<[u8; 6]>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Frames can pass: the lower layer is up (`IFF_LOWER_UP`), and the operational state is "up", or "unknown" as with
    /// drivers that do not tell (RFC 2863 §3.1.12, Linux `Documentation/networking/operstates.rst`).
    pub carrier: bool,
    /// Resolves addresses by ARP (no `IFF_NOARP`).
    pub arp: bool,
    /// Can send to all stations (`IFF_BROADCAST`).
    pub broadcast: bool,
    /// Is the loopback interface (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Index of the bridge, bond, team or VRF it belongs to.
    pub master: Option<u32>,
    /// What the kernel made it as.
    pub kind: Kind,
    /// Index of the link it lies on, if that is in this network namespace: of a VLAN or macvlan the link below, of a veth
    /// the other end.
    pub parent: Option<u32>,
    /// The longest packet it can carry, in bytes.
    pub mtu: u32,
    /// Its addresses with the length of their prefix, in order.
    pub addresses: Vec<IpNet>,
}

/// What a link is (`IFLA_INFO_KIND`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// A network card, or another device that was not made by netlink.
    #[default]
    Device,
    /// A switch of this node.
    Bridge,
    /// Several cards as one.
    Bond,
    /// A tagged segment of the link below; the untagged one is another.
    Vlan,
    /// A second station on the segment of the link below, with a hardware address of its own (`macvlan`, `macvtap`).
    MacVlan,
    /// A second station on the segment of the link below, with its hardware address (`ipvlan`, `ipvtap`).
    IpVlan,
    /// Something else, by the kernel's name.
    Other(String),
}

impl Link {
    /// Its first link-local IPv6 address (RFC 4291 §2.5.6).
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|address| match address.addr() {
            IpAddr::V6(address) => address.is_unicast_link_local().then_some(address),
            IpAddr::V4(_) => None,
        })
    }
}

/// What happened to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new or has new properties. [`Link::addresses`] is not looked at: addresses have changes of their own.
    Link(Link),
    /// It is gone.
    LinkGone(u32),
    /// It has an address.
    Address {
        /// Which link.
        index: u32,
        /// Which address.
        address: IpNet,
    },
    /// It has that address no more.
    AddressGone {
        /// Which link.
        index: u32,
        /// Which address.
        address: IpNet,
    },
}

/// All links of a network namespace. Empty only while nothing is known yet: there is always a loopback interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    by_index: BTreeMap<u32, Link>,
}

impl Links {
    /// The link of this index.
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    /// The link of this name.
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.iter().find(|link| link.name == name)
    }

    /// All links, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_index.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_index.len()
    }

    /// Whether there are none: nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// Folds a change in. Says whether that made a difference. An address of a link that is not known is none of ours:
    /// the kernel tells of links before their addresses.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Link(link) => self.link(link),
            Change::LinkGone(index) => self.by_index.remove(&index).is_some(),
            Change::Address { index, address } => self.by_index.get_mut(&index).is_some_and(|link| {
                let at = link.addresses.binary_search(&address);
                if let Err(at) = at {
                    link.addresses.insert(at, address);
                }
                at.is_err()
            }),
            Change::AddressGone { index, address } => self.by_index.get_mut(&index).is_some_and(|link| {
                let at = link.addresses.binary_search(&address);
                if let Ok(at) = at {
                    link.addresses.remove(at);
                }
                at.is_ok()
            }),
        }
    }

    fn link(&mut self, mut link: Link) -> bool {
        let known = self.by_index.get_mut(&link.index);
        link.addresses = known.as_ref().map_or_else(Vec::new, |known| known.addresses.clone());
        match known {
            Some(known) if *known == link => false,
            Some(known) => {
                *known = link;
                true
            }
            None => self.by_index.insert(link.index, link).is_none(),
        }
    }
}

impl FromIterator<Change> for Links {
    /// The table that these changes make, in their order.
    fn from_iter<T: IntoIterator<Item = Change>>(changes: T) -> Self {
        let mut links = Self::default();
        for change in changes {
            links.apply(change);
        }
        links
    }
}

#[cfg(test)]
mod tests;
