//! What Kubernetes says: Nodes, Services, endpoints and configuration, as every speaker's source delivers them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ferrolb_api::EXCLUDE_LABEL;
use ferrolb_api::v1beta1::{IPAddressPoolSpec, L2AdvertisementSpec};
use ferrolb_config::{Labels, Origin, Resource, Resources};
use ferrolb_source::{Cluster, Endpoint, Node as KubernetesNode, ObjectKey, Service, TrafficPolicy};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Node;

/// Namespace of the configuration.
const NAMESPACE: &str = "ferrolb-system";

/// The resources of the simulated cluster.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    nodes: BTreeSet<Node>,
    excluded: BTreeSet<Node>,
    services: BTreeMap<ObjectKey, Balanced>,
}

/// A Service of type LoadBalancer.
#[derive(Clone, Debug)]
struct Balanced {
    /// One address, or two of a dual stack; the first one is what is claimed.
    addresses: Vec<IpAddr>,
    policy: TrafficPolicy,
    /// Where its endpoints run.
    endpoints: BTreeSet<Node>,
}

// === impl Estate ===

impl Estate {
    /// Services with one or two addresses each, a third of them with `externalTrafficPolicy: Local`.
    pub fn random(rng: &mut StdRng, nodes: u8, services: u8) -> Self {
        let nodes: BTreeSet<Node> = (0..nodes).map(Node).collect();
        let [a, b] = rng.random::<[u8; 2]>();
        let mut estate = Self { nodes: nodes.clone(), ..Self::default() };
        for number in 0..services {
            let mut addresses = vec![IpAddr::V4(Ipv4Addr::new(10, a, b, number))];
            if rng.random_bool(0.2) {
                let [a, b, number] = [a, b, number].map(u16::from);
                addresses.push(IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, a, b, number)));
            }
            let policy = if rng.random_bool(0.33) { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
            let mut endpoints: BTreeSet<Node> =
                nodes.iter().copied().filter(|_| policy == TrafficPolicy::Cluster || rng.random_bool(0.7)).collect();
            if endpoints.is_empty() {
                endpoints.clone_from(&nodes);
            }
            let key = ObjectKey::new("default", format!("s{number}"));
            estate.services.insert(key, Balanced { addresses, policy, endpoints });
        }
        estate
    }

    /// Services of one address each that every node may announce.
    pub fn plain(rng: &mut StdRng, nodes: u8, services: u8) -> Self {
        let mut estate = Self::random(rng, nodes, services);
        for service in estate.services.values_mut() {
            service.addresses.truncate(1);
            service.policy = TrafficPolicy::Cluster;
        }
        estate
    }

    /// All nodes, whether they run or not.
    pub const fn nodes(&self) -> &BTreeSet<Node> {
        &self.nodes
    }

    /// Every address, and the nodes that may announce it if they live.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, BTreeSet<Node>)> {
        self.services.values().flat_map(|service| {
            let eligible = self.eligible(service);
            service.addresses.iter().map(move |address| (*address, eligible.clone()))
        })
    }

    fn eligible(&self, service: &Balanced) -> BTreeSet<Node> {
        let may = |node: &Node| match service.policy {
            TrafficPolicy::Cluster => !service.endpoints.is_empty(),
            TrafficPolicy::Local => service.endpoints.contains(node),
        };
        self.nodes.iter().copied().filter(|node| !self.excluded.contains(node) && may(node)).collect()
    }

    /// Sets or removes the label that excludes a node from load balancers; whether that changed anything.
    pub fn exclude(&mut self, node: Node, excluded: bool) -> bool {
        if excluded { self.excluded.insert(node) } else { self.excluded.remove(&node) }
    }

    /// Takes the endpoints of all Services with `externalTrafficPolicy: Local` from a node, or brings them; the
    /// addresses that this concerns.
    pub fn endpoints(&mut self, node: Node, present: bool) -> BTreeSet<IpAddr> {
        let mut concerned = BTreeSet::new();
        for service in self.services.values_mut().filter(|service| service.policy == TrafficPolicy::Local) {
            let changed = if present { service.endpoints.insert(node) } else { service.endpoints.remove(&node) };
            if changed {
                concerned.extend(service.addresses.iter().copied());
            }
        }
        concerned
    }

    /// Nodes with the label.
    pub const fn excluded(&self) -> &BTreeSet<Node> {
        &self.excluded
    }

    /// All of it, as a source reads it.
    pub fn cluster(&self) -> Arc<Cluster> {
        let mut cluster = Cluster { resources: resources(), namespace: NAMESPACE.to_owned(), ..Cluster::default() };
        for node in &self.nodes {
            let excluded = self.excluded.contains(node).then(|| (EXCLUDE_LABEL.to_owned(), String::new()));
            let object = KubernetesNode {
                labels: excluded.into_iter().collect(),
                internal_ips: vec![node.ip()],
                ..KubernetesNode::default()
            };
            cluster.nodes.insert(node.to_string(), Arc::new(object));
        }
        for (key, service) in &self.services {
            let object = Service {
                load_balancer: true,
                traffic_policy: service.policy,
                ingress: service.addresses.clone().into(),
                ..Service::default()
            };
            cluster.services.insert(key.clone(), Arc::new(object));
            let endpoint = |node: &Node| Endpoint {
                addresses: vec![IpAddr::V4(Ipv4Addr::new(172, 16, node.0, 1))],
                node: Some(node.to_string()),
                usable: true,
            };
            cluster.endpoints.insert(key.clone(), Arc::new(service.endpoints.iter().map(endpoint).collect()));
        }
        Arc::new(cluster)
    }
}

fn resources() -> Resources {
    let pool = IPAddressPoolSpec {
        addresses: vec!["10.0.0.0/8".to_owned(), "fd00::/64".to_owned()],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
    };
    Resources {
        pools: vec![Resource {
            origin: Origin::resource("IPAddressPool", NAMESPACE, "all"),
            name: "all".to_owned(),
            labels: Labels::new(),
            spec: pool,
        }],
        l2_advertisements: vec![Resource {
            origin: Origin::resource("L2Advertisement", NAMESPACE, "all"),
            name: "all".to_owned(),
            labels: Labels::new(),
            spec: L2AdvertisementSpec::default(),
        }],
        ..Resources::default()
    }
}
