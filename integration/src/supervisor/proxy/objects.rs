//! Services and their endpoints as the manifests and the status files say: no more of them than kube-proxy's place
//! needs.
//!
//! A file of the status directory wins over the status in a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::ResourceExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

/// Everything that the rules depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Objects {
    /// Services of type LoadBalancer, by `namespace/name`.
    pub(crate) services: BTreeMap<String, Service>,
    /// What could not be read, with the reason.
    pub(crate) problems: BTreeSet<String>,
}

/// A service of type LoadBalancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) ports: Vec<Port>,
    pub(crate) traffic: TrafficPolicy,
    /// The addresses of its status.
    pub(crate) addresses: Vec<IpAddr>,
}

/// A port of a service, with the endpoints behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) number: u16,
    pub(crate) protocol: Protocol,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// A ready endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) node: Option<String>,
}

/// `spec.externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum TrafficPolicy {
    #[default]
    Cluster,
    Local,
}

/// The transport protocols that the rules know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Protocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
}

// === impl Objects ===

impl Objects {
    /// Reads the manifest directory. What cannot be read is left out and named among the problems.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut reader = Reader::default();
        for path in files(folder)? {
            // A file that went away in between is no problem.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let relative = path.strip_prefix(folder).unwrap_or(&path);
            reader.read(&text, relative);
        }
        Ok(reader.finish())
    }

    /// Takes them from what an API server has. What cannot be read is left out and named among the problems.
    pub(crate) fn of<S, E>(services: &[Arc<S>], slices: &[Arc<E>]) -> Self
    where
        S: Serialize + ResourceExt,
        E: Serialize + ResourceExt,
    {
        let mut reader = Reader::default();
        for service in services {
            if let Some(service) = reader.typed::<ServiceObject>(&**service) {
                reader.services.insert(service.metadata.key(), service);
            }
        }
        for slice in slices {
            let slice = reader.typed(&**slice);
            reader.slices.extend(slice);
        }
        reader.finish()
    }
}

/// The manifests under `folder`, in order of their names, those with status last.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if next == folder => return Err(error),
            Err(_gone) => continue,
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_manifest = path
                .extension()
                .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
            if path.is_dir() {
                folders.push(path);
            } else if is_manifest {
                found.push(path);
            }
        }
    }
    let status = folder.join("status");
    found.sort_by_key(|path| (path.starts_with(&status), path.clone()));
    Ok(found)
}

