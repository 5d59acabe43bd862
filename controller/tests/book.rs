//! Assignments as users see them: from resources and Services to statuses and events.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Book;
use ferrolb_controller::book::{Change, Told};
use ferrolb_source::{Age, Cluster, ClusterIps, ObjectKey, Service};
use proptest::prelude::*;

/// What the book asks for.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    statuses: Vec<Change>,
    notices: Vec<Told>,
}

#[derive(Default)]
struct World {
    book: Book,
    cluster: Cluster,
    config: Arc<Config>,
    number: usize,
}

impl World {
    fn new(pools: &[(&str, &str)]) -> Self {
        let mut world = Self::default();
        world.pools(pools);
        world
    }

    fn pools(&mut self, pools: &[(&str, &str)]) {
        let pool = |(name, yaml): &(&str, &str)| Resource {
            origin: Origin::resource("IPAddressPool", "lb", name),
            name: (*name).to_owned(),
            labels: Labels::new(),
            spec: serde_yaml::from_str(yaml).unwrap(),
        };
        let parsed = parse(&Resources { pools: pools.iter().map(pool).collect(), ..Resources::default() });
        assert_eq!(parsed.problems, []);
        self.config = Arc::new(parsed.config);
    }

    fn service(&mut self, name: &str, yaml: &str) {
        let typed = serde_yaml::from_str(&format!("{{metadata: {{name: {name}}}, {yaml}}}")).unwrap();
        self.number += 1;
        let age = Age::read_at(format!("{:04}", self.number), 0, 0);
        let service = Service::project(&typed, age, ClusterIps::AsWritten);
        self.cluster.services.insert(key(name), Arc::new(service));
    }

    fn web(&mut self, name: &str) {
        self.service(name, "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]}");
    }

    /// Runs the book, and shows it what it wrote, as the source would.
    fn update(&mut self) -> Changes {
        let notices = self.book.update(&self.cluster, &self.config);
        let mut statuses = Vec::new();
        while let Some(change) = self.book.next_unwritten() {
            self.write(&change);
            statuses.push(change);
        }
        Changes { statuses, notices }
    }

    /// A status is written, and the source shows it.
    fn write(&mut self, Change { key, status, .. }: &Change) {
        self.book.written(key, status);
        if let Some(service) = self.cluster.services.get_mut(key) {
            let mut shown = (**service).clone();
            shown.ingress.clone_from(&status.ips);
            shown.ingress_has_more = false;
            let annotation = ferrolb_api::annotations::ALLOCATED_FROM_POOL;
            match &status.pool {
                Some(pool) => shown.annotations.insert(annotation, pool.as_str()),
                None => shown.annotations.remove(annotation),
            }
            *service = Arc::new(shown);
        }
    }

    fn restart(&mut self) {
        self.book = Book::default();
    }

    fn ips(&self, name: &str) -> Vec<String> {
        self.cluster.services[&key(name)].ingress.iter().map(ToString::to_string).collect()
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn reasons(changes: &Changes) -> Vec<&'static str> {
    changes.notices.iter().map(|(_, notice)| notice.reason).collect()
}

#[test]
fn the_first_service_gets_the_first_address_of_the_pool() {
    let mut world = World::new(&[("default", "addresses: [10.10.52.0/24]")]);
    world.web("web");
    let changes = world.update();
    assert_eq!(world.ips("web"), ["10.10.52.0"]);
    assert_eq!(reasons(&changes), ["IPAllocated"]);
    assert_eq!(&*changes.notices[0].1.message, "Assigned IP [\"10.10.52.0\"]");
    assert_eq!(world.update(), Changes::default(), "a second look changes nothing");
}

#[test]
fn a_restart_claims_what_is_held_before_anything_new_is_given() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/30]")]);
    world.web("young");
    world.web("old");
    world.update();
    assert_eq!((world.ips("young"), world.ips("old")), (vec!["10.0.0.0".to_owned()], vec!["10.0.0.1".to_owned()]));
    // A Service that comes first in every order asks while the controller is away.
    world.web("aaa");
    let service = Arc::make_mut(world.cluster.services.get_mut(&key("aaa")).unwrap());
    service.age = Age { created: Some("2020-01-01T00:00:00Z".parse().unwrap()), position: None };
    world.restart();
    world.update();
    assert_eq!(world.ips("young"), ["10.0.0.0"]);
    assert_eq!(world.ips("old"), ["10.0.0.1"]);
    assert_eq!(world.ips("aaa"), ["10.0.0.2"]);
}

