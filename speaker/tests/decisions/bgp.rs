//! What peers are told, and why not.

use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Conflict, Origin, Resource, parse};
use ferrolb_source::{Node, ObjectKey};
use ferrolb_speaker::NodePlan;
use ferrolb_speaker::brain::{Input, Output};
use ferrolb_speaker::plan::{BGP, LAYER2};
use serde::de::DeserializeOwned;

use crate::world::{World, drain, endpoints, name, service, start, vip, web};

const TOR: &str = "{myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.1}";

pub(crate) fn resource<S: DeserializeOwned>(kind: &str, name: &str, spec: &str) -> Resource<S> {
    Resource {
        origin: Origin::resource(kind, "lb", name),
        name: name.to_owned(),
        labels: ferrolb_config::Labels::new(),
        spec: serde_yaml::from_str(spec).unwrap(),
    }
}

/// The usual cluster with these peers and advertisements, and without L2.
fn world(peers: &[(&str, &str)], advertisements: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.cluster.resources.l2_advertisements.clear();
    let pool = "{addresses: [10.0.0.0/24, 'fd00::/120']}";
    world.cluster.resources.pools = vec![resource("IPAddressPool", "default", pool)];
    let peers = peers.iter().map(|(name, spec)| resource("BGPPeer", name, spec));
    world.cluster.resources.bgp_peers = peers.collect();
    let ads = advertisements.iter().map(|(name, spec)| resource("BGPAdvertisement", name, spec));
    world.cluster.resources.bgp_advertisements = ads.collect();
    configured(world)
}

fn configured(mut world: World) -> World {
    let parsed = parse(&world.cluster.resources);
    assert_eq!(parsed.problems, []);
    world.config = Arc::new(parsed.config);
    world
}

fn over_bgp(plan: &NodePlan) -> Vec<&'static str> {
    plan.verdicts.iter().filter(|verdict| verdict.protocol == BGP).map(|verdict| verdict.reason.code()).collect()
}

fn code(world: &World, me: &str) -> &'static str {
    over_bgp(&world.plan(me))[0]
}

/// `peer prefix communities localPref prepend` of every route.
fn routes(plan: &NodePlan) -> Vec<String> {
    let line = |(peer, prefix, route): (&str, &ipnet::IpNet, &Arc<ferrolb_speaker::plan::Attributes>)| {
        let communities: Vec<String> = route.communities.iter().map(ToString::to_string).collect();
        let (preference, prepend) = (route.local_pref.unwrap_or(0), route.as_path_prepend);
        format!("{peer} {prefix} [{}] {preference} {prepend}", communities.join(" "))
    };
    plan.bgp.routes().map(line).collect()
}

