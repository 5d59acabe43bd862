//! Who is elected.

use std::sync::Arc;

use ferrolb_source::{Node, ObjectKey};
use ferrolb_speaker::Strategy;
use ferrolb_speaker::plan::first_election;

use crate::world::{World, endpoints, name, service, vip};

#[test]
fn the_best_ranked_claims_and_announces_only_then() {
    let mut world = World::new();
    assert_eq!(world.plan("node-b").claims, [vip()]);
    assert!(world.plan("node-b").l2.is_empty(), "a claim comes first");
    let expected = world.plan("node-b").expected;
    assert!(expected.len() == 1 && expected[0].vip == vip() && expected[0].fresh, "a stranger can be asked meanwhile");
    assert!(world.plan("node-a").expected.is_empty());
    assert!(world.plan("node-a").claims.is_empty());
    assert_eq!(world.code("node-a"), "vacant");
    world.claim("node-b", 1);
    assert_eq!(world.plan("node-b").l2[0].vip, vip());
    assert_eq!((world.code("node-b"), world.code("node-a")), ("owner", "notOwner"));
    assert!(world.plan("node-b").claims.is_empty() && world.plan("node-b").expected.is_empty());
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
    assert!(world.plan("node-b").expected.is_empty(), "it was held before");
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
fn metallb_knows_no_drain_and_no_claims() {
    let mut world = World::new();
    world.options.strategy = Strategy::Metallb;
    world.node("node-b", |node| node.drained = true);
    world.claim("node-c", 9);
    assert_eq!((world.code("node-b"), world.code("node-c")), ("owner", "notOwner"));
    assert!(world.plan("node-b").claims.is_empty());
}

#[test]
fn metallb_elects_as_the_published_vectors_say() {
    for (nodes, ip, owner) in [
        (vec!["node-a", "node-b", "node-c"], "10.0.0.1", "node-b"),
        (vec!["node-a", "node-c"], "10.0.0.1", "node-a"),
        (vec!["node-a", "node-c"], "10.0.0.2", "node-c"),
        (vec!["node-a", "node-b"], "10.0.0.30", "node-a"),
    ] {
        let mut world = World::new();
        world.options.strategy = Strategy::Metallb;
        world.cluster.services.clear();
        world.serve("web", ip);
        world.view.members.retain(|node, _| nodes.contains(&node.as_str()));
        let owners: Vec<&str> = nodes.iter().copied().filter(|node| !world.plan(node).l2.is_empty()).collect();
        assert_eq!(owners, [owner], "{ip}");
    }
}
