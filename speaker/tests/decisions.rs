//! What a node decides, and the reason it gives.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_gossip::{Claim, Held, Identity, NodeName, View};
use ferrolb_source::{Age, Cluster, ClusterIps, Node, ObjectKey, Service, project_endpoints};
use ferrolb_speaker::brain::{Input, Output};
use ferrolb_speaker::plan::{Options, explain, first_election, plan};
use ferrolb_speaker::{Brain, NodePlan, Snapshot, Strategy};

const VIP: &str = "10.0.0.1"; // ranked node-b, node-a, node-c

fn name(text: &str) -> NodeName {
    NodeName::from(text)
}

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

fn resources(l2: &str) -> Resources {
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

fn service(spec: &str, ip: &str) -> Service {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{app: web}}}}, spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, {spec}}}, \
         status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}}}"
    );
    Service::project(&serde_yaml::from_str(&yaml).unwrap(), Age::default(), ClusterIps::AsWritten)
}

fn endpoints(text: &str) -> Vec<ferrolb_source::Endpoint> {
    let yaml = format!(
        "{{metadata: {{name: web, labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, endpoints: {text}}}"
    );
    project_endpoints(&serde_yaml::from_str(&yaml).unwrap()).unwrap().1
}

fn web() -> ObjectKey {
    ObjectKey::new("default", "web")
}

struct World {
    cluster: Cluster,
    config: Arc<Config>,
    view: View,
    options: Options,
}

impl World {
    fn new() -> Self {
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
        Self { cluster, config, view, options: Options::default() }
    }

    fn l2(&mut self, yaml: &str) {
        self.cluster.resources = resources(yaml);
        self.config = Arc::new(parse(&self.cluster.resources).config);
    }

    fn claim(&mut self, owner: &str, epoch: u64) {
        let claim = Claim { vip: vip(), epoch, owner: name(owner), boot: 1, released: false };
        self.view.claims.insert(vip(), Held { claim, reasserted: 0 });
    }

    fn snapshot(&self, me: &str) -> Snapshot {
        Snapshot {
            me: name(me),
            options: self.options.clone(),
            config: Some(Arc::clone(&self.config)),
            cluster: Arc::new(self.cluster.clone()),
            view: Arc::new(self.view.clone()),
            can_announce: true,
            skipped: BTreeMap::new(),
        }
    }

    fn plan(&self, me: &str) -> NodePlan {
        plan(&self.snapshot(me))
    }

    fn code(&self, me: &str) -> &'static str {
        self.plan(me).verdicts[0].reason.code()
    }

    fn edit(&mut self, spec: &str) {
        self.cluster.services.insert(web(), Arc::new(service(spec, VIP)));
    }
}

#[test]
fn the_best_ranked_claims_and_announces_only_then() {
    let mut world = World::new();
    assert_eq!(world.plan("node-b").claims, [vip()]);
    assert!(world.plan("node-b").l2.is_empty(), "a claim comes first");
    assert!(world.plan("node-a").claims.is_empty());
    assert_eq!(world.code("node-a"), "vacant");
    world.claim("node-b", 1);
    assert_eq!(world.plan("node-b").l2[0].vip, vip());
    assert_eq!((world.code("node-b"), world.code("node-a")), ("owner", "notOwner"));
    assert!(world.plan("node-b").claims.is_empty());
}

#[test]
fn a_node_without_an_interface_leaves_the_address_to_others() {
    let world = World::new();
    let mut snapshot = world.snapshot("node-b");
    snapshot.can_announce = false;
    let plan = plan(&snapshot);
    assert!(plan.claims.is_empty() && plan.l2.is_empty());
    assert_eq!(plan.vacant[&vip()][0].as_str(), "node-b", "everybody counts on it, and passes it over in time");
}

#[test]
fn a_claim_stands_against_a_better_rank() {
    let mut world = World::new();
    world.claim("node-c", 7);
    assert_eq!((world.code("node-c"), world.code("node-b")), ("owner", "notOwner"));
    world.options.strategy = Strategy::Metallb;
    assert_eq!((world.code("node-b"), world.code("node-c")), ("owner", "notOwner"));
}

