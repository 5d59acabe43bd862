//! The life of a brain that is recorded.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_config::{Labels, Origin, Resource, Resources};
use ferrolb_gossip::{Claim, Facts, Held, Identity, NodeName, View};
use ferrolb_source::{Age, Cluster, ClusterIps, Node, ObjectKey, Service, project_endpoints};
use ferrolb_speaker::Brain;
use ferrolb_speaker::brain::{Input, Output};
use ferrolb_speaker::plan::{Ground, Options};
use ferrolb_speaker::record::{Playback, Recorder, Settings, replay};
use jiff::Timestamp;
use prometheus::IntCounter;

/// More than any of these tests needs.
const DEADLINE: Duration = Duration::from_secs(60);

/// The password of a peer, which no record may hold.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// A brain, what it knows, and the record of it.
pub(crate) struct Life {
    brain: Brain,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) written: IntCounter,
    pub(crate) lost: IntCounter,
    told: u64,
    pub(crate) cluster: Cluster,
    pub(crate) view: View,
    began: Instant,
    now: Instant,
}

fn resource<S>(kind: &str, name: &str, yaml: &str) -> Resource<S>
where
    S: serde::de::DeserializeOwned,
{
    Resource {
        origin: Origin::resource(kind, "lb", name),
        name: name.to_owned(),
        labels: Labels::new(),
        spec: serde_yaml::from_str(yaml).unwrap(),
    }
}

pub(crate) fn resources(pool: &str) -> Resources {
    let peer = format!("{{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.9, password: {PASSWORD}}}");
    Resources {
        pools: vec![resource("IPAddressPool", "default", &format!("addresses: [{pool}]"))],
        l2_advertisements: vec![resource("L2Advertisement", "all", "{nodeSelectors: [{matchLabels: {rack: a}}]}")],
        bgp_advertisements: vec![resource("BGPAdvertisement", "routed", "{localPref: 7}")],
        bgp_peers: vec![resource("BGPPeer", "router", &peer)],
        ..Resources::default()
    }
}

