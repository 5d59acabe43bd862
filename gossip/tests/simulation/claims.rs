//! Who claims which address: spreading, conflicts, takeover, and what voids a claim.

#![expect(clippy::indexing_slicing, reason = "tests only")]

use std::net::IpAddr;

use ferrolb_gossip::{Input, rank};

use crate::network::{Node, Sim, ms, secs, vip};

/// The node that has precedence among those that claim an address in the same epoch.
fn first_by_rank(nodes: &[Node], vip: IpAddr) -> Node {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_key(|node| rank(&node.name(), vip));
    nodes[0]
}

#[test]
fn a_claim_is_known_to_all_in_one_trip() {
    let mut sim = Sim::cluster(1, 64);
    sim.claim(Node(7), &[vip(1)]);
    let known = sim.run_until_or(secs(1), |sim| sim.all_agree(vip(1), Some(Node(7))));
    assert!(known.expect("all know it") < ms(1));
}

#[test]
fn a_claim_that_was_lost_on_the_way_is_repaired_within_300_milliseconds() {
    for seed in 0..20 {
        let mut sim = Sim::cluster(seed, 16);
        sim.loss = 0.2;
        let vips: Vec<IpAddr> = (0..50).map(vip).collect();
        sim.claim(Node(7), &vips);
        let known = sim.run_until_or(ms(300), |sim| vips.iter().all(|vip| sim.all_agree(*vip, Some(Node(7)))));
        assert!(known.is_some(), "seed {seed}");
    }
}

#[test]
fn claiming_again_what_is_owned_changes_nothing() {
    let mut sim = Sim::cluster(2, 3);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(secs(2));
    let (packets, version) = (sim.packets, sim.view(Node(0)).version);
    sim.claim(Node(0), &[vip(1)]);
    assert_eq!((sim.packets, sim.view(Node(0)).version), (packets, version));
    assert_eq!(sim.view(Node(0)).claims[&vip(1)].claim.epoch, 1);
}

#[test]
fn a_released_address_has_no_owner_until_it_is_claimed_again() {
    let mut sim = Sim::cluster(3, 3);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(ms(10));
    sim.input(Node(1), Input::Release(vec![vip(1)]));
    sim.run_for(ms(10));
    assert!(sim.all_agree(vip(1), Some(Node(0))), "only the owner can release");
    sim.input(Node(0), Input::Release(vec![vip(1)]));
    sim.run_for(ms(10));
    assert!(sim.all_agree(vip(1), None));
    sim.claim(Node(2), &[vip(1)]);
    sim.run_for(ms(10));
    assert!(sim.all_agree(vip(1), Some(Node(2))));
    assert_eq!(sim.view(Node(1)).claims[&vip(1)].claim.epoch, 3);
}

#[test]
fn a_planned_move_goes_to_the_newer_claim_without_a_conflict() {
    let mut sim = Sim::cluster(4, 16);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(ms(100));
    sim.claim(Node(1), &[vip(1)]);
    sim.run_for(secs(3));
    assert!(sim.all_agree(vip(1), Some(Node(1))));
    assert_eq!(sim.view(Node(1)).claims[&vip(1)].reasserted, 0, "echoes of the old claim are no conflict");
    assert_eq!(sim.counters(Node(0)).conflicts_lost, 1);
}

#[test]
fn two_claims_at_once_leave_one_owner_and_the_winner_repeats_its_announcement() {
    for seed in 0..10 {
        let mut sim = Sim::cluster(seed, 16);
        let (a, b) = (Node(2), Node(9));
        sim.claim(a, &[vip(1)]);
        sim.claim(b, &[vip(1)]);
        let winner = first_by_rank(&[a, b], vip(1));
        let settled = sim.run_until_or(ms(200), |sim| sim.all_agree(vip(1), Some(winner)));
        assert!(settled.is_some(), "seed {seed}");
        assert!(sim.view(winner).claims[&vip(1)].reasserted >= 1);
        sim.run_for(secs(5));
        assert_eq!(sim.view(winner).claims[&vip(1)].reasserted, 1, "seed {seed}: one conflict counts once");
    }
}

