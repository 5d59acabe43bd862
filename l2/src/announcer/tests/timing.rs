//! When a single address is announced.

use super::*;

const BURST: [u128; 7] = [0, 50, 200, 500, 1_100, 2_200, 5_000];

#[test]
fn gained_address_is_announced_in_a_burst_of_seven_rounds() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(600_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST);
    assert_eq!(bench.times(vip(1), Purpose::Reply), BURST);
    assert_eq!(bench.sent.len(), 14);
    assert_eq!(bench.status(vip(1)).counters.gratuitous_sent, 14);
    let IpAddr::V4(address) = vip(1) else { panic!("IPv4") };
    assert_eq!(bench.sent[0].arp(), arp::announce_request(mac(ETH0), address));
    assert_eq!(bench.sent[1].arp(), arp::announce_reply(mac(ETH0), address));
}

#[test]
fn saying_the_same_again_sends_nothing() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.take();
    bench.announce([vip(1)]);
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.run_until(30_000 * MS);
    assert_eq!(bench.sent, []);
}

#[test]
fn reassertion_restarts_the_burst_and_keeps_the_time_of_announcement() {
    let mut bench = Bench::announcing([vip(1), vip(2)]);
    bench.run_until(10_000 * MS);
    let since = bench.status(vip(1)).interfaces;
    assert_eq!(since.len(), 1);
    bench.take();
    bench.handle(Input::Announce(vec![Announcement { reasserted: 7, ..everywhere(vip(1)) }, everywhere(vip(2))]));
    bench.run_until(30_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST.map(|at| at + 10_000));
    assert_eq!(bench.times(vip(2), Purpose::Announce), []);
    assert_eq!(bench.status(vip(1)).interfaces, since);
}

#[test]
fn reassertion_in_the_middle_of_a_burst_starts_it_from_the_beginning() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(300 * MS);
    bench.take();
    bench.handle(Input::Announce(vec![Announcement { reasserted: 1, ..everywhere(vip(1)) }]));
    bench.run_until(30_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST.map(|at| at + 300));
}

#[test]
fn lost_address_falls_silent_at_once() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(100 * MS);
    bench.take();
    bench.announce([]);
    bench.run_until(600_000 * MS);
    assert_eq!(bench.sent, []);
    assert_eq!(bench.announcer.next_deadline(), None);
    assert!(bench.announcer.status().is_empty());
}

#[test]
fn regained_address_gets_a_new_burst() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.announce([]);
    bench.take();
    bench.announce([vip(1)]);
    bench.run_until(30_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Reply), BURST.map(|at| at + 10_000));
}

#[test]
fn announcement_is_refreshed_about_every_minute_after_the_burst() {
    let mut bench = Bench::new(Config { seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce([vip(1)]);
    bench.run_until(3_600_000 * MS);
    let requests = bench.times(vip(1), Purpose::Announce);
    assert_eq!(requests[..7], BURST);
    let gaps: Vec<u128> = requests[6..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (54_000..=66_000).contains(gap)), "seed {SEED}: {gaps:?}");
    assert!(gaps.iter().max() > gaps.iter().min(), "seed {SEED}: jitter");
    assert!((54..=67).contains(&gaps.len()), "seed {SEED}: {} in an hour", gaps.len());
    assert_eq!(bench.times(vip(1), Purpose::Reply), requests);
}

#[test]
fn each_round_tells_the_gateways_of_its_interface() {
    let known = Gateway { index: ETH0, address: vip(254), mac: Some(mac(9)) };
    let unknown = Gateway { index: ETH0, address: vip(253), mac: None };
    let other_family = Gateway { address: vip6(254), ..known };
    let elsewhere = Gateway { index: ETH1, ..known };
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Gateways(vec![known, unknown, elsewhere, known, other_family]));
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce([vip(1)]);
    bench.run_until(10_000 * MS);
    let frames: Vec<&Event> = bench.sent.iter().filter(|event| event.purpose == Purpose::Gateway).collect();
    assert_eq!(frames.len(), 2 * BURST.len());
    assert_eq!(bench.status(vip(1)).counters.gateway_sent, 14);
    assert_eq!(bench.status(vip(1)).counters.gratuitous_sent, 14);
    for pair in frames.chunks(2) {
        let target = |event: &Event| (IpAddr::V4(event.arp().target_ip), event.arp().destination);
        assert_eq!(target(pair[0]), (unknown.address, MacAddr::broadcast()));
        assert_eq!(target(pair[1]), (known.address, mac(9)));
        assert_eq!(IpAddr::V4(pair[0].arp().sender_ip), vip(1));
    }
}