#[test]
fn a_full_pool_says_so_once_and_serves_as_soon_as_an_address_is_free() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("first");
    world.web("second");
    let changes = world.update();
    assert_eq!(reasons(&changes), ["IPAllocated", "AllocationFailed"]);
    assert_eq!(
        &*changes.notices[1].1.message,
        "Failed to allocate IP for \"default/second\": no available IPs: pool \"default\": 1 of its 1 IPv4 addresses are in use; held by default/first"
    );
    world.web("third");
    assert_eq!(reasons(&world.update()), ["AllocationFailed"], "the second's failure is told once");
    world.cluster.services.remove(&key("first"));
    world.update();
    assert_eq!(world.ips("second"), ["10.0.0.1"]);
    assert!(world.ips("third").is_empty());
}

#[test]
fn pools_are_used_by_priority_then_by_name_and_only_by_those_they_are_for() {
    let mut world = World::new(&[
        ("c-general", "addresses: [10.0.3.0/31]"),
        ("b-late", "{addresses: [10.0.2.1/32], serviceAllocation: {priority: 20}}"),
        (
            "a-soon",
            "{addresses: [10.0.1.1/32], serviceAllocation: {priority: 10, serviceSelectors: [{matchLabels: {tier: gold}}]}}",
        ),
        ("manual", "{addresses: [10.0.9.0/24], autoAssign: false}"),
    ]);
    let gold = "metadata: {name: gold, labels: {tier: gold}}, spec: {type: LoadBalancer, clusterIP: 10.96.0.1}";
    world.service("plain", "spec: {type: LoadBalancer, clusterIP: 10.96.0.1}");
    let typed = serde_yaml::from_str(&format!("{{{gold}}}")).unwrap();
    let service = Service::project(&typed, Age::default(), ClusterIps::AsWritten);
    world.cluster.services.insert(key("gold"), Arc::new(service));
    world.service("next", "spec: {type: LoadBalancer, clusterIP: 10.96.0.1}");
    world.update();
    assert_eq!(world.ips("gold"), ["10.0.1.1"]);
    assert_eq!(world.ips("plain"), ["10.0.2.1"]);
    assert_eq!(world.ips("next"), ["10.0.3.0"]);
}