#[test]
fn a_conflict_after_an_even_partition_leaves_exactly_one_owner_everywhere() {
    for (size, side) in [(2, 1), (4, 2), (16, 8)] {
        let mut sim = Sim::cluster(u64::from(size), size);
        let (a, b) = (Node(0), Node(size - 1));
        sim.split(0..side);
        sim.run_for(secs(3));
        sim.claim(a, &[vip(1)]);
        sim.claim(b, &[vip(1)]);
        sim.run_for(secs(5));
        assert_eq!(sim.view(a).owner(vip(1)), Some(&a.name()));
        assert_eq!(sim.view(b).owner(vip(1)), Some(&b.name()));
        let winner = first_by_rank(&[a, b], vip(1));
        let before = sim.view(winner).claims[&vip(1)].reasserted;
        sim.heal();
        let settled = sim.run_until_or(secs(4), |sim| sim.converged() && sim.all_agree(vip(1), Some(winner)));
        println!("{size} nodes: settled after {settled:?}");
        assert!(settled.is_some(), "{size} nodes");
        sim.run_for(secs(3));
        assert!(sim.all_agree(vip(1), Some(winner)));
        // Once for each member of the other side that is back, once for the conflict.
        let times = sim.view(winner).claims[&vip(1)].reasserted - before;
        assert!((1..=u32::from(size - side) + 1).contains(&times), "{size} nodes: {times}");
    }
}

#[test]
fn the_owner_announces_again_when_a_member_that_was_cut_off_is_back() {
    let mut sim = Sim::cluster(5, 3);
    sim.claim(Node(2), &[vip(1)]);
    sim.run_for(secs(1));
    // The owner's link goes down; it answers for the address all the time.
    sim.split([2]);
    sim.run_for(secs(2));
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(secs(1));
    let before = sim.view(Node(0)).claims[&vip(1)].reasserted;
    sim.heal();
    let settled = sim.run_until_or(secs(4), |sim| sim.converged() && sim.all_agree(vip(1), Some(Node(0))));
    assert!(settled.is_some());
    assert!(sim.view(Node(0)).claims[&vip(1)].reasserted > before);
}

#[test]
fn the_larger_part_of_a_partition_keeps_its_addresses_and_the_smaller_gives_up_what_it_took() {
    for (seed, (size, cut_off)) in (0..30).zip([(3, 1), (5, 2), (16, 4)].into_iter().cycle()) {
        let mut sim = Sim::cluster(seed, size);
        for number in 0..size {
            sim.claim(Node(number), &[vip(number)]);
        }
        sim.run_for(secs(2));
        sim.split(0..cut_off);
        sim.run_for(secs(2));
        // Each side takes over what the other owned.
        let theirs: Vec<IpAddr> = (cut_off..size).map(vip).collect();
        sim.claim(Node(0), &theirs);
        let ours: Vec<IpAddr> = (0..cut_off).map(vip).collect();
        sim.claim(Node(size - 1), &ours);
        sim.run_for(secs(8));
        sim.heal();
        // Who owns an address on the larger side owns it all the time, in the eyes of everybody there.
        let interrupted = sim.run_until_or(secs(5), |sim| {
            (cut_off..size).any(|observer| {
                let view = sim.view(Node(observer));
                (cut_off..size).any(|owner| view.owner(vip(owner)) != Some(&Node(owner).name()))
            })
        });
        assert_eq!(interrupted, None, "{size} nodes");
        assert!(sim.converged() && sim.all_ready());
        for number in cut_off..size {
            assert!(sim.all_agree(vip(number), Some(Node(number))), "{size} nodes: address {number}");
        }
        for number in 0..cut_off {
            assert!(sim.all_agree(vip(number), Some(Node(size - 1))), "{size} nodes: address {number}");
            assert!(sim.counters(Node(number)).fresh_starts >= 1);
        }
    }
}

