//! Who is alive: joining, dying, healing, leaving, restarting.

use ferrolb_gossip::{Counters, Input};

use crate::network::{Node, Sim, ms, secs, vip};

#[test]
fn clusters_of_3_16_and_64_form_within_a_second_and_become_ready() {
    for size in [3, 16, 64] {
        let mut sim = Sim::new(u64::from(size));
        sim.boot(size);
        let formed = sim.run_until_or(secs(1), Sim::converged).expect("all know each other");
        let ready = sim.run_until_or(secs(1), Sim::all_ready).expect("all are ready");
        println!("{size} nodes: formed {formed:?}, ready after another {ready:?}, largest datagram {}", sim.largest);
        assert!(sim.largest <= 1232);
        assert_eq!(sim.false_downs, []);
    }
}

#[test]
fn a_node_without_seeds_is_found_by_those_who_know_it() {
    let mut sim = Sim::new(5);
    sim.seeds_known = false;
    for number in 0..3 {
        sim.start_node(Node(number), 0);
    }
    sim.run_for(secs(1));
    assert!(!sim.converged(), "nobody knows anybody");
    sim.tell_seeds(Node(1));
    assert!(sim.run_until_or(secs(2), Sim::converged).is_some());
}

#[test]
fn a_node_that_starts_finds_the_living_one_among_many_dead() {
    for seed in 0..20 {
        let mut sim = Sim::cluster(seed, 9);
        for number in 1..9 {
            sim.crash(Node(number));
        }
        sim.run_for(secs(3));
        sim.start_node(Node(8), 0);
        assert!(sim.run_until_or(ms(600), Sim::converged).is_some(), "long before it takes itself for the only one");
    }
}

#[test]
fn a_single_node_is_ready_after_three_seconds() {
    let mut sim = Sim::new(6);
    sim.boot(1);
    let ready = sim.run_until_or(secs(10), Sim::all_ready);
    assert_eq!(ready, Some(secs(3)));
}

#[test]
fn a_crash_is_known_to_all_within_the_bound() {
    for (size, loss, seed) in [(2, 0.0, 1), (3, 0.0, 2), (3, 0.05, 3), (16, 0.0, 4), (16, 0.05, 5), (64, 0.0, 6)] {
        let mut sim = Sim::cluster(seed, size);
        sim.loss = loss;
        let mut worst = ms(0);
        for _ in 0..5 {
            let pause = ms(1000 + sim.random(1000));
            sim.run_for(pause);
            let victim = Node(u16::try_from(sim.random(u64::from(size))).unwrap());
            sim.crash(victim);
            let known = sim.run_until_or(secs(3), Sim::converged).expect("all survivors notice");
            worst = worst.max(known);
            sim.start_node(victim, 0);
            sim.run_until_or(secs(5), Sim::converged).expect("the victim is back");
        }
        println!("{size} nodes at {loss}: worst {worst:?}");
        let bound = if loss > 0.0 { ms(1000) } else { ms(450) };
        assert!(worst <= bound, "{size} nodes at {loss}: {worst:?}");
        assert_eq!(sim.false_downs, [], "{size} nodes at {loss}");
    }
}

#[test]
fn a_verdict_and_a_departure_reach_everybody_in_one_trip() {
    for seed in 0..5 {
        let mut sim = Sim::cluster(seed, 64);
        sim.run_for(secs(1));
        sim.crash(Node(9));
        let knows = |sim: &Sim, node: Node| sim.view(node).members.len() == 63;
        sim.run_until_or(secs(2), |sim| sim.nodes().iter().any(|node| knows(sim, *node))).expect("one notices");
        let all = sim.run_until_or(secs(2), Sim::converged).expect("all notice");
        assert!(all < ms(1), "seed {seed}: the verdict took {all:?}");

        sim.input(Node(20), Input::Leave);
        sim.crash(Node(20));
        let all = sim.run_until_or(secs(2), Sim::converged).expect("all notice");
        assert!(all < ms(1), "seed {seed}: the departure took {all:?}");
    }
}

#[test]
fn two_nodes_find_each_other_after_a_partition() {
    for seed in 0..10 {
        let mut sim = Sim::cluster(seed, 2);
        sim.split([0]);
        sim.run_for(secs(10));
        assert!(!sim.converged());
        assert_eq!(sim.view(Node(0)).members.len(), 1);
        sim.heal();
        assert!(sim.run_until_or(secs(2), Sim::converged).is_some(), "seed {seed}");
    }
}

