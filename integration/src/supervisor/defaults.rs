//! The objects that every lab starts with, as manifests: nodes, one service, its endpoints.

use std::fmt::Write as _;

use crate::error::Error;
use crate::layout::{BACKEND_PORT, Layout};

/// The endpoints of the default service.
const ENDPOINTS_FILE: &str = "web-endpoints.yaml";
/// All objects of a lab are equally old, in every run.
const CREATED: &str = "2025-01-01T00:00:00Z";

/// Names and texts of the manifests that every lab starts with.
pub(super) fn all(layout: &Layout, values: &str) -> [(&'static str, String); 4] {
    let everybody: Vec<&str> = layout.nodes().map(|node| node.name.as_str()).collect();
    [
        ("values.yaml", values.to_owned()),
        ("nodes.yaml", nodes(layout)),
        ("web.yaml", SERVICE.to_owned()),
        (ENDPOINTS_FILE, endpoint_slice(layout, &everybody)),
    ]
}

/// Name and text of the manifest that makes the default service's endpoints those of `names`.
///
/// # Errors
/// [`Error::Refused`] for a name that is no node.
pub(super) fn endpoints_on(layout: &Layout, names: &[&str]) -> Result<(&'static str, String), Error> {
    if let Some(stranger) = names.iter().find(|name| layout.node(name).is_none()) {
        return Err(Error::Refused { reason: format!("there is no node {stranger}") });
    }
    Ok((ENDPOINTS_FILE, endpoint_slice(layout, names)))
}

/// The service that a lab starts with.
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
  creationTimestamp: \"2025-01-01T00:00:00Z\"
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  externalTrafficPolicy: Cluster
  selector: {app: web}
  ports:
  - name: http
    protocol: TCP
    port: 80
    targetPort: 8080
    nodePort: 30080
";

fn nodes(layout: &Layout) -> String {
    let mut text = String::new();
    for node in layout.nodes() {
        let (name, address) = (&node.name, node.address);
        let cidr = node.pod.as_ref().map(|pod| pod.cidr.as_str()).unwrap_or_default();
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
             \x20 podCIDR: {cidr}\n\
             \x20 podCIDRs: [{cidr}]\n\
             status:\n\
             \x20 addresses:\n\
             \x20 - {{type: InternalIP, address: {address}}}\n\
             \x20 - {{type: Hostname, address: {name}}}\n\
             \x20 conditions:\n\
             \x20 - {{type: Ready, status: \"True\"}}\n"
        )
        .ok();
    }
    text
}

fn endpoint_slice(layout: &Layout, names: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: discovery.k8s.io/v1\n\
         kind: EndpointSlice\n\
         metadata:\n\
         \x20 name: web-lab\n\
         \x20 namespace: default\n\
         \x20 creationTimestamp: \"{CREATED}\"\n\
         \x20 labels: {{kubernetes.io/service-name: web}}\n\
         addressType: IPv4\n\
         ports:\n\
         - {{name: http, protocol: TCP, port: {BACKEND_PORT}}}\n"
    );
    let nodes: Vec<_> = layout.nodes().filter(|node| names.contains(&node.name.as_str())).collect();
    text.push_str(if nodes.is_empty() { "endpoints: []\n" } else { "endpoints:\n" });
    for node in nodes {
        let Some(pod) = &node.pod else { continue };
        write!(
            text,
            "- addresses: [{}]\n\
             \x20 conditions: {{ready: true, serving: true, terminating: false}}\n\
             \x20 nodeName: {}\n",
            pod.address, node.name
        )
        .ok();
    }
    text
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
        let layout = Layout::new(2);
        let nodes = documents(&nodes(&layout));
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1]["metadata"]["name"], "node-2");
        assert_eq!(nodes[1]["status"]["addresses"][0]["address"], "10.10.0.12");
        assert_eq!(nodes[1]["spec"]["podCIDR"], "10.244.2.0/24");
        let service = documents(SERVICE);
        assert_eq!(service[0]["spec"]["type"], "LoadBalancer");
        assert_eq!(service[0]["metadata"]["creationTimestamp"], CREATED);
    }

    #[test]
    fn endpoints_are_those_of_the_chosen_nodes() {
        let layout = Layout::new(3);
        let slice = &documents(&endpoint_slice(&layout, &["node-3", "node-1"]))[0];
        let endpoints = slice["endpoints"].as_sequence().unwrap();
        let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint["nodeName"].as_str().unwrap()).collect();
        assert_eq!(names, ["node-1", "node-3"]);
        let none = &documents(&endpoint_slice(&layout, &[]))[0];
        assert!(none["endpoints"].as_sequence().unwrap().is_empty());
    }
}
