//! Connects the [`Brain`] to gossip, links, the ARP announcer, the source and whoever asks.

mod args;
mod handover;
mod interfaces;
mod priority;
mod reporter;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use args::{RunError, SpeakerArgs};
use ferrolb_daemon::Readiness;
use ferrolb_fib::links::Links;
use ferrolb_gossip::{DriverConfig, Handle as Gossip, Key, NodeName, Profile};
use ferrolb_l2::driver::{Handle as L2, Observed};
use ferrolb_source::kubernetes::{self, Audience, Identity};
use ferrolb_source::{Cluster, Location, ObjectKey, Source, SourceError, configured_namespace};
use interfaces::Port;
use prometheus::Registry;
use reporter::Reporter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Answer, Asked, Member, Question, Status};
use crate::brain::{Brain, Input, Output};
use crate::metrics::Metrics;
use crate::plan::{Ground, explain};

/// A disk that hangs must not keep a speaker from ending.
const WRITES_END_WITHIN: Duration = Duration::from_secs(1);

/// Works until `shutdown`, then hands over and ends.
///
/// # Errors
/// Something without which there is nothing to do.
pub async fn run(args: &SpeakerArgs, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<(), RunError> {
    let key = Key::from_file(&args.gossip_key_file)?;
    // What outlives the wish to stop: handing over needs all of it.
    let (last, edges) = (CancellationToken::new(), TaskTracker::new());
    let mut source = open(args, &edges, last.clone()).await?;
    let registry = Registry::new();
    let metrics = Metrics::new(&registry)?;
    let ready = Readiness::default();
    let questions = admin::listen(&args.admin_socket, tasks, shutdown.clone())?;
    ferrolb_daemon::serve(&args.daemon, registry, ready.clone(), tasks, &shutdown).await?;
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        () = source.read() => {}
    }
    let Source { cluster, writer, .. } = source;
    let first = Arc::clone(&cluster.borrow());
    let address = args.gossip_address(&first)?;
    let links = ferrolb_fib::driver::follow_links(&edges, last.clone());
    let gossip = gossip_config(args, address, key)?;
    let (l2, gossip) =
        priority::in_real_time(|| (ferrolb_l2::driver::spawn(l2_config(args)), ferrolb_gossip::spawn(gossip)));
    let ((l2, heard), gossip) = (l2?, gossip?);
    let me = NodeName::from(args.node_name.as_str());
    let view = Arc::clone(&gossip.view.borrow());
    let mut speaker = Speaker {
        brain: Brain::new(me, args.options(), view),
        observed: l2.observed(),
        links,
        cluster,
        metrics,
        ready,
        reporter: Reporter::new(&args.node_name, writer, &edges),
        ports: Vec::new(),
        counted: BTreeMap::new(),
        args: args.clone(),
        address,
        gossip,
        l2,
        heard,
        questions,
    };
    let result = speaker.work(&shutdown).await;
    shutdown.cancel();
    if result.is_ok() {
        speaker.hand_over().await;
    }
    speaker.end().await;
    last.cancel();
    edges.close();
    if tokio::time::timeout(WRITES_END_WITHIN, edges.wait()).await.is_err() {
        tracing::warn!("ended although the status could not be written; is its disk stuck?");
    }
    result
}

