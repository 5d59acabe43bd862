//! What the brain does with time, and with configurations that are refused.

use std::sync::Arc;
use std::time::Duration;

use ferrolb_speaker::brain::Input;

use crate::world::{World, claimed, drain, service, start, vip, web};

#[test]
fn a_successor_that_does_not_claim_is_passed_over() {
    let world = World::new();
    let now = start();
    let (mut brain, outputs) = world.brain("node-a", now);
    assert!(claimed(&outputs).is_empty(), "node-b comes first");
    assert_eq!(brain.next_deadline(), Some(now + Duration::from_millis(300)));
    let later = now + Duration::from_millis(300);
    brain.handle_deadline(later);
    assert_eq!(claimed(&drain(&mut brain)), [vip()]);
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
    let (mut brain, _) = world.brain("node-a", now);
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
