//! The objects that every lab starts with, as manifests: nodes, one service, its endpoints.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use crate::error::Error;
use crate::layout::{BACKEND_PORT, Family, Host, Layout};

/// The manifest of the nodes.
const NODES_FILE: &str = "nodes.yaml";
/// The endpoints of the default service.
const ENDPOINTS_FILE: &str = "web-endpoints.yaml";
/// All objects of a lab are equally old, in every run.
const CREATED: &str = "2025-01-01T00:00:00Z";

/// Names and texts of the manifests that every lab starts with.
pub(super) fn all(layout: &Layout, services: u16, values: &str) -> [(&'static str, String); 4] {
    let everybody: Vec<&str> = layout.nodes().map(|node| node.name.as_str()).collect();
    let (nodes_file, nodes) = nodes(layout, &BTreeSet::new());
    [
        ("values.yaml", values.to_owned()),
        (nodes_file, nodes),
        ("web.yaml", documents_of(services, |number| service(number, layout.family()))),
        (ENDPOINTS_FILE, documents_of(services, |number| endpoint_slices(number, layout, &everybody))),
    ]
}

/// Name and text of the manifest that makes the endpoints of all those services those of `names`.
///
/// # Errors
/// [`Error::Refused`] for a name that is no node.
pub(super) fn endpoints_on(layout: &Layout, services: u16, names: &[&str]) -> Result<(&'static str, String), Error> {
    if let Some(stranger) = names.iter().find(|name| layout.node(name).is_none()) {
        return Err(Error::Refused { reason: format!("there is no node {stranger}") });
    }
    Ok((ENDPOINTS_FILE, documents_of(services, |number| endpoint_slices(number, layout, names))))
}

/// `namespace/name` of the services that a lab starts with.
pub(super) fn service_keys(services: u16) -> impl Iterator<Item = String> {
    (1..=services).map(|number| format!("default/{}", service_name(number)))
}

fn service_name(number: u16) -> String {
    if number <= 1 { "web".to_owned() } else { format!("web-{number}") }
}

fn documents_of(services: u16, document: impl FnMut(u16) -> String) -> String {
    (1..=services).map(document).collect::<Vec<_>>().join("---\n")
}

/// One of the services that a lab starts with.
fn service(number: u16, family: Family) -> String {
    let place = number.saturating_add(9);
    let [high, low] = place.to_be_bytes();
    let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, place);
    let cluster_ips = family.of(format!("10.96.{high}.{low}"), v6.to_string());
    let (name, node_port) = (service_name(number), 30_079 + u32::from(number));
    let families = family.of("IPv4", "IPv6").join(", ");
    let policy = if family == Family::Dual { "RequireDualStack" } else { "SingleStack" };
    let (first, all) = (cluster_ips.first().cloned().unwrap_or_default(), quoted(&cluster_ips));
    format!(
        "\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: default
  creationTimestamp: \"{CREATED}\"
spec:
  type: LoadBalancer
  clusterIP: \"{first}\"
  clusterIPs: [{all}]
  ipFamilies: [{families}]
  ipFamilyPolicy: {policy}
  externalTrafficPolicy: Cluster
  selector: {{app: {name}}}
  ports:
  - name: http
    protocol: TCP
    port: 80
    targetPort: 8080
    nodePort: {node_port}
"
    )
}

/// Name and text of the manifest of all nodes. Those of `drained` are cordoned, and what runs there is to leave: the way
/// of `kubectl drain` and of a taint.
pub(super) fn nodes(layout: &Layout, drained: &BTreeSet<String>) -> (&'static str, String) {
    let mut text = String::new();
    for node in layout.nodes() {
        let name = &node.name;
        let cidrs = node.pod.as_ref().map(|pod| pod.cidrs.as_slice()).unwrap_or_default();
        let (first, all) = (cidrs.first().cloned().unwrap_or_default(), quoted(cidrs));
        write!(
            text,
            "---\n\
             apiVersion: v1\n\
             kind: Node\n\
             metadata:\n\
             \x20 name: {name}\n\
             \x20 creationTimestamp: \"{CREATED}\"\n\
             \x20 labels: {{kubernetes.io/hostname: {name}, kubernetes.io/os: linux}}\n\
             spec:\n\
             \x20 podCIDR: \"{first}\"\n\
             \x20 podCIDRs: [{all}]\n"
        )
        .ok();
        if drained.contains(name) {
            text.push_str(
                "\x20 unschedulable: true\n\
                 \x20 taints:\n\
                 \x20 - {key: node.kubernetes.io/unschedulable, effect: NoSchedule}\n\
                 \x20 - {key: lab.ferrolb.io/drained, effect: NoExecute}\n",
            );
        }
        text.push_str("status:\n\x20 addresses:\n");
        for address in &node.addresses {
            writeln!(text, "  - {{type: InternalIP, address: \"{address}\"}}").ok();
        }
        write!(
            text,
            "\x20 - {{type: Hostname, address: {name}}}\n\
             \x20 conditions:\n\
             \x20 - {{type: Ready, status: \"True\"}}\n"
        )
        .ok();
    }
    (NODES_FILE, text)
}

