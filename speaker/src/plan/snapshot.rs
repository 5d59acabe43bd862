//! Everything a decision is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ferrolb_config::Config;
use ferrolb_gossip::{Claim, Held, Identity, NodeName, View};
use ferrolb_source::Cluster;
use serde::{Deserialize, Serialize};

use super::{NodePlan, PartitionPolicy, Strategy, plan};

/// Choices of the operator that decisions depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// Announce Services of this loadBalancerClass; `None`: those without one.
    pub class: Option<String>,
    /// Announce from nodes that carry the exclude label too.
    pub ignore_exclude_label: bool,
    /// How the owner of an address is chosen.
    pub strategy: Strategy,
    /// What a part of the cluster does that does not see the rest of it.
    pub partition_policy: PartitionPolicy,
    /// Under [`Strategy::Balanced`]: while nothing happens, move addresses from nodes that own more than their share to
    /// nodes that own less, one at a time.
    pub rebalance: bool,
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
    /// What the links of this node allow.
    pub ground: Ground,
    /// What the passage of time has decided.
    pub turns: Turns,
}

/// What the links of this node allow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ground {
    /// Names of the interfaces that can announce; `None`: not known yet, so any may.
    pub interfaces: Option<BTreeSet<String>>,
    /// The address that this node gossips from is not on it any more: it hears nobody, and the others will take over.
    pub cut_off: bool,
}

/// What the passage of time has decided; see [`Brain`](crate::Brain), which keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// How many successors of a vacant address have been passed over, because they did not claim in time.
    pub skipped: BTreeMap<IpAddr, usize>,
    /// Addresses whose preferred nodes have been there for long enough to take over.
    pub ripe: BTreeSet<IpAddr>,
    /// Nothing has happened for long enough to move an address for the sake of balance.
    pub calm: bool,
    /// Addresses that this node has just lost to another one, and that it answers for until the other was heard.
    pub lingering: BTreeMap<IpAddr, NodeName>,
    /// How many members have come. Whoever comes may have announced anything before: under [`Strategy::Metallb`], where
    /// no claim tells of that, everything is announced anew.
    pub arrivals: u32,
    /// The links of this node are back after all of them were gone, and no other member has been heard yet.
    pub settling: bool,
}

impl Snapshot {
    /// Whether this node knows who owns what.
    pub fn is_ready(&self) -> bool {
        self.view.ready && !self.turns.settling
    }

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
            ground: Ground::default(),
            turns: Turns::default(),
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
