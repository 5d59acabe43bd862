//! Moves that are meant: drains, preferences, balance, returns. The old owner answers until the new one does.

use std::time::Duration;

use ferrolb_speaker::Strategy;
use ferrolb_speaker::brain::Input;
use ferrolb_speaker::plan::{Cause, Ground};

use crate::world::{World, answers, claimed, drain, name, start, vip};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

#[test]
fn a_drained_owner_hands_over_and_answers_until_its_successor_was_heard() {
    let mut world = World::new();
    world.claim("node-b", 1);
    let now = start();
    let (mut old, _) = world.brain("node-b", now);
    assert_eq!(answers(&old), [vip()]);
    world.node("node-b", |node| node.drained = true);
    old.handle(now, Input::Cluster(world.cluster.clone().into()));
    drain(&mut old);
    assert_eq!(answers(&old), [vip()], "nobody has claimed yet");
    assert_eq!(world.code("node-b"), "handingOver");
    let (_, outputs) = world.brain("node-a", now);
    assert_eq!(claimed(&outputs), [vip()]);
    world.claim("node-a", 2);
    world.show(&mut old, now);
    assert_eq!(answers(&old), [vip()], "claimed, but not yet heard");
    old.handle(now, Input::Heard { vip: vip(), mac: MAC });
    assert!(answers(&old).is_empty());
    assert_eq!(world.code("node-b"), "notOwner");
}

#[test]
fn a_successor_that_stays_silent_is_not_waited_for_long() {
    let mut world = World::new();
    world.claim("node-b", 1);
    world.node("node-b", |node| node.drained = true);
    let now = start();
    let (mut old, _) = world.brain("node-b", now);
    world.claim("node-a", 2);
    world.show(&mut old, now);
    assert_eq!(answers(&old), [vip()]);
    let due = old.next_deadline().unwrap();
    assert_eq!(due, now + Duration::from_millis(300));
    old.handle_deadline(due);
    assert!(answers(&old).is_empty());
}

#[test]
fn a_drained_node_keeps_what_nobody_else_can_take_and_gets_nothing_back() {
    let mut world = World::new();
    world.claim("node-b", 1);
    for node in ["node-a", "node-b", "node-c"] {
        world.node(node, |node| node.drained = true);
    }
    assert_eq!(world.code("node-b"), "owner");
    world.node("node-a", |node| node.drained = false);
    assert_eq!(world.plan("node-a").claims, [vip()]);
    world.claim("node-a", 2);
    world.node("node-b", |node| node.drained = false);
    assert_eq!((world.code("node-a"), world.code("node-b")), ("owner", "notOwner"));
}

#[test]
fn a_node_whose_links_are_back_waits_for_the_others_before_it_takes_their_addresses() {
    let ground = |names: &[&str]| Ground {
        interfaces: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Ground::default()
    };
    let mut world = World::new();
    world.claim("node-b", 1);
    let now = start();
    let (mut brain, _) = world.brain("node-a", now);
    brain.handle(now, Input::Ground(ground(&["eth0"])));
    brain.handle(now, Input::Ground(ground(&[])));
    let others: Vec<_> = ["node-b", "node-c"].map(|node| world.view.members.remove_entry(&name(node)).unwrap()).into();
    assert!(claimed(&world.show(&mut brain, now)).is_empty(), "it cannot announce");
    brain.handle(now, Input::Ground(ground(&["eth0"])));
    assert!(claimed(&drain(&mut brain)).is_empty(), "the others may well live");
    assert_eq!(brain.plan().verdicts[0].reason.code(), "notReady");
    let mut alone = world.brain("node-a", now).0;
    alone.handle(now, Input::Ground(ground(&[])));
    alone.handle(now, Input::Ground(ground(&["eth0"])));
    drain(&mut alone);
    world.view.members.extend(others);
    world.show(&mut brain, now);
    assert_eq!(brain.plan().verdicts[0].reason.code(), "notOwner");
    let after = std::iter::from_fn(|| {
        let due = alone.next_deadline().unwrap();
        alone.handle_deadline(due);
        claimed(&drain(&mut alone)).is_empty().then_some(due)
    });
    assert!(after.last().unwrap() < now + Duration::from_secs(3));
    assert_eq!(alone.plan().claims, [vip()], "nobody else is there");
}

