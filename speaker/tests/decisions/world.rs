//! The cluster of the tests: three nodes, one Service, and what can happen to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ferrolb_config::{Config, Origin, Resource, Resources, parse};
use ferrolb_gossip::{Claim, Held, Identity, NodeName, View};
use ferrolb_source::{Age, Cluster, ClusterIps, Node, ObjectKey, Service, project_endpoints};
use ferrolb_speaker::brain::{Input, Output};
use ferrolb_speaker::plan::{Ground, Options, Turns, plan};
use ferrolb_speaker::{Brain, NodePlan, Snapshot};

pub const VIP: &str = "10.0.0.1"; // ranked node-b, node-a, node-c

pub fn name(text: &str) -> NodeName {
    NodeName::from(text)
}

pub fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

pub fn resources(l2: &str) -> Resources {
    Resources {
        pools: vec![Resource {
            origin: Origin::resource("IPAddressPool", "lb", "default"),
            name: "default".to_owned(),
            labels: [].into(),
            spec: serde_yaml::from_str("addresses: [10.0.0.0/24]").unwrap(),
        }],
        l2_advertisements: vec![Resource {
            origin: Origin::resource("L2Advertisement", "lb", "all"),
            name: "all".to_owned(),
            labels: [].into(),
            spec: serde_yaml::from_str(l2).unwrap(),
        }],
        ..Resources::default()
    }
}

pub fn service(spec: &str, ip: &str) -> Service {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{app: web}}}}, spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, {spec}}}, \
         status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}}}"
    );
    Service::project(&serde_yaml::from_str(&yaml).unwrap(), Age::default(), ClusterIps::AsWritten)
}

pub fn endpoints(text: &str) -> Vec<ferrolb_source::Endpoint> {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, endpoints: {text}}}"
    );
    project_endpoints(&serde_yaml::from_str(&yaml).unwrap()).unwrap().1
}

pub fn web() -> ObjectKey {
    ObjectKey::new("default", "web")
}

pub struct World {
    pub cluster: Cluster,
    pub config: Arc<Config>,
    pub view: View,
    pub options: Options,
    pub ground: Ground,
    pub turns: Turns,
}

impl World {
    pub fn new() -> Self {
        let mut cluster = Cluster { resources: resources("{}"), ..Cluster::default() };
        for node in ["node-a", "node-b", "node-c"] {
            cluster.nodes.insert(node.to_owned(), Arc::new(Node::default()));
        }
        cluster.services.insert(web(), Arc::new(service("", VIP)));
        cluster.endpoints.insert(web(), Arc::new(endpoints("[{addresses: [10.244.0.1], nodeName: node-c}]")));
        let identity = |node: &str| Identity::new(name(node), "192.0.2.1:7946".parse().unwrap(), 1);
        let view = View {
            me: identity("node-a"),
            members: ["node-a", "node-b", "node-c"].map(|node| (name(node), identity(node))).into(),
            claims: BTreeMap::new(),
            ready: true,
            version: 0,
        };
        let config = Arc::new(parse(&cluster.resources).config);
        Self { cluster, config, view, options: Options::default(), ground: Ground::default(), turns: Turns::default() }
    }

    pub fn l2(&mut self, yaml: &str) {
        self.cluster.resources = resources(yaml);
        self.config = Arc::new(parse(&self.cluster.resources).config);
    }

    pub fn claim(&mut self, owner: &str, epoch: u64) {
        self.claim_for(vip(), owner, epoch);
    }

    pub fn claim_for(&mut self, vip: IpAddr, owner: &str, epoch: u64) {
        let claim = Claim { vip, epoch, owner: name(owner), boot: 1, released: false };
        self.view.claims.insert(vip, Held { claim, reasserted: 0 });
    }

    /// Changes a Node object.
    pub fn node(&mut self, name: &str, edit: impl FnOnce(&mut Node)) {
        edit(Arc::make_mut(self.cluster.nodes.get_mut(name).unwrap()));
    }

    /// A Service of its own address, announced from everywhere.
    pub fn serve(&mut self, name: &str, ip: &str) {
        let key = ObjectKey::new("default", name);
        self.cluster.services.insert(key.clone(), Arc::new(service("", ip)));
        self.cluster.endpoints.insert(key, Arc::new(endpoints("[{addresses: [10.244.0.1]}]")));
    }

    /// A brain of `me` that has seen all of this, and the outputs so far.
    pub fn brain(&self, me: &str, now: Instant) -> (Brain, Vec<Output>) {
        let mut brain = Brain::new(name(me), self.options.clone(), Arc::new(self.view.clone()));
        brain.handle(now, Input::Cluster(Arc::new(self.cluster.clone())));
        let outputs = drain(&mut brain);
        (brain, outputs)
    }

    /// Shows a brain the claims and members as they are now.
    pub fn show(&self, brain: &mut Brain, now: Instant) -> Vec<Output> {
        brain.handle(now, Input::View(Arc::new(self.view.clone())));
        drain(brain)
    }

    pub fn snapshot(&self, me: &str) -> Snapshot {
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

    pub fn plan(&self, me: &str) -> NodePlan {
        plan(&self.snapshot(me))
    }

    pub fn code(&self, me: &str) -> &'static str {
        self.plan(me).verdicts[0].reason.code()
    }

    pub fn edit(&mut self, spec: &str) {
        self.cluster.services.insert(web(), Arc::new(service(spec, VIP)));
    }
}


pub fn drain(brain: &mut Brain) -> Vec<Output> {
    std::iter::from_fn(|| brain.poll()).collect()
}

/// The addresses that are claimed.
pub fn claimed(outputs: &[Output]) -> Vec<IpAddr> {
    let claims = outputs.iter().filter_map(|output| if let Output::Claim(vips) = output { Some(vips) } else { None });
    claims.flatten().copied().collect()
}

/// What is answered for.
pub fn answers(brain: &Brain) -> Vec<IpAddr> {
    brain.plan().l2.iter().map(|announcement| announcement.vip).collect()
}

#[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
pub fn start() -> Instant {
    Instant::now()
}
