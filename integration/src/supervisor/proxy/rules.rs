//! A node's nftables rules: what kube-proxy (nftables mode) would have there for addresses of load balancers.
//!
//! One table, replaced as a whole in one transaction. Connections that exist keep their translation: it is in
//! conntrack, not in the rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use super::objects::{Endpoint, Objects, Port, Protocol, TrafficPolicy};

/// The table.
const TABLE: &str = "lab_proxy";
/// Mark of packets whose source is to be translated: the reply has to come back to this node.
const MASQUERADE_MARK: &str = "0x4000";

/// The rules of the node `node`, as input for `nft -f`.
pub(super) fn rules(node: &str, objects: &Objects) -> String {
    let mut chains = Chains::default();
    for service in objects.services.values() {
        for address in &service.addresses {
            // The lab's LAN is IPv4.
            let IpAddr::V4(address) = address else { continue };
            for port in &service.ports {
                chains.add(node, *address, port, service.traffic);
            }
        }
    }
    chains.text()
}

/// The varying parts of the table.
#[derive(Default)]
struct Chains {
    /// Rules that send a service's traffic to its chain.
    dispatch: String,
    /// Rules that refuse traffic of services without endpoints.
    refuse: String,
    /// Chains of services.
    services: String,
    /// Chains of endpoints, by name: endpoints are shared between services.
    endpoints: BTreeMap<String, SocketAddrV4>,
    count: usize,
}

impl Chains {
    fn add(&mut self, node: &str, address: Ipv4Addr, port: &Port, traffic: TrafficPolicy) {
        let protocol = name(port.protocol);
        let matching = format!("ip daddr {address} {protocol} dport {}", port.number);
        let usable = |endpoint: &&Endpoint| match traffic {
            TrafficPolicy::Cluster => true,
            TrafficPolicy::Local => endpoint.node.as_deref() == Some(node),
        };
        let endpoints: Vec<String> =
            port.endpoints.iter().filter(usable).filter_map(|endpoint| self.endpoint(endpoint, protocol)).collect();
        if endpoints.is_empty() {
            // As kube-proxy: refused where nobody has endpoints, dropped where only this node has none.
            let verdict = if port.endpoints.is_empty() { "reject" } else { "drop" };
            writeln!(self.refuse, "    {matching} {verdict}").ok();
            return;
        }
        let chain = format!("service_{}", self.count);
        self.count += 1;
        writeln!(self.dispatch, "    {matching} goto {chain}").ok();
        writeln!(self.services, "  chain {chain} {{").ok();
        if traffic == TrafficPolicy::Cluster {
            writeln!(self.services, "    meta mark set meta mark or {MASQUERADE_MARK}").ok();
        }
        let choices: Vec<String> =
            endpoints.iter().enumerate().map(|(index, endpoint)| format!("{index} : goto {endpoint}")).collect();
        let (count, choices) = (choices.len(), choices.join(", "));
        writeln!(self.services, "    numgen random mod {count} vmap {{ {choices} }}\n  }}").ok();
    }

    /// The name of the endpoint's chain.
    fn endpoint(&mut self, endpoint: &Endpoint, protocol: &str) -> Option<String> {
        let std::net::SocketAddr::V4(address) = endpoint.address else { return None };
        let digits = address.ip().to_string().replace('.', "_");
        let chain = format!("to_{protocol}_{digits}_{}", address.port());
        self.endpoints.insert(chain.clone(), address);
        Some(chain)
    }

    fn text(&self) -> String {
        let mut endpoints = String::new();
        for (chain, address) in &self.endpoints {
            let protocol = if chain.starts_with("to_udp_") { "udp" } else { "tcp" };
            writeln!(endpoints, "  chain {chain} {{\n    meta l4proto {protocol} dnat to {address}\n  }}").ok();
        }
        let Self { dispatch, refuse, services, .. } = self;
        // `table` first, so that there is always one to delete.
        format!(
            "table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
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
        let endpoint = |node: &u8| Endpoint {
            address: format!("10.244.{node}.2:8080").parse().unwrap(),
            node: Some(format!("node-{node}")),
        };
        let port = Port {
            name: String::new(),
            number: 80,
            protocol: Protocol::Tcp,
            endpoints: nodes.iter().map(endpoint).collect(),
        };
        let addresses = vec!["10.10.52.0".parse().unwrap(), "fd00::1".parse().unwrap()];
        let service = Service { ports: vec![port], traffic, addresses };
        Objects { services: [("default/web".to_owned(), service)].into(), ..Objects::default() }
    }

    #[test]
    fn cluster_traffic_is_spread_over_all_endpoints_and_masqueraded() {
        let text = rules("node-1", &objects(TrafficPolicy::Cluster, &[1, 2]));
        assert!(text.contains("ip daddr 10.10.52.0 tcp dport 80 goto service_0"), "{text}");
        assert!(
            text.contains("mod 2 vmap { 0 : goto to_tcp_10_244_1_2_8080, 1 : goto to_tcp_10_244_2_2_8080 }"),
            "{text}"
        );
        assert!(text.contains("dnat to 10.244.2.2:8080"), "{text}");
        assert!(text.contains("meta mark set meta mark or 0x4000"), "{text}");
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
        assert!(nowhere.contains("tcp dport 80 reject"), "{nowhere}");
        assert!(!nowhere.contains("goto"), "{nowhere}");
        let elsewhere = rules("node-3", &objects(TrafficPolicy::Local, &[1]));
        assert!(elsewhere.contains("tcp dport 80 drop"), "{elsewhere}");
    }
}