#[test]
fn who_was_cut_off_owns_nothing_from_the_moment_it_sees_the_others_again() {
    for (seed, (size, cut_off)) in (0..30).zip([(3, 1), (5, 2), (16, 4)].into_iter().cycle()) {
        let mut sim = Sim::cluster(seed, size);
        let all: Vec<IpAddr> = (0..size).map(vip).collect();
        for number in 0..size {
            sim.claim(Node(number), &[vip(number)]);
        }
        sim.run_for(secs(2));
        sim.split(0..cut_off);
        sim.run_for(secs(2));
        sim.claim(Node(0), &all);
        sim.run_for(secs(8));
        let seen = sim.view(Node(0)).members.len();
        sim.heal();
        let both = sim.run_until_or(secs(5), |sim| {
            let view = sim.view(Node(0));
            view.members.len() > seen && all.iter().any(|vip| view.owner(*vip) == Some(&Node(0).name()))
        });
        assert_eq!(both, None, "{size} nodes, seed {seed}");
        assert!(sim.converged() && sim.all_ready());
    }
}

#[test]
fn who_outlived_the_others_keeps_everything_when_they_are_started_again() {
    let mut sim = Sim::cluster(9, 3);
    sim.run_for(secs(1));
    sim.crash(Node(1));
    sim.crash(Node(2));
    sim.run_for(secs(2));
    sim.claim(Node(0), &[vip(0), vip(1)]);
    sim.run_for(secs(8));
    sim.start_node(Node(1), 0);
    let lost = sim.run_until_or(secs(5), |sim| {
        let view = sim.view(Node(0));
        view.owner(vip(0)) != Some(&Node(0).name()) || view.owner(vip(1)) != Some(&Node(0).name())
    });
    assert_eq!(lost, None);
    assert!(sim.all_ready());
}

#[test]
fn a_late_joiner_learns_a_thousand_claims_before_it_is_ready() {
    for loss in [0.0, 0.2] {
        let mut sim = Sim::cluster(5, 3);
        sim.crash(Node(2));
        sim.run_for(secs(2));
        let vips: Vec<IpAddr> = (0..1000).map(vip).collect();
        sim.claim(Node(0), &vips[..600]);
        sim.claim(Node(1), &vips[600..]);
        sim.run_for(secs(30));
        sim.loss = loss;
        sim.start_node(Node(2), 0);
        let ready = sim.run_until_or(secs(10), |sim| sim.view(Node(2)).ready).expect("the joiner becomes ready");
        println!("loss {loss}: ready after {ready:?}");
        let view = sim.view(Node(2));
        for (number, vip) in vips.iter().enumerate() {
            let owner = if number < 600 { Node(0) } else { Node(1) };
            assert_eq!(view.owner(*vip), Some(&owner.name()), "loss {loss}: {vip}");
        }
        assert!(sim.largest <= 1232);
    }
}

#[test]
fn thousands_of_claims_at_once_reach_everybody_in_spite_of_loss() {
    let mut sim = Sim::cluster(13, 5);
    sim.loss = 0.05;
    let vips: Vec<IpAddr> = (0..4000).map(vip).collect();
    for (node, vips) in (0..).map(Node).zip(vips.chunks(800)) {
        sim.claim(node, vips);
    }
    sim.run_for(secs(5));
    for (number, vip) in vips.iter().enumerate() {
        let owner = Node(u16::try_from(number / 800).expect("small"));
        assert!(sim.all_agree(*vip, Some(owner)), "{vip}");
    }
    let busy = sim.packets;
    sim.run_for(secs(10));
    assert!(sim.packets - busy < 5 * 10 * 60, "{} packets: it is quiet again", sim.packets - busy);
}

#[test]
fn a_survivor_of_two_takes_over() {
    let mut sim = Sim::cluster(6, 2);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(secs(1));
    sim.crash(Node(0));
    let noticed = sim.run_until_or(secs(2), |sim| sim.view(Node(1)).owner(vip(1)).is_none());
    assert!(noticed.expect("the owner is gone") < ms(850));
    assert!(sim.view(Node(1)).ready);
    sim.claim(Node(1), &[vip(1)]);
    sim.run_for(secs(30));
    assert!(sim.all_agree(vip(1), Some(Node(1))));
    assert_eq!(sim.counters(Node(1)).fresh_starts, 0);
}

