//! The lines of a record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ferrolb_config::Resources;
use ferrolb_gossip::NodeName;
use ferrolb_source::Cluster;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decided::{Decided, Image, PlanChange};
use super::told::{ClusterChange, Known, Told, ViewChange};
use crate::brain::{Brain, Memory, Moment, Timers};
use crate::plan::{Ground, NodePlan, Options};

/// The form of the lines. It rises with every change that an older or newer program would read wrongly.
pub const FORMAT: u32 = 1;

/// The first line of a file: who wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// [`FORMAT`] of the program.
    pub format: u32,
    /// Its name.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The node.
    pub node: NodeName,
    /// One life of the program: when it began to record, in milliseconds since the Unix epoch.
    pub run: u64,
    /// When the file begins, by the clock of the node.
    pub time: Timestamp,
    /// The same in the time of the run.
    pub at: Moment,
    /// The choices that decisions depend on.
    pub options: Options,
    /// Other flags that matter for what is announced.
    pub flags: BTreeMap<String, String>,
    /// What happened before the file begins and stands nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many steps are missing.
    pub steps: u64,
    /// Why.
    pub why: String,
}

/// What a reader has to know of a first line before it reads the rest.
#[derive(Debug, Deserialize)]
pub(super) struct Preface {
    pub(super) format: u32,
    #[serde(default)]
    pub(super) program: String,
    #[serde(default)]
    pub(super) version: String,
}

/// Any other line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    /// The second line of a file: everything that the brain knows.
    Start(Box<Start>),
    Step(Box<Step>),
    /// The program ended on purpose.
    End,
}

/// Something happened, and what followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) at: Moment,
    pub(super) told: Told,
    pub(super) decided: Decided,
}

/// Where the configuration in force comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum InForce {
    Nothing,
    Newest,
    Older(Box<Resources>),
}

/// Everything that a brain knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    cluster: ClusterChange,
    in_force: InForce,
    view: ViewChange,
    ground: Ground,
    stale: bool,
    timers: Option<Timers>,
    decided: Option<Moment>,
    pub(super) plan: PlanChange,
    next: Option<Moment>,
}

// === impl Start ===

impl Start {
    pub(super) fn new(memory: &Memory, plan: &NodePlan, next: Option<Moment>) -> Self {
        let Memory { me: _, options: _, cluster, in_force, view, ground, stale, timers, decided } = memory;
        let nothing = Known::default();
        Self {
            cluster: ClusterChange::between(&nothing.cluster, cluster),
            in_force: match in_force {
                None => InForce::Nothing,
                Some(older) if older.resources == cluster.resources => InForce::Newest,
                Some(older) => InForce::Older(Box::new(older.resources.clone())),
            },
            view: ViewChange::between(&nothing.view, view),
            ground: ground.clone(),
            stale: *stale,
            timers: timers.clone(),
            decided: *decided,
            plan: PlanChange::between(&Image::default(), &Image::of(plan)),
            next,
        }
    }

    /// A brain that goes on from here, whose first input came at `origin`.
    pub(super) fn brain(self, header: &Header, origin: Instant) -> (Brain, Known) {
        let nothing = Known::default();
        let cluster = Arc::new(self.cluster.apply((*nothing.cluster).clone()));
        let view = Arc::new(self.view.apply((*nothing.view).clone()));
        let in_force = match self.in_force {
            InForce::Nothing => None,
            InForce::Newest => Some(Arc::clone(&cluster)),
            InForce::Older(resources) => Some(Arc::new(Cluster { resources: *resources, ..Cluster::default() })),
        };
        let known = Known { cluster: Arc::clone(&cluster), view: Arc::clone(&view) };
        let memory = Memory {
            me: header.node.clone(),
            options: header.options.clone(),
            cluster,
            in_force,
            view,
            ground: self.ground,
            stale: self.stale,
            timers: self.timers,
            decided: self.decided,
        };
        (Brain::resume(memory, origin), known)
    }
}

/// A line as it stands in a file, with its end.
pub(super) fn encode(line: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}