#[test]
fn requests_for_addresses_and_pools_are_honoured_or_refused_with_the_reason() {
    let mut world = World::new(&[
        ("default", "addresses: [10.0.0.0/24]"),
        ("manual", "{addresses: [10.0.9.0/24], autoAssign: false, avoidBuggyIPs: true}"),
    ]);
    let asks = |annotations: &str, spec: &str| {
        format!(
            "metadata: {{annotations: {{{annotations}}}}}, spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, {spec}}}"
        )
    };
    for (name, annotations, spec, expected) in [
        ("by-pool", "metallb.io/address-pool: manual", "", "10.0.9.1"),
        ("by-ip", "metallb.io/loadBalancerIPs: 10.0.0.77", "", "10.0.0.77"),
        ("by-field", "", "loadBalancerIP: 10.0.0.78", "10.0.0.78"),
        ("by-legacy", "metallb.universe.tf/address-pool: manual", "", "10.0.9.2"),
    ] {
        let typed = serde_yaml::from_str(&format!("{{{}}}", asks(annotations, spec))).unwrap();
        let service = Service::project(&typed, Age::default(), ClusterIps::AsWritten);
        world.cluster.services.insert(key(name), Arc::new(service));
        world.update();
        assert_eq!(world.ips(name), [expected]);
    }
    for (annotations, spec, expected) in [
        ("metallb.io/address-pool: nope", "", "unknown pool \"nope\""),
        ("metallb.io/loadBalancerIPs: 10.0.0.77", "", "also in use by default/by-ip"),
        ("metallb.io/loadBalancerIPs: 10.0.9.0", "", "[\"10.0.9.0\"] is not allowed in config"),
        ("metallb.io/loadBalancerIPs: 192.0.2.1", "", "is not allowed in config"),
        ("metallb.io/loadBalancerIPs: fd00::1", "", "does not match the ipFamily of the service"),
        ("metallb.io/loadBalancerIPs: 10.0.0.9", "loadBalancerIP: 10.0.0.9", "can not have both"),
        ("metallb.io/loadBalancerIPs: nonsense", "", "invalid address \"nonsense\""),
        (
            "metallb.io/loadBalancerIPs: 10.0.0.9, metallb.io/address-pool: manual",
            "",
            "is not compatible with requested address pool",
        ),
    ] {
        let typed = serde_yaml::from_str(&format!("{{{}}}", asks(annotations, spec))).unwrap();
        let service = Service::project(&typed, Age::default(), ClusterIps::AsWritten);
        world.cluster.services.insert(key("asker"), Arc::new(service));
        let changes = world.update();
        let message = &changes.notices.last().unwrap_or_else(|| panic!("{annotations}: silence")).1.message;
        assert!(message.contains(expected), "{annotations} {spec}: {message}");
        world.cluster.services.remove(&key("asker"));
        world.update();
    }
}

#[test]
fn services_share_an_address_where_key_backend_and_ports_allow_it() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    let shared = |port: u16| {
        format!(
            "metadata: {{annotations: {{metallb.io/allow-shared-ip: k}}}}, \
                 spec: {{type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{{port: {port}}}]}}"
        )
    };
    let add = |world: &mut World, name: &str, yaml: &str| {
        let typed = serde_yaml::from_str(&format!("{{{yaml}}}")).unwrap();
        world.number += 1;
        let age = Age::read_at(format!("{:04}", world.number), 0, 0);
        world.cluster.services.insert(key(name), Arc::new(Service::project(&typed, age, ClusterIps::AsWritten)));
        world.update();
    };
    add(&mut world, "a", &shared(80));
    add(&mut world, "b", &shared(443));
    add(&mut world, "c", &shared(80));
    assert_eq!(world.ips("a"), world.ips("b"));
    assert_ne!(world.ips("a"), world.ips("c"), "the port is taken");
    world.cluster.services.remove(&key("a"));
    world.update();
    assert_eq!(world.book.pool_statuses()["default"].assigned_ipv4, 2);
    world.cluster.services.remove(&key("b"));
    world.update();
    assert_eq!(world.book.pool_statuses()["default"].assigned_ipv4, 1);
}

#[test]
fn dual_stack_takes_both_from_one_pool_or_says_why_not() {
    let mut world = World::new(&[("a4", "addresses: [10.0.0.0/24]"), ("b46", "addresses: [10.0.1.0/24, fd00::/120]")]);
    let dual = |policy: &str| {
        format!("spec: {{type: LoadBalancer, clusterIPs: [10.96.0.1, fd96::1], ipFamilyPolicy: {policy}}}")
    };
    world.service("require", &dual("RequireDualStack"));
    world.service("single", &dual("SingleStack"));
    world.service("v6", "spec: {type: LoadBalancer, clusterIPs: ['fd96::1']}");
    let changes = world.update();
    assert_eq!(world.ips("require"), ["10.0.1.0", "fd00::"]);
    assert!(world.ips("single").is_empty());
    assert!(changes.notices.iter().any(|(_, notice)| notice.message.contains("needs ipFamilyPolicy")));
    assert_eq!(world.ips("v6"), ["fd00::1"]);

    world.pools(&[("a4", "addresses: [10.0.1.0/24]")]);
    world.service("prefer", &dual("PreferDualStack"));
    world.update();
    assert_eq!(world.ips("prefer"), ["10.0.1.0"], "one address is better than none");
    world.pools(&[("a4", "addresses: [10.0.1.0/24, fd00::/120]")]);
    world.update();
    // The older ones that ask for IPv6 too are served first.
    assert_eq!(world.ips("prefer"), ["10.0.1.0", "fd00::2"], "the missing one is added later");
}

