//! Which nodes may announce a Service, and what keeps the others from it.

use std::collections::{BTreeMap, BTreeSet};

use ferrolb_api::EXCLUDE_LABEL;
use ferrolb_api::annotations::{self, ALLOW_SHARED_IP};
use ferrolb_config::{Config, Interfaces, L2Advertisement, Labels};
use ferrolb_gossip::NodeName;
use ferrolb_source::{Node, ObjectKey, Service, TrafficPolicy};

use super::{Reason, Snapshot};

/// Where a Service may be announced.
#[derive(Debug, Clone, Default)]
pub(super) struct Assessment {
    /// Why it is announced from nowhere; the nodes do not matter then.
    pub(super) nobody: Option<Reason>,
    /// For every living member: its preference, or what keeps it from announcing.
    pub(super) nodes: BTreeMap<NodeName, Result<i32, Reason>>,
}

impl Assessment {
    fn nobody(reason: Reason) -> Self {
        Self { nobody: Some(reason), nodes: BTreeMap::new() }
    }

    /// Nodes that may announce, with their preference.
    pub(super) fn eligible(&self) -> Vec<(i32, NodeName)> {
        self.nodes.iter().filter_map(|(node, verdict)| Some((*verdict.as_ref().ok()?, node.clone()))).collect()
    }

    /// What keeps a node from announcing.
    pub(super) fn node(&self, node: &NodeName) -> Option<Reason> {
        match self.nodes.get(node) {
            Some(verdict) => verdict.as_ref().err().cloned(),
            None => Some(Reason::NotAMember),
        }
    }
}

/// Looks at one Service on every living node.
pub(super) fn assess(snapshot: &Snapshot, config: &Config, key: &ObjectKey, service: &Service) -> Assessment {
    let Some(pool) = config.pool_of(&service.ingress) else { return Assessment::nobody(Reason::IpNotAllowed) };
    let mut of_pool = config.l2_advertisements.iter().filter(|ad| ad.pools.contains(&pool.name)).peekable();
    if of_pool.peek().is_none() {
        return Assessment::nobody(Reason::NotAdvertised { pool: pool.name.clone() });
    }
    let advertisements: Vec<&L2Advertisement> = of_pool.filter(|ad| ad.matches_service(&service.labels)).collect();
    if advertisements.is_empty() {
        return Assessment::nobody(Reason::NoMatchingAdvertisement);
    }
    let shares = annotations::get(&service.annotations, ALLOW_SHARED_IP).is_some();
    if shares && advertisements.iter().any(|ad| !ad.service_selectors.is_empty()) {
        return Assessment::nobody(Reason::SharedIpWithServiceSelector);
    }
    let endpoints = snapshot.cluster.endpoints_of(key);
    if !endpoints.iter().any(|endpoint| endpoint.usable) {
        return Assessment::nobody(Reason::NoEndpoints);
    }
    let local: Option<BTreeSet<&str>> = (service.traffic_policy == TrafficPolicy::Local).then(|| {
        endpoints.iter().filter(|endpoint| endpoint.usable).filter_map(|endpoint| endpoint.node.as_deref()).collect()
    });
    let judge = |name: &NodeName| -> Result<i32, Reason> {
        let node = node(snapshot, name).ok_or(Reason::NodeUnknown)?;
        if node.network_unavailable {
            return Err(Reason::NodeNetworkUnavailable);
        }
        if !snapshot.options.ignore_exclude_label && node.labels.contains_key(EXCLUDE_LABEL) {
            return Err(Reason::NodeLabeledExcludeBalancers);
        }
        let covering: Vec<_> = advertisements.iter().filter(|ad| ad.covers_node(&node.labels)).collect();
        if covering.is_empty() {
            return Err(Reason::NodeNotSelected);
        }
        if local.as_ref().is_some_and(|nodes| !nodes.contains(name.as_str())) {
            return Err(Reason::NoLocalEndpoints);
        }
        Ok(covering.iter().map(|ad| ad.weight(&node.labels)).sum())
    };
    let nodes = snapshot.view.members.keys().map(|name| (name.clone(), judge(name))).collect();
    Assessment { nobody: None, nodes }
}

/// A member's Node object. Where there are no Node objects at all (plain hosts), a member is a node without labels.
fn node<'a>(snapshot: &'a Snapshot, name: &NodeName) -> Option<&'a Node> {
    static PLAIN: Node =
        Node { labels: Labels::new(), internal_ips: Vec::new(), pod_cidrs: Vec::new(), network_unavailable: false };
    let nodes = &snapshot.cluster.nodes;
    if nodes.is_empty() { Some(&PLAIN) } else { nodes.get(name.as_str()).map(AsRef::as_ref) }
}

/// Where this node announces a Service: the interfaces of all advertisements that cover it here.
pub(super) fn interfaces(snapshot: &Snapshot, config: &Config, service: &Service) -> Interfaces {
    let labels = node(snapshot, &snapshot.me).map(|node| &node.labels);
    let pool = config.pool_of(&service.ingress).map(|pool| pool.name.as_str()).unwrap_or_default();
    let mut names = BTreeSet::new();
    for ad in config.l2_advertisements.iter().filter(|ad| ad.pools.contains(pool)) {
        if !ad.matches_service(&service.labels) || !labels.is_none_or(|labels| ad.covers_node(labels)) {
            continue;
        }
        match &ad.interfaces {
            Interfaces::All => return Interfaces::All,
            Interfaces::Named(more) => names.extend(more.iter().cloned()),
        }
    }
    // A node that only hands over may be covered by none any more: it goes on where it was.
    if names.is_empty() { Interfaces::All } else { Interfaces::Named(names) }
}
