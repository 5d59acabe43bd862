//! What nodes tell about themselves reaches everybody, whatever happens.

use ferrolb_gossip::{Facts, Input};

use crate::network::{Node, Sim, ms, secs};

#[test]
fn facts_reach_all_members_in_one_trip_and_the_last_version_counts() {
    let mut sim = Sim::cluster(1, 16);
    sim.tell(Node(3), "one");
    sim.tell(Node(3), "two");
    assert!(sim.run_until_or(ms(1), |sim| sim.all_were_told(Node(3), "two")).is_some());
    sim.tell(Node(3), "three");
    assert!(sim.run_until_or(ms(1), |sim| sim.all_were_told(Node(3), "three")).is_some());
    let packets = sim.packets;
    sim.tell(Node(3), "three");
    assert_eq!(sim.packets, packets, "the same again costs nothing");
}

#[test]
fn the_largest_facts_arrive_whole_at_20_percent_loss() {
    let interfaces = (0..64_u8).map(|number| (format!("interface-{number:05}"), [2, 0, 0, 0, 0, number])).collect();
    let facts = Facts { interfaces, draining: true, version: "v".repeat(64) };
    for seed in 0..10 {
        let mut sim = Sim::cluster(seed, 9);
        sim.loss = 0.2;
        sim.input(Node(0), Input::Tell(facts.clone()));
        let told = |sim: &Sim| {
            sim.nodes()
                .iter()
                .all(|node| sim.view(*node).facts.get(&Node(0).name()).is_some_and(|told| **told == facts))
        };
        assert!(sim.run_until_or(secs(20), told).is_some(), "seed {seed}");
        assert!(sim.largest <= 1232);
    }
}

#[test]
fn who_joins_late_or_restarts_hears_everything() {
    let mut sim = Sim::cluster(2, 5);
    sim.loss = 0.05;
    for node in sim.nodes() {
        sim.tell(node, &format!("{}", node.0));
    }
    let all_told = |sim: &Sim| sim.nodes().iter().all(|node| sim.all_were_told(*node, &format!("{}", node.0)));
    assert!(sim.run_until_or(secs(10), all_told).is_some());
    sim.crash(Node(4));
    sim.run_until_or(secs(5), Sim::converged).expect("all notice");
    assert!(!sim.view(Node(0)).facts.contains_key(&Node(4).name()), "only of living members");
    sim.start_node(Node(4), 0);
    sim.tell(Node(4), "4");
    assert!(sim.run_until_or(secs(10), |sim| sim.converged() && all_told(sim)).is_some());
}

#[test]
fn facts_are_valid_for_the_life_that_told_them() {
    let mut sim = Sim::cluster(3, 3);
    sim.tell(Node(1), "old");
    sim.run_for(ms(10));
    sim.crash(Node(1));
    sim.run_for(ms(20));
    sim.start_node(Node(1), 0);
    sim.run_until_or(secs(2), Sim::converged).expect("it is back before anybody missed it");
    assert!(!sim.view(Node(0)).facts.contains_key(&Node(1).name()), "the new life has told nothing yet");
    sim.tell(Node(1), "new");
    assert!(sim.run_until_or(secs(1), |sim| sim.all_were_told(Node(1), "new")).is_some());
}

#[test]
fn a_node_that_stalled_tells_its_facts_again() {
    let mut sim = Sim::cluster(4, 4);
    sim.tell(Node(1), "here");
    sim.run_for(ms(10));
    sim.pause(Node(1), secs(2));
    sim.run_for(ms(2_001));
    let told = sim.run_until_or(secs(2), |sim| sim.converged() && sim.all_were_told(Node(1), "here"));
    assert!(told.is_some());
    assert_eq!(sim.counters(Node(1)).fresh_starts, 1);
}

#[test]
fn what_changed_on_the_other_side_of_a_partition_is_known_once_it_heals() {
    let mut sim = Sim::cluster(5, 6);
    for node in sim.nodes() {
        sim.tell(node, "before");
    }
    sim.run_for(ms(100));
    sim.split([0, 1]);
    sim.run_for(secs(2));
    sim.tell(Node(0), "after");
    sim.tell(Node(5), "after");
    sim.run_for(secs(1));
    sim.heal();
    let told = |sim: &Sim| sim.all_were_told(Node(0), "after") && sim.all_were_told(Node(5), "after");
    assert!(sim.run_until_or(secs(5), |sim| sim.converged() && told(sim)).is_some());
}

#[test]
fn digests_repair_what_was_never_heard() {
    let mut sim = Sim::cluster(6, 2);
    // Nothing of what is told now arrives, neither directly nor by gossip.
    sim.loss = 1.0;
    sim.tell(Node(0), "unheard");
    sim.run_for(ms(150));
    sim.loss = 0.0;
    let told = sim.run_until_or(secs(3), |sim| sim.all_were_told(Node(0), "unheard"));
    assert!(told.is_some());
}

#[test]
fn facts_cost_nothing_once_all_know_them() {
    let mut sim = Sim::cluster(7, 16);
    for node in sim.nodes() {
        sim.tell(node, "known");
    }
    sim.run_for(secs(5));
    let before = sim.packets;
    sim.run_for(secs(60));
    let packets = sim.packets - before;
    assert!(packets < 16 * 60 * 33, "{packets} packets in a minute");
}

#[test]
fn a_node_that_dies_three_times_is_known_as_flapping_for_ten_minutes() {
    let mut sim = Sim::cluster(8, 4);
    for round in 0..3 {
        assert!(sim.view(Node(0)).flapping.is_empty(), "round {round}");
        sim.crash(Node(2));
        sim.run_until_or(secs(3), Sim::converged).expect("all notice");
        sim.start_node(Node(2), 0);
        sim.run_until_or(secs(3), Sim::converged).expect("it is back");
    }
    let flapping = [Node(2).name()].into();
    for node in [Node(0), Node(1), Node(3)] {
        assert_eq!(sim.view(node).flapping, flapping);
    }
    sim.run_for(secs(590));
    assert_eq!(sim.view(Node(0)).flapping, flapping);
    let over = sim.run_until_or(secs(30), |sim| sim.view(Node(0)).flapping.is_empty());
    assert!(over.is_some());
}

#[test]
fn leaving_again_and_again_is_no_flapping() {
    let mut sim = Sim::cluster(9, 4);
    for _ in 0..4 {
        sim.input(Node(2), Input::Leave);
        sim.run_for(ms(50));
        sim.crash(Node(2));
        sim.run_for(ms(500));
        sim.start_node(Node(2), 0);
        sim.run_until_or(secs(3), Sim::converged).expect("it is back");
    }
    for node in [Node(0), Node(1), Node(3)] {
        assert!(sim.view(node).flapping.is_empty());
    }
}