#[derive(Default)]
struct Reader {
    services: BTreeMap<String, ServiceObject>,
    slices: Vec<SliceObject>,
    problems: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, text: &str, path: &Path) {
        let is_status = path.starts_with("status");
        for document in serde_yaml::Deserializer::from_str(text) {
            let object = Value::deserialize(document).and_then(|value| self.object(value, is_status));
            if let Err(error) = object {
                self.problems.insert(format!("{}: {error}", path.display()));
                return;
            }
        }
    }

    fn object(&mut self, value: Value, is_status: bool) -> Result<(), serde_yaml::Error> {
        match value.get("kind").and_then(Value::as_str) {
            Some("List") => {
                let items = value.get("items").and_then(Value::as_sequence).cloned().unwrap_or_default();
                items.into_iter().try_for_each(|item| self.object(item, is_status))
            }
            Some("Service") => {
                let service: ServiceObject = serde_yaml::from_value(value)?;
                let key = service.metadata.key();
                if !is_status {
                    self.services.insert(key, service);
                } else if let Some(known) = self.services.get_mut(&key) {
                    known.status = service.status;
                }
                Ok(())
            }
            Some("EndpointSlice") if !is_status => {
                self.slices.push(serde_yaml::from_value(value)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn typed<T: DeserializeOwned>(&mut self, object: &(impl Serialize + ResourceExt)) -> Option<T> {
        let read = serde_json::to_value(object).and_then(serde_json::from_value);
        read.map_err(|error| self.problems.insert(format!("{}: {error}", object.name_any()))).ok()
    }

    fn finish(self) -> Objects {
        let Self { services, slices, problems } = self;
        let load_balancers = services.into_iter().filter(|(_, service)| service.spec.kind == "LoadBalancer");
        let services = load_balancers.map(|(key, service)| {
            let service = service.with_endpoints(&slices);
            (key, service)
        });
        Objects { services: services.collect(), problems }
    }
}

// === The objects as they are written (v1 Service, discovery.k8s.io/v1 EndpointSlice) ===

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ServiceObject {
    metadata: Metadata,
    #[serde(default)]
    spec: ServiceSpec,
    #[serde(default)]
    status: ServiceStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: String,
    ports: Vec<ServicePort>,
    external_traffic_policy: TrafficPolicy,
}

#[derive(Deserialize)]
struct ServicePort {
    #[serde(default)]
    name: String,
    port: u16,
    #[serde(default)]
    protocol: Protocol,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ServiceStatus {
    load_balancer: LoadBalancerStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LoadBalancerStatus {
    ingress: Vec<Ingress>,
}

#[derive(Deserialize)]
struct Ingress {
    #[serde(default)]
    ip: Option<IpAddr>,
    #[serde(default, rename = "hostname")]
    _hostname: IgnoredAny,
}

#[derive(Deserialize)]
struct SliceObject {
    metadata: Metadata,
    #[serde(default)]
    endpoints: Vec<SliceEndpoint>,
    #[serde(default)]
    ports: Vec<SlicePort>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceEndpoint {
    addresses: Vec<IpAddr>,
    #[serde(default)]
    conditions: Conditions,
    #[serde(default)]
    node_name: Option<String>,
}

#[derive(Deserialize, Default)]
struct Conditions {
    /// Unknown counts as ready, as the API says.
    #[serde(default)]
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct SlicePort {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    protocol: Protocol,
}

impl Metadata {
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    fn key(&self) -> String {
        format!("{}/{}", self.namespace(), self.name)
    }
}

impl ServiceObject {
    fn with_endpoints(self, slices: &[SliceObject]) -> Service {
        let mine = |slice: &&SliceObject| {
            slice.metadata.namespace() == self.metadata.namespace()
                && slice.metadata.labels.get("kubernetes.io/service-name") == Some(&self.metadata.name)
        };
        let mine: Vec<&SliceObject> = slices.iter().filter(mine).collect();
        let ports = self.spec.ports.into_iter().map(|ServicePort { name, port: number, protocol }| {
            let mut endpoints: Vec<Endpoint> =
                mine.iter().flat_map(|slice| slice.endpoints_of(&name, protocol)).collect();
            endpoints.sort();
            endpoints.dedup();
            Port { name, number, protocol, endpoints }
        });
        Service {
            ports: ports.collect(),
            traffic: self.spec.external_traffic_policy,
            addresses: self.status.load_balancer.ingress.iter().filter_map(|ingress| ingress.ip).collect(),
        }
    }
}

impl SliceObject {
    fn endpoints_of(&self, name: &str, protocol: Protocol) -> Vec<Endpoint> {
        let port = self.ports.iter().find(|port| {
            port.name.as_deref().unwrap_or_default() == name && port.protocol == protocol && port.port.is_some()
        });
        let Some(port) = port.and_then(|port| port.port) else { return Vec::new() };
        let ready = self.endpoints.iter().filter(|endpoint| endpoint.conditions.ready != Some(false));
        // The first address counts, as kube-proxy has it.
        let endpoint = |endpoint: &SliceEndpoint| {
            let address = *endpoint.addresses.first()?;
            Some(Endpoint { address: SocketAddr::new(address, port), node: endpoint.node_name.clone() })
        };
        ready.filter_map(endpoint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: LoadBalancer
  ports: [{name: http, port: 80}]
status: {loadBalancer: {ingress: [{ip: 10.10.52.9}]}}
";
    const SLICE: &str = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-x, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.244.1.2], nodeName: node-1}
- {addresses: [10.244.2.2], nodeName: node-2, conditions: {ready: false}}
";

    fn read(files: &[(&str, &str)]) -> Objects {
        let mut reader = Reader::default();
        for (path, text) in files {
            reader.read(text, Path::new(path));
        }
        reader.finish()
    }

    #[test]
    fn only_ready_endpoints_of_the_services_own_slices_count() {
        let foreign = SLICE.replace("namespace: default", "namespace: other").replace("10.244.1.2", "10.244.9.9");
        let objects = read(&[("web.yaml", SERVICE), ("slice.yaml", SLICE), ("foreign.yaml", &foreign)]);
        let endpoints = &objects.services["default/web"].ports[0].endpoints;
        assert_eq!(
            endpoints,
            &[Endpoint { address: "10.244.1.2:8080".parse().unwrap(), node: Some("node-1".to_owned()) }]
        );
    }

    #[test]
    fn a_status_file_wins_over_the_status_in_the_manifest() {
        let status = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
status: {loadBalancer: {ingress: [{ip: 10.10.52.0}, {hostname: ignored}]}}
";
        let with = read(&[("web.yaml", SERVICE), ("status/services/default/web.yaml", status)]);
        assert_eq!(with.services["default/web"].addresses, ["10.10.52.0".parse::<IpAddr>().unwrap()]);
        let without = read(&[("web.yaml", SERVICE)]);
        assert_eq!(without.services["default/web"].addresses, ["10.10.52.9".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_status_without_its_service_is_nothing() {
        let objects = read(&[("status/services/default/web.yaml", SERVICE)]);
        assert_eq!(objects, Objects::default());
    }

    #[test]
    fn other_types_and_kinds_are_left_alone_and_lists_unfolded() {
        let list = "
kind: List
items:
- {kind: Service, metadata: {name: a}, spec: {type: ClusterIP, ports: [{port: 1}]}}
- {kind: Service, metadata: {name: b}, spec: {type: LoadBalancer, ports: [{port: 1}]}}
- {kind: Node, metadata: {name: n}}
";
        let objects = read(&[("list.yaml", list), ("values.yaml", "configInline: {address-pools: []}")]);
        assert_eq!(objects.services.keys().collect::<Vec<_>>(), ["default/b"]);
        assert_eq!(objects.problems, BTreeSet::new());
    }

    #[test]
    fn an_object_of_the_api_that_cannot_be_read_is_named_and_harms_no_other() {
        use k8s_openapi::api::core::v1::Service as ApiService;
        use k8s_openapi::api::discovery::v1::EndpointSlice;
        let service: ApiService = serde_yaml::from_str(SERVICE).unwrap();
        let slice: EndpointSlice = serde_yaml::from_str(SLICE).unwrap();
        let mut unknown = service.clone();
        unknown.metadata.name = Some("sctp".to_owned());
        unknown.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].protocol = Some("SCTP".to_owned());
        let objects = Objects::of(&[Arc::new(unknown), Arc::new(service)], &[Arc::new(slice)]);
        assert_eq!(objects.services, read(&[("web.yaml", SERVICE), ("slice.yaml", SLICE)]).services);
        assert_eq!(objects.problems.len(), 1);
        assert!(objects.problems.first().unwrap().starts_with("sctp: "), "{:?}", objects.problems);
    }

    #[test]
    fn a_broken_file_is_named_and_harms_no_other() {
        let objects = read(&[("bad.yaml", "kind: Service\nmetadata: [1"), ("web.yaml", SERVICE)]);
        assert_eq!(objects.services.len(), 1);
        assert_eq!(objects.problems.len(), 1);
        assert!(objects.problems.first().unwrap().starts_with("bad.yaml: "), "{:?}", objects.problems);
    }
}
