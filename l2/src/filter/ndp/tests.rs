//! The filter against the predicate it stands for.

use std::collections::BTreeSet;

use pnet_base::MacAddr;
use proptest::prelude::*;

use super::*;
use crate::filter::MAX_INSTRUCTIONS;
use crate::filter::interpreter::{run, verify};
use crate::wire::ndp::{Message, NdpFrame, announcement, probe as probe_for};

const MULTICAST_TYPE: u32 = 2;
const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);

type Set = BTreeSet<Ipv6Addr>;

fn solicitation(target: Ipv6Addr) -> Vec<u8> {
    NdpFrame { source_ip: CLIENT, ..probe_for(MAC, target) }.encode()
}

fn advertisement(target: Ipv6Addr) -> Vec<u8> {
    announcement(MAC, CLIENT, target).encode()
}

fn program(targets: &Set, senders: &Set, budget: usize) -> Vec<BpfInstruction> {
    let program = ndp(targets.iter().copied(), senders.iter().copied(), budget);
    verify(&program);
    program
}

fn pool(first: &str, count: u128, step: u128) -> Set {
    let first = u128::from(first.parse::<Ipv6Addr>().expect("an address"));
    (0..count).map(|n| Ipv6Addr::from(first + n * step)).collect()
}

/// Sets with neighbours, several prefixes, and any address at all.
fn addresses() -> impl Strategy<Value = Set> {
    let near = (0_u16..300).prop_map(|low| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low));
    let elsewhere = (0_u16..3, 0_u16..20).prop_map(|(net, low)| Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, 0xffff, low));
    proptest::collection::btree_set(
        prop_oneof![6 => near, 3 => elsewhere, 2 => any::<u128>().prop_map(Ipv6Addr::from)],
        0..200,
    )
}

/// An address in the set, beside it, or anywhere.
fn probe(set: &Set, pick: usize, offset: i8, anywhere: u128) -> Ipv6Addr {
    match set.iter().nth(pick % (set.len() + 1)) {
        Some(address) => u128::from(*address).wrapping_add_signed(offset.into()).into(),
        None => anywhere.into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exact_filter_accepts_what_the_predicate_wants_and_what_folds_alike(
        targets in addresses(), senders in addresses(),
        probes in proptest::collection::vec((any::<usize>(), -2_i8..=2, any::<u128>(), any::<bool>()), 100),
    ) {
        let program = program(&targets, &senders, MAX_INSTRUCTIONS);
        for (pick, beside, anywhere, asks) in probes {
            let set = if asks { &targets } else { &senders };
            let target = probe(set, pick, beside, anywhere);
            let alike = |set: &Set| set.iter().any(|address| fold(*address) == fold(target));
            let frame = if asks { solicitation(target) } else { advertisement(target) };
            let expected = if alike(set) { NDP_SNAP_LEN } else { 0 };
            prop_assert_eq!(run(&program, &frame, MULTICAST_TYPE), expected, "{} for {}", asks, target);
        }
    }

    #[test]
    fn filter_of_any_budget_keeps_it_and_never_drops_what_is_wanted(
        targets in addresses(), senders in addresses(), budget in MIN_NDP_BUDGET..1000,
    ) {
        let program = program(&targets, &senders, budget);
        prop_assert!(program.len() <= budget, "{} of {}", program.len(), budget);
        for target in &targets {
            prop_assert_eq!(run(&program, &solicitation(*target), MULTICAST_TYPE), NDP_SNAP_LEN);
        }
        for sender in &senders {
            prop_assert_eq!(run(&program, &advertisement(*sender), MULTICAST_TYPE), NDP_SNAP_LEN);
        }
    }
}

#[test]
fn nothing_wanted_is_a_single_drop() {
    assert_eq!(program(&Set::new(), &Set::new(), MAX_INSTRUCTIONS).len(), 1);
}

#[test]
fn thousand_scattered_addresses_fit_exactly() {
    let vips = pool("2001:db8::", 1000, 2);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    for vip in &vips {
        let neighbour = Ipv6Addr::from(u128::from(*vip) + 1);
        for (target, accepted) in [(*vip, NDP_SNAP_LEN), (neighbour, 0)] {
            assert_eq!(run(&program, &solicitation(target), MULTICAST_TYPE), accepted, "{target}");
            assert_eq!(run(&program, &advertisement(target), MULTICAST_TYPE), accepted, "{target}");
        }
    }
}

#[test]
fn gapless_pool_of_any_size_costs_a_few_instructions() {
    let pool = pool("2001:db8::", 65_536, 1);
    assert!(program(&pool, &pool, MAX_INSTRUCTIONS).len() <= MIN_NDP_BUDGET);
}

#[test]
fn thousand_foreign_hosts_of_the_same_link_do_not_pass() {
    let vips = pool("2001:db8::100", 100, 1);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    // Interface identifiers of Ethernet addresses (RFC 4291, appendix A), of which a link is full.
    let hosts = (0..1_000_u16).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x0200, 0x00ff, 0xfe00, n));
    let routers = (0..100_u16).map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n));
    for target in hosts.chain(routers) {
        assert_eq!(run(&program, &solicitation(target), MULTICAST_TYPE), 0, "{target}");
    }
}

#[test]
fn frames_of_other_types_hosts_and_hop_limits_are_dropped() {
    let vip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
    let vips = Set::from([vip]);
    let program = program(&vips, &vips, MAX_INSTRUCTIONS);
    let good = solicitation(vip);
    assert_eq!(run(&program, &good, MULTICAST_TYPE), NDP_SNAP_LEN);
    assert_eq!(run(&program, &good, OTHER_HOST), 0, "foreign VLAN");
    assert_eq!(run(&program, &good[..70], MULTICAST_TYPE), 0, "cut off");
    for (name, at, value) in [("ethertype", 13, 0x00), ("UDP", 20, 17), ("routed", 21, 254), ("echo", 54, 128)] {
        let mut frame = good.clone();
        frame[at] = value;
        assert_eq!(run(&program, &frame, MULTICAST_TYPE), 0, "{name}");
    }
    let only_targets = ndp([vip], [], MAX_INSTRUCTIONS);
    assert_eq!(run(&only_targets, &advertisement(vip), MULTICAST_TYPE), 0);
    let only_senders = ndp([], [vip], MAX_INSTRUCTIONS);
    assert_eq!(run(&only_senders, &solicitation(vip), MULTICAST_TYPE), 0);
    let to_one = NdpFrame { destination_ip: vip, ..NdpFrame::parse(&good).expect("a frame") };
    assert_eq!(to_one.message, Message::Solicitation);
    assert_eq!(run(&program, &to_one.encode(), 0), NDP_SNAP_LEN, "a probe of a known neighbour");
}