#[test]
fn a_claim_of_a_dead_or_restarted_node_is_void() {
    let mut world = World::new();
    world.claim("node-c", 7);
    world.view.members.remove(&name("node-c"));
    assert_eq!(world.plan("node-b").claims, [vip()]);
    assert_eq!(world.code("node-c"), "notAMember");
    let mut world = World::new();
    world.claim("node-c", 7);
    world.view.members.get_mut(&name("node-c")).unwrap().boot = 2;
    assert_eq!(world.plan("node-b").claims, [vip()]);
    assert!(world.plan("node-c").l2.is_empty());
}

#[test]
fn a_node_that_does_not_know_enough_claims_and_announces_nothing() {
    let mut world = World::new();
    world.view.ready = false;
    assert!(world.plan("node-b").claims.is_empty());
    world.claim("node-b", 1);
    assert_eq!(world.code("node-b"), "notReady");
    assert!(world.plan("node-b").l2.is_empty());
}

#[test]
fn an_owner_that_may_no_longer_announces_until_its_successor_does() {
    let mut world = World::new();
    world.claim("node-b", 1);
    let excluded = [(ferrolb_api::EXCLUDE_LABEL.to_owned(), String::new())].into();
    world.cluster.nodes.insert("node-b".to_owned(), Arc::new(Node { labels: excluded, ..Node::default() }));
    assert_eq!(world.code("node-b"), "handingOver");
    assert_eq!(world.plan("node-b").l2.len(), 1);
    assert_eq!(world.plan("node-a").claims, [vip()]);
    world.claim("node-a", 2);
    assert_eq!((world.code("node-b"), world.code("node-a")), ("nodeLabeledExcludeBalancers", "owner"));
    world.options.ignore_exclude_label = true;
    world.claim("node-b", 3);
    assert_eq!(world.code("node-b"), "owner");
}

#[test]
fn every_exclusion_has_its_reason() {
    let mut world = World::new();
    world
        .cluster
        .endpoints
        .insert(web(), Arc::new(endpoints("[{addresses: [10.244.0.1], conditions: {ready: false}}]")));
    assert_eq!(world.code("node-a"), "noEndpoints");

    let mut world = World::new();
    world.edit("externalTrafficPolicy: Local");
    assert_eq!(world.code("node-a"), "noLocalEndpoints");
    assert_eq!(world.plan("node-c").claims, [vip()]);

    let mut world = World::new();
    world.l2("serviceSelectors: [{matchLabels: {app: other}}]");
    assert_eq!(world.code("node-a"), "noMatchingAdvertisement");
    world.l2("nodeSelectors: [{matchLabels: {zone: x}}]");
    assert_eq!(world.code("node-a"), "nodeNotSelected");
    world.l2("ipAddressPools: [other]");
    assert_eq!(world.code("node-a"), "notAdvertised");

    let mut world = World::new();
    world.cluster.services.insert(web(), Arc::new(service("", "192.0.2.9")));
    assert_eq!(world.code("node-a"), "ipNotAllowed");

    let mut world = World::new();
    let cut_off = Node { network_unavailable: true, ..Node::default() };
    world.cluster.nodes.insert("node-a".to_owned(), Arc::new(cut_off));
    assert_eq!(world.code("node-a"), "nodeNetworkUnavailable");
    world.cluster.nodes.remove("node-a");
    assert_eq!(world.code("node-a"), "nodeUnknown");
    world.cluster.nodes.clear();
    assert_eq!(world.code("node-a"), "vacant", "plain hosts need no Node objects");

    let mut world = World::new();
    world.edit("loadBalancerClass: other.example/lb");
    assert!(world.plan("node-a").verdicts.is_empty(), "not ours");
}

#[test]
fn a_preferred_node_is_elected_against_rank() {
    let mut world = World::new();
    world.l2("preferredNodeSelectors: [{weight: 10, preference: {matchLabels: {zone: near}}}]");
    let near = [("zone".to_owned(), "near".to_owned())].into();
    world.cluster.nodes.insert("node-c".to_owned(), Arc::new(Node { labels: near, ..Node::default() }));
    assert_eq!(world.plan("node-c").claims, [vip()]);
    assert!(world.plan("node-b").claims.is_empty());
}