async fn open(args: &SpeakerArgs, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<Source, SourceError> {
    let namespace = configured_namespace(args.namespace.clone());
    match args.source.parse()? {
        Location::Directory(path) => ferrolb_source::open_directory(&path, namespace, tasks, shutdown),
        Location::Kubernetes => {
            let client = kubernetes::client(args.kubeconfig.as_deref()).await?;
            let identity = Identity { component: "ferrolb-speaker".to_owned(), pod: args.pod_name.clone() };
            let (audience, namespace) = (Audience::Speaker, kubernetes::namespace(namespace));
            Ok(ferrolb_source::open_kubernetes(&client, audience, identity, namespace, tasks, shutdown))
        }
    }
}

fn l2_config(args: &SpeakerArgs) -> ferrolb_l2::Config {
    let seed = args.node_name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let refresh = Duration::from_secs(args.gratuitous_arp_interval);
    ferrolb_l2::Config { refresh, seed, ..ferrolb_l2::Config::default() }
}

fn gossip_config(args: &SpeakerArgs, address: SocketAddr, key: Key) -> Result<DriverConfig, RunError> {
    let name = NodeName::from(args.node_name.as_str());
    Ok(DriverConfig::new(name, address, Profile::default(), args.cluster_id.clone(), key)?)
}

struct Speaker {
    args: SpeakerArgs,
    brain: Brain,
    cluster: watch::Receiver<Arc<Cluster>>,
    links: watch::Receiver<Arc<Links>>,
    gossip: Gossip,
    address: SocketAddr,
    l2: L2,
    observed: watch::Receiver<Arc<Observed>>,
    heard: mpsc::Receiver<ferrolb_l2::Heard>,
    questions: mpsc::Receiver<Asked>,
    reporter: Reporter,
    metrics: Metrics,
    ready: Readiness,
    ports: Vec<Port>,
    counted: BTreeMap<IpAddr, ferrolb_l2::Counters>,
}

// === impl Speaker ===

impl Speaker {
    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), RunError> {
        self.links_changed();
        self.observed_changed();
        self.cluster_changed().await?;
        loop {
            let deadline = self.brain.next_deadline();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                changed = self.gossip.view.changed() => {
                    changed.map_err(|_closed| RunError::Ended("gossip"))?;
                    let view = Arc::clone(&self.gossip.view.borrow_and_update());
                    self.metrics.view(&view);
                    self.ready.set(view.ready && self.brain.snapshot().config.is_some());
                    self.brain.handle(now(), Input::View(view));
                }
                () = sleep_until(deadline), if deadline.is_some() => self.brain.handle_deadline(now()),
                changed = self.links.changed() => {
                    changed.map_err(|_closed| RunError::Ended("following links"))?;
                    self.links_changed();
                }
                changed = self.cluster.changed() => {
                    changed.map_err(|_closed| RunError::Ended("the source"))?;
                    self.cluster_changed().await?;
                }
                changed = self.observed.changed() => {
                    changed.map_err(|_closed| RunError::Ended("the announcer"))?;
                    self.observed_changed();
                }
                heard = self.heard.recv() => {
                    let heard = heard.ok_or(RunError::Ended("the announcer"))?;
                    tracing::debug!(vip = %heard.vip, mac = %heard.mac, interface = heard.interface, "heard another");
                    self.brain.handle(now(), Input::Heard { vip: heard.vip, mac: heard.mac.octets() });
                }
                asked = self.questions.recv() => {
                    let Some((question, reply)) = asked else { return Ok(()) };
                    // Whoever asked may have gone.
                    drop(reply.send(self.answer(&question)));
                }
            }
            self.act().await?;
        }
    }

    /// Carries out what the brain wants. Announcing comes before telling of it.
    async fn act(&mut self) -> Result<(), RunError> {
        while let Some(output) = self.brain.poll() {
            let stopped = |_stopped| RunError::Ended("gossip");
            match output {
                Output::Claim(vips) => {
                    tracing::info!(vips = ?vips, "claiming");
                    self.gossip.claim(vips).await.map_err(stopped)?;
                }
                Output::Release(vips) => self.gossip.release(vips).await.map_err(stopped)?,
                Output::Plan(plan) => {
                    self.l2.announce(plan.l2.iter().map(interfaces::announcement).collect());
                    self.metrics.plan(
                        &self.args.node_name,
                        &plan,
                        self.brain.snapshot().config.is_some(),
                        self.brain.is_stale(),
                    );
                    self.reporter.plan(&plan, &self.brain.snapshot().cluster.namespace, &self.ports);
                }
            }
        }
        Ok(())
    }

    async fn cluster_changed(&mut self) -> Result<(), RunError> {
        let cluster = Arc::clone(&self.cluster.borrow_and_update());
        self.metrics.updates.inc();
        let seeds = self.args.seeds(&cluster, self.address);
        self.gossip.seeds(seeds).await.map_err(|_stopped| RunError::Ended("gossip"))?;
        self.brain.handle(now(), Input::Cluster(cluster));
        self.reporter.problems(self.brain.problems());
        self.metrics.update_errors.inc_by(self.reporter.lost());
        let loaded = self.brain.snapshot().config.is_some();
        self.metrics.plan(&self.args.node_name, self.brain.plan(), loaded, self.brain.is_stale());
        self.ready.set(loaded && self.brain.snapshot().view.ready);
        self.act().await
    }

    fn links_changed(&mut self) {
        let links = Arc::clone(&self.links.borrow_and_update());
        self.ports = interfaces::ports(&links);
        self.l2.interfaces(self.ports.iter().filter_map(|port| port.usable.clone().ok()).collect());
        self.reporter.plan(self.brain.plan(), &self.brain.snapshot().cluster.namespace, &self.ports);
        self.ground_changed();
    }

    fn observed_changed(&mut self) {
        let observed = Arc::clone(&self.observed.borrow_and_update());
        self.metrics.observed(&self.counted, &observed);
        self.counted = observed.vips.iter().map(|(vip, status)| (*vip, status.counters)).collect();
        self.reporter.interfaces(&observed);
        self.ground_changed();
    }

    /// Tells the brain what the links allow, once every interface that could announce has tried.
    fn ground_changed(&mut self) {
        let links = self.links.borrow();
        let observed = self.observed.borrow();
        let usable = || self.ports.iter().filter(|port| port.usable.is_ok());
        let status = |port: &Port| observed.interfaces.get(&port.name);
        let tried = usable().all(|port| status(port).is_some_and(|status| status.open || status.error.is_some()));
        let known = self.brain.snapshot().ground.interfaces.is_some();
        let works = |port: &&Port| status(port).is_some_and(|status| status.open && status.error.is_none());
        let interfaces = usable().filter(works).map(|port| port.name.clone()).collect();
        let ground = Ground {
            interfaces: (known || (tried && !links.is_empty())).then_some(interfaces),
            cut_off: interfaces::is_gone(&links, self.address.ip()),
        };
        drop((links, observed));
        if self.brain.snapshot().ground != ground {
            self.brain.handle(now(), Input::Ground(ground));
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        let value = match question {
            Question::Status => serde_json::to_value(self.status()),
            Question::Members => serde_json::to_value(self.members()),
            Question::Explain { service } => {
                let Some((namespace, name)) = service.split_once('/') else {
                    return Answer::Error(format!("{service:?}: write NAMESPACE/NAME"));
                };
                match explain(self.brain.snapshot(), &ObjectKey::new(namespace, name)) {
                    Some(story) => serde_json::to_value(story),
                    None => return Answer::Error(format!("there is no Service {service}")),
                }
            }
        };
        value.map_or_else(|error| Answer::Error(error.to_string()), Answer::Ok)
    }

    fn status(&self) -> Status {
        Status {
            node: self.args.node_name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            ready: self.brain.snapshot().view.ready,
            config_stale: self.brain.is_stale(),
            problems: self.brain.problems().to_vec(),
            members: self.members(),
            services: self.brain.plan().verdicts.clone(),
            interfaces: interfaces::statuses(&self.ports, &self.observed.borrow()),
        }
    }

    fn members(&self) -> Vec<Member> {
        let view = &self.brain.snapshot().view;
        let owned: Vec<&NodeName> = view.claims.keys().filter_map(|vip| view.owner(*vip)).collect();
        let started = |boot: u64| {
            let millis = i64::try_from(boot).unwrap_or(i64::MAX);
            jiff::Timestamp::from_millisecond(millis).map_or_else(|_| boot.to_string(), |time| time.to_string())
        };
        let member = |identity: &ferrolb_gossip::Identity| Member {
            name: identity.name.to_string(),
            address: identity.addr.to_string(),
            started: started(identity.boot),
            owns: owned.iter().filter(|owner| ***owner == identity.name).count(),
            me: identity.name == view.me.name,
        };
        view.members.values().map(member).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}