#[test]
fn every_node_that_may_announces_and_every_peer_is_told() {
    let mut world =
        world(&[("a", TOR), ("b", "{myASN: 64512, peerASN: 64514, peerAddress: 198.51.100.2}")], &[("all", "{}")]);
    for node in ["node-a", "node-b", "node-c"] {
        let plan = world.plan(node);
        assert_eq!(routes(&plan), ["a 10.0.0.1/32 [] 0 0", "b 10.0.0.1/32 [] 0 0"]);
        assert!(
            Arc::ptr_eq(&plan.bgp.sessions["a"].routes, &plan.bgp.sessions["b"].routes),
            "told the same, kept once"
        );
        assert_eq!(plan.bgp.services[&web()].peers.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((over_bgp(&plan), plan.verdicts.len(), plan.verdicts[0].announce), (vec!["eligible"], 1, true));
        assert!(plan.l2.is_empty() && plan.claims.is_empty());
    }
    // Neither the membership, nor gossip, nor links count.
    world.view.members.retain(|node, _| node.as_str() == "node-a");
    world.view.ready = false;
    world.ground.cut_off = true;
    assert_eq!(routes(&world.plan("node-a")).len(), 2);
    assert_eq!(
        (code(&world, "node-b"), routes(&world.plan("node-b")).len()),
        ("notAMember", 0),
        "a plan for a dead node"
    );
}

#[test]
fn every_exclusion_has_its_reason() {
    let peers = [("tor", TOR)];
    let with = |advertisement: &str| world(&peers, &[("all", advertisement)]);
    assert_eq!(code(&with("{nodeSelectors: [{matchLabels: {zone: x}}]}"), "node-a"), "notOwner");
    assert_eq!(code(&with("{serviceSelectors: [{matchLabels: {app: other}}]}"), "node-a"), "noMatchingAdvertisement");

    let mut bare = with("{}");
    bare.cluster.services.insert(web(), Arc::new(service("", "192.0.2.9")));
    assert_eq!(code(&bare, "node-a"), "ipNotAllowed");

    let mut bare = with("{}");
    bare.node("node-a", |node| node.network_unavailable = true);
    assert_eq!(code(&bare, "node-a"), "nodeNetworkUnavailable");
    let excluded = [(ferrolb_api::EXCLUDE_LABEL.to_owned(), String::new())].into();
    bare.cluster.nodes.insert("node-a".to_owned(), Arc::new(Node { labels: excluded, ..Node::default() }));
    assert_eq!(code(&bare, "node-a"), "nodeLabeledExcludeBalancers");
    bare.options.ignore_exclude_label = true;
    assert_eq!(code(&bare, "node-a"), "eligible");
    bare.cluster.nodes.remove("node-a");
    assert_eq!((code(&bare, "node-a"), bare.plan("node-a").bgp.sessions.len()), ("nodeUnknown", 0));
    bare.cluster.nodes.clear();
    assert_eq!(code(&bare, "node-a"), "eligible", "plain hosts need no Node objects");

    let mut bare = with("{}");
    bare.edit("externalTrafficPolicy: Local");
    assert_eq!((code(&bare, "node-a"), code(&bare, "node-c")), ("noLocalEndpoints", "eligible"));
    bare.cluster.endpoints.insert(web(), Arc::new(endpoints("[{addresses: [], nodeName: node-c}]")));
    assert_eq!(code(&bare, "node-c"), "noLocalEndpoints", "an endpoint without an address serves nobody");
    bare.edit("externalTrafficPolicy: Cluster");
    assert_eq!(code(&bare, "node-c"), "noEndpoints");
    let terminating = "[{addresses: [10.244.0.1], conditions: {ready: false, serving: true, terminating: true}}]";
    bare.cluster.endpoints.insert(web(), Arc::new(endpoints(terminating)));
    assert_eq!(code(&bare, "node-c"), "eligible");
    assert_eq!(routes(&bare.plan("node-a")), ["tor 10.0.0.1/32 [] 0 0"]);
}

#[test]
fn a_service_with_advertisements_that_contradict_each_other_is_not_announced() {
    let selects = "serviceSelectors: [{matchLabels: {app: web}}]";
    let first = format!("{{{selects}, localPref: 100, peers: [tor]}}");
    let second = |more: &str| format!("{{{selects}, {more}}}");
    let code_of = |more: &str| code(&world(&[("tor", TOR)], &[("one", &first), ("two", &second(more))]), "node-a");
    assert_eq!(code_of("localPref: 200"), "conflictingAdvertisements");
    assert_eq!(code_of("localPref: 100, asPathPrepend: 2"), "conflictingAdvertisements");
    assert_eq!(code_of("localPref: 100, communities: ['1:1']"), "eligible");
    assert_eq!(code_of("localPref: 200, nodeSelectors: [{matchLabels: {zone: x}}]"), "eligible", "not on this node");
    let plan = world(&[("tor", TOR)], &[("one", &first), ("two", &second("localPref: 200"))]).plan("node-a");
    let sentence = plan.verdicts[0].reason.to_string();
    assert!(sentence.contains("\"one\" and \"two\"") && sentence.contains("localPref"), "{sentence}");
    assert!(plan.bgp.services.is_empty() && plan.bgp.sessions["tor"].routes.is_empty());
}

#[test]
fn pools_are_announced_by_the_protocols_that_they_have_advertisements_for() {
    let protocols = |world: &World| world.plan("node-a").verdicts.iter().map(|v| v.protocol).collect::<Vec<_>>();
    let mut both = world(&[("tor", TOR)], &[("all", "{}")]);
    assert_eq!(protocols(&both), [BGP]);
    both.cluster.resources.l2_advertisements = vec![resource("L2Advertisement", "all", "{}")];
    let mut both = configured(both);
    assert_eq!(protocols(&both), [LAYER2, BGP]);
    both.claim("node-a", 1);
    let plan = both.plan("node-a");
    assert!(plan.verdicts.iter().all(|verdict| verdict.announce), "over both at once");
    assert_eq!((plan.l2.len(), routes(&plan).len()), (1, 1));
    both.cluster.resources.bgp_advertisements.clear();
    let neither = configured(both);
    assert_eq!(protocols(&neither), [LAYER2]);
    assert_eq!(neither.plan("node-a").bgp.sessions.len(), 1, "a peer is a peer, with or without routes");
}

#[test]
fn prefixes_are_merged_per_peer() {
    let peers = [("a", TOR), ("b", "{myASN: 64512, peerASN: 64514, peerAddress: 198.51.100.2}")];
    let mut world = world(
        &peers,
        &[
            ("wide", "{aggregationLength: 24, aggregationLengthV6: 120, communities: ['64512:1'], localPref: 50}"),
            ("host", "{communities: ['64512:2', 'large:64512:1:2'], peers: [b]}"),
            ("more", "{communities: ['64512:3'], peers: [b]}"),
        ],
    );
    world.serve("db", "10.0.0.2");
    assert_eq!(
        routes(&world.plan("node-a")),
        [
            "a 10.0.0.0/24 [64512:1] 50 0",
            "b 10.0.0.0/24 [64512:1] 50 0",
            "b 10.0.0.1/32 [64512:2 64512:3 large:64512:1:2] 0 0",
            "b 10.0.0.2/32 [64512:2 64512:3 large:64512:1:2] 0 0",
        ]
    );
    // The aggregate goes with the last Service that needs it.
    world.cluster.endpoints.insert(web(), Arc::default());
    assert!(routes(&world.plan("node-a")).contains(&"a 10.0.0.0/24 [64512:1] 50 0".to_owned()));
    world.cluster.services.remove(&ObjectKey::new("default", "db"));
    assert!(routes(&world.plan("node-a")).is_empty());
}

#[test]
fn of_two_services_that_want_different_things_of_a_route_the_most_preferred_goes_and_is_reported() {
    let selects = |app: &str| format!("serviceSelectors: [{{matchLabels: {{app: {app}}}}}]");
    let low = format!("{{{}, localPref: 100, asPathPrepend: 3, communities: ['1:1']}}", selects("web"));
    let high = format!("{{{}, localPref: 200, asPathPrepend: 5, communities: ['1:2']}}", selects("other"));
    let mut world = world(&[("tor", TOR)], &[("a-low", &low), ("b-high", &high)]);
    let mut other = service("", "10.0.0.1");
    other.labels = [("app".to_owned(), "other".to_owned())].into();
    let key = ObjectKey::new("default", "other");
    world.cluster.services.insert(key.clone(), Arc::new(other));
    world.cluster.endpoints.insert(key.clone(), Arc::new(endpoints("[{addresses: [10.244.0.1]}]")));
    let plan = world.plan("node-a");
    assert_eq!(routes(&plan), ["tor 10.0.0.1/32 [1:1 1:2] 200 3"]);
    let told: Vec<_> = plan.bgp.contradictions.iter().map(|c| (c.conflict, c.used.value, c.overruled.value)).collect();
    assert_eq!(told, [(Conflict::LocalPref, 200, 100), (Conflict::AsPathPrepend, 3, 5)]);
    assert_eq!(
        (&plan.bgp.contradictions[0].used.service, &plan.bgp.contradictions[0].overruled.service),
        (&key, &web())
    );
    let sentence = plan.bgp.contradictions[0].to_string();
    for part in ["10.0.0.1/32", "localPref 200", "\"b-high\"", "default/other", "\"a-low\"", "default/web"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    world.cluster.services.remove(&key);
    assert!(world.plan("node-a").bgp.contradictions.is_empty());
}

#[test]
fn a_session_carries_its_own_family_unless_it_is_asked_to_carry_both() {
    let peers = [
        ("four", TOR),
        ("six", "{myASN: 64512, peerASN: 64513, peerAddress: '2001:db8::1'}"),
        ("both", "{myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.3, dualStackAddressFamily: true}"),
        ("link", "{myASN: 64512, dynamicASN: external, interface: eth0}"),
    ];
    let mut world = world(&peers, &[("all", "{}")]);
    world.serve("web", "10.0.0.1}, {ip: 'fd00::1'");
    let all = routes(&world.plan("node-a"));
    let short: Vec<String> = all.iter().map(|line| line.replace(" [] 0 0", "")).collect();
    assert_eq!(
        short,
        [
            "both 10.0.0.1/32",
            "both fd00::1/128",
            "four 10.0.0.1/32",
            "link 10.0.0.1/32",
            "link fd00::1/128",
            "six fd00::1/128"
        ]
    );
    world.serve("web", "10.0.0.1");
    let told = world.plan("node-a").bgp.services[&web()].peers.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told, ["both", "four", "link"]);
}

#[test]
fn a_node_has_sessions_with_the_peers_that_select_it_and_are_complete() {
    let selects = "nodeSelectors: [{matchLabels: {rack: a}}, {matchLabels: {rack: b}}]";
    let racked = format!("{{myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.2, {selects}}}");
    let missing = "{myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.3, passwordSecret: {name: later}}";
    let mut world = world(&[("tor", TOR), ("racked", &racked)], &[("all", "{}")]);
    let sessions =
        |world: &World| world.plan("node-a").bgp.sessions.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(sessions(&world), ["tor"]);
    world.node("node-a", |node| node.labels.insert("rack", "b"));
    assert_eq!(sessions(&world), ["racked", "tor"]);
    world.cluster.resources.bgp_peers.push(resource("BGPPeer", "unfinished", missing));
    world.config = Arc::new(parse(&world.cluster.resources).config);
    assert_eq!(sessions(&world), ["racked", "tor"], "not without its password");
}

#[test]
fn what_does_not_change_is_shared_with_the_plan_before() {
    let peers = [("a", TOR), ("b", "{myASN: 64512, peerASN: 64514, peerAddress: '2001:db8::2'}")];
    let world = world(&peers, &[("all", "{}")]);
    let now = start();
    let (mut brain, outputs) = world.brain("node-a", now);
    assert!(outputs.iter().any(|output| matches!(output, Output::Plan(_))));
    let before = Arc::clone(brain.plan());
    assert_eq!(before.bgp.sessions["a"].routes.len(), 1);
    let mut later = world.cluster.clone();
    let key = ObjectKey::new("default", "six");
    later.services.insert(key.clone(), Arc::new(service("", "'fd00::6'")));
    later.endpoints.insert(key, Arc::new(endpoints("[{addresses: [10.244.0.1]}]")));
    brain.handle(now, Input::Cluster(Arc::new(later)));
    assert_eq!(drain(&mut brain).len(), 1);
    let after = Arc::clone(brain.plan());
    assert!(Arc::ptr_eq(&before.bgp.sessions["a"].routes, &after.bgp.sessions["a"].routes), "it has no IPv6");
    assert_eq!(after.bgp.sessions["b"].routes.len(), 1);
}

#[test]
fn a_configuration_that_takes_an_announced_address_away_waits_for_the_controller() {
    let world = world(&[("tor", TOR)], &[("all", "{}")]);
    let now = start();
    let (mut brain, _) = world.brain("node-a", now);
    let mut moved = world.cluster.clone();
    moved.resources.pools = vec![resource("IPAddressPool", "default", "{addresses: [10.9.0.0/24, 'fd00::/120']}")];
    brain.handle(now, Input::Cluster(Arc::new(moved.clone())));
    assert_eq!((routes(brain.plan()).len(), brain.is_stale()), (1, true), "clients still use it");
    moved.services.insert(web(), Arc::new(service("", "10.9.0.1")));
    brain.handle(now, Input::Cluster(Arc::new(moved)));
    assert_eq!((routes(brain.plan()), brain.is_stale()), (vec!["tor 10.9.0.1/32 [] 0 0".to_owned()], false));
    assert_ne!(brain.plan().verdicts[0].address, vip());
    assert_eq!(brain.plan().verdicts[0].address, IpAddr::from([10, 9, 0, 1]));
    assert!(world.view.members.contains_key(&name("node-a")));
}
