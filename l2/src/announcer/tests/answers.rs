//! Who is answered, and what is done about others who claim our addresses.

use super::*;

const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xee);

#[test]
fn question_for_an_announced_address_is_answered_to_the_asker() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.take();
    bench.frame(ETH0, &question(vip(1)));
    assert_eq!(bench.sent.len(), 1);
    assert_eq!(bench.sent[0].purpose, Purpose::Answer);
    assert_eq!(bench.sent[0].arp(), arp::answer(&question(vip(1)), mac(ETH0)));
    let counters = bench.status(vip(1)).counters;
    assert_eq!((counters.requests_received, counters.responses_sent, counters.conflicts), (1, 1, 0));
    assert_eq!(bench.heard, []);
}

#[test]
fn probe_is_answered() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.take();
    bench.frame(ETH0, &ArpFrame { sender_ip: Ipv4Addr::UNSPECIFIED, ..question(vip(1)) });
    assert_eq!(bench.sent.len(), 1);
    assert_eq!(bench.sent[0].arp().target_mac, CLIENT_MAC);
}

#[test]
fn questions_that_are_not_for_us_are_not_answered() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    let elsewhere = Interfaces::Named(BTreeSet::from(["eth1".to_owned()]));
    bench.handle(Input::Announce(vec![
        everywhere(vip(1)),
        Announcement { vip: vip(2), interfaces: elsewhere, reasserted: 0, fresh: false, expected: false },
    ]));
    bench.handle(Input::Watch(BTreeSet::from([vip(3)])));
    bench.take();
    for (name, index, frame) in [
        ("an address nobody announces", ETH0, question(vip(9))),
        ("an address announced on another interface", ETH0, question(vip(2))),
        ("an address only watched", ETH0, question(vip(3))),
        ("sent to another station", ETH0, ArpFrame { destination: OTHER, ..question(vip(1)) }),
        ("our own, reflected", ETH0, ArpFrame { sender_mac: mac(ETH0), source: mac(ETH0), ..question(vip(1)) }),
        ("our own, from the other interface", ETH0, ArpFrame { sender_mac: mac(ETH1), ..question(vip(1)) }),
        ("a reply", ETH0, ArpFrame { operation: Operation::Reply, ..question(vip(1)) }),
        ("an unknown interface", 77, question(vip(1))),
    ] {
        bench.frame(index, &frame);
        assert_eq!(bench.sent, [], "{name}");
    }
    assert_eq!(bench.heard, []);
    let counters = bench.announcer.interface_counters()[&ETH0];
    assert_eq!((counters.frames_received, counters.ignored), (7, 7));
}

#[test]
fn address_that_was_lost_is_not_answered_for() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.announce([]);
    bench.take();
    bench.frame(ETH0, &question(vip(1)));
    assert_eq!(bench.sent, []);
}

#[test]
fn garbage_is_counted() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.handle(Input::Frame { index: ETH0, bytes: &[0; 20] });
    assert_eq!(bench.announcer.interface_counters()[&ETH0].malformed, 1);
}

#[test]
fn foreign_claim_is_reported_and_defended_once_in_ten_seconds() {
    let mut bench = Bench::announcing([vip(1), vip(2)]);
    bench.run_until(20_000 * MS);
    bench.take();
    for second in 20..45 {
        bench.run_until(second * 1_000 * MS);
        for _ in 0..3 {
            bench.frame(ETH0, &claim(OTHER, vip(1), vip(1)));
        }
    }
    assert_eq!(bench.times(vip(1), Purpose::Defence), [20_350, 30_350, 40_350]);
    assert_eq!(bench.sent.len(), 3, "nothing but the defence");
    let IpAddr::V4(address) = vip(1) else { panic!("IPv4") };
    assert_eq!(bench.sent[0].arp(), arp::announce_request(mac(ETH0), address));
    assert_eq!(bench.heard.len(), 75);
    assert!(bench.heard.iter().all(|heard| heard.announced && heard.mac == OTHER && heard.interface == "eth0"));
    assert_eq!(bench.heard.iter().filter(|heard| heard.defended).count(), 3);
    assert_eq!(bench.status(vip(1)).counters.conflicts, 75);
    assert_eq!(bench.status(vip(2)).counters.conflicts, 0);
}

#[test]
fn each_address_is_defended_for_itself() {
    let mut bench = Bench::announcing([vip(1), vip(2)]);
    bench.run_until(20_000 * MS);
    for n in [1, 2, 1, 2] {
        bench.frame(ETH0, &claim(OTHER, vip(n), vip(n)));
    }
    bench.run_until(21_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Defence).len(), 1);
    assert_eq!(bench.times(vip(2), Purpose::Defence).len(), 1);
}

#[test]
fn an_address_that_is_given_up_in_a_moment_is_not_defended() {
    let mut bench = Bench::announcing([vip(1), vip(2)]);
    bench.run_until(20_000 * MS);
    for n in [1, 2] {
        bench.frame(ETH0, &claim(OTHER, vip(n), vip(n)));
    }
    bench.run_until(20_100 * MS);
    bench.announce([vip(2)]);
    bench.run_until(21_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Defence), [] as [u128; 0]);
    assert_eq!(bench.times(vip(2), Purpose::Defence), [20_350]);
}

#[test]
fn claim_of_a_peer_is_reported_and_not_defended() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.handle(Input::Peers(BTreeSet::from([OTHER])));
    bench.take();
    bench.frame(ETH0, &claim(OTHER, vip(1), vip(1)));
    assert_eq!(bench.sent, []);
    assert!(bench.heard[0].announced && !bench.heard[0].defended);
    assert_eq!(bench.status(vip(1)).counters.conflicts, 1);
}

#[test]
fn gratuitous_request_of_another_owner_is_reported_and_not_answered() {
    let mut bench = Bench::announcing([]);
    bench.handle(Input::Watch(BTreeSet::from([vip(5)])));
    bench.frame(ETH0, &ArpFrame { operation: Operation::Request, ..claim(OTHER, vip(5), vip(5)) });
    assert_eq!(bench.sent, []);
    assert_eq!(
        bench.heard,
        [Heard {
            vip: vip(5),
            mac: OTHER,
            index: ETH0,
            interface: "eth0".into(),
            claim: Claim::ArpRequest,
            announced: false,
            defended: false,
        }]
    );
    bench.announce([vip(5)]);
    bench.handle(Input::Peers(BTreeSet::from([OTHER])));
    bench.take();
    bench.frame(ETH0, &ArpFrame { operation: Operation::Request, ..claim(OTHER, vip(5), vip(5)) });
    assert_eq!(bench.sent, [], "it tells, it does not ask");
}

#[test]
fn own_frames_are_never_heard() {
    let mut bench = Bench::announcing([vip(1)]);
    for event in bench.take() {
        bench.frame(ETH0, &event.arp());
    }
    assert_eq!(bench.heard, []);
    assert_eq!(bench.status(vip(1)).counters.conflicts, 0);
}
