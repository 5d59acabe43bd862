//! Who is in the lab's network and under which names and addresses: the plan that topology, manifests and
//! processes are made from.
//!
//! Everything follows from the name, so that a packet dump reads without a table: `node-3` is 10.10.0.13,
//! 02:00:00:00:00:03, and its pods are 10.244.3.0/24.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most nodes a lab can have: their addresses end before the client's.
pub(crate) const MAX_NODES: u8 = 80;
/// The place of the bridge: no host, but commands can run there.
pub(crate) const SWITCH: &str = "switch";
/// The bridge in the switch.
pub(crate) const BRIDGE: &str = "br0";
/// The one interface of every host.
pub(crate) const INTERFACE: &str = "eth0";
/// Prefix length of the LAN.
pub(crate) const LAN_PREFIX: u8 = 16;
/// The bridge's own address, where there is an API server: it listens there.
pub(crate) const API_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 3);
/// The bridge's hardware address then; else it would be that of some port, and change with the ports.
pub(crate) const API_MAC: Mac = Mac([2, 0, 0, 0, 0xee, 3]);
/// The port that every backend listens on.
pub(crate) const BACKEND_PORT: u16 = 8080;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// What a host is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// Default route of everybody; forwards.
    Gateway,
    /// Where the controller runs.
    Control,
    /// A Kubernetes node: a speaker, a backend and kube-proxy's rules.
    Node,
    /// Where probes and `curl` run: an ordinary neighbour on the LAN.
    Client,
}

/// The pods of a node; its backend listens on one of their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// The node's podCIDR.
    pub cidr: String,
    /// Address of the backend, inside the podCIDR.
    pub address: Ipv4Addr,
}

/// One host of the lab: a network namespace with an interface `eth0` on the LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Name of the host, of its namespace and of its port at the switch.
    pub name: String,
    /// What it is there for.
    pub kind: HostKind,
    /// Its address in 10.10.0.0/16.
    pub address: Ipv4Addr,
    /// Hardware address of its `eth0`.
    pub mac: Mac,
    /// Its pods, when it is a node.
    pub pod: Option<Pod>,
}

/// All hosts of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    hosts: Vec<Host>,
}

// === impl Mac ===

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(BadMac)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_not_hex| BadMac)?;
        }
        if parts.next().is_some() {
            return Err(BadMac);
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Mac {
    type Error = BadMac;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// The text is no hardware address in colon notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hardware address such as 02:00:00:00:00:01")]
pub struct BadMac;

// === impl Host ===

impl Host {
    fn infrastructure(name: &str, kind: HostKind, last_octet: u8) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            address: Ipv4Addr::new(10, 10, 0, last_octet),
            mac: Mac([2, 0, 0, 0, 0xee, decimal_digits(last_octet)]),
            pod: None,
        }
    }

    fn node(number: u8) -> Self {
        Self {
            name: format!("node-{number}"),
            kind: HostKind::Node,
            address: Ipv4Addr::new(10, 10, 0, number.saturating_add(10)),
            mac: Mac([2, 0, 0, 0, 0, decimal_digits(number)]),
            pod: Some(Pod { cidr: format!("10.244.{number}.0/24"), address: Ipv4Addr::new(10, 244, number, 2) }),
        }
    }
}

/// The byte that reads in hexadecimal as `number` does in decimal: 12 becomes 0x12, 100 (which does not fit) 0x00.
fn decimal_digits(number: u8) -> u8 {
    let two = number % 100;
    (two / 10) * 16 + two % 10
}

// === impl Layout ===

impl Layout {
    /// A network with `nodes` nodes (at most [`MAX_NODES`] are made).
    pub(crate) fn new(nodes: u8) -> Self {
        let mut hosts = vec![
            Host::infrastructure("gateway", HostKind::Gateway, 1),
            Host::infrastructure("control", HostKind::Control, 2),
        ];
        hosts.extend((1..=nodes.min(MAX_NODES)).map(Host::node));
        hosts.push(Host::infrastructure("client", HostKind::Client, 100));
        Self { hosts }
    }

    /// All hosts: gateway, control, the nodes, client.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The nodes, in order of their number.
    pub fn nodes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.kind == HostKind::Node)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Host> {
        self.nodes().find(|host| host.name == name)
    }

    /// Who has that hardware address.
    pub fn by_mac(&self, mac: Mac) -> Option<&Host> {
        self.hosts.iter().find(|host| host.mac == mac)
    }

    /// The gateway's address.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 10, 0, 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_addresses_and_hardware_addresses_follow_from_the_number() {
        let layout = Layout::new(12);
        let node = layout.node("node-12").unwrap();
        assert_eq!(node.address, Ipv4Addr::new(10, 10, 0, 22));
        assert_eq!(node.mac.to_string(), "02:00:00:00:00:12");
        assert_eq!(node.pod.as_ref().unwrap().cidr, "10.244.12.0/24");
        assert_eq!(layout.by_mac(node.mac), Some(node));
        assert_eq!(layout.host("client").unwrap().address, Ipv4Addr::new(10, 10, 0, 100));
        assert_eq!(layout.node("client"), None);
    }

    #[test]
    fn the_largest_lab_has_no_address_twice() {
        let layout = Layout::new(u8::MAX);
        let expected = layout.hosts().len();
        assert_eq!(layout.nodes().count(), usize::from(MAX_NODES));
        assert_eq!(layout.hosts().iter().map(|host| host.address).collect::<BTreeSet<_>>().len(), expected);
        assert_eq!(layout.hosts().iter().map(|host| host.mac).collect::<BTreeSet<_>>().len(), expected);
        assert!(layout.hosts().iter().all(|host| host.address != API_ADDRESS && host.mac != API_MAC));
        assert!(layout.hosts().iter().all(|host| host.name.len() < 16), "names are interface names at the switch");
    }

    #[test]
    fn hardware_addresses_survive_text_and_refuse_nonsense() {
        let mac: Mac = "02:00:00:00:ee:01".parse().unwrap();
        assert_eq!(mac, Mac([2, 0, 0, 0, 0xee, 1]));
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:00:00:00:ee:01\"");
        for wrong in ["", "02:00:00:00:ee", "02:00:00:00:ee:01:02", "02:00:00:00:ee:zz"] {
            assert_eq!(wrong.parse::<Mac>(), Err(BadMac), "{wrong}");
        }
    }
}