#[test]
fn an_owner_that_lost_a_conflict_stops_at_once() {
    let mut world = World::new();
    world.claim("node-b", 1);
    let now = start();
    let (mut loser, _) = world.brain("node-b", now);
    world.claim("node-c", 2);
    world.show(&mut loser, now);
    assert!(answers(&loser).is_empty());
}

#[test]
fn a_preferred_node_takes_over_after_a_minute_without_change() {
    let mut world = World::new();
    world.l2("preferredNodeSelectors: [{weight: 10, preference: {matchLabels: {zone: near}}}]");
    world.node("node-c", |node| node.labels.insert("zone", "near"));
    world.claim("node-b", 1);
    let now = start();
    let (mut preferred, outputs) = world.brain("node-c", now);
    assert!(claimed(&outputs).is_empty());
    assert_eq!(preferred.plan().upgrades[&vip()].cause, Cause::Preference(10));
    assert_eq!(preferred.next_deadline(), Some(now + Duration::from_secs(60)));
    // A member that comes starts the minute anew.
    let later = now + Duration::from_secs(50);
    let gone = world.view.members.remove(&name("node-a")).unwrap();
    world.show(&mut preferred, later);
    world.view.members.insert(name("node-a"), gone);
    world.show(&mut preferred, later);
    let due = later + Duration::from_secs(60);
    assert_eq!(preferred.next_deadline(), Some(due));
    preferred.handle_deadline(due);
    assert_eq!(claimed(&drain(&mut preferred)), [vip()]);
    // The old owner knows that it is a move and not a conflict.
    let (mut old, _) = world.brain("node-b", due);
    world.claim("node-c", 2);
    world.show(&mut old, due);
    assert_eq!(answers(&old), [vip()]);
    old.handle(due, Input::Heard { vip: vip(), mac: MAC });
    assert!(answers(&old).is_empty());
}

#[test]
fn under_metallb_a_node_that_returns_is_waited_for() {
    let mut world = World::new();
    world.options.strategy = Strategy::Metallb;
    let returning = world.view.members.remove(&name("node-b")).unwrap();
    let now = start();
    let (mut old, _) = world.brain("node-a", now);
    assert_eq!(answers(&old), [vip()]);
    let before = old.plan().l2[0].reasserted;
    world.view.members.insert(name("node-b"), returning);
    world.show(&mut old, now);
    assert_eq!(answers(&old), [vip()], "it has not begun yet");
    assert_eq!(old.next_deadline(), Some(now + Duration::from_secs(1)));
    assert_ne!(old.plan().l2[0].reasserted, before, "whoever comes may have announced");
    old.handle(now, Input::Heard { vip: vip(), mac: MAC });
    assert!(answers(&old).is_empty());
}

#[test]
fn balance_is_restored_one_address_at_a_time_and_only_in_calm() {
    let mut world = World::new();
    world.options.rebalance = true;
    world.cluster.services.clear();
    let ips: Vec<String> = (1..=12).map(|number| format!("10.0.0.{number}")).collect();
    for (number, ip) in ips.iter().enumerate() {
        world.serve(&format!("s{number}"), ip);
        world.claim_for(ip.parse().unwrap(), ["node-a", "node-b"][number % 2], 1);
    }
    let mut now = start();
    let (mut idle, outputs) = world.brain("node-c", now);
    assert!(claimed(&outputs).is_empty());
    let mut moves = Vec::new();
    while let Some(due) = idle.next_deadline() {
        let pause = due - now;
        now = due;
        idle.handle_deadline(now);
        let outputs = drain(&mut idle);
        let [vip] = claimed(&outputs)[..] else { panic!("{outputs:?}") };
        world.claim_for(vip, "node-c", 2);
        world.show(&mut idle, now);
        moves.push(pause.as_secs());
    }
    assert_eq!(moves[0], 60);
    assert!(moves.len() >= 2 && moves[1..].iter().all(|pause| *pause == 10), "{moves:?}");
    world.options.rebalance = false;
    assert_eq!(world.brain("node-c", now).0.next_deadline(), None);
}
