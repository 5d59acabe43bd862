//! Which nodes may announce a Service, and what keeps the others from it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use ferrolb_api::EXCLUDE_LABEL;
use ferrolb_api::annotations::{self, ALLOW_SHARED_IP};
use ferrolb_config::{Config, Interfaces, L2Advertisement};
use ferrolb_gossip::NodeName;
use ferrolb_source::{Node, ObjectKey, Service, TrafficPolicy};

use super::quorum::{self, Quorum};
use super::{Reason, Snapshot, Strategy};

/// How good a choice a node is that may announce; the smaller, the better. Nodes of the same standing are of the same
/// class: rank and load decide among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// It is being emptied. Never under [`Strategy::Metallb`].
    pub(super) drained: bool,
    /// It was declared down again and again lately. Never under [`Strategy::Metallb`].
    pub(super) flapping: bool,
    /// The sum of the weights of all preferences for it.
    pub(super) preference: Reverse<i32>,
}

/// Where a Service may be announced.
#[derive(Debug, Clone, Default)]
pub(super) struct Assessment {
    /// Why it is announced from nowhere; the nodes do not matter then.
    pub(super) nobody: Option<Reason>,
    /// For every living member: its standing, or what keeps it from announcing.
    pub(super) nodes: BTreeMap<NodeName, Result<Standing, Reason>>,
    /// Nodes that may announce.
    pub(super) eligible: Arc<Eligible>,
    /// Whether enough of the cluster is seen from here.
    pub(super) quorum: Quorum,
}

/// Nodes that may announce, and how good a choice each of them is.
pub(super) type Eligible = BTreeMap<NodeName, Standing>;

impl Assessment {
    fn nobody(reason: Reason) -> Self {
        Self { nobody: Some(reason), ..Self::default() }
    }

    /// What keeps a node from announcing.
    pub(super) fn node(&self, node: &NodeName) -> Option<Reason> {
        match self.nodes.get(node) {
            Some(verdict) => verdict.as_ref().err().cloned(),
            None => Some(Reason::NotAMember),
        }
    }
}

/// Looks at Services on every living node. Most of thousands are alike in what matters: that is looked at once, and kept
/// once.
#[derive(Debug)]
pub(super) struct Assessor<'a> {
    snapshot: &'a Snapshot,
    config: &'a Config,
    known: BTreeMap<Case<'a>, Arc<Assessment>>,
}

/// What an assessment depends on, of the Service.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case<'a> {
    /// Names of its advertisements.
    advertisements: Vec<&'a str>,
    /// The nodes of its endpoints, where only those count.
    local: Option<BTreeSet<&'a str>>,
}

// === impl Assessor ===

impl<'a> Assessor<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, config: &'a Config) -> Self {
        Self { snapshot, config, known: BTreeMap::new() }
    }

    /// Looks at one Service.
    pub(super) fn assess(&mut self, key: &ObjectKey, service: &Service) -> Arc<Assessment> {
        let advertisements = match advertisements(self.config, service) {
            Ok(advertisements) => advertisements,
            Err(reason) => return Arc::new(Assessment::nobody(reason)),
        };
        let endpoints = self.snapshot.cluster.endpoints_of(key);
        let mut usable = endpoints.iter().filter(|endpoint| endpoint.usable).peekable();
        if usable.peek().is_none() {
            return Arc::new(Assessment::nobody(Reason::NoEndpoints));
        }
        let local = (service.traffic_policy == TrafficPolicy::Local)
            .then(|| usable.filter_map(|endpoint| endpoint.node.as_deref()).collect());
        let case = Case { advertisements: advertisements.iter().map(|ad| ad.name.as_str()).collect(), local };
        if let Some(known) = self.known.get(&case) {
            return Arc::clone(known);
        }
        let assessment = Arc::new(look(self.snapshot, &advertisements, case.local.as_ref()));
        self.known.insert(case, Arc::clone(&assessment));
        assessment
    }
}

fn look(snapshot: &Snapshot, advertisements: &[&L2Advertisement], local: Option<&BTreeSet<&str>>) -> Assessment {
    let judge = |name: &NodeName| -> Result<Standing, Reason> {
        let node = node(snapshot, name).ok_or(Reason::NodeUnknown)?;
        if node.network_unavailable {
            return Err(Reason::NodeNetworkUnavailable);
        }
        if is_excluded(snapshot, node) {
            return Err(Reason::NodeLabeledExcludeBalancers);
        }
        let covering: Vec<_> = advertisements.iter().filter(|ad| ad.covers_node(&node.labels)).collect();
        if covering.is_empty() {
            return Err(Reason::NodeNotSelected);
        }
        if local.is_some_and(|nodes| !nodes.contains(name.as_str())) {
            return Err(Reason::NoLocalEndpoints);
        }
        let allowed = union(covering.iter().map(|ad| &ad.interfaces));
        if !snapshot.can_announce_on(name, &allowed) {
            return Err(Reason::NoUsableInterface { allowed });
        }
        let balanced = snapshot.options.strategy == Strategy::Balanced;
        Ok(Standing {
            drained: balanced && snapshot.is_drained(name, node),
            flapping: balanced && snapshot.view.flapping.contains(name),
            preference: Reverse(covering.iter().map(|ad| ad.weight(&node.labels)).sum()),
        })
    };
    let nodes: BTreeMap<_, _> = snapshot.view.members.keys().map(|name| (name.clone(), judge(name))).collect();
    let eligible = nodes.iter().filter_map(|(node, verdict)| Some((node.clone(), *verdict.as_ref().ok()?)));
    Assessment {
        nobody: None,
        eligible: Arc::new(eligible.collect()),
        nodes,
        quorum: quorum::seen(snapshot, advertisements),
    }
}