/// A slice for each family, as an API server has them.
fn endpoint_slices(number: u16, layout: &Layout, names: &[&str]) -> String {
    let nodes: Vec<&Host> = layout.nodes().filter(|node| names.contains(&node.name.as_str())).collect();
    let slices = layout.family().of(("-lab", "IPv4"), ("-lab-v6", "IPv6"));
    let service = service_name(number);
    let slice = |(suffix, kind): &(&str, &str)| endpoint_slice(&nodes, &service, suffix, kind);
    slices.iter().map(slice).collect::<Vec<_>>().join("---\n")
}

fn endpoint_slice(nodes: &[&Host], service: &str, suffix: &str, address_type: &str) -> String {
    let mut text = format!(
        "apiVersion: discovery.k8s.io/v1\n\
         kind: EndpointSlice\n\
         metadata:\n\
         \x20 name: {service}{suffix}\n\
         \x20 namespace: default\n\
         \x20 creationTimestamp: \"{CREATED}\"\n\
         \x20 labels: {{kubernetes.io/service-name: {service}}}\n\
         addressType: {address_type}\n\
         ports:\n\
         - {{name: http, protocol: TCP, port: {BACKEND_PORT}}}\n"
    );
    text.push_str(if nodes.is_empty() { "endpoints: []\n" } else { "endpoints:\n" });
    let of_the_slice = |address: &&IpAddr| address.is_ipv4() == (address_type == "IPv4");
    for node in nodes {
        let address = node.pod.as_ref().and_then(|pod| pod.addresses.iter().find(of_the_slice));
        let Some(address) = address else { continue };
        write!(
            text,
            "- addresses: [\"{address}\"]\n\
             \x20 conditions: {{ready: true, serving: true, terminating: false}}\n\
             \x20 nodeName: {}\n",
            node.name
        )
        .ok();
    }
    text
}

/// Strings as a YAML list's inside: an address with colons must be quoted.
fn quoted(words: &[impl AsRef<str>]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_yaml::Value;

    use super::*;

    fn documents(text: &str) -> Vec<Value> {
        serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
    }

    #[test]
    fn the_manifests_are_the_objects_they_should_be() {
        let layout = Layout::new(2, Family::Dual);
        let nodes = documents(&nodes(&layout, &["node-2".to_owned()].into()).1);
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1]["metadata"]["name"], "node-2");
        assert_eq!(nodes[1]["status"]["addresses"][0]["address"], "10.10.0.12");
        assert_eq!(nodes[1]["status"]["addresses"][1]["address"], "fd00:10:10::12");
        assert_eq!(nodes[1]["spec"]["podCIDR"], "10.244.2.0/24");
        assert_eq!(nodes[1]["spec"]["podCIDRs"][1], "fd00:10:244:2::/64");
        assert_eq!(nodes[1]["spec"]["unschedulable"], true);
        assert_eq!(nodes[1]["spec"]["taints"][1]["effect"], "NoExecute");
        assert_eq!(nodes[0]["spec"].get("taints"), None);
        let service = &documents(&service(1, Family::Dual))[0];
        assert_eq!(service["spec"]["type"], "LoadBalancer");
        assert_eq!(service["spec"]["clusterIPs"][1], "fd00:10:96::a");
        assert_eq!(service["metadata"]["creationTimestamp"], CREATED);
    }

    #[test]
    fn many_services_differ_in_everything_that_must() {
        let services = documents(&documents_of(300, |number| service(number, Family::Ipv4)));
        let all = |pointer: &dyn Fn(&Value) -> String| services.iter().map(pointer).collect::<BTreeSet<_>>().len();
        assert_eq!(all(&|service| service["metadata"]["name"].as_str().unwrap().to_owned()), 300);
        assert_eq!(all(&|service| service["spec"]["clusterIP"].as_str().unwrap().to_owned()), 300);
        assert_eq!(all(&|service| service["spec"]["ports"][0]["nodePort"].as_u64().unwrap().to_string()), 300);
        assert_eq!(service_keys(2).collect::<Vec<_>>(), ["default/web", "default/web-2"]);
    }

    #[test]
    fn endpoints_are_those_of_the_chosen_nodes_in_each_family() {
        let layout = Layout::new(3, Family::Dual);
        let slices = documents(&endpoint_slices(1, &layout, &["node-3", "node-1"]));
        let endpoints = |slice: &Value| slice["endpoints"].as_sequence().unwrap().clone();
        for slice in &slices {
            let names: Vec<_> =
                endpoints(slice).iter().map(|endpoint| endpoint["nodeName"].as_str().unwrap().to_owned()).collect();
            assert_eq!(names, ["node-1", "node-3"]);
        }
        assert_eq!((&slices[0]["addressType"], &slices[1]["addressType"]), (&"IPv4".into(), &"IPv6".into()));
        assert_eq!(slices[1]["endpoints"][0]["addresses"][0], "fd00:10:244:1::2");
        let none = documents(&endpoint_slices(1, &Layout::new(3, Family::Ipv6), &[]));
        assert_eq!(none.len(), 1);
        assert!(endpoints(&none[0]).is_empty());
    }
}
