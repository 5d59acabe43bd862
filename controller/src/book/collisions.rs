//! Addresses of pools that are something else already. They are given out all the same, as the pools say; whoever
//! wrote the pools is told.

use std::collections::BTreeMap;

use ferrolb_config::addresses::AddressRange;
use ferrolb_config::{ObjectRef, Problem};
use ferrolb_source::Cluster;

use super::Book;

/// How many of one kind are named for one pool.
const NAMED: usize = 3;

/// What an address of a pool collides with, in order of how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum With {
    NodeAddress,
    PodRange,
    ClusterIp,
}

/// The first few collisions of one kind in one pool, and how many there are.
#[derive(Debug, Default)]
struct Collisions {
    named: Vec<(String, String)>,
    count: usize,
}

// === impl Book ===

impl Book {
    /// Pools whose addresses are also those of nodes, of pods, or of Services inside the cluster: one problem for each
    /// pool and kind. None of them hinders anybody.
    pub fn collisions(&self, cluster: &Cluster) -> Vec<Problem> {
        let mut found: BTreeMap<(&str, With), Collisions> = BTreeMap::new();
        let mut add = |pool, with, value: String, owner: String| {
            let collisions: &mut Collisions = found.entry((pool, with)).or_default();
            collisions.count += 1;
            if collisions.named.len() < NAMED {
                collisions.named.push((value, owner));
            }
        };
        for (name, node) in &cluster.nodes {
            for ip in &node.internal_ips {
                if let Some(pool) = self.allocator().pool_name_of(*ip) {
                    add(pool, With::NodeAddress, ip.to_string(), format!("Node {name}"));
                }
            }
            for net in &node.pod_cidrs {
                for pool in self.allocator().pools_overlapping(AddressRange::from(*net)) {
                    add(pool, With::PodRange, net.to_string(), format!("Node {name}"));
                }
            }
        }
        for (key, service) in cluster.services.iter() {
            for ip in &service.cluster_ips {
                if let Some(pool) = self.allocator().pool_name_of(*ip) {
                    add(pool, With::ClusterIp, ip.to_string(), format!("Service {key}"));
                }
            }
        }
        found
            .into_iter()
            .map(|((pool, with), collisions)| problem(&cluster.namespace, pool, with, &collisions))
            .collect()
    }
}

fn problem(namespace: &str, pool: &str, with: With, Collisions { named, count }: &Collisions) -> Problem {
    let owned: Vec<String> = named.iter().map(|(value, owner)| format!("{value} of {owner}")).collect();
    let mut what = owned.join(", ");
    if *count > named.len() {
        what = format!("{what} and {} more", count - named.len());
    }
    let message = match with {
        With::NodeAddress => format!(
            "the pool holds the address {what}; a service that gets it takes the node off the network, so take it out of the pool"
        ),
        With::PodRange => format!(
            "the pool overlaps with the pod range {what}; a service that gets an address of a pod cuts the pod off, so take the range out of the pool"
        ),
        With::ClusterIp => format!(
            "the pool holds the cluster IP {what}; services inside and outside the cluster need different ranges"
        ),
    };
    let value = named.first().map(|(value, _)| value.clone()).unwrap_or_default();
    let object = ObjectRef::new("IPAddressPool", namespace, pool);
    // Of the classes there are, this is the one with which everything goes on.
    Problem::new(object, "spec.addresses", value, message).announcement().missing_reference()
}
