//! Which nodes may announce, and what the others are told.

use std::sync::Arc;

use ferrolb_config::Interfaces;
use ferrolb_gossip::Facts;
use ferrolb_source::{Node, ObjectKey};
use ferrolb_speaker::plan::{Ground, explain};

use crate::world::{World, endpoints, name, service, vip, web};

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

#[test]
fn a_node_without_an_interface_leaves_the_address_to_others() {
    let mut world = World::new();
    world.ground = Ground { interfaces: Some([].into()), cut_off: false };
    let plan = world.plan("node-b");
    assert!(plan.claims.is_empty() && plan.l2.is_empty());
    assert_eq!(world.code("node-b"), "noUsableInterface");
    assert_eq!(plan.vacant[&vip()][0].as_str(), "node-a");
    assert!(plan.failed.is_empty(), "others can");
}

#[test]
fn only_interfaces_that_the_advertisements_allow_count() {
    let mut world = World::new();
    world.l2("interfaces: [eth1, eth2]");
    world.ground.interfaces = Some(["eth0".to_owned()].into());
    assert_eq!(world.code("node-b"), "noUsableInterface");
    assert!(world.plan("node-b").verdicts[0].reason.to_string().contains("eth1, eth2"));
    world.ground.interfaces = Some(["eth2".to_owned()].into());
    assert_eq!(world.plan("node-b").claims, [vip()]);
}

#[test]
fn an_owner_that_loses_its_interface_gives_the_claim_up() {
    let mut world = World::new();
    world.claim("node-b", 1);
    world.ground.interfaces = Some([].into());
    let plan = world.plan("node-b");
    assert_eq!(plan.releases, [vip()]);
    assert!(plan.claims.is_empty());
}

#[test]
fn where_no_node_has_the_interface_one_of_them_tells() {
    let mut world = World::new();
    world.l2("interfaces: [nowhere0]");
    world.view.members.retain(|node, _| node.as_str() == "node-a");
    world.ground.interfaces = Some(["eth0".to_owned()].into());
    let plan = world.plan("node-a");
    assert_eq!(plan.failed[&web()], Interfaces::Named(["nowhere0".to_owned()].into()));
    assert!(plan.claims.is_empty() && plan.l2.is_empty());
}

#[test]
fn a_node_that_lost_its_gossip_address_announces_nothing() {
    let mut world = World::new();
    world.claim("node-b", 1);
    world.ground.cut_off = true;
    assert_eq!(world.code("node-b"), "cutOff");
    assert!(world.plan("node-b").l2.is_empty());
}

#[test]
fn every_address_that_may_become_ours_is_watched() {
    let mut world = World::new();
    world.claim("node-b", 1);
    assert!(world.plan("node-a").watched.contains(&vip()));
    world.node("node-a", |node| node.network_unavailable = true);
    assert!(world.plan("node-a").watched.is_empty());
}

#[test]
fn a_service_without_endpoints_does_not_keep_another_from_its_shared_address() {
    let mut world = World::new();
    world.cluster.services.insert(ObjectKey::new("default", "a"), Arc::new(service("", "10.0.0.1")));
    assert_eq!(world.plan("node-b").claims, [vip()], "a has no endpoints, web has");
    world.claim("node-b", 1);
    let plan = world.plan("node-b");
    let codes: Vec<_> = plan.verdicts.iter().map(|verdict| verdict.reason.code()).collect();
    assert_eq!(codes, ["noEndpoints", "owner"]);
}

#[test]
fn services_that_share_any_address_have_one_owner() {
    let mut world = World::new();
    world.cluster.resources.pools[0].spec = serde_yaml::from_str("addresses: [10.0.0.0/24, 'fd00::/120']").unwrap();
    world.config = Arc::new(ferrolb_config::parse(&world.cluster.resources).config);
    world.serve("web", "10.0.0.1}, {ip: 'fd00::1'");
    world.serve("six", "'fd00::1'");
    let claims: Vec<_> = ["node-a", "node-b", "node-c"].iter().flat_map(|me| world.plan(me).claims).collect();
    assert_eq!(claims, [vip()], "the two have one claim");
    world.claim("node-b", 1);
    let announced: Vec<_> = world.plan("node-b").l2.iter().map(|a| (a.vip.to_string(), a.services.len())).collect();
    assert_eq!(announced, [("10.0.0.1".to_owned(), 1), ("fd00::1".to_owned(), 2)]);
    assert!(world.plan("node-a").l2.is_empty());
}

#[test]
fn what_other_nodes_tell_of_themselves_counts() {
    let mut world = World::new();
    let mut facts = Facts { interfaces: [("eth0".to_owned(), [2, 0, 0, 0, 0, 1])].into(), ..Facts::default() };
    world.view.facts.insert(name("node-b"), Arc::new(facts.clone()));
    assert_eq!(world.code("node-a"), "vacant", "node-b is expected to claim");
    facts.draining = true;
    world.view.facts.insert(name("node-b"), Arc::new(facts));
    assert_eq!(world.plan("node-a").claims, [vip()]);
    assert_eq!(world.plan("node-a").vacant[&vip()].last(), Some(&name("node-b")), "last of all, but there");
    world.view.facts.insert(name("node-b"), Arc::default());
    let candidates = &world.plan("node-a").vacant[&vip()];
    assert!(!candidates.contains(&name("node-b")), "it has no interface");
    world.view.facts.clear();
    world.view.flapping.insert(name("node-b"));
    assert_eq!(world.plan("node-a").claims, [vip()]);
    world.claim("node-b", 1);
    assert_eq!(world.code("node-b"), "owner", "it keeps what it has");
}
