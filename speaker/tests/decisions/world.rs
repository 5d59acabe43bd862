//! The cluster of the tests: three nodes, one Service, and what can happen to them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_gossip::{Claim, Held, Identity, NodeName, View};
use ferrolb_source::{Age, Cluster, ClusterIps, Node, ObjectKey, Service, project_endpoints};
use ferrolb_speaker::brain::{Input, Output};
use ferrolb_speaker::plan::{Ground, Options, Turns, plan};
use ferrolb_speaker::{Brain, NodePlan, Snapshot};

pub(crate) const VIP: &str = "10.0.0.1"; // ranked node-b, node-a, node-c

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::from(text)
}

pub(crate) fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

pub(crate) fn resources(l2: &str) -> Resources {
    Resources {
        pools: vec![Resource {
            origin: Origin::resource("IPAddressPool", "lb", "default"),
            name: "default".to_owned(),
            labels: Labels::new(),
            spec: serde_yaml::from_str("addresses: [10.0.0.0/24]").unwrap(),
        }],
        l2_advertisements: vec![Resource {
            origin: Origin::resource("L2Advertisement", "lb", "all"),
            name: "all".to_owned(),
            labels: Labels::new(),
            spec: serde_yaml::from_str(l2).unwrap(),
        }],
        ..Resources::default()
    }
}

pub(crate) fn service(spec: &str, ip: &str) -> Service {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{app: web}}}}, spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, {spec}}}, \
         status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}}}"
    );
    Service::project(&serde_yaml::from_str(&yaml).unwrap(), Age::default(), ClusterIps::AsWritten)
}

pub(crate) fn endpoints(text: &str) -> Vec<ferrolb_source::Endpoint> {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, endpoints: {text}}}"
    );
    project_endpoints(&serde_yaml::from_str(&yaml).unwrap()).unwrap().1
}

pub(crate) fn web() -> ObjectKey {
    ObjectKey::new("default", "web")
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) config: Arc<Config>,
    pub(crate) view: View,
    pub(crate) options: Options,
    pub(crate) ground: Ground,
    pub(crate) turns: Turns,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut cluster = Cluster { resources: resources("{}"), ..Cluster::default() };
        for node in ["node-a", "node-b", "node-c"] {
            cluster.nodes.insert(node.to_owned(), Arc::new(Node::default()));
        }
        cluster.services.insert(web(), Arc::new(service("", VIP)));
        cluster.endpoints.insert(web(), Arc::new(endpoints("[{addresses: [10.244.0.1], nodeName: node-c}]")));
        let identity = |node: &str| Identity::new(name(node), "192.0.2.1:7946".parse().unwrap(), 1);
        let view = View {
            members: ["node-a", "node-b", "node-c"].map(|node| (name(node), identity(node))).into(),
            ready: true,
            ..View::new(identity("node-a"))
        };
        let config = Arc::new(parse(&cluster.resources).config);
        Self { cluster, config, view, options: Options::default(), ground: Ground::default(), turns: Turns::default() }
    }

    pub(crate) fn l2(&mut self, yaml: &str) {
        self.cluster.resources = resources(yaml);
        self.config = Arc::new(parse(&self.cluster.resources).config);
    }

    pub(crate) fn claim(&mut self, owner: &str, epoch: u64) {
        self.claim_for(vip(), owner, epoch);
    }

    pub(crate) fn claim_for(&mut self, vip: IpAddr, owner: &str, epoch: u64) {
        let claim = Claim { vip, epoch, owner: name(owner), boot: 1, released: false };
        self.view.claims.insert(vip, Held { claim, reasserted: 0 });
    }

    /// Changes a Node object.
    pub(crate) fn node(&mut self, name: &str, edit: impl FnOnce(&mut Node)) {
        edit(Arc::make_mut(self.cluster.nodes.get_mut(name).unwrap()));
    }

    /// A Service of its own address, announced from everywhere.
    pub(crate) fn serve(&mut self, name: &str, ip: &str) {
        let key = ObjectKey::new("default", name);
        self.cluster.services.insert(key.clone(), Arc::new(service("", ip)));
        self.cluster.endpoints.insert(key, Arc::new(endpoints("[{addresses: [10.244.0.1]}]")));
    }

    /// A brain of `me` that has seen all of this, and the outputs so far.
    pub(crate) fn brain(&self, me: &str, now: Instant) -> (Brain, Vec<Output>) {
        let mut brain = Brain::new(name(me), self.options.clone(), Arc::new(self.view.clone()));
        brain.handle(now, Input::Cluster(Arc::new(self.cluster.clone())));
        let outputs = drain(&mut brain);
        (brain, outputs)
    }

    /// Shows a brain the claims and members as they are now.
    pub(crate) fn show(&self, brain: &mut Brain, now: Instant) -> Vec<Output> {
        brain.handle(now, Input::View(Arc::new(self.view.clone())));
        drain(brain)
    }

    pub(crate) fn snapshot(&self, me: &str) -> Snapshot {
        Snapshot {
            me: name(me),
            options: self.options.clone(),
            config: Some(Arc::clone(&self.config)),
            cluster: Arc::new(self.cluster.clone()),
            view: Arc::new(self.view.clone()),
            ground: self.ground.clone(),
            turns: self.turns.clone(),
        }
    }

    pub(crate) fn plan(&self, me: &str) -> NodePlan {
        plan(&self.snapshot(me))
    }

    pub(crate) fn code(&self, me: &str) -> &'static str {
        self.plan(me).verdicts[0].reason.code()
    }

    pub(crate) fn edit(&mut self, spec: &str) {
        self.cluster.services.insert(web(), Arc::new(service(spec, VIP)));
    }
}

pub(crate) fn drain(brain: &mut Brain) -> Vec<Output> {
    std::iter::from_fn(|| brain.poll()).collect()
}

/// The addresses that are claimed.
pub(crate) fn claimed(outputs: &[Output]) -> Vec<IpAddr> {
    let claims = outputs.iter().filter_map(|output| if let Output::Claim(vips) = output { Some(vips) } else { None });
    claims.flatten().copied().collect()
}

/// What is answered for.
pub(crate) fn answers(brain: &Brain) -> Vec<IpAddr> {
    brain.plan().l2.iter().map(|announcement| announcement.vip).collect()
}

#[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
