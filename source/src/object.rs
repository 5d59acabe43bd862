//! The few facts of Kubernetes' own kinds that ferrolb uses, in types of its own: small, checked, comparable.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::slice;
use std::sync::Arc;

use ferrolb_api::{SmallMap, annotations};
use ferrolb_config::Labels;
use ferrolb_config::addresses::parse_ip;
use ipnet::IpNet;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::families::{Families, Family, FamilyPolicy};

/// The addresses of one Service: hardly ever more than one.
pub type Addresses = SmallVec<[IpAddr; 1]>;

/// Namespace and name of a namespaced object; prints as `namespace/name`. Copies share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The same key, for a map in which the one before it may be of the same namespace: they share its text.
    pub(crate) fn beside<V>(mut self, others: &BTreeMap<Self, V>) -> Self {
        if let Some((before, _)) = others.range(..&self).next_back().filter(|(key, _)| key.namespace == self.namespace)
        {
            self.namespace = Arc::clone(&before.namespace);
        }
        self
    }
}

/// As it prints: it is the key of maps, which JSON knows with strings only.
impl Serialize for ObjectKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (namespace, name) = text.split_once('/').ok_or_else(|| D::Error::custom("write namespace/name"))?;
        Ok(Self::new(namespace, name))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How old an object is: those with a creation time first, the oldest first; the others in the order they were read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Age {
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Where it was read, if in a file.
    pub position: Option<Box<Position>>,
}

/// A place in a directory of manifests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The file.
    pub file: String,
    /// Number of the document in it.
    pub document: usize,
    /// Place in the document's list.
    pub item: usize,
}

impl Age {
    /// Of an object without creation time, read there.
    pub fn read_at(file: impl Into<String>, document: usize, item: usize) -> Self {
        Self { created: None, position: Some(Box::new(Position { file: file.into(), document, item })) }
    }
}

impl Ord for Age {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |age: &Self| (age.created.is_none(), age.created);
        rank(self).cmp(&rank(other)).then_with(|| self.position.cmp(&other.position))
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `spec.externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// Every node passes traffic on to all endpoints.
    #[default]
    Cluster,
    /// A node serves only endpoints of its own.
    Local,
}

/// A port that a Service listens on, for telling whether two Services can share an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Cow<'static, str>,
    /// The port at the Service's address.
    pub port: i32,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.port)
    }
}

/// Which object this is and in which of its versions; empty where there is no API server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub resource_version: Box<str>,
}

/// What ferrolb uses of a Service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Which object this is.
    pub version: Version,
    /// For order of claims.
    pub age: Age,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`, those that are for load balancers.
    pub annotations: SmallMap,
    /// Whether `spec.type` is `LoadBalancer`.
    pub load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<Box<str>>,
    /// `spec.loadBalancerIP`.
    pub requested_ip: Option<Box<str>>,
    /// `spec.clusterIPs` as written.
    pub cluster_ips: Addresses,
    /// The families of its cluster IPs; empty while it has none.
    pub cluster_families: Families,
    /// `spec.ipFamilies`.
    pub families: Families,
    /// `spec.ipFamilyPolicy`.
    pub family_policy: FamilyPolicy,
    /// `spec.externalTrafficPolicy`.
    pub traffic_policy: TrafficPolicy,
    /// `spec.selector` where the traffic policy is [`Local`](TrafficPolicy::Local); nobody asks for it elsewhere.
    pub selector: SmallMap,
    /// `spec.ports`.
    pub ports: Box<[Port]>,
    /// `status.loadBalancer.ingress[].ip`, in order.
    pub ingress: Addresses,
    /// Whether more stands there than addresses that are announced: a name, a mode or ports of somebody else's.
    pub ingress_has_more: bool,
}

impl Service {
    /// Whether this Service is ours: a load balancer of class `class` (`None`: of no class).
    pub fn is_ours(&self, class: Option<&str>) -> bool {
        self.load_balancer && self.class.as_deref() == class
    }
}

/// Whether a Service without cluster IPs is one that still waits for them, or one that an API server would have given
/// them: a directory has no API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterIps {
    /// They count as they stand.
    AsWritten,
    /// Where the manifest leaves them open, their families are what an API server of both families would choose.
    Defaulted,
}

