//! The filter against the predicate it stands for.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use proptest::prelude::*;

use super::*;
use crate::filter::interpreter::{run, verify};
use crate::filter::{MAX_INSTRUCTIONS, OTHER_HOST};
use crate::wire::arp::{ArpFrame, Operation};

const BROADCAST_TYPE: u32 = 1;

fn frame(operation: Operation, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Vec<u8> {
    ArpFrame {
        source: MacAddr(2, 0, 0, 0, 0, 1),
        destination: MacAddr::broadcast(),
        operation,
        sender_mac: MacAddr(2, 0, 0, 0, 0, 1),
        sender_ip,
        target_mac: MacAddr::zero(),
        target_ip,
    }
    .encode()
}

type Set = BTreeSet<Ipv4Addr>;

fn wanted(targets: &Set, senders: &Set, operation: Operation, sender: Ipv4Addr, target: Ipv4Addr) -> bool {
    senders.contains(&sender) || (operation == Operation::Request && targets.contains(&target))
}

fn program(targets: &Set, senders: &Set, budget: usize) -> Vec<BpfInstruction> {
    let program = arp(targets.iter().copied(), senders.iter().copied(), budget);
    verify(&program);
    program
}

/// Every other address from `first` on: nothing joins.
fn scattered(first: [u8; 4], count: u32) -> Set {
    (0..count).map(|i| Ipv4Addr::from(u32::from(Ipv4Addr::from(first)) + 2 * i)).collect()
}

/// Sets with single addresses, ranges and both ends of the address space.
fn addresses() -> impl Strategy<Value = Set> {
    let near = (0_u32..600).prop_map(|low| 0xc000_0200 + low);
    let far = any::<u32>();
    let edge = prop_oneof![Just(0_u32), Just(u32::MAX), Just(0x7fff_ffff), Just(0x8000_0000)];
    proptest::collection::btree_set(prop_oneof![8 => near, 2 => far, 1 => edge].prop_map(Ipv4Addr::from), 0..400)
}

/// An address in the set, beside it, or anywhere.
fn probe(set: &Set, pick: usize, offset: i8, anywhere: u32) -> Ipv4Addr {
    match set.iter().nth(pick % (set.len() + 1)) {
        Some(address) => u32::from(*address).wrapping_add_signed(offset.into()).into(),
        None => anywhere.into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exact_filter_accepts_what_the_predicate_wants(
        targets in addresses(), senders in addresses(),
        probes in proptest::collection::vec(
            (any::<usize>(), -2_i8..=2, any::<usize>(), -2_i8..=2, any::<u32>(), 0_u16..4), 100),
    ) {
        let program = program(&targets, &senders, MAX_INSTRUCTIONS);
        for (pick_sender, beside_sender, pick_target, beside_target, anywhere, code) in probes {
            let sender = probe(&senders, pick_sender, beside_sender, anywhere);
            let target = probe(&targets, pick_target, beside_target, !anywhere);
            let operation = pnet_packet::arp::ArpOperation(code).into();
            let accepted = run(&program, &frame(operation, sender, target), BROADCAST_TYPE);
            let expected = if wanted(&targets, &senders, operation, sender, target) { SNAP_LEN } else { 0 };
            prop_assert_eq!(accepted, expected, "{:?} from {} for {}", operation, sender, target);
        }
    }

    #[test]
    fn filter_of_any_budget_keeps_it_and_never_drops_what_is_wanted(
        targets in addresses(), senders in addresses(), budget in MIN_BUDGET..1000,
    ) {
        let program = program(&targets, &senders, budget);
        prop_assert!(program.len() <= budget, "{} of {}", program.len(), budget);
        let nobody = Ipv4Addr::new(198, 51, 100, 7);
        for target in &targets {
            prop_assert_eq!(run(&program, &frame(Operation::Request, nobody, *target), BROADCAST_TYPE), SNAP_LEN);
        }
        for sender in &senders {
            prop_assert_eq!(run(&program, &frame(Operation::Reply, *sender, nobody), BROADCAST_TYPE), SNAP_LEN);
        }
    }
}

#[test]
fn nothing_wanted_is_a_single_drop() {
    assert_eq!(program(&Set::new(), &Set::new(), MAX_INSTRUCTIONS).len(), 1);
}

#[test]
fn thousand_scattered_addresses_fit_exactly() {
    let vips = scattered([192, 0, 2, 0], 1000);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    let stranger = Ipv4Addr::new(198, 51, 100, 7);
    for vip in &vips {
        let neighbour = Ipv4Addr::from(u32::from(*vip) + 1);
        for (target, accepted) in [(*vip, SNAP_LEN), (neighbour, 0)] {
            assert_eq!(
                run(&program, &frame(Operation::Request, stranger, target), BROADCAST_TYPE),
                accepted,
                "{target}"
            );
            assert_eq!(run(&program, &frame(Operation::Reply, target, stranger), BROADCAST_TYPE), accepted, "{target}");
        }
    }
}

#[test]
fn gapless_pool_of_any_size_costs_a_few_instructions() {
    let pool: Set = (0..65_536_u32).map(|low| Ipv4Addr::from(0x0a01_0000 + low)).collect();
    assert!(program(&pool, &pool, MAX_INSTRUCTIONS).len() <= MIN_BUDGET);
}

#[test]
fn more_addresses_than_fit_are_covered_by_ranges() {
    let vips = scattered([10, 0, 0, 0], 50_000);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    assert!(program.len() > MAX_INSTRUCTIONS * 9 / 10, "the budget is used: {}", program.len());
    let stranger = Ipv4Addr::new(198, 51, 100, 7);
    for vip in &vips {
        assert_eq!(run(&program, &frame(Operation::Request, stranger, *vip), BROADCAST_TYPE), SNAP_LEN);
    }
    let outside = Ipv4Addr::new(11, 0, 0, 0);
    assert_eq!(run(&program, &frame(Operation::Request, stranger, outside), BROADCAST_TYPE), 0);
}

#[test]
fn frames_of_other_types_hosts_and_lengths_are_dropped() {
    let vip = Ipv4Addr::new(192, 0, 2, 100);
    let vips = Set::from([vip]);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    let good = frame(Operation::Request, vip, vip);
    assert_eq!(run(&program, &good, BROADCAST_TYPE), SNAP_LEN);
    assert_eq!(run(&program, &good, OTHER_HOST), 0, "foreign VLAN");
    assert_eq!(run(&program, &good[..14], BROADCAST_TYPE), 0, "cut off");
    let mut ipv4 = good;
    ipv4[13] = 0;
    assert_eq!(run(&program, &ipv4, BROADCAST_TYPE), 0, "not ARP");
}