#[test]
fn partitions_of_any_shape_heal_within_two_seconds() {
    for (size, side) in [(3, 1), (4, 2), (16, 4), (16, 8), (64, 32)] {
        let mut sim = Sim::cluster(u64::from(size), size);
        sim.split(0..side);
        sim.run_for(secs(10));
        sim.heal();
        let healed = sim.run_until_or(secs(10), Sim::converged).expect("the partition heals");
        println!("{size} nodes, {side} cut off: healed after {healed:?}");
        assert!(healed <= secs(2), "{size} nodes, {side} cut off: {healed:?}");
    }
}

#[test]
fn a_node_that_hears_nobody_takes_nobody_down_with_it() {
    for seed in 0..20 {
        let size = 2 + u16::try_from(seed % 6).expect("small");
        let mut sim = Sim::cluster(seed, size);
        sim.claim(Node(1), &[vip(1)]);
        sim.run_for(secs(1));
        sim.deaf = [Node(0)].into();
        // It will take the owner for dead, and its address for vacant.
        assert!(sim.run_until_or(secs(2), |sim| sim.view(Node(0)).members.len() == 1).is_some());
        sim.claim(Node(0), &[vip(1)]);
        sim.run_for(secs(1));
        let wrong: Vec<_> =
            sim.false_downs.iter().filter(|(_, by, lost)| *by != Node(0) && *lost != Node(0).name()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(sim.view(Node(1)).owner(vip(1)), Some(&Node(1).name()));
        assert_eq!(sim.view(Node(1)).me.rejoins, 0, "it was not told that it is dead");
        sim.deaf.clear();
        assert!(sim.run_until_or(secs(3), |sim| sim.converged() && sim.agreed(vip(1))).is_some());
    }
}

#[test]
fn a_refuted_suspicion_never_makes_a_healthy_member_change_its_identity() {
    // foca 2.0.0 by itself: hundreds of changed identities an hour at this loss.
    let mut sim = Sim::cluster(11, 3);
    sim.loss = 0.05;
    sim.run_for(secs(600));
    assert!(sim.total(|counters| counters.stale_suspicions) > 10, "suspicions were raised and refuted");
    assert_eq!(sim.total(|counters| counters.rejoins), 0);
    assert_eq!(sim.total(|counters| counters.fresh_starts), 0);
    assert_eq!(sim.false_downs, []);
}

#[test]
fn nobody_is_declared_down_wrongly_at_5_percent_loss() {
    nobody_is_declared_down_wrongly(21, 0.05);
}

#[test]
fn nobody_is_declared_down_wrongly_at_20_percent_loss() {
    nobody_is_declared_down_wrongly(22, 0.2);
}

/// `MINUTES=60 NODES=64` lets it run as long as `make soak` does.
#[expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may fail the test")]
fn nobody_is_declared_down_wrongly(seed: u64, loss: f64) {
    let from_environment = |name, default: u16| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (minutes, nodes) = (from_environment("MINUTES", 3), from_environment("NODES", 16));
    let mut sim = Sim::cluster(seed, nodes);
    sim.loss = loss;
    sim.run_for(secs(60 * u64::from(minutes)));
    let sum = |count: fn(&Counters) -> u64| sim.total(count);
    println!(
        "{nodes} nodes, {minutes} min, {loss} loss: {} probes and {} of {} checks failed, {} suspicions refuted, {} false deaths",
        sum(|counters| counters.probes_failed),
        sum(|counters| counters.checks_failed),
        sum(|counters| counters.checks),
        sum(|counters| counters.suspicions_refuted),
        sim.false_downs.len(),
    );
    assert_eq!(sim.false_downs, []);
    assert_eq!(sim.total(|counters| counters.rejoins), 0);
    assert!(sim.total(|counters| counters.checks) > 10, "the loss was felt");
    assert!(sim.converged());
}

#[test]
fn leaving_is_known_to_all_at_5_percent_loss() {
    for seed in 0..20 {
        let mut sim = Sim::cluster(seed, 16);
        sim.loss = 0.05;
        sim.run_for(ms(500));
        sim.input(Node(3), Input::Leave);
        assert!(!sim.view(Node(3)).members.contains_key(&Node(3).name()));
        sim.crash(Node(3));
        let known = sim.run_until_or(ms(200), Sim::converged);
        assert!(known.is_some(), "seed {seed}");
    }
}

#[test]
fn a_node_that_left_stays_away_although_it_is_invited() {
    let mut sim = Sim::cluster(31, 3);
    sim.input(Node(0), Input::Leave);
    sim.run_for(secs(5));
    for node in [Node(1), Node(2)] {
        assert_eq!(sim.view(node).members.len(), 2);
    }
    assert_eq!(sim.counters(Node(0)).rejoins, 0);
    assert_eq!(sim.counters(Node(0)).fresh_starts, 0);
}

#[test]
fn a_quick_restart_is_noticed_by_everybody_before_detection_could() {
    for size in [2, 3, 16, 64] {
        let mut sim = Sim::cluster(u64::from(size) + 40, size);
        sim.run_for(secs(1));
        sim.crash(Node(0));
        sim.run_for(ms(20));
        sim.start_node(Node(0), 0);
        let known = sim.run_until_or(secs(2), Sim::converged).expect("everybody sees the new life");
        println!("{size} nodes: {known:?}");
        assert!(known < ms(100), "{size} nodes: {known:?}");
        let restarts = sim.total(|counters| counters.members_restarted);
        assert!(restarts >= u64::from(size) - 1, "{restarts}");
    }
}

#[test]
fn clocks_that_are_minutes_apart_do_not_keep_nodes_from_joining() {
    let mut sim = Sim::new(51);
    sim.start_node(Node(0), 0);
    sim.start_node(Node(1), 600_000);
    sim.start_node(Node(2), -600_000);
    let formed = sim.run_until_or(secs(2), Sim::converged);
    assert!(formed.is_some());
    assert!(sim.total(|counters| counters.challenges) > 0);
}

#[test]
fn a_node_whose_clock_was_set_back_restarts_into_its_cluster() {
    let mut sim = Sim::cluster(52, 3);
    sim.run_for(secs(30));
    sim.crash(Node(1));
    sim.run_for(ms(50));
    sim.start_node(Node(1), -3_600_000);
    let before = sim.packets;
    let joined = sim.run_until_or(secs(2), Sim::converged);
    assert!(joined.is_some());
    assert!(sim.packets - before < 300, "{} packets: no storm of renewed identities", sim.packets - before);
    assert!(sim.counters(Node(1)).fresh_starts >= 1);
}

#[test]
fn a_stall_within_the_tolerance_is_forgiven() {
    let mut sim = Sim::cluster(61, 16);
    for _ in 0..20 {
        sim.run_for(secs(2));
        sim.pause(Node(5), ms(250));
    }
    sim.run_for(secs(2));
    assert_eq!(sim.false_downs, []);
    assert_eq!(sim.counters(Node(5)).fresh_starts, 0);
}

#[test]
fn a_node_that_wakes_up_declares_nobody_down() {
    let mut sim = Sim::cluster(62, 16);
    for _ in 0..10 {
        sim.run_for(secs(3));
        sim.pause(Node(5), ms(1000));
    }
    sim.run_for(secs(3));
    // It forgets everybody itself, as after a restart, but nobody else loses anybody.
    let wrong: Vec<_> =
        sim.false_downs.iter().filter(|(_, observer, lost)| *observer != Node(5) && *lost != Node(5).name()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(sim.counters(Node(5)).fresh_starts, 10);
    assert!(sim.converged());
}

#[test]
fn the_idle_cost_of_a_node_does_not_depend_on_the_number_of_nodes() {
    for size in [3, 16, 64] {
        let mut sim = Sim::cluster(u64::from(size), size);
        sim.run_for(secs(20));
        let sums = |sim: &Sim| (sim.packets, sim.total(|counters| counters.sent_bytes));
        let before = sums(&sim);
        sim.run_for(secs(60));
        let after = sums(&sim);
        let (packets, bytes) = (after.0 - before.0, after.1 - before.1);
        assert!(packets < u64::from(size) * 60 * 33, "{size} nodes: {packets} packets in a minute");
        // With the headers of IPv4 and UDP.
        let bytes = bytes + 28 * packets;
        assert!(bytes < u64::from(size) * 60 * 3_000, "{size} nodes: {bytes} bytes in a minute");
    }
}
