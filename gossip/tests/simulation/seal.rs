//! What comes from outside the cluster, or comes twice, changes nothing and is counted.

use ferrolb_gossip::{Config, Gossip, Input, Key, KeyRing, Output, Profile};

use crate::network::{EPOCH_MS, Node, Seen, Sim, ms, secs, vip};

/// A running cluster and everything that was on the wire in a second.
fn recorded(seed: u64) -> (Sim, Vec<Seen>) {
    let mut sim = Sim::cluster(seed, 3);
    sim.record = true;
    sim.claim(Node(1), &[vip(1)]);
    sim.run_for(secs(1));
    sim.record = false;
    let mut seen = std::mem::take(&mut sim.seen);
    // What is still under way would not come twice.
    seen.retain(|seen| seen.at <= sim.now - sim.start);
    assert!(seen.len() > 20);
    (sim, seen)
}

/// Nobody says anything that it would not have said without the datagrams.
fn refused(sim: &mut Sim, to: Node, datagrams: &[Seen]) {
    let (packets, version) = (sim.packets, sim.view(to).version);
    for seen in datagrams {
        sim.inject(to, seen.from, &seen.bytes);
    }
    assert_eq!(sim.packets, packets, "nothing is answered");
    assert_eq!(sim.view(to).version, version, "nothing changes");
}

fn sent_to(seen: &[Seen], node: Node) -> Vec<Seen> {
    let seen: Vec<Seen> = seen.iter().filter(|seen| seen.to == node.addr()).cloned().collect();
    assert!(seen.len() > 5);
    seen
}

#[test]
fn replayed_datagrams_are_dropped_and_counted() {
    let (mut sim, seen) = recorded(1);
    let seen = sent_to(&seen, Node(0));
    refused(&mut sim, Node(0), &seen);
    assert_eq!(sim.counters(Node(0)).replayed, seen.len() as u64);
}

#[test]
fn datagrams_of_an_earlier_life_are_answered_with_nothing_but_a_challenge() {
    let (mut sim, seen) = recorded(2);
    sim.crash(Node(1));
    sim.run_for(secs(2));
    let before = sim.view(Node(0)).version;
    // The attacker replays the dead node's datagrams to a survivor, which knows that session.
    refused(&mut sim, Node(0), &sent_to(&seen, Node(0)));
    // And to a node that restarted and has never met that session.
    sim.crash(Node(2));
    sim.start_node(Node(2), 0);
    sim.run_for(secs(70));
    let packets = sim.packets;
    let from_dead: Vec<Seen> = sent_to(&seen, Node(2)).into_iter().filter(|seen| seen.from == Node(1).addr()).collect();
    for seen in &from_dead {
        sim.inject(Node(2), seen.from, &seen.bytes);
    }
    assert_eq!(sim.packets - packets, from_dead.len() as u64, "one challenge each, no longer than what it answers");
    assert_eq!(sim.counters(Node(2)).unknown_session, from_dead.len() as u64);
    assert_eq!(sim.view(Node(2)).members.len(), 2, "the dead stay dead");
    assert!(sim.view(Node(0)).version >= before);
}

#[test]
fn forged_and_damaged_datagrams_are_dropped_and_counted() {
    let (mut sim, seen) = recorded(3);
    // A counter that was not used yet, so that the window does not refuse first.
    let mut forged = sent_to(&seen, Node(0));
    for seen in &mut forged {
        seen.bytes[20] ^= 0x01;
    }
    refused(&mut sim, Node(0), &forged);
    assert_eq!(sim.counters(Node(0)).forged, forged.len() as u64);
    // The same under an unknown session.
    for seen in &mut forged {
        seen.bytes[5] ^= 0x80;
    }
    refused(&mut sim, Node(0), &forged);
    assert_eq!(sim.counters(Node(0)).forged, 2 * forged.len() as u64);
}

#[test]
fn a_datagram_for_another_destination_is_dropped_and_counted() {
    let (mut sim, seen) = recorded(4);
    sim.run_for(secs(1));
    // What node 1 sent to node 2 reaches node 0, which has not seen these counters.
    let misled: Vec<Seen> = sent_to(&seen, Node(2)).into_iter().filter(|seen| seen.from == Node(1).addr()).collect();
    refused(&mut sim, Node(0), &misled);
    assert_eq!(sim.counters(Node(0)).forged, misled.len() as u64);
}