#[test]
fn addresses_are_spread_evenly_and_offline_plans_agree_on_who_gets_what() {
    let mut world = World::new();
    for number in 0..30u8 {
        let key = ObjectKey::new("default", format!("s{number:02}"));
        world.cluster.services.insert(key.clone(), Arc::new(service("", &format!("10.0.0.{}", 100 + number))));
        world.cluster.endpoints.insert(key, Arc::new(endpoints("[{addresses: [10.244.0.1]}]")));
    }
    let counts = ["node-a", "node-b", "node-c"].map(|me| first_election(world.snapshot(me)).1.l2.len());
    assert_eq!(counts.iter().sum::<usize>(), 31);
    assert!(counts.iter().all(|count| (8..=12).contains(count)), "{counts:?}");
}

#[test]
fn an_explanation_names_owner_hindrances_and_the_way_there() {
    let mut world = World::new();
    world.claim("node-b", 2);
    world.view.members.remove(&name("node-c"));
    let story = explain(&world.snapshot("node-a"), &web()).unwrap();
    assert_eq!(story.owner.as_deref(), Some("node-b"));
    assert!(story.summary.starts_with("announced from node-b: alive, eligible, owner number 2"), "{}", story.summary);
    assert_eq!(story.pool.as_deref(), Some("default"));
    assert_eq!(story.advertisements, ["all"]);
    let reasons: Vec<&str> = story.nodes.iter().map(|node| node.reason.as_str()).collect();
    assert_eq!(reasons, ["stands by", "announces it", "the node is not among the living members"]);
    assert!(explain(&world.snapshot("node-a"), &ObjectKey::new("x", "y")).is_none());
}

fn drain(brain: &mut Brain) -> Vec<Output> {
    std::iter::from_fn(|| brain.poll()).collect()
}

fn claims(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Claim(_)))
}

#[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn a_successor_that_does_not_claim_is_passed_over() {
    let world = World::new();
    let now = start();
    let mut brain = Brain::new(name("node-a"), Options::default(), Arc::new(world.view.clone()));
    brain.handle(now, Input::Cluster(Arc::new(world.cluster.clone())));
    assert!(!claims(&drain(&mut brain)), "node-b comes first");
    assert_eq!(brain.next_deadline(), Some(now + Duration::from_millis(300)));
    let later = now + Duration::from_millis(300);
    brain.handle_deadline(later);
    assert!(claims(&drain(&mut brain)));
    let mut owned = World::new();
    owned.claim("node-a", 1);
    brain.handle(later, Input::View(Arc::new(owned.view)));
    assert_eq!(brain.next_deadline(), None);
    assert_eq!(brain.plan().l2.len(), 1);
}

#[test]
fn a_refused_configuration_leaves_the_last_good_one_in_force() {
    let mut world = World::new();
    world.claim("node-a", 1);
    let now = start();
    let mut brain = Brain::new(name("node-a"), Options::default(), Arc::new(world.view.clone()));
    brain.handle(now, Input::Cluster(Arc::new(world.cluster.clone())));
    assert_eq!(brain.plan().l2.len(), 1);
    world.l2("nodeSelectors: [{matchExpressions: [{key: a, operator: Is}]}]");
    brain.handle(now, Input::Cluster(Arc::new(world.cluster.clone())));
    assert_eq!(brain.plan().l2.len(), 1);
    assert!(brain.is_stale() && brain.problems().len() == 1);
    // A pool that no longer has the address waits until the controller has given the Service another one.
    let mut moved = World::new();
    moved.cluster.resources.pools[0].spec = serde_yaml::from_str("addresses: [10.0.9.0/24]").unwrap();
    brain.handle(now, Input::Cluster(Arc::new(moved.cluster.clone())));
    assert_eq!(brain.plan().l2.len(), 1);
    assert!(brain.is_stale());
    moved.cluster.services.insert(web(), Arc::new(service("", "10.0.9.1")));
    brain.handle(now, Input::Cluster(Arc::new(moved.cluster)));
    assert!(!brain.is_stale());
    assert!(brain.plan().l2.is_empty(), "the new address has to be claimed first");
}
