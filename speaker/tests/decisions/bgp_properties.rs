//! What holds of BGP in every cluster, against a model that asks every question of every route anew.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{BgpAdvertisement, parse};
use ferrolb_source::{ObjectKey, TrafficPolicy};
use ferrolb_speaker::plan::BGP;
use ipnet::IpNet;
use proptest::prelude::*;

use crate::bgp::resource;
use crate::world::{World, endpoints, service};

const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
const PEERS: [(&str, &str); 4] = [
    ("four", "peerAddress: 198.51.100.1"),
    ("six", "peerAddress: '2001:db8::1'"),
    ("both", "peerAddress: 198.51.100.2, dualStackAddressFamily: true"),
    ("link", "interface: eth0, nodeSelectors: [{matchLabels: {zone: near}}]"),
];

/// An advertisement: its length, its attributes, its peers, whether for near nodes only, and for which Services.
fn advertisement() -> impl Strategy<Value = String> {
    let length = prop::sample::select(vec!["", "aggregationLength: 28, aggregationLengthV6: 124, "]);
    let attributes = (0..3_u32, 0..3_u8, prop::collection::btree_set(1..4_u8, 0..3));
    let peers = prop::sample::subsequence(PEERS.map(|(name, _)| name).to_vec(), 0..=PEERS.len());
    let app = prop::option::of(prop::sample::select(vec!["web", "db"]));
    (length, attributes, peers, prop::bool::weighted(0.3), app).prop_map(
        |(length, (pref, prepend, communities), peers, near, app)| {
            let communities: Vec<String> = communities.iter().map(|value| format!("'64512:{value}'")).collect();
            let prepend = if prepend > 0 { format!("asPathPrepend: {prepend}, ") } else { String::new() };
            let nodes = if near { "nodeSelectors: [{matchLabels: {zone: near}}], " } else { "" };
            let (length, services) = match app {
                Some(app) => ("", format!("serviceSelectors: [{{matchLabels: {{app: {app}}}}}], ")),
                None => (length, String::new()),
            };
            format!(
                "{{{length}{prepend}{nodes}{services}localPref: {}, communities: [{}], peers: [{}]}}",
                pref * 100,
                communities.join(", "),
                peers.join(", ")
            )
        },
    )
}

prop_compose! {
    fn worlds()(
        advertisements in prop::collection::vec(advertisement(), 1..6),
        services in prop::collection::vec(((1..20_u8, prop::option::of(1..6_u8)), any::<bool>(), any::<bool>(), prop::collection::vec(any::<bool>(), NODES.len())), 1..12),
        near in prop::collection::vec(any::<bool>(), NODES.len()),
        excluded in prop::bool::weighted(0.1),
    ) -> World {
        let mut world = World::new();
        world.cluster.services.clear();
        let resources = &mut world.cluster.resources;
        resources.l2_advertisements.clear();
        resources.pools = vec![resource("IPAddressPool", "default", "{addresses: [10.0.0.0/24, 'fd00::/120']}")];
        resources.bgp_peers = PEERS.iter().map(|(name, spec)| {
            resource("BGPPeer", name, &format!("{{myASN: 64512, peerASN: 64513, {spec}}}"))
        }).collect();
        resources.bgp_advertisements = advertisements.iter().enumerate().map(|(number, spec)| {
            resource("BGPAdvertisement", &format!("ad{number}"), spec)
        }).collect();
        // Those that contradict each other for all Services are left out by whoever reads them.
        let parsed = parse(resources);
        let wrong: BTreeSet<String> = parsed.problems.iter().map(|problem| problem.object.name.to_string()).collect();
        resources.bgp_advertisements.retain(|ad| !wrong.contains(&ad.name));
        for (node, near) in NODES.iter().zip(&near) {
            world.node(node, |node| {
                if *near {
                    node.labels.insert("zone", "near");
                }
            });
        }
        if excluded {
            world.node("node-b", |node| node.labels.insert(ferrolb_api::EXCLUDE_LABEL, ""));
        }
        for (number, ((v4, v6), local, db, runs)) in services.iter().enumerate() {
            let key = ObjectKey::new("default", format!("s{number}"));
            let second = v6.map_or_else(String::new, |second| format!("}}, {{ip: 'fd00::{second}'"));
            let policy = if *local { "externalTrafficPolicy: Local" } else { "" };
            let mut service = service(policy, &format!("10.0.0.{v4}{second}"));
            service.labels = [("app".to_owned(), if *db { "db" } else { "web" }.to_owned())].into();
            world.cluster.services.insert(key.clone(), Arc::new(service));
            let running = NODES.iter().zip(runs).filter(|(_, runs)| **runs);
            let list: Vec<String> = running.map(|(node, _)| format!("{{addresses: [10.244.0.1], nodeName: {node}}}")).collect();
            world.cluster.endpoints.insert(key, Arc::new(endpoints(&format!("[{}]", list.join(", ")))));
        }
        world.config = Arc::new(parse(&world.cluster.resources).config);
        world
    }
}