pub(crate) fn settings(folder: &Path, limit: u64) -> Settings<'_> {
    let counter = |name: &str| IntCounter::new(name, name).unwrap();
    Settings {
        folder,
        limit,
        program: "ferrolb-speaker",
        version: "0.1.0",
        flags: BTreeMap::from([("--source".to_owned(), "kube".to_owned())]),
        written: counter("written"),
        lost: counter("lost"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn wall() -> Timestamp {
    "2026-11-21T18:00:00Z".parse().unwrap()
}

impl Life {
    /// A brain of `node-a` among three nodes, with a Service.
    pub(crate) fn new(folder: &Path, limit: u64) -> Self {
        let mut cluster = Cluster { resources: resources("10.0.0.0/16"), ..Cluster::default() };
        for node in ["node-a", "node-b", "node-c"] {
            let labels = [("rack", "a")].into();
            cluster.nodes.insert(node.to_owned(), Arc::new(Node { labels, ..Node::default() }));
        }
        let identity = |node: &str| Identity::new(NodeName::from(node), "192.0.2.1:7946".parse().unwrap(), 1);
        let settings = settings(folder, limit);
        let (written, lost) = (settings.written.clone(), settings.lost.clone());
        let now = start();
        let mut life = Self {
            brain: Brain::new("node-a".into(), Options::default(), Arc::new(View::new(identity("node-a")))),
            recorder: Some(Recorder::new(settings, wall()).unwrap()),
            written,
            lost,
            told: 0,
            cluster,
            view: View { ready: true, ..View::new(identity("node-a")) },
            began: now,
            now,
        };
        life.serve("web", "10.0.0.1");
        for node in ["node-b", "node-c"] {
            life.view.members.insert(node.into(), identity(node));
            let facts = Facts { interfaces: [("eth0".to_owned(), [2, 0, 0, 0, 0, 9])].into(), ..Facts::default() };
            life.view.facts.insert(node.into(), Arc::new(facts));
        }
        life
    }

    /// A Service of its own address.
    pub(crate) fn serve(&mut self, name: &str, ip: &str) {
        let yaml = format!(
            "{{metadata: {{name: {name}, creationTimestamp: 2026-01-01T00:00:00Z}}, spec: {{type: LoadBalancer, \
               clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}, status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}}}"
        );
        let slice = format!(
            "{{metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}, addressType: IPv4, \
               endpoints: [{{addresses: [10.244.0.1], nodeName: node-c}}]}}"
        );
        let key = ObjectKey::new("default", name);
        let age = Age { created: Some(wall()), ..Age::read_at("web.yaml", 0, 0) };
        let service = Service::project(&serde_yaml::from_str(&yaml).unwrap(), age, ClusterIps::AsWritten);
        self.cluster.services.insert(key.clone(), Arc::new(service));
        let (_, endpoints) = project_endpoints(&serde_yaml::from_str(&slice).unwrap()).unwrap();
        self.cluster.endpoints.insert(key, Arc::new(endpoints));
    }

    pub(crate) fn claim(&mut self, ip: &str, owner: &str, epoch: u64) {
        let vip: IpAddr = ip.parse().unwrap();
        let claim = Claim { vip, epoch, owner: owner.into(), boot: 1, released: false };
        self.view.claims.insert(vip, Held { claim, reasserted: 0 });
    }

    pub(crate) fn forward(&mut self, time: Duration) {
        self.now += time;
    }

    fn tell(&mut self, input: Option<Input>) -> Vec<Output> {
        let elapsed = self.now.saturating_duration_since(self.began);
        let recorder = self.recorder.as_mut().unwrap();
        recorder.before(&self.brain, self.now, || wall() + elapsed);
        match input.clone() {
            Some(input) => self.brain.handle(self.now, input),
            None => self.brain.handle_deadline(self.now),
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| self.brain.poll()).collect();
        recorder.after(&self.brain, self.now, input, &outputs);
        self.told += 1;
        outputs
    }

    pub(crate) fn tell_cluster(&mut self) -> Vec<Output> {
        self.tell(Some(Input::Cluster(Arc::new(self.cluster.clone()))))
    }

    pub(crate) fn tell_view(&mut self) -> Vec<Output> {
        self.view.version += 1;
        self.tell(Some(Input::View(Arc::new(self.view.clone()))))
    }

    pub(crate) fn tell_ground(&mut self, interfaces: &[&str]) {
        let interfaces = interfaces.iter().map(|&name| name.to_owned()).collect();
        self.tell(Some(Input::Ground(Ground { interfaces: Some(interfaces), cut_off: false })));
    }

    pub(crate) fn hear(&mut self, ip: &str) {
        self.tell(Some(Input::Heard { vip: ip.parse().unwrap(), mac: [2, 0, 0, 0, 0, 9] }));
    }

    /// Lets time go by until the brain wants to look again.
    pub(crate) fn expire(&mut self) -> Vec<Output> {
        self.now = self.brain.next_deadline().unwrap();
        self.tell(None)
    }

    /// Everything that a speaker goes through: it claims, others die and return, it loses its links, the configuration is
    /// refused, it hands over.
    pub(crate) fn live(&mut self) {
        self.tell_cluster();
        self.tell_view();
        self.forward(Duration::from_millis(1));
        self.tell_ground(&["eth0"]);
        self.claim("10.0.0.1", "node-b", 1);
        self.tell_view();
        self.view.members.remove("node-b");
        self.forward(Duration::from_secs(7));
        self.tell_view();
        while !self.expire().iter().any(|output| matches!(output, Output::Claim(_))) {}
        self.claim("10.0.0.1", "node-a", 2);
        self.tell_view();
        let good = std::mem::replace(&mut self.cluster.resources, resources("nonsense"));
        self.serve("late", "10.0.0.2");
        self.tell_cluster();
        self.cluster.resources = good;
        self.tell_cluster();
        let drained = Node { labels: [("rack", "a")].into(), drained: true, ..Node::default() };
        self.cluster.nodes.insert("node-a".to_owned(), Arc::new(drained));
        self.tell_cluster();
        self.claim("10.0.0.1", "node-c", 3);
        self.tell_view();
        self.hear("10.0.0.1");
        self.cluster.services.remove(&ObjectKey::new("default", "late"));
        self.tell_cluster();
        self.tell_ground(&[]);
    }

    /// Waits until it is known of everything whether it was written.
    pub(crate) fn settle(&self) {
        let began = start();
        while self.written.get() + self.lost.get() < self.told {
            assert!(start() < began + DEADLINE, "{} of {} written", self.written.get(), self.told);
            std::thread::yield_now();
        }
    }

    /// Ends the record.
    pub(crate) fn end(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        if let Some(recorder) = self.recorder.take() {
            runtime.block_on(recorder.end(DEADLINE));
        }
    }
}

/// The files of a record in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Plays a record back at any time.
pub(crate) fn played(folder: &Path) -> Playback {
    replay(folder, start() + Duration::from_secs(12345)).unwrap()
}
