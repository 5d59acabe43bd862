//! Who is in the lab's network and under which names and addresses: the plan that topology, manifests and
//! processes are made from.
//!
//! Everything follows from the name, so that a packet dump reads without a table: `node-3` is 10.10.0.13 and
//! fd00:10:10::13, 02:00:00:00:00:03, and its pods are 10.244.3.0/24 and fd00:10:244:3::/64.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most nodes a lab can have: their addresses end before the client's.
pub(crate) const MAX_NODES: u8 = 80;
/// Most services a lab can start with: as many as there are node ports for.
pub(crate) const MAX_SERVICES: u16 = 2_000;
/// The place of the bridge: no host, but commands can run there.
pub(crate) const SWITCH: &str = "switch";
/// The bridge in the switch.
pub(crate) const BRIDGE: &str = "br0";
/// The one interface of every host.
pub(crate) const INTERFACE: &str = "eth0";
/// The last octet of the bridge's own address, where there is an API server: it listens there.
const API_NUMBER: u8 = 3;
/// The bridge's hardware address then; else it would be that of some port, and change with the ports.
pub(crate) const API_MAC: Mac = Mac([2, 0, 0, 0, 0xee, 3]);
/// The AS of the nodes, in a lab with routers.
pub(crate) const NODES_ASN: u32 = 64_512;
/// Most routers a lab can have.
pub(crate) const MAX_ROUTERS: usize = 4;
/// The last octet of the first router's address less one: the API server's.
const ROUTER_BASE: u8 = API_NUMBER;
/// The port that every backend listens on.
pub(crate) const BACKEND_PORT: u16 = 8080;

/// The address families of a lab: of its hosts, pods and the service that it starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4 alone.
    #[default]
    Ipv4,
    /// IPv6 alone: nobody has an IPv4 address.
    Ipv6,
    /// Both, IPv4 first.
    Dual,
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// The BGP daemon of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Router {
    /// FRR's zebra, bgpd and bfdd.
    Frr,
    /// BIRD 2.
    Bird,
}

/// What a host is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// A router that the nodes speak BGP with (`tor-1`, ...): forwards what the client sends to the routed pool.
    Router(Router),
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
    /// The node's podCIDRs, one of each family of the lab.
    pub cidrs: Vec<String>,
    /// Addresses of the backend, in the podCIDRs and in their order; none in a cluster, where pods have their own.
    pub addresses: Vec<IpAddr>,
}

/// One host of the lab: a network namespace with an interface `eth0` on the LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Name of the host, of its namespace and of its port at the switch.
    pub name: String,
    /// What it is there for.
    pub kind: HostKind,
    /// Its addresses in 10.10.0.0/16 and fd00:10:10::/64, one of each family of the lab, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Hardware address of its `eth0`.
    pub mac: Mac,
    /// Its pods, when it is a node.
    pub pod: Option<Pod>,
}

/// All hosts of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    #[serde(default)]
    family: Family,
    hosts: Vec<Host>,
}

/// The AS of the router of that name: `tor-2` is in 64602.
pub(crate) fn router_asn(name: &str) -> u32 {
    64_600 + name.strip_prefix("tor-").and_then(|number| number.parse::<u32>().ok()).unwrap_or(0)
}

// === impl Family ===

impl Family {
    /// Whether addresses of that family exist in the lab.
    pub fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
            Self::Dual => true,
        }
    }

    /// Those of the two that exist in the lab, IPv4 first.
    pub(crate) fn of<T>(self, v4: T, v6: T) -> Vec<T> {
        match self {
            Self::Ipv4 => vec![v4],
            Self::Ipv6 => vec![v6],
            Self::Dual => vec![v4, v6],
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Dual => "dual",
        })
    }
}

// === impl Router ===

impl Router {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frr => "frr",
            Self::Bird => "bird",
        }
    }
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
    /// Its first address.
    pub fn address(&self) -> IpAddr {
        // Every host is made with one.
        self.addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn infrastructure(name: &str, kind: HostKind, number: u8, family: Family) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            addresses: family.of(v4(number), v6(number)),
            mac: Mac([2, 0, 0, 0, 0xee, decimal_digits(number)]),
            pod: None,
        }
    }

    fn node(number: u8, family: Family) -> Self {
        let on_lan = number.saturating_add(10);
        let group = hexadecimal(number);
        let pod = Pod {
            cidrs: family.of(format!("10.244.{number}.0/24"), format!("fd00:10:244:{number}::/64")),
            addresses: family.of(
                Ipv4Addr::new(10, 244, number, 2).into(),
                Ipv6Addr::new(0xfd00, 0x10, 0x244, group, 0, 0, 0, 2).into(),
            ),
        };
        Self {
            name: format!("node-{number}"),
            kind: HostKind::Node,
            addresses: family.of(v4(on_lan), v6(on_lan)),
            mac: Mac([2, 0, 0, 0, 0, decimal_digits(number)]),
            pod: Some(pod),
        }
    }
}

/// The pool of addresses that are announced to routers, in each family.
pub(crate) fn routed(family: Family) -> Vec<&'static str> {
    family.of("10.20.0.0/24", "fd00:10:20::/112")
}

/// The prefix length of an address on the LAN.
pub(crate) fn lan_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 16 } else { 64 }
}

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 10, 0, number).into()
}

fn v6(number: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0x10, 0x10, 0, 0, 0, 0, hexadecimal(number)).into()
}

/// The number that reads in hexadecimal as `number` does in decimal: 12 becomes 0x12, 100 becomes 0x100.
fn hexadecimal(number: u8) -> u16 {
    let (hundreds, rest) = (u16::from(number / 100), u16::from(decimal_digits(number)));
    hundreds * 0x100 + rest
}

