//! Everything a decision is made from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ferrolb_config::Config;
use ferrolb_gossip::{Claim, Held, Identity, NodeName, View};
use ferrolb_source::Cluster;

use super::{NodePlan, Strategy, plan};

/// Choices of the operator that decisions depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Announce Services of this loadBalancerClass; `None`: those without one.
    pub class: Option<String>,
    /// Announce from nodes that carry the exclude label too.
    pub ignore_exclude_label: bool,
    /// How the owner of an address is chosen.
    pub strategy: Strategy,
}

/// Everything known at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// This node.
    pub me: NodeName,
    /// The operator's choices.
    pub options: Options,
    /// The configuration in force; `None` before the first good one.
    pub config: Option<Arc<Config>>,
    /// Services, endpoints and nodes.
    pub cluster: Arc<Cluster>,
    /// Who is alive and who claims what.
    pub view: Arc<View>,
    /// Whether this node has an interface to announce on. Without one it claims nothing: others will.
    pub can_announce: bool,
    /// How many successors of a vacant address have been passed over, because they did not claim in time.
    pub skipped: BTreeMap<IpAddr, usize>,
}

impl Snapshot {
    /// A snapshot without gossip: `members` are alive and nobody has claimed anything.
    pub fn offline(
        me: NodeName,
        options: Options,
        config: Arc<Config>,
        cluster: Arc<Cluster>,
        members: &[NodeName],
    ) -> Self {
        let identity = |name: &NodeName| Identity::new(name.clone(), SocketAddr::from(([0, 0, 0, 0], 0)), 1);
        let view = View {
            members: members.iter().map(|name| (name.clone(), identity(name))).collect(),
            ready: true,
            ..View::new(identity(&me))
        };
        Self {
            me,
            options,
            config: Some(config),
            cluster,
            view: Arc::new(view),
            can_announce: true,
            skipped: BTreeMap::new(),
        }
    }
}

/// What the node would do once everybody has claimed what the first election gives them.
pub fn first_election(mut snapshot: Snapshot) -> (Snapshot, NodePlan) {
    let first = plan(&snapshot);
    let mut view = (*snapshot.view).clone();
    for (vip, successors) in &first.vacant {
        let Some(owner) = successors.first() else { continue };
        let claim = Claim { vip: *vip, epoch: 1, owner: owner.clone(), boot: 1, released: false };
        view.claims.insert(*vip, Held { claim, reasserted: 0 });
    }
    snapshot.view = Arc::new(view);
    let plan = plan(&snapshot);
    (snapshot, plan)
}
