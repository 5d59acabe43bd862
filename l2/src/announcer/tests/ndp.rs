//! IPv6: the same schedule with other frames.

use super::*;
use crate::filter::ndp as filter_for;
use crate::wire::ndp::{self, Message};

const BURST: [u128; 7] = [0, 50, 200, 500, 1_100, 2_200, 5_000];
const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xee);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xc, 3);

fn v6(address: IpAddr) -> Ipv6Addr {
    let IpAddr::V6(address) = address else { panic!("{address} is not IPv6") };
    address
}

fn asks(target: IpAddr) -> NdpFrame {
    NdpFrame { source_ip: CLIENT6, link_layer: Some(CLIENT_MAC), ..ndp::probe(CLIENT_MAC, v6(target)) }
}

fn claims(mac: MacAddr, target: IpAddr) -> NdpFrame {
    ndp::announcement(mac, CLIENT6, v6(target))
}

fn receive(bench: &mut Bench, frame: &NdpFrame) {
    bench.handle(Input::Frame { index: ETH0, bytes: &frame.encode() });
}

#[test]
fn gained_address_is_announced_by_seven_unsolicited_advertisements() {
    let mut bench = Bench::announcing([vip6(1)]);
    bench.run_until(600_000 * MS);
    assert_eq!(bench.times(vip6(1), Purpose::Announce), BURST);
    assert_eq!(bench.sent.len(), 7, "one frame a round");
    let expected = ndp::announcement(mac(ETH0), link_local(ETH0), v6(vip6(1)));
    assert!(bench.sent.iter().all(|event| event.ndp() == expected));
    assert_eq!(bench.status(vip6(1)).counters.gratuitous_sent, 7);
    assert_eq!(bench.status(vip6(1)).interfaces.len(), 1);
}

#[test]
fn each_round_tells_the_gateways_whose_hardware_address_is_known() {
    let known = Gateway { index: ETH0, address: "fe80::9".parse().expect("an address"), mac: Some(mac(9)) };
    let unknown = Gateway { address: "fe80::8".parse().expect("an address"), mac: None, ..known };
    let other_family = Gateway { address: vip(254), ..known };
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Gateways(vec![known, unknown, other_family, Gateway { index: ETH1, ..known }]));
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce([vip6(1)]);
    bench.run_until(10_000 * MS);
    assert_eq!(bench.times(vip6(1), Purpose::Announce), BURST);
    assert_eq!(bench.times(vip6(1), Purpose::Gateway), BURST);
    let expected = NdpFrame {
        destination: mac(9),
        destination_ip: v6(known.address),
        ..ndp::announcement(mac(ETH0), link_local(ETH0), v6(vip6(1)))
    };
    assert!(bench.sent.iter().filter(|event| event.purpose == Purpose::Gateway).all(|event| event.ndp() == expected));
    assert_eq!((bench.sent.len(), bench.status(vip6(1)).counters.gateway_sent), (14, 7));
}

#[test]
fn without_a_link_local_address_advertisements_come_from_the_address_itself() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![Interface { link_local: None, ..interface(ETH0) }]));
    bench.announce([vip6(1)]);
    assert_eq!(bench.sent[0].ndp().source_ip, v6(vip6(1)));
    bench.take();
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.run_until(100 * MS);
    assert_eq!(bench.sent[0].ndp().source_ip, link_local(ETH0));
    assert_eq!(bench.times(vip6(1), Purpose::Announce), [50], "no new burst");
}

#[test]
fn questions_by_group_to_us_and_from_nowhere_are_answered() {
    let mut bench = Bench::announcing([vip6(1)]);
    bench.run_until(10_000 * MS);
    let nud = NdpFrame { destination: mac(ETH0), destination_ip: v6(vip6(1)), link_layer: None, ..asks(vip6(1)) };
    let probe = ndp::probe(CLIENT_MAC, v6(vip6(1)));
    for (question, to, to_ip, solicited) in [
        (asks(vip6(1)), CLIENT_MAC, CLIENT6, true),
        (nud, CLIENT_MAC, CLIENT6, true),
        (probe, ndp::group_mac(ndp::ALL_NODES), ndp::ALL_NODES, false),
    ] {
        bench.take();
        receive(&mut bench, &question);
        assert_eq!(bench.sent.len(), 1);
        let answer = bench.sent[0].ndp();
        assert_eq!((bench.sent[0].purpose, answer.destination, answer.destination_ip), (Purpose::Answer, to, to_ip));
        assert_eq!((answer.source_ip, answer.target), (link_local(ETH0), v6(vip6(1))));
        assert_eq!(answer.message, Message::Advertisement { router: false, solicited, overriding: true });
        assert_eq!(answer.link_layer, Some(mac(ETH0)));
    }
    assert_eq!(bench.status(vip6(1)).counters.requests_received, 3);
}

#[test]
fn questions_that_are_not_for_us_are_not_answered() {
    let mut bench = Bench::announcing([vip6(1)]);
    bench.handle(Input::Watch(BTreeSet::from([vip6(3)])));
    bench.take();
    for (name, frame) in [
        ("an address nobody announces", asks(vip6(9))),
        ("an address only watched", asks(vip6(3))),
        ("sent to another station", NdpFrame { destination: OTHER, ..asks(vip6(1)) }),
        ("our own, reflected", ndp::probe(mac(ETH0), v6(vip6(1)))),
    ] {
        receive(&mut bench, &frame);
        assert_eq!(bench.sent, [], "{name}");
    }
    assert_eq!(bench.announcer.interface_counters()[&ETH0].ignored, 4);
}

