//! Keeps everything known, decides anew on every change, and gives successors their time. No clock, no sockets: the
//! whole speaker runs in virtual time in tests.

mod memory;
mod moment;
mod timers;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ferrolb_config::{Class, Config, Problem, parse};
use ferrolb_gossip::{NodeName, View};
use ferrolb_source::{Cluster, ObjectKey};

use crate::plan::{Ground, NodePlan, Options, Snapshot, Turns, plan};
pub use memory::Memory;
pub use moment::Moment;
pub use timers::Timers;

/// What the brain is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// The resources changed.
    Cluster(Arc<Cluster>),
    /// The membership or the claims changed.
    View(Arc<View>),
    /// What the links of this node allow; until told, everything.
    Ground(Ground),
    /// A station announces an address.
    Heard {
        /// The address.
        vip: IpAddr,
        /// The station's hardware address.
        mac: [u8; 6],
    },
}

/// What the brain wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Claim these addresses for this node.
    Claim(Vec<IpAddr>),
    /// Give these up.
    Release(Vec<IpAddr>),
    /// This is the plan now.
    Plan(Arc<NodePlan>),
}

/// See the module.
#[derive(Debug)]
pub struct Brain {
    snapshot: Snapshot,
    plan: Arc<NodePlan>,
    /// Since the first input.
    timers: Option<Timers>,
    /// When the first input came.
    origin: Option<Instant>,
    /// When it last decided.
    decided: Option<Moment>,
    /// What is wrong with the newest resources.
    problems: Vec<Problem>,
    /// A good configuration that would take the ground from under addresses we announce: it waits for the controller.
    waiting: Option<Arc<Config>>,
    /// Where the configuration in force comes from.
    in_force: Option<Arc<Cluster>>,
    stale: bool,
    outputs: VecDeque<Output>,
}

// === impl Brain ===

impl Brain {
    /// A brain that knows nothing yet.
    pub fn new(me: NodeName, options: Options, view: Arc<View>) -> Self {
        let snapshot = Snapshot {
            me,
            options,
            config: None,
            cluster: Arc::default(),
            view,
            ground: Ground::default(),
            turns: Turns::default(),
        };
        Self::of(snapshot)
    }

    fn of(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            plan: Arc::default(),
            timers: None,
            origin: None,
            decided: None,
            problems: Vec::new(),
            waiting: None,
            in_force: None,
            stale: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes over news and decides anew.
    pub fn handle(&mut self, now: Instant, input: Input) {
        let now = self.begin(now);
        let timers = self.timers.get_or_insert_with(|| Timers::new(now));
        match input {
            Input::Cluster(cluster) => self.take_over(cluster),
            Input::View(view) => {
                timers.view(now, &self.snapshot.view, &view);
                self.snapshot.view = view;
            }
            Input::Ground(ground) => {
                timers.ground(now, &self.snapshot, &ground);
                self.snapshot.ground = ground;
            }
            Input::Heard { vip, mac } => {
                let announced = self.plan.l2.iter().find(|announcement| announcement.vip == vip);
                let claim = announced.map(|announcement| announcement.claim);
                let by = |node: &NodeName| self.snapshot.is_of(node, mac);
                if !claim.is_some_and(|claim| timers.heard(claim, by)) {
                    return;
                }
            }
        }
        self.decide(now);
    }

    /// Does what time brings.
    pub fn handle_deadline(&mut self, now: Instant) {
        let now = self.begin(now);
        self.timers.get_or_insert_with(|| Timers::new(now)).expire(now);
        self.decide(now);
    }

    /// When [`Brain::handle_deadline`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        Some(self.origin? + self.next_moment()?.elapsed())
    }

    /// The same in the brain's own time.
    pub fn next_moment(&self) -> Option<Moment> {
        self.timers.as_ref()?.next_deadline(self.decided?)
    }

    /// `now` in the brain's own time, which begins with the first input.
    pub fn moment(&self, now: Instant) -> Moment {
        Moment::of(now, self.origin.unwrap_or(now))
    }

    fn begin(&mut self, now: Instant) -> Moment {
        Moment::of(now, *self.origin.get_or_insert(now))
    }

    /// What to do next; `None`: nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Everything known, for explanations.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The plan in force.
    pub fn plan(&self) -> &Arc<NodePlan> {
        &self.plan
    }

    /// What is wrong with the newest resources.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether the newest configuration is not the one in force.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    fn take_over(&mut self, cluster: Arc<Cluster>) {
        let parsed = parse(&cluster.resources);
        self.problems = cluster.problems.iter().chain(&parsed.problems).cloned().collect();
        let unreadable = cluster.problems.iter().any(|problem| problem.class == Class::Invalid);
        let labels = cluster.nodes.get(self.snapshot.me.as_str()).map(|node| node.labels.clone());
        let refused = unreadable || parsed.for_node(&labels.unwrap_or_default()).is_err();
        self.snapshot.cluster = cluster;
        self.waiting = (!refused).then(|| Arc::new(parsed.config));
        self.adopt();
        self.stale = refused || self.waiting.is_some();
    }

    /// Puts a good configuration into force, unless it no longer has an address that we announce and that its Service
    /// still shows: the controller will give the Service another one, and until then clients keep what they use.
    fn adopt(&mut self) {
        let Some(config) = self.waiting.take() else { return };
        let keeps = |announced: &crate::plan::Announcement| {
            let shown = announced.services.iter().any(|key| {
                let service = self.snapshot.cluster.services.get(key);
                service.is_some_and(|service| service.ingress.contains(&announced.vip))
            });
            !shown || config.pool_of(&[announced.vip]).is_some()
        };
        let over_bgp = |key: &ObjectKey| {
            let service = self.snapshot.cluster.services.get(key);
            let before = self.snapshot.config.as_ref();
            service.is_none_or(|service| {
                config.pool_of(&service.ingress).is_some()
                    || before.is_none_or(|before| before.pool_of(&service.ingress).is_none())
            })
        };
        if self.plan.l2.iter().all(keeps) && self.plan.bgp.services.keys().all(over_bgp) {
            self.in_force = Some(Arc::clone(&self.snapshot.cluster));
            if self.snapshot.config.as_ref() != Some(&config) {
                self.snapshot.config = Some(config);
            }
        } else {
            self.waiting = Some(config);
        }
    }

    fn decide(&mut self, now: Moment) {
        let timers = self.timers.get_or_insert_with(|| Timers::new(now));
        self.decided = Some(now);
        self.snapshot.turns = timers.turns(now);
        let mut plan = plan(&self.snapshot);
        if timers.follow(now, &self.snapshot, &self.plan, &plan) {
            self.snapshot.turns = timers.turns(now);
            plan = crate::plan::plan(&self.snapshot);
        }
        if !plan.claims.is_empty() {
            self.outputs.push_back(Output::Claim(plan.claims.clone()));
        }
        if !plan.releases.is_empty() {
            self.outputs.push_back(Output::Release(plan.releases.clone()));
        }
        plan.bgp.share(&self.plan.bgp);
        if *self.plan != plan {
            self.plan = Arc::new(plan);
            self.outputs.push_back(Output::Plan(Arc::clone(&self.plan)));
        }
    }
}
