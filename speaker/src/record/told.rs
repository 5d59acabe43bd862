//! What a brain is told, as it is written: clusters and views as what is different from those before.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ferrolb_config::{Labels, Problem, Resources};
use ferrolb_gossip::{Facts, Held, Identity, NodeName, View};
use ferrolb_source::{Cluster, Endpoint, Node, ObjectKey, Service, Skipped};
use serde::{Deserialize, Serialize};

use super::changes::Changes;
use crate::brain::Input;
use crate::plan::Ground;

/// An input, or that time went by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Told {
    Cluster(Box<ClusterChange>),
    View(Box<ViewChange>),
    Ground(Ground),
    Heard { vip: IpAddr, mac: [u8; 6] },
    Time,
}

/// What leads from one cluster to the next; what only writers of status use is left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClusterChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<bool>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    services: Changes<ObjectKey, Arc<Service>>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    endpoints: Changes<ObjectKey, Arc<Vec<Endpoint>>>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    nodes: Changes<String, Arc<Node>>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    namespaces: Changes<String, Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Problems>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Vec<Skipped>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authoritative: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Problems(#[serde(with = "ferrolb_config::recorded::problems")] Vec<Problem>);

/// What leads from one view to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ViewChange {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    me: Option<Identity>,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    members: Changes<NodeName, Identity>,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    claims: Changes<IpAddr, Held>,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    facts: Changes<NodeName, Arc<Facts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flapping: Option<BTreeSet<NodeName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
}

/// What was told last, which what is told next is different from.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) cluster: Arc<Cluster>,
    pub(super) view: Arc<View>,
}

// === impl Known ===

impl Default for Known {
    fn default() -> Self {
        let nobody = Identity::new("", SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), 0);
        let view = View { members: [].into(), ..View::new(nobody) };
        Self { cluster: Arc::default(), view: Arc::new(view) }
    }
}

impl Known {
    /// An input as it is written; none: time went by.
    pub(super) fn told(&mut self, input: Option<Input>) -> Told {
        match input {
            None => Told::Time,
            Some(Input::Cluster(cluster)) => {
                let change = ClusterChange::between(&self.cluster, &cluster);
                self.cluster = cluster;
                Told::Cluster(Box::new(change))
            }
            Some(Input::View(view)) => {
                let change = ViewChange::between(&self.view, &view);
                self.view = view;
                Told::View(Box::new(change))
            }
            Some(Input::Ground(ground)) => Told::Ground(ground),
            Some(Input::Heard { vip, mac }) => Told::Heard { vip, mac },
        }
    }

    /// The input that was written so; none: time went by.
    pub(super) fn input(&mut self, told: Told) -> Option<Input> {
        Some(match told {
            Told::Time => return None,
            Told::Cluster(change) => {
                self.cluster = Arc::new(change.apply((*self.cluster).clone()));
                Input::Cluster(Arc::clone(&self.cluster))
            }
            Told::View(change) => {
                self.view = Arc::new(change.apply((*self.view).clone()));
                Input::View(Arc::clone(&self.view))
            }
            Told::Ground(ground) => Input::Ground(ground),
            Told::Heard { vip, mac } => Input::Heard { vip, mac },
        })
    }
}

// === impl ClusterChange ===

fn changed<T: PartialEq + Clone>(before: &T, after: &T) -> Option<T> {
    (before != after).then(|| after.clone())
}

/// Most of what a cluster holds is shared with the one before.
fn same<T: PartialEq>(before: &Arc<T>, after: &Arc<T>) -> bool {
    Arc::ptr_eq(before, after) || before == after
}

impl ClusterChange {
    pub(super) fn between(before: &Cluster, after: &Cluster) -> Self {
        Self {
            reading: changed(&before.reading, &after.reading),
            services: Changes::between(&before.services, &after.services, same),
            endpoints: Changes::between(&before.endpoints, &after.endpoints, same),
            nodes: Changes::between(&before.nodes, &after.nodes, same),
            namespaces: Changes::between(&before.namespaces, &after.namespaces, PartialEq::eq),
            namespace: changed(&before.namespace, &after.namespace),
            resources: changed(&before.resources, &after.resources),
            problems: changed(&before.problems, &after.problems).map(Problems),
            skipped: changed(&before.skipped, &after.skipped),
            authoritative: changed(&before.authoritative, &after.authoritative),
        }
    }