#[test]
fn a_paused_node_comes_back_without_its_claims() {
    for pause in [ms(1000), secs(10), secs(120)] {
        let mut sim = Sim::cluster(7, 3);
        sim.claim(Node(0), &[vip(1), vip(2)]);
        sim.run_for(secs(1));
        sim.pause(Node(0), pause);
        sim.run_for(ms(900));
        sim.claim(Node(1), &[vip(1)]);
        assert_eq!(sim.view(Node(0)).owner(vip(1)), Some(&Node(0).name()), "it knows nothing yet");
        let own = |sim: &Sim| sim.view(Node(0)).owner(vip(1)) == Some(&Node(0).name());
        let boot = sim.view(Node(0)).me.boot;
        sim.run_until_or(pause, |sim| sim.view(Node(0)).me.boot != boot).expect("it notices");
        assert!(!own(&sim), "before anything else, its claims are void");
        assert_eq!(sim.view(Node(0)).owner(vip(2)), None, "also what nobody took");
        let back = sim.run_until_or(secs(3), |sim| sim.converged() && sim.all_ready()).expect("it is back");
        println!("paused {pause:?}: back after {back:?}");
        assert!(sim.all_agree(vip(1), Some(Node(1))));
        assert!(sim.all_agree(vip(2), None));
    }
}

#[test]
fn a_node_that_stalls_with_its_only_peer_gone_waits_three_seconds() {
    let mut sim = Sim::cluster(8, 2);
    sim.crash(Node(1));
    sim.run_for(secs(5));
    sim.claim(Node(0), &[vip(1)]);
    sim.pause(Node(0), ms(500));
    sim.run_for(ms(600));
    assert_eq!(sim.view(Node(0)).owner(vip(1)), None);
    assert!(!sim.view(Node(0)).ready);
    assert!(sim.run_until_or(secs(3), Sim::all_ready).is_some());
}

#[test]
fn a_single_node_keeps_its_claims_when_it_stalls() {
    let mut sim = Sim::new(9);
    sim.boot(1);
    sim.run_for(secs(4));
    sim.claim(Node(0), &[vip(1)]);
    sim.pause(Node(0), secs(2));
    sim.run_for(secs(3));
    assert!(sim.all_agree(vip(1), Some(Node(0))), "nobody could have taken over");
}

#[test]
fn a_quick_restart_voids_the_claims_for_everybody() {
    let mut sim = Sim::cluster(10, 16);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(secs(1));
    sim.crash(Node(0));
    sim.run_for(ms(20));
    sim.start_node(Node(0), 0);
    let void = sim.run_until_or(secs(1), |sim| sim.converged() && sim.all_agree(vip(1), None));
    assert!(void.expect("void everywhere") < ms(100));
    let ready = sim.run_until_or(secs(1), Sim::all_ready);
    assert!(ready.is_some());
    assert_eq!(sim.view(Node(0)).claims[&vip(1)].claim.epoch, 1, "it knows the epoch to exceed");
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(ms(100));
    assert!(sim.all_agree(vip(1), Some(Node(0))));
}

#[test]
fn a_leaving_node_sees_its_successors_claims() {
    for seed in 0..10 {
        let mut sim = Sim::cluster(seed, 3);
        sim.claim(Node(0), &[vip(1)]);
        sim.run_for(secs(1));
        sim.loss = 0.2;
        sim.input(Node(0), Input::Leave);
        sim.claim(Node(0), &[vip(2)]);
        assert_eq!(sim.view(Node(0)).owner(vip(2)), None, "it never claims again");
        sim.run_until_or(secs(1), |sim| sim.view(Node(1)).owner(vip(1)).is_none()).expect("the departure is known");
        sim.claim(Node(1), &[vip(1)]);
        let seen = sim.run_until_or(secs(1), |sim| sim.view(Node(0)).owner(vip(1)) == Some(&Node(1).name()));
        assert!(seen.is_some(), "seed {seed}");
    }
}

#[test]
fn claims_without_owner_are_forgotten_everywhere_after_ten_minutes() {
    let mut sim = Sim::cluster(12, 3);
    sim.claim(Node(0), &[vip(1)]);
    sim.claim(Node(1), &[vip(2)]);
    sim.run_for(secs(1));
    sim.crash(Node(0));
    sim.run_for(secs(590));
    assert!(sim.view(Node(1)).claims.contains_key(&vip(1)));
    // A restart in between does not make the memory younger.
    sim.crash(Node(2));
    sim.run_for(ms(50));
    sim.start_node(Node(2), 0);
    sim.run_for(secs(45));
    for node in sim.nodes() {
        assert!(!sim.view(node).claims.contains_key(&vip(1)), "{node:?}");
        assert!(sim.view(node).claims.contains_key(&vip(2)), "{node:?}");
    }
}

