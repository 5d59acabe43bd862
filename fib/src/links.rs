//! Links (network interfaces), and which of them can announce addresses to an Ethernet neighbourhood.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

/// A network interface.
#[expect(clippy::struct_excessive_bools, reason = "they are the kernel's flags")]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Index in this network namespace; unique while the link exists.
    pub index: u32,
    /// Name in this network namespace, at most 15 bytes.
    pub name: String,
    /// Hardware address, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// Administratively up (IFF_UP).
    pub up: bool,
    /// Whether frames can pass: operational state up or unknown (RFC 2863 §3.1.12), and carrier.
    pub carrier: bool,
    /// Whether it resolves addresses: not IFF_NOARP.
    pub arp: bool,
    /// Whether it can broadcast.
    pub broadcast: bool,
    /// Whether it is the loopback device.
    pub loopback: bool,
    /// Index of the bridge, bond or VRF that it is a part of.
    pub master: Option<u32>,
    /// Addresses with their prefix length, in order.
    pub addresses: Vec<IpNet>,
}

/// Why a link does not announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It is the loopback device.
    Loopback,
    /// It is a port of a bridge, a part of a bond or in a VRF: the master announces.
    PartOf(String),
    /// It does not resolve addresses (NOARP).
    NoArp,
    /// It cannot broadcast: a tunnel or point-to-point link.
    NoBroadcast,
    /// It has no Ethernet address.
    NoMac,
    /// Its name is excluded.
    Excluded,
    /// It is administratively down.
    Down,
    /// It has no carrier.
    NoCarrier,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("is the loopback device"),
            Self::PartOf(master) => write!(f, "is a part of {master}, which announces in its place"),
            Self::NoArp => f.write_str("does not resolve addresses (NOARP)"),
            Self::NoBroadcast => f.write_str("cannot broadcast"),
            Self::NoMac => f.write_str("has no Ethernet address"),
            Self::Excluded => f.write_str("is excluded by its name"),
            Self::Down => f.write_str("is down"),
            Self::NoCarrier => f.write_str("has no carrier"),
        }
    }
}

/// All links of a network namespace, by index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links(BTreeMap<u32, Link>);

// === impl Links ===

impl Links {
    /// The link of this index.
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.0.get(&index)
    }

    /// The link of this name.
    pub fn named(&self, name: &str) -> Option<&Link> {
        self.0.values().find(|link| link.name == name)
    }

    /// All links in order of index.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.values()
    }

    /// Adds an address to a link that is there.
    pub fn add_address(&mut self, index: u32, address: IpNet) {
        if let Some(link) = self.0.get_mut(&index)
            && let Err(place) = link.addresses.binary_search(&address)
        {
            link.addresses.insert(place, address);
        }
    }

    /// Every link with its hardware address where it can announce, or with what keeps it from that. `excluded` says
    /// which names are left out.
    pub fn announcing(&self, excluded: impl Fn(&str) -> bool) -> Vec<(&Link, Result<[u8; 6], Unfit>)> {
        self.iter().map(|link| (link, self.fitness(link, &excluded))).collect()
    }

    fn fitness(&self, link: &Link, excluded: impl Fn(&str) -> bool) -> Result<[u8; 6], Unfit> {
        if link.loopback {
            return Err(Unfit::Loopback);
        }
        if excluded(&link.name) {
            return Err(Unfit::Excluded);
        }
        if let Some(master) = link.master {
            let name = self.get(master).map_or_else(|| format!("link {master}"), |master| master.name.clone());
            return Err(Unfit::PartOf(name));
        }
        if !link.arp {
            return Err(Unfit::NoArp);
        }
        if !link.broadcast {
            return Err(Unfit::NoBroadcast);
        }
        let mac = link.mac.ok_or(Unfit::NoMac)?;
        if !link.up {
            return Err(Unfit::Down);
        }
        if !link.carrier {
            return Err(Unfit::NoCarrier);
        }
        Ok(mac)
    }
}

impl FromIterator<Link> for Links {
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        Self(links.into_iter().map(|link| (link.index, link)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.to_owned(),
            mac: Some([2, 0, 0, 0, 0, 1]),
            up: true,
            carrier: true,
            arp: true,
            broadcast: true,
            ..Link::default()
        }
    }

    #[test]
    fn what_cannot_announce_says_why() {
        let links: Links = [
            Link { loopback: true, ..link(1, "lo") },
            link(2, "eth0"),
            Link { master: Some(4), ..link(3, "eth1") },
            link(4, "bond0"),
            Link { master: Some(99), ..link(5, "eth2") },
            Link { arp: false, ..link(6, "ipvs0") },
            Link { broadcast: false, ..link(7, "tun0") },
            Link { mac: None, ..link(8, "ib0") },
            Link { up: false, ..link(9, "eth3") },
            Link { carrier: false, ..link(10, "eth4") },
            link(11, "cali1"),
        ]
        .into_iter()
        .collect();
        let unfit: Vec<(&str, String)> = links
            .announcing(|name| name.starts_with("cali"))
            .into_iter()
            .filter_map(|(link, fitness)| Some((link.name.as_str(), fitness.err()?.to_string())))
            .collect();
        assert_eq!(
            unfit,
            [
                ("lo", "is the loopback device"),
                ("eth1", "is a part of bond0, which announces in its place"),
                ("eth2", "is a part of link 99, which announces in its place"),
                ("ipvs0", "does not resolve addresses (NOARP)"),
                ("tun0", "cannot broadcast"),
                ("ib0", "has no Ethernet address"),
                ("eth3", "is down"),
                ("eth4", "has no carrier"),
                ("cali1", "is excluded by its name"),
            ]
            .map(|(name, reason)| (name, reason.to_owned()))
        );
    }

    #[test]
    fn addresses_are_kept_in_order_and_once() {
        let mut links: Links = [link(2, "eth0")].into_iter().collect();
        for address in ["192.0.2.2/24", "192.0.2.1/24", "192.0.2.2/24"] {
            links.add_address(2, address.parse().unwrap());
            links.add_address(9, address.parse().unwrap());
        }
        let addresses = &links.named("eth0").unwrap().addresses;
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1/24", "192.0.2.2/24"]);
    }
}
