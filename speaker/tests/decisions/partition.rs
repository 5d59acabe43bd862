//! What a part of the cluster does that does not see the rest.

use ferrolb_speaker::PartitionPolicy;

use crate::world::{World, vip};

fn seeing(policy: PartitionPolicy, members: &[&str]) -> World {
    let mut world = World::new();
    world.options.partition_policy = policy;
    world.claim("node-b", 1);
    world.view.members.retain(|node, _| members.contains(&node.as_str()));
    world
}

#[test]
fn by_default_every_part_announces() {
    assert_eq!(seeing(PartitionPolicy::Available, &["node-b"]).code("node-b"), "owner");
    assert_eq!(seeing(PartitionPolicy::Available, &["node-a", "node-c"]).plan("node-a").claims, [vip()]);
}

#[test]
fn with_a_quorum_only_the_larger_part_announces() {
    let minority = seeing(PartitionPolicy::Quorum, &["node-b"]);
    assert_eq!(minority.code("node-b"), "noQuorum");
    let plan = minority.plan("node-b");
    assert!(plan.l2.is_empty() && plan.claims.is_empty() && plan.vacant.is_empty());
    let reason = plan.verdicts[0].reason.to_string();
    assert!(reason.contains("1 of the 3"), "{reason}");
    assert_eq!(seeing(PartitionPolicy::Quorum, &["node-a", "node-c"]).plan("node-a").claims, [vip()]);
    assert_eq!(seeing(PartitionPolicy::Quorum, &["node-a", "node-b"]).code("node-b"), "owner");
}

#[test]
fn of_two_halves_the_one_with_the_first_node_announces() {
    for (alive, expected) in [("node-a", 1), ("node-b", 0)] {
        let mut world = seeing(PartitionPolicy::Quorum, &[alive]);
        world.cluster.nodes.remove("node-c");
        world.view.claims.clear();
        assert_eq!(world.plan(alive).claims.len(), expected, "{alive}");
    }
}

#[test]
fn only_nodes_that_could_announce_count_whatever_their_condition() {
    let mut world = seeing(PartitionPolicy::Quorum, &["node-b"]);
    world.node("node-c", |node| node.labels.insert(ferrolb_api::EXCLUDE_LABEL, ""));
    world.node("node-a", |node| node.labels.insert("zone", "x"));
    assert_eq!(world.code("node-b"), "noQuorum", "1 of 2, without the first");
    world.l2("nodeSelectors: [{matchExpressions: [{key: zone, operator: DoesNotExist}]}]");
    assert_eq!(world.code("node-b"), "owner", "1 of 1");
    // A condition may be seen on one side only.
    let mut world = seeing(PartitionPolicy::Quorum, &["node-b"]);
    world.node("node-a", |node| node.network_unavailable = true);
    assert_eq!(world.code("node-b"), "noQuorum");
}

#[test]
fn without_node_objects_there_is_no_quorum() {
    let mut world = seeing(PartitionPolicy::Quorum, &["node-a", "node-b", "node-c"]);
    world.cluster.nodes.clear();
    assert_eq!(world.code("node-b"), "noQuorum");
}