#[test]
fn foreign_advertisement_is_heard_and_defended_and_that_of_a_peer_is_not() {
    let mut bench = Bench::announcing([vip6(1)]);
    bench.handle(Input::Watch(BTreeSet::from([vip6(3)])));
    bench.run_until(20_000 * MS);
    bench.take();
    receive(&mut bench, &claims(OTHER, vip6(1)));
    receive(&mut bench, &claims(OTHER, vip6(3)));
    receive(&mut bench, &claims(OTHER, vip6(9)));
    bench.run_until(21_000 * MS);
    let heard: Vec<_> = bench.heard.iter().map(|heard| (heard.vip, heard.announced, heard.defended)).collect();
    assert_eq!(heard, [(vip6(1), true, true), (vip6(3), false, false)]);
    assert!(bench.heard.iter().all(|heard| heard.claim == Claim::Advertisement && heard.mac == OTHER));
    assert_eq!(bench.times(vip6(1), Purpose::Defence), [20_350]);
    assert_eq!(bench.sent.len(), 1);
    assert_eq!(bench.sent[0].ndp(), ndp::announcement(mac(ETH0), link_local(ETH0), v6(vip6(1))));
    assert_eq!(bench.status(vip6(1)).counters.defences_sent, 1);

    bench.handle(Input::Peers(BTreeSet::from([OTHER])));
    bench.take();
    bench.run_until(60_000 * MS);
    receive(&mut bench, &claims(OTHER, vip6(1)));
    bench.run_until(61_000 * MS);
    assert_eq!(bench.sent, []);
}

#[test]
fn groups_of_announced_and_watched_addresses_are_joined_and_left() {
    let group = |n| ndp::solicited_node(v6(vip6(n)));
    let mut bench = Bench::announcing([vip(1)]);
    assert!(bench.groups.is_empty(), "nothing to ask for");
    assert!(!bench.filters.contains_key(&(ETH0, Family::Ipv6)), "no socket either");
    bench.handle(Input::Watch(BTreeSet::from([vip6(1), vip6(2), vip(9)])));
    assert_eq!(bench.groups[&ETH0], BTreeSet::from([group(1), group(2)]), "ahead of ownership");
    bench.announce([vip6(1), vip6(7)]);
    assert_eq!(bench.groups[&ETH0], BTreeSet::from([group(1), group(2), group(7)]));
    bench.handle(Input::Watch(BTreeSet::new()));
    assert_eq!(bench.groups[&ETH0], BTreeSet::from([group(1), group(7)]));
    bench.handle(Input::Interfaces(vec![Interface { up: false, ..interface(ETH0) }]));
    assert!(bench.groups.is_empty());
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    assert_eq!(bench.groups[&ETH0], BTreeSet::from([group(1), group(7)]));
    bench.announce([]);
    assert!(bench.groups.is_empty());
    assert!(!bench.filters.contains_key(&(ETH0, Family::Ipv6)), "the socket is closed");
}

#[test]
fn filters_hold_what_is_announced_and_watched_of_their_family() {
    let mut bench = Bench::announcing([vip6(1), vip(1)]);
    bench.handle(Input::Watch(BTreeSet::from([vip6(2)])));
    let expected = filter_for([v6(vip6(1))], [v6(vip6(1)), v6(vip6(2))], 4096);
    assert_eq!(bench.filters[&(ETH0, Family::Ipv6)], expected);
}

#[test]
fn socket_of_one_family_that_fails_leaves_the_other_alone() {
    let mut bench = Bench::announcing([vip(1), vip6(1)]);
    bench.run_until(10_000 * MS);
    bench.take();
    bench.handle(Input::Port { index: ETH0, family: Family::Ipv6, event: PortEvent::Closed });
    assert!(bench.announcer.announces(ETH0, vip(1)) && !bench.announcer.announces(ETH0, vip6(1)));
    bench.handle(Input::Port { index: ETH0, family: Family::Ipv6, event: PortEvent::Open });
    bench.run_until(30_000 * MS);
    assert_eq!(bench.times(vip6(1), Purpose::Announce).len(), 7);
    assert_eq!(bench.times(vip(1), Purpose::Announce), []);
}

#[test]
fn two_thousand_addresses_of_both_families_get_their_first_frames_first() {
    let mut bench = Bench::announcing([]);
    // Those that may come to this node; so both sockets are open.
    bench.handle(Input::Watch(BTreeSet::from([vip(1), vip6(1)])));
    bench.announce((0..1_000).flat_map(|n| [vip(n), vip6(u16::try_from(n).expect("small"))]));
    bench.run_until(20_000 * MS);
    let first: BTreeSet<IpAddr> = bench.sent[..2_000].iter().map(|event| event.vip).collect();
    assert_eq!(first.len(), 2_000);
    assert!(bench.sent[..1_000].iter().all(|event| event.at.is_zero()), "one reserve for both families");
    assert!(bench.sent[1_999].at <= 510 * MS, "the rest at 2,000 a second: {:?}", bench.sent[1_999].at);
}

#[test]
fn refreshes_of_both_families_share_fifty_frames_a_second() {
    let mut bench = Bench::new(Config { seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce((0..1_000).flat_map(|n| [vip(n), vip6(u16::try_from(n).expect("small"))]));
    bench.run_until(120_000 * MS);
    bench.take();
    bench.run_until(130_000 * MS);
    assert!((450..=520).contains(&bench.sent.len()), "seed {SEED}: {} in 10 s", bench.sent.len());
}

#[test]
fn refresh_of_zero_ends_with_the_burst() {
    let mut bench = Bench::announcing([vip(1), vip6(1)]);
    bench.run_until(6_000 * MS);
    assert_eq!(bench.announcer.next_deadline(), None);
}