#[test]
fn an_address_that_the_pools_no_longer_have_is_replaced() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.web("web");
    world.update();
    world.pools(&[("renamed", "addresses: [10.0.0.0/25]")]);
    let changes = world.update();
    assert_eq!(world.ips("web"), ["10.0.0.0"], "still covered: kept");
    assert_eq!(changes.statuses[0].status.pool.as_deref(), Some("renamed"));
    world.pools(&[("renamed", "addresses: [10.0.5.0/24]")]);
    assert_eq!(reasons(&world.update()), ["ClearAssignment", "IPAllocated"]);
    assert_eq!(world.ips("web"), ["10.0.5.0"]);
    world.pools(&[]);
    world.update();
    assert!(world.ips("web").is_empty());
}

#[test]
fn what_is_no_load_balancer_any_more_loses_its_address() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.web("web");
    world.update();
    let mut service = (*world.cluster.services[&key("web")]).clone();
    service.load_balancer = false;
    world.cluster.services.insert(key("web"), Arc::new(service));
    world.update();
    assert!(world.ips("web").is_empty());
    assert_eq!(world.book.pool_statuses()["default"].assigned_ipv4, 0);
}

#[test]
fn a_status_that_somebody_else_changed_is_put_back() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.web("web");
    world.update();
    let mut service = (*world.cluster.services[&key("web")]).clone();
    service.ingress = ["192.0.2.66".parse().unwrap()].into_iter().collect();
    world.cluster.services.insert(key("web"), Arc::new(service));
    world.update();
    assert_eq!(world.ips("web"), ["10.0.0.0"]);
}

#[test]
fn a_service_of_another_class_gives_its_address_back() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("first");
    world.web("second");
    world.update();
    let mut service = (*world.cluster.services[&key("first")]).clone();
    service.class = Some("other.example/lb".into());
    world.cluster.services.insert(key("first"), Arc::new(service));
    world.update();
    assert!(world.ips("first").is_empty(), "what we wrote we take back");
    assert_eq!(world.ips("second"), ["10.0.0.1"]);
}

#[test]
fn a_service_that_stopped_being_a_load_balancer_while_nobody_looked_is_cleared() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.web("web");
    world.update();
    let mut service = (*world.cluster.services[&key("web")]).clone();
    service.load_balancer = false;
    world.cluster.services.insert(key("web"), Arc::new(service));
    world.restart();
    world.update();
    assert!(world.ips("web").is_empty());
    assert_eq!(world.update(), Changes::default());
}

#[test]
fn whoever_waits_is_served_as_soon_as_sharing_becomes_possible() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("first");
    world.service("second", "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 81}]}");
    let share = |world: &mut World, name: &str| {
        let mut service = (*world.cluster.services[&key(name)]).clone();
        service.annotations.insert(ferrolb_api::annotations::ALLOW_SHARED_IP, "k");
        world.cluster.services.insert(key(name), Arc::new(service));
        world.update();
    };
    share(&mut world, "second");
    assert!(world.ips("second").is_empty());
    share(&mut world, "first");
    assert_eq!(world.ips("second"), ["10.0.0.1"]);
}