/// The byte that reads in hexadecimal as `number` does in decimal: 12 becomes 0x12, 100 (which does not fit) 0x00.
fn decimal_digits(number: u8) -> u8 {
    let two = number % 100;
    (two / 10) * 16 + two % 10
}

// === impl Layout ===

impl Layout {
    /// A network with `nodes` nodes (at most [`MAX_NODES`] are made).
    pub(crate) fn new(nodes: u8, family: Family) -> Self {
        let mut hosts = vec![
            Host::infrastructure("gateway", HostKind::Gateway, 1, family),
            Host::infrastructure("control", HostKind::Control, 2, family),
        ];
        hosts.extend((1..=nodes.min(MAX_NODES)).map(|number| Host::node(number, family)));
        hosts.push(Host::infrastructure("client", HostKind::Client, 100, family));
        Self { family, hosts }
    }

    /// The same network for a cluster, which has pods of its own.
    pub(crate) fn for_cluster(nodes: u8, family: Family) -> Self {
        let mut layout = Self::new(nodes, family);
        for pod in layout.hosts.iter_mut().filter_map(|host| host.pod.as_mut()) {
            pod.addresses.clear();
        }
        layout
    }

    /// The same network with routers beside the gateway: `tor-1`, `tor-2`, ... (at most [`MAX_ROUTERS`] are made).
    #[must_use]
    pub(crate) fn with_routers(mut self, routers: &[Router]) -> Self {
        let family = self.family;
        let router = |(number, router): (u8, &Router)| {
            let kind = HostKind::Router(*router);
            Host::infrastructure(&format!("tor-{number}"), kind, ROUTER_BASE.saturating_add(number), family)
        };
        // Behind gateway and control.
        let place = self.hosts.len().min(2);
        self.hosts.splice(place..place, (1..).zip(routers).take(MAX_ROUTERS).map(router));
        self
    }

    /// A network of these very hosts.
    pub(crate) fn of(family: Family, hosts: Vec<Host>) -> Self {
        Self { family, hosts }
    }

    /// The routers, in order of their number.
    pub fn routers(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| matches!(host.kind, HostKind::Router(_)))
    }

    /// The LAN, in each family.
    pub(crate) fn lans(&self) -> Vec<&'static str> {
        self.family.of("10.10.0.0/16", "fd00:10:10::/64")
    }

    /// What the nodes may announce to the routers: the routed pool, in each family.
    pub(crate) fn routed(&self) -> Vec<&'static str> {
        routed(self.family)
    }

    /// The address families of its hosts.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Somebody on the LAN who is no host of the lab: an observer.
    pub(crate) fn stranger(number: u8) -> Host {
        let host = Host::infrastructure("observer", HostKind::Client, number, Family::Dual);
        Host { mac: Mac([2, 0, 0, 0, 0xfe, decimal_digits(number)]), ..host }
    }

    /// All hosts: gateway, control, routers, the nodes, client.
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

    /// The gateway's addresses.
    pub fn gateways(&self) -> &[IpAddr] {
        self.host("gateway").map(|host| host.addresses.as_slice()).unwrap_or_default()
    }

    /// The bridge's own addresses, where there is an API server.
    pub(crate) fn api_addresses(&self) -> Vec<IpAddr> {
        self.family.of(v4(API_NUMBER), v6(API_NUMBER))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_addresses_and_hardware_addresses_follow_from_the_number() {
        let layout = Layout::new(12, Family::Dual);
        let node = layout.node("node-12").unwrap();
        let text = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(text(&node.addresses), ["10.10.0.22", "fd00:10:10::22"]);
        assert_eq!(node.mac.to_string(), "02:00:00:00:00:12");
        let pod = node.pod.as_ref().unwrap();
        assert_eq!(pod.cidrs, ["10.244.12.0/24", "fd00:10:244:12::/64"]);
        assert_eq!(text(&pod.addresses), ["10.244.12.2", "fd00:10:244:12::2"]);
        assert_eq!(layout.by_mac(node.mac), Some(node));
        assert_eq!(text(&layout.host("client").unwrap().addresses), ["10.10.0.100", "fd00:10:10::100"]);
        assert_eq!(layout.node("client"), None);
    }

    #[test]
    fn a_lab_of_one_family_has_no_address_of_the_other() {
        for (family, other) in [(Family::Ipv4, "fd00::"), (Family::Ipv6, "10.0.0.0")] {
            let layout = Layout::new(3, family);
            assert!(!family.includes(other.parse().unwrap()));
            assert!(layout.hosts().iter().all(|host| host.addresses.len() == 1 && family.includes(host.address())));
            assert!(layout.nodes().all(|node| node.pod.as_ref().unwrap().addresses.len() == 1));
        }
    }

    #[test]
    fn the_largest_lab_has_no_address_twice() {
        let layout = Layout::new(u8::MAX, Family::Dual).with_routers(&[Router::Bird; 9]);
        assert_eq!(layout.routers().count(), MAX_ROUTERS);
        let expected = layout.hosts().len();
        assert_eq!(layout.nodes().count(), usize::from(MAX_NODES));
        let addresses: BTreeSet<_> = layout.hosts().iter().flat_map(|host| &host.addresses).collect();
        assert_eq!(addresses.len(), 2 * expected);
        assert_eq!(layout.hosts().iter().map(|host| host.mac).collect::<BTreeSet<_>>().len(), expected);
        assert!(layout.api_addresses().iter().all(|address| !addresses.contains(address)));
        assert!(layout.hosts().iter().all(|host| host.mac != API_MAC));
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
