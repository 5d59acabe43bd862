//! Keeps everything known, decides anew on every change, and gives successors their time. No clock, no sockets: the
//! whole speaker runs in virtual time in tests.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_config::{Class, Config, Problem, parse};
use ferrolb_gossip::{NodeName, View};
use ferrolb_source::Cluster;

use crate::plan::{NodePlan, Options, Snapshot, plan};

/// A successor that has not claimed a vacant address by then is passed over.
const CLAIM_WITHIN: Duration = Duration::from_millis(300);

/// What the brain is told.
#[derive(Debug)]
pub enum Input {
    /// The resources changed.
    Cluster(Arc<Cluster>),
    /// The membership or the claims changed.
    View(Arc<View>),
    /// Whether this node has an interface to announce on; until told otherwise it has.
    CanAnnounce(bool),
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

#[derive(Debug)]
struct Vacancy {
    successors: Vec<NodeName>,
    skipped: usize,
    deadline: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Brain {
    snapshot: Snapshot,
    plan: Arc<NodePlan>,
    vacancies: BTreeMap<IpAddr, Vacancy>,
    /// What is wrong with the newest resources.
    problems: Vec<Problem>,
    /// A good configuration that would take the ground from under addresses we announce: it waits for the controller.
    waiting: Option<Arc<Config>>,
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
            can_announce: true,
            skipped: BTreeMap::new(),
        };
        Self {
            snapshot,
            plan: Arc::default(),
            vacancies: BTreeMap::new(),
            problems: Vec::new(),
            waiting: None,
            stale: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes over news and decides anew.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Cluster(cluster) => self.take_over(cluster),
            Input::View(view) => self.snapshot.view = view,
            Input::CanAnnounce(can) => self.snapshot.can_announce = can,
        }
        self.decide(now);
    }

    /// Passes over successors whose time is up.
    pub fn handle_deadline(&mut self, now: Instant) {
        for vacancy in self.vacancies.values_mut().filter(|vacancy| vacancy.deadline <= now) {
            vacancy.skipped += 1;
            vacancy.deadline = now + CLAIM_WITHIN;
        }
        self.decide(now);
    }

    /// When [`Brain::handle_deadline`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.vacancies.values().map(|vacancy| vacancy.deadline).min()
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
        if self.plan.l2.iter().all(keeps) {
            if self.snapshot.config.as_ref() != Some(&config) {
                self.snapshot.config = Some(config);
            }
        } else {
            self.waiting = Some(config);
        }
    }

    fn decide(&mut self, now: Instant) {
        self.snapshot.skipped = self.skipped();
        let mut plan = plan(&self.snapshot);
        if self.keep_time(now, &plan) {
            self.snapshot.skipped = self.skipped();
            plan = crate::plan::plan(&self.snapshot);
        }
        if !plan.claims.is_empty() {
            self.outputs.push_back(Output::Claim(plan.claims.clone()));
        }
        if !plan.releases.is_empty() {
            self.outputs.push_back(Output::Release(plan.releases.clone()));
        }
        if *self.plan != plan {
            self.plan = Arc::new(plan);
            self.outputs.push_back(Output::Plan(Arc::clone(&self.plan)));
        }
    }

    fn skipped(&self) -> BTreeMap<IpAddr, usize> {
        self.vacancies.iter().filter(|(_, v)| v.skipped > 0).map(|(vip, v)| (*vip, v.skipped)).collect()
    }

    /// Starts the clock of new vacancies and forgets filled ones; whether somebody's turn changed by that.
    fn keep_time(&mut self, now: Instant, plan: &NodePlan) -> bool {
        self.vacancies.retain(|vip, _| plan.vacant.contains_key(vip));
        let mut changed = false;
        for (vip, successors) in &plan.vacant {
            let mut candidates = successors.clone();
            candidates.sort_unstable();
            match self.vacancies.get_mut(vip) {
                Some(vacancy) if vacancy.successors == candidates => {}
                known => {
                    // Other candidates, other turns.
                    changed |= known.is_some_and(|vacancy| vacancy.skipped > 0);
                    let vacancy = Vacancy { successors: candidates, skipped: 0, deadline: now + CLAIM_WITHIN };
                    self.vacancies.insert(*vip, vacancy);
                }
            }
        }
        changed
    }
}
