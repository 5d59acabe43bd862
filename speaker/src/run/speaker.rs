//! The task that everything meets in: news go to the [`Brain`], what it wants goes to gossip, announcer and reporter.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_config::any_or_none;
use ferrolb_daemon::Readiness;
use ferrolb_fib::links::Links;
use ferrolb_gossip::{Facts, Handle as Gossip, KeyRing, Profile};
use ferrolb_l2::driver::{Handle as L2, Observed};
use ferrolb_l2::{Condition, Family, Gateway, Interface, MacAddr};
use ferrolb_source::{KernelSetting, Source};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::bgp::{self, Bgp, News};
use super::confirmation::Confirmation;
use super::exclusion::Exclusion;
use super::health::Deaths;
use super::interfaces::{self, Port};
use super::mind::Mind;
use super::reporter::Reporter;
use super::{RunError, SpeakerArgs, now, sleep_until};
use crate::admin::Asked;
use crate::brain::{Input, Output};
use crate::metrics::Metrics;
use crate::plan::{Ground, NodePlan};

/// Metrics of gossip are at most so old.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// What a speaker is made of.
pub(super) struct Parts {
    pub(super) args: SpeakerArgs,
    pub(super) profile: Profile,
    pub(super) brain: Mind,
    pub(super) source: Source,
    pub(super) links: watch::Receiver<Arc<Links>>,
    pub(super) gateways: watch::Receiver<Vec<Gateway>>,
    pub(super) exclusion: Exclusion,
    pub(super) gossip: Gossip,
    pub(super) keys: watch::Receiver<Option<KeyRing>>,
    pub(super) address: SocketAddr,
    pub(super) l2: L2,
    pub(super) bgp: Bgp,
    pub(super) observed: watch::Receiver<Arc<Observed>>,
    pub(super) heard: mpsc::Receiver<ferrolb_l2::Heard>,
    pub(super) questions: mpsc::Receiver<Asked>,
    pub(super) reporter: Reporter,
    /// The nodes that are held for dead; `None`: without `--fail-endpoints` nobody looks.
    pub(super) deaths: Option<Deaths>,
    pub(super) metrics: Metrics,
    pub(super) ready: Readiness,
}

/// See the module.
pub(super) struct Speaker {
    pub(super) parts: Parts,
    pub(super) ports: Vec<Port>,
    confirmation: Confirmation,
    /// What the others were told about this node.
    told: Option<Facts>,
    peers: BTreeSet<MacAddr>,
    /// The nodes that gossip was told of.
    seeds: Vec<SocketAddr>,
    /// What the kernel's settings are wrong for, by what it was found for.
    pub(super) conditions: Vec<Condition>,
    examined: (Vec<Interface>, BTreeSet<Family>),
    /// Times to look at the counters of gossip.
    ticks: Interval,
}

// === impl Speaker ===

