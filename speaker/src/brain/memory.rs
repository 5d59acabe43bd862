//! Everything a brain knows at one moment, so that another one can go on from there.

use std::sync::Arc;
use std::time::Instant;

use ferrolb_config::{Config, parse};
use ferrolb_gossip::{NodeName, View};
use ferrolb_source::Cluster;

use super::timers::Timers;
use super::{Brain, Moment};
use crate::plan::{Ground, Options, Snapshot, Turns, plan};

/// See the module. What follows from the rest, such as the plan, is not part of it.
#[derive(Debug, Clone)]
pub struct Memory {
    /// This node.
    pub me: NodeName,
    /// The operator's choices.
    pub options: Options,
    /// The newest state of the source.
    pub cluster: Arc<Cluster>,
    /// The state of the source whose resources became the configuration in force.
    pub in_force: Option<Arc<Cluster>>,
    /// Who is alive and who claims what.
    pub view: Arc<View>,
    /// What the links of the node allow.
    pub ground: Ground,
    /// Whether the newest configuration is not the one in force.
    pub stale: bool,
    /// What waits for its time; nothing before the first input.
    pub timers: Option<Timers>,
    /// When it last decided.
    pub decided: Option<Moment>,
}

// === impl Brain ===

impl Brain {
    /// What this brain knows. Cheap: what is large is shared.
    pub fn memory(&self) -> Memory {
        let Snapshot { me, options, cluster, view, ground, config: _, turns: _ } = &self.snapshot;
        Memory {
            me: me.clone(),
            options: options.clone(),
            cluster: Arc::clone(cluster),
            in_force: self.in_force.clone(),
            view: Arc::clone(view),
            ground: ground.clone(),
            stale: self.stale,
            timers: self.timers.clone(),
            decided: self.decided,
        }
    }

    /// A brain that goes on where another one was, whose first input came at `origin`.
    pub fn resume(memory: Memory, origin: Instant) -> Self {
        let Memory { me, options, cluster, in_force, view, ground, stale, timers, decided } = memory;
        let problems = parse(&cluster.resources).problems;
        let problems = cluster.problems.iter().chain(&problems).cloned().collect();
        let config = in_force.as_ref().map(|cluster| -> Arc<Config> { Arc::new(parse(&cluster.resources).config) });
        let turns = match (&timers, decided) {
            (Some(timers), Some(decided)) => timers.turns(decided),
            (None, _) | (_, None) => Turns::default(),
        };
        let snapshot = Snapshot { me, options, config, cluster, view, ground, turns };
        let plan = Arc::new(plan(&snapshot));
        let origin = timers.as_ref().map(|_| origin);
        Self { plan, timers, origin, decided, problems, in_force, stale, ..Self::of(snapshot) }
    }
}