/// What is said of a route: communities, LOCAL_PREF, prepends.
type Said = (BTreeSet<String>, u32, u8);

/// What a Service's advertisements are on a node, if it is announced there.
fn announced_by<'a>(world: &'a World, me: &str, key: &ObjectKey) -> Vec<&'a BgpAdvertisement> {
    let (node, service) = (&world.cluster.nodes[me], &world.cluster.services[key]);
    let ads = world.config.bgp_advertisements.iter();
    let ads: Vec<_> = ads.filter(|ad| ad.covers_node(&node.labels) && ad.matches_service(&service.labels)).collect();
    let pool = &world.config.pools["default"];
    let conflict = ads.iter().any(|first| ads.iter().any(|second| first.conflict(second, pool).is_some()));
    let here = |node: Option<&str>| service.traffic_policy == TrafficPolicy::Cluster || node == Some(me);
    let served = world.cluster.endpoints[key].iter().any(|endpoint| endpoint.usable && here(endpoint.node.as_deref()));
    let excluded = node.labels.contains_key(ferrolb_api::EXCLUDE_LABEL);
    if conflict || !served || excluded { Vec::new() } else { ads }
}

/// All routes of a node, by peer and prefix.
fn model(world: &World, me: &str) -> BTreeMap<(String, IpNet), Said> {
    let mut routes: BTreeMap<(String, IpNet), Said> = BTreeMap::new();
    for peer in world.config.peers.values().filter(|peer| peer.covers_node(&world.cluster.nodes[me].labels)) {
        for (key, service) in world.cluster.services.iter() {
            for ad in announced_by(world, me, key).iter().filter(|ad| ad.peers.contains(&peer.name)) {
                for address in &service.ingress {
                    let own = match address {
                        IpAddr::V4(_) => ["four", "both", "link"],
                        IpAddr::V6(_) => ["six", "both", "link"],
                    };
                    if own.contains(&peer.name.as_str()) {
                        let said = (BTreeSet::new(), 0, u8::MAX);
                        let entry = routes.entry((peer.name.clone(), ad.route(*address))).or_insert(said);
                        entry.0.extend(ad.communities.iter().map(ToString::to_string));
                        entry.1 = entry.1.max(ad.local_pref.unwrap_or(0));
                        entry.2 = entry.2.min(ad.as_path_prepend.unwrap_or(0));
                    }
                }
            }
        }
    }
    routes
}

/// 64 cases each; `PROPTEST_CASES` says otherwise.
fn cases() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 64, ..config } }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn routes_are_what_asking_for_each_of_them_gives(world in worlds()) {
        for me in NODES {
            let plan = world.plan(me);
            let routes: BTreeMap<(String, IpNet), Said> = plan.bgp.routes().map(|(peer, prefix, route)| {
                let communities = route.communities.iter().map(ToString::to_string).collect();
                ((peer.to_owned(), *prefix), (communities, route.local_pref.unwrap_or(0), route.as_path_prepend))
            }).collect();
            prop_assert_eq!(&routes, &model(&world, me));
            prop_assert_eq!(&plan, &world.plan(me), "the same facts, the same plan");
        }
    }

    #[test]
    fn verdicts_services_and_routes_tell_the_same_story(world in worlds()) {
        for me in NODES {
            let plan = world.plan(me);
            for (key, service) in world.cluster.services.iter() {
                let of_it = plan.verdicts.iter().filter(|v| v.service == key.to_string());
                let verdicts: Vec<_> = of_it.collect();
                prop_assert_eq!(verdicts.len(), service.ingress.len());
                let announced = !announced_by(&world, me, key).is_empty();
                for verdict in verdicts {
                    let said = (verdict.protocol, verdict.announce, verdict.reason.announces());
                    prop_assert_eq!(said, if world.config.bgp_advertisements.is_empty() {
                        ("layer2", false, false)
                    } else {
                        (BGP, announced, announced)
                    });
                }
                let told: BTreeSet<&str> = plan.bgp.services.get(key).into_iter().flat_map(|told| told.peers.iter().map(AsRef::as_ref)).collect();
                prop_assert_eq!(plan.bgp.services.contains_key(key), announced);
                for (name, session) in &plan.bgp.sessions {
                    let ads = announced_by(&world, me, key);
                    let ads = ads.iter().filter(|ad| ad.peers.contains(name));
                    let prefixes: Vec<IpNet> = ads.flat_map(|ad| service.ingress.iter().map(|ip| ad.route(*ip))).collect();
                    let has = prefixes.iter().any(|prefix| session.routes.contains_key(prefix));
                    prop_assert_eq!(told.contains(name.as_ref()), has, "{} {}", key, name);
                }
            }
        }
    }
}