/// An invitation to node 0 from a machine with another key or cluster id.
fn invitation(key: [u8; 32], cluster_id: &str) -> Seen {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin; no time passes")]
    let now = std::time::Instant::now();
    let config = Config {
        name: "stranger".into(),
        advertise: Node(99).addr(),
        profile: Profile::default(),
        cluster_id: cluster_id.to_owned(),
        keys: Key::from_bytes(key).into(),
        boot: EPOCH_MS + 1000,
        session: [9; 16],
        seed: 1,
    };
    let mut gossip = Gossip::new(config, now);
    gossip.handle(now, Input::Seeds(vec![Node(0).addr()]));
    match gossip.poll() {
        Some(Output::Send { to, bytes }) => Seen { at: secs(0), from: Node(99).addr(), to, bytes },
        other => unreachable!("an invitation is sent, not {other:?}"),
    }
}

#[test]
fn other_keys_and_other_clusters_are_dropped_and_counted_before_decryption() {
    let mut sim = Sim::cluster(5, 3);
    refused(&mut sim, Node(0), &[invitation([41; 32], "test")]);
    assert_eq!(sim.counters(Node(0)).foreign_key, 1);
    refused(&mut sim, Node(0), &[invitation([42; 32], "another cluster")]);
    assert_eq!(sim.counters(Node(0)).foreign_key, 2);
    // The same with the right key and cluster is welcome.
    let welcome = invitation([42; 32], "test");
    let packets = sim.packets;
    sim.inject(Node(0), welcome.from, &welcome.bytes);
    assert!(sim.packets > packets);
    assert_eq!(sim.view(Node(0)).members.len(), 4);
}

#[test]
fn own_datagrams_that_come_back_are_dropped_and_counted() {
    let (mut sim, seen) = recorded(6);
    let own: Vec<Seen> = seen.into_iter().filter(|seen| seen.from == Node(0).addr()).collect();
    refused(&mut sim, Node(0), &own);
    assert_eq!(sim.counters(Node(0)).reflected, own.len() as u64);
}

#[test]
fn what_is_too_short_or_too_long_is_dropped_and_counted() {
    let mut sim = Sim::cluster(7, 2);
    for length in [0, 1, 40, 1233, 2048] {
        sim.inject(Node(0), Node(1).addr(), &vec![1; length]);
    }
    assert_eq!(sim.counters(Node(0)).malformed, 5);
}

#[expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
fn ring(keys: &[u8]) -> KeyRing {
    KeyRing::new(keys.iter().map(|key| Key::from_bytes([*key; 32])).collect()).unwrap()
}

/// The steps from the key of the simulated cluster to another one.
fn rotation() -> [KeyRing; 3] {
    [ring(&[42, 43]), ring(&[43, 42]), ring(&[43])]
}

#[test]
fn a_key_is_replaced_without_losing_a_member() {
    for seed in 0..5 {
        let mut sim = Sim::cluster(seed, 3);
        sim.loss = 0.05;
        sim.claim(Node(1), &[vip(1)]);
        for keys in rotation() {
            // Each step reaches the nodes in any order and at different moments; each is complete before the next.
            for node in [Node(2), Node(0), Node(1)] {
                let pause = ms(sim.random(2_000));
                sim.run_for(pause);
                sim.input(node, Input::Keys(keys.clone()));
            }
        }
        sim.run_for(secs(5));
        assert_eq!(sim.false_downs, [], "seed {seed}");
        assert!(sim.converged() && sim.all_agree(vip(1), Some(Node(1))));
        assert!(sim.total(|counters| counters.other_key) > 0, "both keys were in use");
        assert_eq!(sim.total(|counters| counters.foreign_key + counters.forged + counters.rejoins), 0);
        // The old key is of no use any more.
        refused(&mut sim, Node(0), &[invitation([42; 32], "test")]);
    }
}

#[test]
fn a_node_that_misses_a_key_is_lost_until_it_has_it() {
    let mut sim = Sim::cluster(8, 3);
    for keys in rotation() {
        for node in [Node(0), Node(1)] {
            sim.input(node, Input::Keys(keys.clone()));
        }
        sim.run_for(secs(1));
    }
    assert_eq!(sim.view(Node(0)).members.len(), 2);
    assert!(sim.counters(Node(2)).foreign_key > 0);
    sim.input(Node(2), Input::Keys(ring(&[43])));
    assert!(sim.run_until_or(secs(5), Sim::converged).is_some());
}
