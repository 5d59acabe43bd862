//! A node's nftables rules: what kube-proxy (nftables mode) would have there for addresses of load balancers.
//!
//! One table, replaced as a whole in one transaction. Connections that exist keep their translation: it is in
//! conntrack, not in the rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::objects::{Endpoint, Objects, Port, Protocol, TrafficPolicy};

/// The table; there is one of each family.
const TABLE: &str = "lab_proxy";
/// Mark of packets whose source is to be translated: the reply has to come back to this node.
const MASQUERADE_MARK: &str = "0x4000";

/// The rules of the node `node`, as input for `nft -f`.
pub(super) fn rules(node: &str, objects: &Objects) -> String {
    let mut text = String::new();
    for table in [Table::V4, Table::V6] {
        let mut chains = Chains::new(table);
        for service in objects.services.values() {
            for address in service.addresses.iter().filter(|address| table.holds(**address)) {
                for port in &service.ports {
                    chains.add(node, *address, port, service.traffic);
                }
            }
        }
        text.push_str(&chains.text());
    }
    text
}

/// A table of one family: translation needs both ends to be of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    V4,
    V6,
}

impl Table {
    fn holds(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }

    /// nftables' word for the family, and for its addresses in a rule.
    fn family(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// The varying parts of a table.
struct Chains {
    table: Table,
    /// Where a service's traffic goes: an entry of a map for each, so that a thousand cost no more than one. Of two
    /// services that share address and port the first has it.
    dispatch: BTreeMap<String, String>,
    /// Rules that refuse traffic of services without endpoints.
    refuse: String,
    /// Chains of services.
    services: String,
    /// Chains of endpoints, by name: endpoints are shared between services.
    endpoints: BTreeMap<String, SocketAddr>,
    count: usize,
}

impl Chains {
    fn new(table: Table) -> Self {
        Self {
            table,
            dispatch: BTreeMap::new(),
            refuse: String::new(),
            services: String::new(),
            endpoints: BTreeMap::new(),
            count: 0,
        }
    }

    fn add(&mut self, node: &str, address: IpAddr, port: &Port, traffic: TrafficPolicy) {
        let protocol = name(port.protocol);
        let usable = |endpoint: &&Endpoint| match traffic {
            TrafficPolicy::Cluster => true,
            TrafficPolicy::Local => endpoint.node.as_deref() == Some(node),
        };
        let mine = |endpoint: &&Endpoint| self.table.holds(endpoint.address.ip());
        let ready: Vec<&Endpoint> = port.endpoints.iter().filter(mine).collect();
        let endpoints: Vec<String> = ready
            .iter()
            .copied()
            .filter(usable)
            .map(|endpoint| {
                let chain = chain_to(endpoint, protocol);
                self.endpoints.insert(chain.clone(), endpoint.address);
                chain
            })
            .collect();
        if endpoints.is_empty() {
            // As kube-proxy: refused where nobody has endpoints, dropped where only this node has none.
            let verdict = if ready.is_empty() { "reject" } else { "drop" };
            let family = self.table.family();
            writeln!(self.refuse, "    {family} daddr {address} {protocol} dport {} {verdict}", port.number).ok();
            return;
        }
        let chain = format!("service_{}", self.count);
        self.count += 1;
        let matching = format!("{address} . {protocol} . {}", port.number);
        self.dispatch.entry(matching).or_insert_with(|| chain.clone());
        writeln!(self.services, "  chain {chain} {{").ok();
        if traffic == TrafficPolicy::Cluster {
            writeln!(self.services, "    meta mark set meta mark or {MASQUERADE_MARK}").ok();
        }
        let choices: Vec<String> =
            endpoints.iter().enumerate().map(|(index, endpoint)| format!("{index} : goto {endpoint}")).collect();
        let (count, choices) = (choices.len(), choices.join(", "));
        writeln!(self.services, "    numgen random mod {count} vmap {{ {choices} }}\n  }}").ok();
    }

    fn text(&self) -> String {
        let mut endpoints = String::new();
        for (chain, address) in &self.endpoints {
            let protocol = if chain.starts_with("to_udp_") { "udp" } else { "tcp" };
            writeln!(endpoints, "  chain {chain} {{\n    meta l4proto {protocol} dnat to {address}\n  }}").ok();
        }
        let Self { table, dispatch, refuse, services, .. } = self;
        let family = table.family();
        let dispatch = if dispatch.is_empty() {
            String::new()
        } else {
            let entries = dispatch.iter().map(|(matching, chain)| format!("{matching} : goto {chain}"));
            let entries = entries.collect::<Vec<_>>().join(",\n      ");
            format!("    {family} daddr . meta l4proto . th dport vmap {{\n      {entries}\n    }}\n")
        };
        // `table` first, so that there is always one to delete.
        format!(
            "table {family} {TABLE}
delete table {family} {TABLE}
table {family} {TABLE} {{
{endpoints}{services}  chain services {{
{dispatch}  }}
  chain refused {{
{refuse}  }}
  chain prerouting {{
    type nat hook prerouting priority -100
    jump services
  }}
  chain output {{
    type nat hook output priority -100
    jump services
  }}
  chain postrouting {{
    type nat hook postrouting priority 100
    meta mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} masquerade fully-random
  }}
  chain forward {{
    type filter hook forward priority 0
    jump refused
  }}
  chain local_output {{
    type filter hook output priority 0
    jump refused
  }}
}}
"
        )
    }
}

/// The name of an endpoint's chain.
fn chain_to(endpoint: &Endpoint, protocol: &str) -> String {
    let digits = endpoint.address.ip().to_string().replace(['.', ':'], "_");
    format!("to_{protocol}_{digits}_{}", endpoint.address.port())
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

#[cfg(test)]
mod tests {
    use super::super::objects::Service;
    use super::*;

    fn objects(traffic: TrafficPolicy, nodes: &[u8]) -> Objects {
        let endpoint = |node: &u8| {
            let node_name = Some(format!("node-{node}"));
            [format!("10.244.{node}.2:8080"), format!("[fd00:10:244:{node}::2]:8080")]
                .map(|address| Endpoint { address: address.parse().unwrap(), node: node_name.clone() })
        };
        let port = Port {
            name: String::new(),
            number: 80,
            protocol: Protocol::Tcp,
            endpoints: nodes.iter().flat_map(endpoint).collect(),
        };
        let addresses = vec!["10.10.52.0".parse().unwrap(), "fd00::1".parse().unwrap()];
        let service = Service { ports: vec![port], traffic, addresses };
        Objects { services: [("default/web".to_owned(), service)].into(), ..Objects::default() }
    }

    #[test]
    fn cluster_traffic_is_spread_over_all_endpoints_and_masqueraded() {
        let text = rules("node-1", &objects(TrafficPolicy::Cluster, &[1, 2]));
        assert!(text.contains("10.10.52.0 . tcp . 80 : goto service_0"), "{text}");
        assert!(
            text.contains("mod 2 vmap { 0 : goto to_tcp_10_244_1_2_8080, 1 : goto to_tcp_10_244_2_2_8080 }"),
            "{text}"
        );
        assert!(text.contains("dnat to 10.244.2.2:8080"), "{text}");
        assert!(text.contains("meta mark set meta mark or 0x4000"), "{text}");
    }

    #[test]
    fn each_family_has_a_table_with_its_own_addresses_and_endpoints() {
        let text = rules("node-1", &objects(TrafficPolicy::Cluster, &[1]));
        let (v4, v6) = text.split_once("table ip6 lab_proxy\n").unwrap();
        assert!(v6.contains("ip6 daddr . meta l4proto . th dport vmap"), "{v6}");
        assert!(v6.contains("fd00::1 . tcp . 80 : goto service_0"), "{v6}");
        assert!(v6.contains("dnat to [fd00:10:244:1::2]:8080"), "{v6}");
        assert!(!v4.contains("fd00") && !v6.contains("10.10."), "{text}");
    }

    #[test]
    fn local_traffic_stays_on_the_node_and_keeps_its_source() {
        let text = rules("node-2", &objects(TrafficPolicy::Local, &[1, 2]));
        assert!(text.contains("mod 1 vmap { 0 : goto to_tcp_10_244_2_2_8080 }"), "{text}");
        assert!(!text.contains("10.244.1.2"), "{text}");
        assert!(!text.contains("mark set"), "{text}");
    }

    #[test]
    fn traffic_without_endpoints_is_refused_and_without_local_ones_dropped() {
        let nowhere = rules("node-3", &objects(TrafficPolicy::Cluster, &[]));
        assert!(nowhere.contains("ip daddr 10.10.52.0 tcp dport 80 reject"), "{nowhere}");
        assert!(!nowhere.contains("goto"), "{nowhere}");
        let elsewhere = rules("node-3", &objects(TrafficPolicy::Local, &[1]));
        assert!(elsewhere.contains("ip6 daddr fd00::1 tcp dport 80 drop"), "{elsewhere}");
    }
}