    pub(super) fn apply(self, before: Cluster) -> Cluster {
        let mut cluster = before;
        self.services.apply(&mut cluster.services);
        self.endpoints.apply(&mut cluster.endpoints);
        self.nodes.apply(&mut cluster.nodes);
        self.namespaces.apply(&mut cluster.namespaces);
        Cluster {
            reading: self.reading.unwrap_or(cluster.reading),
            namespace: self.namespace.unwrap_or(cluster.namespace),
            resources: self.resources.unwrap_or(cluster.resources),
            problems: self.problems.map_or(cluster.problems, |Problems(problems)| problems),
            skipped: self.skipped.unwrap_or(cluster.skipped),
            authoritative: self.authoritative.unwrap_or(cluster.authoritative),
            ..cluster
        }
    }

    /// What is different, for people.
    pub(super) fn summary(&self, before: &Cluster) -> Vec<String> {
        let plain = |key: &String| key.clone();
        let mut parts = Vec::new();
        let kinds = [
            ("services", self.services.summary(|key| before.services.contains_key(key), ToString::to_string)),
            ("endpoints", self.endpoints.summary(|key| before.endpoints.contains_key(key), ToString::to_string)),
            ("nodes", self.nodes.summary(|key| before.nodes.contains_key(key), plain)),
            ("namespaces", self.namespaces.summary(|key| before.namespaces.contains_key(key), plain)),
        ];
        parts.extend(kinds.iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| listed(kind, names)));
        parts.extend(self.resources.is_some().then(|| "configuration changed".to_owned()));
        parts
            .extend(self.problems.as_ref().map(|Problems(problems)| format!("unreadable objects: {}", problems.len())));
        parts
    }
}

// === impl ViewChange ===

impl ViewChange {
    pub(super) fn between(before: &View, after: &View) -> Self {
        Self {
            version: after.version,
            me: changed(&before.me, &after.me),
            members: Changes::between(&before.members, &after.members, PartialEq::eq),
            claims: Changes::between(&before.claims, &after.claims, PartialEq::eq),
            facts: Changes::between(&before.facts, &after.facts, same),
            flapping: changed(&before.flapping, &after.flapping),
            ready: changed(&before.ready, &after.ready),
        }
    }

    pub(super) fn apply(self, before: View) -> View {
        let mut view = before;
        self.members.apply(&mut view.members);
        self.claims.apply(&mut view.claims);
        self.facts.apply(&mut view.facts);
        View {
            version: self.version,
            me: self.me.unwrap_or(view.me),
            flapping: self.flapping.unwrap_or(view.flapping),
            ready: self.ready.unwrap_or(view.ready),
            ..view
        }
    }

    /// What is different, for people.
    pub(super) fn summary(&self, before: &View) -> Vec<String> {
        let members = self.members.summary(|node| before.members.contains_key(node), ToString::to_string);
        let facts = self.facts.summary(|node| before.facts.contains_key(node), ToString::to_string);
        let claims: Vec<String> = self
            .claims
            .set()
            .values()
            .map(|Held { claim, .. }| {
                let verb = if claim.released { "released" } else { "claimed" };
                format!("{} {verb} by {} (epoch {})", claim.vip, claim.owner, claim.epoch)
            })
            .collect();
        let kinds = [("members", members), ("facts", facts), ("claims", claims)];
        let mut parts: Vec<String> =
            kinds.iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| listed(kind, names)).collect();
        parts.extend(self.me.as_ref().map(|me| format!("this node lives since {}", me.boot)));
        parts.extend(self.flapping.as_ref().map(|nodes| format!("flapping: {nodes:?}")));
        parts.extend(self.ready.map(|ready| if ready { "ready" } else { "not ready" }.to_owned()));
        parts
    }
}

/// A kind and the first of what is different there.
fn listed(kind: &str, names: &[String]) -> String {
    const MOST: usize = 8;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let more = names.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{kind} {}{more}", shown.join(", "))
}