impl Service {
    /// Takes over what matters of a Service as the API has it.
    pub fn project(service: &core::Service, age: Age, cluster_ips: ClusterIps) -> Self {
        let nothing = core::ServiceSpec::default();
        let spec = service.spec.as_ref().unwrap_or(&nothing);
        let families: Families = spec.ip_families.iter().flatten().filter_map(|name| family(name)).collect();
        let family_policy = match spec.ip_family_policy.as_deref() {
            Some("PreferDualStack") => FamilyPolicy::PreferDualStack,
            Some("RequireDualStack") => FamilyPolicy::RequireDualStack,
            _ => FamilyPolicy::SingleStack,
        };
        let written: &[String] = match (spec.cluster_ips.as_deref(), &spec.cluster_ip) {
            (Some(list), _) if !list.is_empty() => list,
            (_, Some(ip)) if !ip.is_empty() => slice::from_ref(ip),
            _ => &[],
        };
        let own: Addresses = written.iter().filter_map(|ip| parse_ip(ip)).collect();
        let cluster_families = if written.is_empty() && cluster_ips == ClusterIps::Defaulted {
            defaulted(families, family_policy)
        } else {
            own.iter().copied().map(Family::of).collect()
        };
        let families = if families.is_empty() { cluster_families } else { families };
        let traffic_policy = match spec.external_traffic_policy.as_deref() {
            Some("Local") => TrafficPolicy::Local,
            _ => TrafficPolicy::Cluster,
        };
        let selector = spec.selector.as_ref().filter(|_| traffic_policy == TrafficPolicy::Local);
        let ours = |key: &str| annotations::PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        let annotations = service.metadata.annotations.iter().flatten().filter(|(key, _)| ours(key));
        Self {
            version: Version {
                uid: service.metadata.uid.as_deref().unwrap_or_default().into(),
                resource_version: service.metadata.resource_version.as_deref().unwrap_or_default().into(),
            },
            age,
            labels: service.metadata.labels.as_ref().map(Labels::from).unwrap_or_default(),
            annotations: annotations.map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
            class: spec.load_balancer_class.as_deref().map(Box::from),
            requested_ip: spec.load_balancer_ip.as_deref().filter(|ip| !ip.is_empty()).map(Box::from),
            cluster_ips: own,
            cluster_families,
            families,
            family_policy,
            traffic_policy,
            selector: selector.map(SmallMap::from).unwrap_or_default(),
            ports: spec.ports.as_deref().unwrap_or_default().iter().map(port).collect(),
            ingress: service.status.as_ref().map(ingress).unwrap_or_default(),
            ingress_has_more: service.status.as_ref().is_some_and(has_more),
        }
    }
}

fn port(port: &core::ServicePort) -> Port {
    let protocol = match port.protocol.as_deref() {
        None | Some("TCP") => Cow::Borrowed("TCP"),
        Some("UDP") => Cow::Borrowed("UDP"),
        Some(other) => Cow::Owned(other.to_owned()),
    };
    Port { protocol, port: port.port }
}

/// The addresses of a Service's status; names and whatever else stands there are left out.
pub fn ingress(status: &core::ServiceStatus) -> Addresses {
    entries(status).iter().filter_map(|ingress| parse_ip(ingress.ip.as_ref()?)).collect()
}

/// Whether there is something that is no plain address. The API server itself adds the mode `VIP` to every address.
fn has_more(status: &core::ServiceStatus) -> bool {
    entries(status).iter().any(|entry| {
        entry.ip.as_deref().and_then(parse_ip).is_none()
            || entry.hostname.as_ref().is_some_and(|name| !name.is_empty())
            || entry.ip_mode.as_ref().is_some_and(|mode| mode != "VIP")
            || entry.ports.as_ref().is_some_and(|ports| !ports.is_empty())
    })
}

fn entries(status: &core::ServiceStatus) -> &[core::LoadBalancerIngress] {
    status.load_balancer.as_ref().and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default()
}

fn family(name: &str) -> Option<Family> {
    match name {
        "IPv4" => Some(Family::V4),
        "IPv6" => Some(Family::V6),
        _ => None,
    }
}

fn defaulted(families: Families, policy: FamilyPolicy) -> Families {
    let first = families.first().copied().unwrap_or(Family::V4);
    match (policy, families.len()) {
        (FamilyPolicy::SingleStack, _) | (FamilyPolicy::PreferDualStack, 1) => Families::only(first),
        (FamilyPolicy::RequireDualStack | FamilyPolicy::PreferDualStack, _) => Families::both(first),
    }
}

/// What ferrolb uses of one endpoint of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it answers.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on.
    pub node: Option<String>,
    /// Whether it can serve: ready, or terminating but still serving.
    pub usable: bool,
}

/// The Service that an EndpointSlice belongs to, and its endpoints.
pub fn project_endpoints(slice: &EndpointSlice) -> Option<(ObjectKey, Vec<Endpoint>)> {
    let service = slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name")?;
    let namespace = slice.metadata.namespace.as_deref().unwrap_or("default");
    let endpoints = slice.endpoints.iter().map(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
        let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(false);
        Endpoint {
            addresses: endpoint.addresses.iter().filter_map(|address| parse_ip(address)).collect(),
            node: endpoint.node_name.clone(),
            usable: ready || serving,
        }
    });
    Some((ObjectKey::new(namespace, service.as_str()), endpoints.collect()))
}