impl Speaker {
    pub(super) fn new(parts: Parts) -> Self {
        let confirmation = Confirmation::new(parts.profile.stall_tolerance());
        let (ports, peers, seeds) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut ticks = tokio::time::interval(COUNT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (conditions, examined) = (Vec::new(), (Vec::new(), BTreeSet::new()));
        Self { parts, ports, confirmation, told: None, peers, seeds, conditions, examined, ticks }
    }

    pub(super) async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), RunError> {
        self.links_changed();
        self.observed_changed();
        self.cluster_changed().await?;
        self.act().await?;
        loop {
            let deadline = self.parts.brain.next_deadline();
            let confirm = self.confirmation.next_deadline();
            let report = self.parts.reporter.next_deadline();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                changed = self.parts.gossip.view.changed() => {
                    changed.map_err(|_closed| RunError::Ended("gossip"))?;
                    self.view_changed();
                }
                () = sleep_until(deadline), if deadline.is_some() => self.parts.brain.handle_deadline(now()),
                changed = self.parts.links.changed() => {
                    changed.map_err(|_closed| RunError::Ended("following links"))?;
                    self.links_changed();
                    self.set_bgp()?;
                }
                Ok(()) = self.parts.gateways.changed() => {
                    self.parts.l2.gateways(self.parts.gateways.borrow_and_update().clone());
                }
                changed = self.parts.observed.changed() => {
                    changed.map_err(|_closed| RunError::Ended("the announcer"))?;
                    self.observed_changed();
                }
                news = self.parts.bgp.changed() => self.bgp_changed(news)?,
                () = sleep_until(confirm), if confirm.is_some() => self.confirm(),
                changed = self.parts.source.cluster.changed() => {
                    changed.map_err(|_closed| RunError::Ended("the source"))?;
                    self.cluster_changed().await?;
                }
                Ok(()) = self.parts.keys.changed() => self.keys_changed().await?,
                heard = self.parts.heard.recv() => {
                    let heard = heard.ok_or(RunError::Ended("the announcer"))?;
                    self.heard(&heard);
                }
                () = sleep_until(report), if report.is_some() => self.parts.reporter.handle_deadline(now()),
                _ = self.ticks.tick() => self.parts.metrics.gossip(&self.parts.gossip.counters()),
                asked = self.parts.questions.recv() => {
                    let Some((question, reply)) = asked else { return Ok(()) };
                    // Whoever asked may have gone.
                    drop(reply.send(self.answer(&question)));
                }
            }
            self.act().await?;
        }
    }

    /// Carries out what the brain wants. Announcing comes first, and with it the question whether somebody else has an
    /// address: the claim is made while the answer is awaited. Telling of it comes last.
    async fn act(&mut self) -> Result<(), RunError> {
        let stopped = |_stopped| RunError::Ended("gossip");
        self.tell_facts().await?;
        let (mut orders, mut latest) = (Vec::new(), None);
        while let Some(output) = self.parts.brain.poll() {
            match output {
                Output::Plan(plan) => {
                    self.parts.l2.announce(interfaces::announcements(&plan));
                    latest = Some(plan);
                }
                order @ (Output::Claim(_) | Output::Release(_)) => orders.push(order),
            }
        }
        for order in orders {
            match order {
                Output::Claim(vips) => {
                    tracing::info!(vips = ?vips, "claiming");
                    self.parts.gossip.claim(vips).await.map_err(stopped)?;
                }
                Output::Release(vips) => self.parts.gossip.release(vips).await.map_err(stopped)?,
                Output::Plan(_) => {}
            }
        }
        if let Some(plan) = latest {
            self.plan_changed(&plan)?;
        }
        let snapshot = self.parts.brain.snapshot();
        self.parts.ready.set(snapshot.is_ready() && snapshot.config.is_some() && !snapshot.ground.cut_off);
        Ok(())
    }

    fn plan_changed(&mut self, plan: &NodePlan) -> Result<(), RunError> {
        self.parts.l2.watch(plan.watched.clone());
        self.set_bgp()?;
        self.examine();
        self.show_plan();
        self.parts.reporter.plan(now(), plan, &self.parts.brain.snapshot().cluster.namespace, &self.ports);
        Ok(())
    }

    /// What BGP is to do follows from the plan, from where the node is and from its links.
    fn set_bgp(&mut self) -> Result<(), RunError> {
        let Parts { bgp, brain, links, .. } = &mut self.parts;
        let links = Arc::clone(&links.borrow());
        bgp.set(brain.snapshot(), &brain.plan().bgp, &links).map_err(RunError::Bgp)
    }

    fn bgp_changed(&mut self, news: News) -> Result<(), RunError> {
        let Parts { bgp, metrics, links, .. } = &mut self.parts;
        match news {
            News::Bfd => bgp.tell_failures(),
            News::Bgp => {
                // The neighbour of an unnumbered peer may be another one.
                let links = Arc::clone(&links.borrow());
                bgp.watch(&links);
                if let Some(status) = bgp.status() {
                    bgp.mark(&status);
                }
            }
            News::Ended(who) => return Err(RunError::Ended(who)),
        }
        let latest = (bgp.status(), bgp.observed());
        metrics.bgp(bgp.peers(), latest, bgp::label, |peer| bgp.watching(peer).cloned());
        Ok(())
    }

    fn show_plan(&mut self) {
        let Parts { brain, metrics, args, .. } = &mut self.parts;
        metrics.plan(&args.node_name, brain.plan(), brain.snapshot().config.is_some(), brain.is_stale());
    }

    fn view_changed(&mut self) {
        let view = Arc::clone(&self.parts.gossip.view.borrow_and_update());
        self.parts.metrics.view(&view);
        let others = view.facts.iter().filter(|(node, _)| **node != view.me.name);
        let macs = others.flat_map(|(_, facts)| facts.interfaces.values());
        let peers: BTreeSet<MacAddr> = macs.map(|[a, b, c, d, e, f]| MacAddr::new(*a, *b, *c, *d, *e, *f)).collect();
        if peers != self.peers {
            self.parts.l2.peers(peers.clone());
            self.peers = peers;
        }
        self.parts.brain.handle(now(), Input::View(view));
    }

    async fn cluster_changed(&mut self) -> Result<(), RunError> {
        let cluster = Arc::clone(&self.parts.source.cluster.borrow_and_update());
        self.parts.metrics.updates.inc();
        let seeds = self.parts.args.seeds(&cluster, self.parts.address);
        self.parts.brain.handle(now(), Input::Cluster(cluster));
        // What follows can wait for that.
        self.act().await?;
        self.set_bgp()?;
        if self.seeds != seeds {
            self.parts.gossip.seeds(seeds.clone()).await.map_err(|_stopped| RunError::Ended("gossip"))?;
            self.seeds = seeds;
        }
        let Parts { args, brain, reporter, metrics, source, .. } = &mut self.parts;
        let labels = brain.snapshot().cluster.nodes.get(&args.node_name).map(|node| node.labels.clone());
        let labels = labels.unwrap_or_default();
        reporter.problems(now(), brain.problems(), |problem| any_or_none(&problem.nodes, &labels));
        metrics.source(reporter.lost(), source.failures());
        self.show_plan();
        Ok(())
    }

    async fn keys_changed(&mut self) -> Result<(), RunError> {
        let ring = self.parts.keys.borrow_and_update().clone();
        if let Some(ring) = ring {
            self.parts.gossip.keys(ring).await.map_err(|_stopped| RunError::Ended("gossip"))?;
        }
        Ok(())
    }

    fn links_changed(&mut self) {
        let links = Arc::clone(&self.parts.links.borrow_and_update());
        self.ports = interfaces::ports(&links, &self.parts.exclusion);
        self.parts.l2.interfaces(self.ports.iter().filter_map(|port| port.usable.clone().ok()).collect());
        self.examine();
        self.ground_changed();
    }

    /// Looks for settings of the kernel with which an address would not be reached, where interfaces or families are
    /// others than before.
    fn examine(&mut self) {
        let interfaces: Vec<Interface> = self.ports.iter().filter_map(|port| port.usable.clone().ok()).collect();
        let families: BTreeSet<Family> = self.parts.brain.plan().watched.iter().map(|vip| Family::of(*vip)).collect();
        if self.examined == (interfaces.clone(), families.clone()) {
            return;
        }
        let found = ferrolb_l2::driver::conditions(&interfaces, &families);
        let settings = found.iter().map(|condition| KernelSetting {
            interface: condition.interface.clone(),
            kind: condition.kind.to_string(),
            message: condition.message.clone(),
        });
        self.parts.reporter.kernel(now(), settings.collect());
        self.conditions = found;
        self.examined = (interfaces, families);
    }

    fn observed_changed(&mut self) {
        let observed = Arc::clone(&self.parts.observed.borrow_and_update());
        let counters = self.parts.gossip.counters();
        self.parts.metrics.observed(&observed);
        self.parts.reporter.observed(&observed, self.parts.brain.plan());
        self.confirmation.observed(now(), observed.stalls, observed.stalled, counters.received);
        self.ground_changed();
    }

    /// Tells the brain what the links allow, once every interface that could announce has tried.
    fn ground_changed(&mut self) {
        let links = Arc::clone(&self.parts.links.borrow());
        let observed = Arc::clone(&self.parts.observed.borrow());
        let usable = || self.ports.iter().filter(|port| port.usable.is_ok());
        let status = |port: &Port| observed.interfaces.get(&port.name);
        let tried = usable().all(|port| status(port).is_some_and(|status| status.open || status.error.is_some()));
        let known = self.parts.brain.snapshot().ground.interfaces.is_some();
        let works = |port: &&Port| status(port).is_some_and(|status| status.open && status.error.is_none());
        let interfaces = usable().filter(works).map(|port| port.name.clone()).collect();
        let ground = Ground {
            interfaces: (known || (tried && !links.is_empty())).then_some(interfaces),
            cut_off: interfaces::is_gone(&links, self.parts.address.ip()),
        };
        if self.parts.brain.snapshot().ground != ground {
            if ground.cut_off {
                tracing::error!(address = %self.parts.address.ip(), "the address to gossip from is gone");
            }
            self.parts.brain.handle(now(), Input::Ground(ground));
        }
    }

    /// Lets the others know what this node can announce on; nothing before that is known.
    async fn tell_facts(&mut self) -> Result<(), RunError> {
        let snapshot = self.parts.brain.snapshot();
        let Some(usable) = &snapshot.ground.interfaces else { return Ok(()) };
        let ports = self.ports.iter().filter_map(|port| port.usable.as_ref().ok());
        let interfaces = ports.filter(|interface| usable.contains(&interface.name));
        let facts = Facts {
            interfaces: interfaces.map(|interface| (interface.name.clone(), interface.mac.octets())).collect(),
            draining: snapshot.cluster.nodes.get(snapshot.me.as_str()).is_some_and(|node| node.drained),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        if self.told.as_ref() != Some(&facts) {
            self.parts.gossip.tell(facts.clone()).await.map_err(|_stopped| RunError::Ended("gossip"))?;
            self.told = Some(facts);
        }
        Ok(())
    }

    /// Somebody else speaks for an address: the new owner in a move, or a stranger.
    fn heard(&mut self, heard: &ferrolb_l2::Heard) {
        let mac = heard.mac.octets();
        tracing::debug!(vip = %heard.vip, mac = %heard.mac, interface = heard.interface, "heard another");
        self.parts.brain.handle(now(), Input::Heard { vip: heard.vip, mac });
        let view = &self.parts.brain.snapshot().view;
        // A node that has told nothing of its interfaces may have any address.
        let silent = view.members.keys().any(|node| *node != view.me.name && !view.facts.contains_key(node));
        if heard.announced && !silent && !self.peers.contains(&heard.mac) {
            self.parts.reporter.conflict(now(), heard, self.parts.brain.plan());
        }
    }

    /// After a standstill: announces again what is still ours.
    fn confirm(&mut self) {
        let view = &self.parts.brain.snapshot().view;
        let alone = view.members.len() <= 1;
        let received = self.parts.gossip.counters().received;
        if let Some(number) = self.confirmation.confirm(now(), view.ready, alone, received) {
            tracing::info!(standstill = number, "still the owner");
            self.parts.l2.confirm(number);
        }
    }
}