/// The advertisements of a Service.
fn advertisements<'a>(config: &'a Config, service: &Service) -> Result<Vec<&'a L2Advertisement>, Reason> {
    let pool = config.pool_of(&service.ingress).ok_or(Reason::IpNotAllowed)?;
    let mut of_pool = config.l2_advertisements.iter().filter(|ad| ad.pools.contains(&pool.name)).peekable();
    if of_pool.peek().is_none() {
        return Err(Reason::NotAdvertised { pool: pool.name.clone() });
    }
    let advertisements: Vec<_> = of_pool.filter(|ad| ad.matches_service(&service.labels)).collect();
    if advertisements.is_empty() {
        return Err(Reason::NoMatchingAdvertisement);
    }
    let shares = annotations::get(&service.annotations, ALLOW_SHARED_IP).is_some();
    if shares && advertisements.iter().any(|ad| !ad.service_selectors.is_empty()) {
        return Err(Reason::SharedIpWithServiceSelector);
    }
    Ok(advertisements)
}

/// Whether the operator keeps load balancers off the node.
pub(super) fn is_excluded(snapshot: &Snapshot, node: &Node) -> bool {
    !snapshot.options.ignore_exclude_label && node.labels.contains_key(EXCLUDE_LABEL)
}

/// A member's Node object. Where there are no Node objects at all (plain hosts), a member is a node without labels.
pub(super) fn node<'a>(snapshot: &'a Snapshot, name: &NodeName) -> Option<&'a Node> {
    static PLAIN: LazyLock<Node> = LazyLock::new(Node::default);
    let nodes = &snapshot.cluster.nodes;
    if nodes.is_empty() { Some(&PLAIN) } else { nodes.get(name.as_str()).map(AsRef::as_ref) }
}

/// Where this node announces a Service: the interfaces of all advertisements that cover it here.
pub(super) fn interfaces(snapshot: &Snapshot, config: &Config, service: &Service) -> Interfaces {
    let labels = node(snapshot, &snapshot.me).map(|node| &node.labels);
    let advertisements = advertisements(config, service).unwrap_or_default();
    let covers = |ad: &&L2Advertisement| labels.is_none_or(|labels| ad.covers_node(labels));
    let interfaces = union(advertisements.into_iter().filter(covers).map(|ad| &ad.interfaces));
    // A node that only hands over may be covered by none any more: it goes on where it was.
    let none = matches!(&interfaces, Interfaces::Named(names) if names.is_empty());
    if none { Interfaces::All } else { interfaces }
}

fn union<'a>(all: impl Iterator<Item = &'a Interfaces>) -> Interfaces {
    let mut names = BTreeSet::new();
    for interfaces in all {
        match interfaces {
            Interfaces::All => return Interfaces::All,
            Interfaces::Named(more) => names.extend(more.iter().cloned()),
        }
    }
    Interfaces::Named(names)
}

// === impl Snapshot ===

impl Snapshot {
    /// Whether a node has an interface to announce on. One that has not told of its interfaces counts as having one.
    fn can_announce_on(&self, node: &NodeName, allowed: &Interfaces) -> bool {
        let suits = |name: &String| match allowed {
            Interfaces::All => true,
            Interfaces::Named(names) => names.contains(name),
        };
        if *node == self.me {
            self.ground.interfaces.as_ref().is_none_or(|usable| usable.iter().any(suits))
        } else {
            self.view.facts.get(node).is_none_or(|facts| facts.interfaces.keys().any(suits))
        }
    }

    /// Whether a node is being emptied, as its Node object or itself says.
    fn is_drained(&self, name: &NodeName, node: &Node) -> bool {
        node.drained || self.view.facts.get(name).is_some_and(|facts| facts.draining)
    }

    /// Whether a hardware address is one of a node's. One that has not told of its interfaces may have any.
    pub(crate) fn is_of(&self, node: &NodeName, mac: [u8; 6]) -> bool {
        let facts = self.view.facts.get(node);
        facts.is_none_or(|facts| facts.interfaces.values().any(|address| *address == mac))
    }
}