/// What ferrolb uses of a Node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `metadata.labels`.
    pub labels: Labels,
    /// `status.addresses` of type `InternalIP`, in order.
    pub internal_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, or `spec.podCIDR` where there is only that.
    pub pod_cidrs: Vec<IpNet>,
    /// Whether the condition `NetworkUnavailable` is true.
    pub network_unavailable: bool,
    /// Whether it is being emptied: `spec.unschedulable` (`kubectl cordon`, `drain`), or a taint of effect `NoExecute`.
    pub drained: bool,
}

impl Node {
    /// Takes over what matters of a Node as the API has it.
    pub fn project(node: &core::Node) -> Self {
        let status = node.status.clone().unwrap_or_default();
        let addresses = status.addresses.unwrap_or_default();
        let internal = addresses.iter().filter(|address| address.type_ == "InternalIP");
        let conditions = status.conditions.unwrap_or_default();
        let spec = node.spec.as_ref();
        let cidrs = spec.and_then(|spec| spec.pod_cidrs.as_deref()).filter(|list| !list.is_empty());
        let cidrs = cidrs.or_else(|| spec.and_then(|spec| spec.pod_cidr.as_ref()).map(slice::from_ref));
        Self {
            labels: node.metadata.labels.as_ref().map(Labels::from).unwrap_or_default(),
            internal_ips: internal.filter_map(|address| parse_ip(&address.address)).collect(),
            pod_cidrs: cidrs.into_iter().flatten().filter_map(|cidr| cidr.parse().ok()).collect(),
            network_unavailable: conditions.iter().any(|c| c.type_ == "NetworkUnavailable" && c.status == "True"),
            drained: spec.is_some_and(|spec| {
                let mut taints = spec.taints.iter().flatten();
                spec.unschedulable == Some(true) || taints.any(|taint| taint.effect == "NoExecute")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(yaml: &str, cluster_ips: ClusterIps) -> Service {
        Service::project(&serde_yaml::from_str(yaml).unwrap(), Age::default(), cluster_ips)
    }

    #[test]
    fn families_come_from_the_cluster_ips() {
        let dual = service("spec: {clusterIPs: [fd00::1, 10.0.0.1]}", ClusterIps::AsWritten);
        assert_eq!(*dual.cluster_families, [Family::V6, Family::V4]);
        assert_eq!(*dual.families, [Family::V6, Family::V4]);
        let old = service("spec: {clusterIP: 10.0.0.1}", ClusterIps::AsWritten);
        assert_eq!(*old.cluster_families, [Family::V4]);
        assert!(service("spec: {clusterIP: None}", ClusterIps::Defaulted).cluster_families.is_empty());
    }

    #[test]
    fn without_an_api_server_open_cluster_ips_are_what_it_would_choose() {
        let families = |yaml: &str| service(yaml, ClusterIps::Defaulted).cluster_families;
        assert_eq!(*families("spec: {type: LoadBalancer}"), [Family::V4]);
        assert_eq!(*families("spec: {ipFamilies: [IPv6]}"), [Family::V6]);
        assert_eq!(*families("spec: {ipFamilyPolicy: RequireDualStack}"), [Family::V4, Family::V6]);
        assert!(service("spec: {type: LoadBalancer}", ClusterIps::AsWritten).cluster_families.is_empty());
    }

    #[test]
    fn terminating_endpoints_that_still_serve_are_usable() {
        let slice: EndpointSlice = serde_yaml::from_str(
            "{metadata: {namespace: a, name: x, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [\
               {addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}, \
               {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}}]}",
        )
        .unwrap();
        let (key, endpoints) = project_endpoints(&slice).unwrap();
        assert_eq!(key, ObjectKey::new("a", "web"));
        assert_eq!(endpoints.iter().map(|e| e.usable).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn a_node_is_drained_when_it_is_cordoned_or_sends_pods_away() {
        for (spec, drained) in [
            ("{}", false),
            ("{unschedulable: true}", true),
            ("{taints: [{key: a, effect: NoSchedule}]}", false),
            ("{taints: [{key: a, effect: NoSchedule}, {key: b, effect: NoExecute}]}", true),
        ] {
            let node: core::Node = serde_yaml::from_str(&format!("spec: {spec}")).unwrap();
            assert_eq!(Node::project(&node).drained, drained, "{spec}");
        }
    }

    #[test]
    fn dated_objects_come_before_undated_ones() {
        let age = |created: Option<&str>, file: &str| Age {
            created: created.map(|text| text.parse().unwrap()),
            position: Age::read_at(file, 0, 0).position,
        };
        let mut ages = [
            age(None, "a"),
            age(Some("2026-01-02T00:00:00Z"), "b"),
            age(Some("2026-01-01T00:00:00Z"), "c"),
            age(None, "0"),
        ];
        ages.sort();
        assert_eq!(ages.map(|age| age.position.unwrap().file), ["c", "b", "0", "a"]);
    }
}