#[test]
fn what_vanishes_while_something_is_unreadable_keeps_its_address() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("first");
    world.web("second");
    world.update();
    let gone = world.cluster.services.remove(&key("first")).unwrap();
    let object = ferrolb_config::ObjectRef::new("File", "", "s.yaml");
    world.cluster.problems = vec![ferrolb_config::Problem::new(object, "", "", "is no YAML")];
    world.update();
    assert!(world.ips("second").is_empty());
    world.cluster.problems.clear();
    world.cluster.services.insert(key("first"), gone);
    world.update();
    assert_eq!(world.ips("first"), ["10.0.0.1"]);
}

#[test]
fn one_requested_address_stays_one() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/30, fd00::/126]")]);
    world.service(
        "web",
        "spec: {type: LoadBalancer, clusterIPs: [10.96.0.1, 'fd96::1'], ipFamilyPolicy: PreferDualStack, \
         loadBalancerIP: 10.0.0.2}, status: {loadBalancer: {ingress: [{ip: 10.0.0.2}]}}",
    );
    for _ in 0..2 {
        world.update();
        assert_eq!(world.ips("web"), ["10.0.0.2"]);
        world.restart();
    }
}

#[test]
fn the_oldest_that_waits_comes_before_whoever_asks_now() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("first");
    world.web("second");
    world.update();
    world.cluster.services.remove(&key("first"));
    world.web("third");
    world.update();
    assert_eq!(world.ips("second"), ["10.0.0.1"]);
}

#[test]
fn annotations_of_old_are_honoured_and_named_once() {
    let mut world = World::new(&[("manual", "{addresses: [10.0.9.0/24], autoAssign: false}")]);
    world.web("web");
    let service = Arc::make_mut(world.cluster.services.get_mut(&key("web")).unwrap());
    service.annotations.insert("metallb.universe.tf/address-pool", "manual");
    assert_eq!(reasons(&world.update()), ["IPAllocated", "deprecatedAnnotation"]);
    assert_eq!(reasons(&world.update()), [] as [&str; 0]);
}

const REQUESTED: &str = "metallb.io/loadBalancerIPs";

impl World {
    fn request(&mut self, name: &str, ip: &str) {
        let service = Arc::make_mut(self.cluster.services.get_mut(&key(name)).unwrap());
        service.annotations.insert(REQUESTED, ip);
    }

    /// What is to be written now, before anything of it is.
    fn hand_out(&mut self) -> Vec<(String, Vec<String>)> {
        let changes = std::iter::from_fn(|| self.book.next_unwritten());
        let plain = |change: Change| {
            let ips = change.status.ips.iter().map(ToString::to_string).collect();
            (change.key.name.to_string(), ips)
        };
        changes.map(plain).collect()
    }
}

#[test]
fn an_address_is_written_for_its_next_holder_once_the_one_before_does_not_show_it() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1-10.0.0.2]")]);
    world.web("z");
    world.update();
    world.request("z", "10.0.0.2");
    world.web("a");
    world.request("a", "10.0.0.1");
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), [("z".to_owned(), vec!["10.0.0.2".to_owned()])]);
    world.book.not_written(&key("z"));
    assert_eq!(world.hand_out(), [], "it has just failed");
    world.book.retry(|_| false);
    let first = world.book.next_unwritten().unwrap();
    assert_eq!(first.key, key("z"));
    world.write(&first);
    assert_eq!(world.hand_out(), [("a".to_owned(), vec!["10.0.0.1".to_owned()])]);
}

#[test]
fn a_service_that_is_gone_keeps_nobody_waiting() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("old");
    world.update();
    world.service(
        "old",
        "spec: {type: ClusterIP, clusterIP: 10.96.0.1}, status: {loadBalancer: {ingress: [{ip: 10.0.0.1}]}}",
    );
    world.web("new");
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), [("old".to_owned(), vec![])]);
    world.book.not_written(&key("old"));
    world.cluster.services.remove(&key("old"));
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), [("new".to_owned(), vec!["10.0.0.1".to_owned()])]);
}