#[test]
fn tables_agree_after_claims_crashes_and_partitions_at_random() {
    for seed in 0..12 {
        let mut sim = Sim::cluster(seed, 8);
        sim.loss = 0.05;
        for _ in 0..30 {
            let node = Node(u16::try_from(sim.random(8)).expect("small"));
            let alive = sim.nodes().contains(&node);
            match sim.random(8) {
                0 if alive => sim.crash(node),
                1 if !alive => sim.start_node(node, 0),
                2 => sim.split(0..4),
                3 => sim.split([node.0]),
                4 => sim.heal(),
                5 if alive => {
                    let vip = vip(u16::try_from(sim.random(20)).expect("small"));
                    sim.input(node, Input::Release(vec![vip]));
                }
                _ if alive => {
                    let vip = vip(u16::try_from(sim.random(20)).expect("small"));
                    sim.claim(node, &[vip]);
                }
                _ => {}
            }
            let pause = ms(sim.random(800));
            sim.run_for(pause);
        }
        sim.heal();
        let agree = |sim: &Sim| sim.converged() && sim.all_ready() && (0..20).all(|number| sim.agreed(vip(number)));
        let settled = sim.run_until_or(secs(10), agree);
        assert!(settled.is_some(), "seed {seed}");
        sim.run_for(secs(2));
        assert!(agree(&sim), "seed {seed}: agreement lasts");
    }
}

/// Those who take themselves for the owner.
fn owners(sim: &Sim, vip: IpAddr) -> Vec<Node> {
    sim.nodes().into_iter().filter(|node| sim.view(*node).owner(vip) == Some(&node.name())).collect()
}

#[test]
fn a_node_that_stalled_for_any_time_owns_nothing_that_others_took_over() {
    for (seed, pause) in (0..).zip([100, 250, 299, 310, 330, 350, 400, 500, 1_000, 3_000, 10_000, 60_000]) {
        let mut sim = Sim::cluster(seed, 4);
        sim.claim(Node(0), &[vip(1)]);
        sim.run_for(secs(1));
        sim.pause(Node(0), ms(pause));
        let end = sim.now + ms(pause);
        // The others do what speakers do: the next in line takes over as soon as the owner is gone.
        let gone = |sim: &Sim| sim.view(Node(1)).owner(vip(1)).is_none();
        let taken = sim.run_until_or(ms(pause - 1), gone).is_some();
        if taken {
            sim.claim(Node(1), &[vip(1)]);
        }
        sim.run_for(end.duration_since(sim.now + ms(1)));
        // From the moment it wakes nobody but the one that took over takes himself for the owner.
        let both = sim.run_until_or(secs(3), |sim| sim.now > end && owners(sim, vip(1)).len() > 1);
        assert_eq!(both, None, "stalled for {pause} ms, {taken}");
        assert_eq!(owners(&sim, vip(1)), if taken { vec![Node(1)] } else { owners(&sim, vip(1)) });
        assert!(sim.converged() && sim.agreed(vip(1)));
        assert_eq!(taken, pause > 450, "stalled for {pause} ms");
    }
}

#[test]
fn a_computer_that_slept_takes_nothing_for_its_own() {
    let mut sim = Sim::cluster(9, 3);
    sim.claim(Node(0), &[vip(1)]);
    sim.run_for(secs(1));
    sim.input(Node(0), Input::Slept(ms(200)));
    assert_eq!(owners(&sim, vip(1)), [Node(0)], "that is tolerated");
    sim.input(Node(0), Input::Slept(secs(2)));
    assert_eq!(owners(&sim, vip(1)), []);
    assert_eq!(sim.counters(Node(0)).fresh_starts, 1);
    assert!(sim.run_until_or(secs(3), |sim| sim.converged() && sim.all_ready()).is_some());
    assert_eq!(sim.false_downs.iter().filter(|(_, by, _)| *by != Node(0)).count(), 0);
}