#[test]
fn services_that_change_places_give_up_first_what_they_had() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1-10.0.0.2]")]);
    world.web("one");
    world.web("two");
    world.update();
    assert_eq!((world.ips("one"), world.ips("two")), (vec!["10.0.0.1".to_owned()], vec!["10.0.0.2".to_owned()]));
    world.request("one", "10.0.0.2");
    world.request("two", "10.0.0.1");
    let changes = world.update();
    let written: Vec<(&str, usize)> =
        changes.statuses.iter().map(|change| (&*change.key.name, change.status.ips.len())).collect();
    assert_eq!(written, [("one", 0), ("two", 1), ("one", 1)]);
    assert_eq!((world.ips("one"), world.ips("two")), (vec!["10.0.0.2".to_owned()], vec!["10.0.0.1".to_owned()]));
    assert_eq!(world.update(), Changes::default());
}

#[test]
fn what_could_not_be_written_rests_until_it_is_time_or_the_service_is_another_version() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("web");
    world.book.update(&world.cluster, &world.config);
    let written = [("web".to_owned(), vec!["10.0.0.1".to_owned()])];
    assert_eq!(world.hand_out(), written);
    world.book.not_written(&key("web"));
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), []);
    world.book.retry(|_| false);
    assert_eq!(world.hand_out(), written);
    world.book.not_written(&key("web"));
    let service = Arc::make_mut(world.cluster.services.get_mut(&key("web")).unwrap());
    service.version.resource_version = "2".into();
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), written);
}

#[test]
fn what_could_not_be_written_does_not_rest_when_the_service_has_changed_meanwhile() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.1/32]")]);
    world.web("web");
    world.book.update(&world.cluster, &world.config);
    let written = [("web".to_owned(), vec!["10.0.0.1".to_owned()])];
    assert_eq!(world.hand_out(), written);
    let service = Arc::make_mut(world.cluster.services.get_mut(&key("web")).unwrap());
    service.version.resource_version = "2".into();
    world.book.update(&world.cluster, &world.config);
    assert_eq!(world.hand_out(), [], "it is being written");
    assert!(!world.book.not_written(&key("web")));
    assert_eq!(world.hand_out(), written);
    assert!(world.book.not_written(&key("web")), "that was what it is now");
    assert_eq!(world.hand_out(), []);
}

proptest! {
    /// Whatever happens in whatever order: no address has two owners, every one is from the pool, nothing that is
    /// held moves without cause, and a restart changes nothing.
    #[test]
    fn addresses_are_exclusive_and_stay(steps in prop::collection::vec((0u8..4, 0u8..12), 1..60)) {
        let mut world = World::new(&[("a", "addresses: [10.0.0.0/30]"), ("b", "addresses: [10.0.1.0/30]")]);
        let mut before: BTreeMap<ObjectKey, Vec<IpAddr>> = BTreeMap::new();
        for (what, who) in steps {
            let name = format!("s{who}");
            match what {
                0 | 1 => if !world.cluster.services.contains_key(&key(&name)) { world.web(&name) },
                2 => { world.cluster.services.remove(&key(&name)); }
                _ => world.restart(),
            }
            world.update();
            let now: BTreeMap<ObjectKey, Vec<IpAddr>> =
                world.cluster.services.iter().map(|(key, service)| (key.clone(), service.ingress.to_vec())).collect();
            let mut all: Vec<IpAddr> = now.values().flatten().copied().collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            prop_assert_eq!(count, now.len().min(8), "nobody waits while an address is free");
            for (key, ips) in &before {
                if let Some(ips_now) = now.get(key).filter(|_| !ips.is_empty()) {
                    prop_assert_eq!(ips, ips_now);
                }
            }
            before = now;
        }
    }
}
