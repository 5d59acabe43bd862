//! An address that nobody of the cluster held is asked for before and while it is first announced.

use super::*;
use crate::wire::ndp;

const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xee);
const BURST: [u128; 7] = [0, 50, 200, 500, 1_100, 2_200, 5_000];

fn fresh(vip: IpAddr) -> Announcement {
    Announcement { fresh: true, ..Announcement::everywhere(vip) }
}

/// Announces fresh addresses on eth0 from time zero on.
fn claiming(config: Config, vips: impl IntoIterator<Item = IpAddr>) -> Bench {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..config });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.handle(Input::Announce(vips.into_iter().map(fresh).collect()));
    bench
}

/// What a stranger says who holds `vip`.
fn stranger(bench: &mut Bench, mac: MacAddr, vip: IpAddr) {
    match vip {
        IpAddr::V4(_) => bench.frame(ETH0, &claim(mac, vip, vip)),
        IpAddr::V6(vip) => {
            let frame = ndp::announcement(mac, vip, vip).encode();
            bench.handle(Input::Frame { index: ETH0, bytes: &frame });
        }
    }
}

fn in_use(vip: IpAddr) -> AddressInUse {
    AddressInUse { vip, mac: OTHER, interface: "eth0".into() }
}

#[test]
fn fresh_address_is_asked_for_three_times_and_announced_after_a_millisecond() {
    for vip in [vip(1), vip6(1)] {
        let mut bench = claiming(Config::default(), [vip]);
        bench.run_until(20_000 * MS);
        assert_eq!(bench.times(vip, Purpose::Probe), [0, 200, 400]);
        assert_eq!(bench.times(vip, Purpose::Announce), BURST.map(|at| at + 1));
        assert_eq!(bench.announcer.in_use(), []);
        assert_eq!(bench.status(vip).counters.probes_sent, 3);
        let frame = match vip {
            IpAddr::V4(vip) => Frame::Arp(arp::probe(mac(ETH0), vip)),
            IpAddr::V6(vip) => Frame::Ndp(ndp::probe(mac(ETH0), vip)),
        };
        assert_eq!(bench.sent[0].frame, frame);
    }
}

fn expected(vip: IpAddr) -> Announcement {
    Announcement { expected: true, ..fresh(vip) }
}

#[test]
fn expected_address_is_asked_for_at_once_and_announced_when_it_is_due() {
    for (due, first) in [(Duration::ZERO, 1), (MS / 2, 1), (40 * MS, 40), (700 * MS, 700)] {
        let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
        bench.handle(Input::Interfaces(vec![interface(ETH0)]));
        bench.handle(Input::Announce(vec![expected(vip(1))]));
        bench.run_until(due);
        bench.frame(ETH0, &question(vip(1)));
        assert!(bench.announcer.status().is_empty());
        assert_eq!(bench.times(vip(1), Purpose::Announce), []);
        // Whoever asked for it did not know yet whether its claim would count.
        bench.handle(Input::Announce(vec![Announcement { reasserted: 1, ..fresh(vip(1)) }]));
        bench.run_until(20_000 * MS);
        assert_eq!(bench.times(vip(1), Purpose::Announce), BURST.map(|at| at + first), "{due:?}");
        assert_eq!(bench.times(vip(1), Purpose::Probe), [0, 200, 400]);
        assert_eq!(bench.times(vip(1), Purpose::Answer), []);
    }
}

#[test]
fn expected_address_that_a_stranger_holds_is_not_announced_when_it_is_due() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.handle(Input::Announce(vec![expected(vip(1))]));
    stranger(&mut bench, OTHER, vip(1));
    assert_eq!(bench.announcer.in_use(), [in_use(vip(1))]);
    bench.handle(Input::Announce(vec![fresh(vip(1))]));
    bench.run_until(10_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), []);
}

#[test]
fn expected_address_that_somebody_else_gets_is_forgotten() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.handle(Input::Announce(vec![expected(vip(1))]));
    bench.handle(Input::Announce(Vec::new()));
    bench.run_until(10_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), []);
    assert_eq!(bench.times(vip(1), Purpose::Probe), [0]);
}

#[test]
fn address_that_was_held_before_is_not_asked_for() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.handle(Input::Announce(vec![fresh(vip(1))]));
    bench.run_until(10_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Probe), []);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST);
}

#[test]
fn question_within_the_first_millisecond_is_not_answered() {
    let mut bench = claiming(Config::default(), [vip(1)]);
    bench.frame(ETH0, &question(vip(1)));
    assert_eq!(bench.times(vip(1), Purpose::Answer), []);
    bench.run_until(MS);
    bench.frame(ETH0, &question(vip(1)));
    assert_eq!(bench.times(vip(1), Purpose::Answer), [1]);
}

#[test]
fn stranger_who_answers_at_once_keeps_the_address() {
    for vip in [vip(1), vip6(1)] {
        let mut bench = claiming(Config::default(), [vip]);
        stranger(&mut bench, OTHER, vip);
        bench.run_until(50_000 * MS);
        assert_eq!(bench.sent.len(), 1, "one probe and nothing else");
        assert_eq!(bench.announcer.in_use(), [in_use(vip)]);
        assert!(bench.status(vip).interfaces.is_empty());
        assert!(bench.heard.iter().all(|heard| heard.mac == OTHER && !heard.announced));
    }
}

#[test]
fn stranger_who_answers_late_makes_the_announcement_stop() {
    for at in [2, 150, 399, 599] {
        let mut bench = claiming(Config::default(), [vip(1)]);
        bench.run_until(at * MS);
        assert!(bench.announcer.announces(ETH0, vip(1)));
        bench.take();
        stranger(&mut bench, OTHER, vip(1));
        bench.frame(ETH0, &question(vip(1)));
        bench.run_until(50_000 * MS);
        assert_eq!(bench.sent, [], "{at}");
        assert_eq!(bench.announcer.in_use(), [in_use(vip(1))]);
    }
}

#[test]
fn stranger_who_comes_after_the_window_is_a_conflict() {
    let mut bench = claiming(Config::default(), [vip(1)]);
    bench.run_until(601 * MS);
    bench.take();
    stranger(&mut bench, OTHER, vip(1));
    bench.run_until(2_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Defence), [951]);
    assert!(bench.announcer.announces(ETH0, vip(1)));
    assert_eq!(bench.announcer.in_use(), []);
}

#[test]
fn peer_who_claims_the_address_does_not_stop_the_announcement() {
    let mut bench = claiming(Config::default(), [vip(1)]);
    bench.handle(Input::Peers(BTreeSet::from([OTHER])));
    stranger(&mut bench, OTHER, vip(1));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST.map(|at| at + 1));
    assert_eq!(bench.heard.len(), 1);
}

#[test]
fn address_in_use_is_asked_for_every_minute_and_announced_when_the_stranger_is_gone() {
    let mut bench = claiming(Config::default(), [vip(1)]);
    stranger(&mut bench, OTHER, vip(1));
    bench.take();
    let mut looks = Vec::new();
    for _ in 0..10 {
        let deadline = bench.announcer.next_deadline().expect("the next look");
        let at = deadline - bench.start;
        bench.run_until(at);
        looks.push(at.as_millis());
        stranger(&mut bench, OTHER, vip(1));
    }
    assert_eq!(bench.times(vip(1), Purpose::Probe).len(), 10);
    assert_eq!(bench.sent.len(), 10, "silent all the time");
    let gaps: Vec<u128> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (54_000..=66_001).contains(gap)), "seed {SEED}: {gaps:?}");
    assert!(gaps.iter().max() > gaps.iter().min(), "seed {SEED}: jitter");

    bench.take();
    let next = bench.announcer.next_deadline().expect("the next look") - bench.start;
    bench.run_until(next + 599 * MS);
    assert_eq!((bench.times(vip(1), Purpose::Probe).len(), bench.sent.len()), (3, 3));
    assert_eq!(bench.announcer.in_use(), [in_use(vip(1))], "not before the last probe had its time");
    bench.run_until(next + 20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 7);
    assert_eq!(bench.announcer.in_use(), []);
}

#[test]
fn reassertion_looks_at_once_at_an_address_in_use() {
    let mut bench = claiming(Config::default(), [vip(1)]);
    stranger(&mut bench, OTHER, vip(1));
    bench.run_until(5_000 * MS);
    bench.take();
    bench.handle(Input::Announce(vec![Announcement { reasserted: 1, ..fresh(vip(1)) }]));
    bench.run_until(5_599 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Probe), [5_000, 5_200, 5_400]);
    assert_eq!(bench.times(vip(1), Purpose::Announce), []);
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST.map(|at| at + 5_600));
}

#[test]
fn address_in_use_is_announced_and_reported_where_the_operator_wants_it() {
    let mut bench = claiming(Config { announce_in_use: true, ..Config::default() }, [vip(1)]);
    stranger(&mut bench, OTHER, vip(1));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST);
    assert_eq!(bench.announcer.in_use(), [in_use(vip(1))]);
    // The stranger leaves.
    bench.run_until(100_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), BURST, "no new burst");
    assert_eq!(bench.announcer.in_use(), []);
}

#[test]
fn address_that_is_given_up_is_asked_for_no_more() {
    let mut bench = claiming(Config::default(), [vip(1), vip(2)]);
    stranger(&mut bench, OTHER, vip(2));
    bench.run_until(100 * MS);
    bench.take();
    bench.announce([]);
    bench.run_until(300_000 * MS);
    assert_eq!(bench.sent, []);
    assert_eq!(bench.announcer.in_use(), []);
    assert_eq!(bench.announcer.next_deadline(), None);
}

#[test]
fn interface_that_holds_a_stranger_does_not_silence_the_others() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.handle(Input::Announce(vec![fresh(vip(1))]));
    stranger(&mut bench, OTHER, vip(1));
    bench.run_until(20_000 * MS);
    assert!(!bench.announcer.announces(ETH0, vip(1)) && bench.announcer.announces(ETH1, vip(1)));
    assert_eq!(bench.announcer.in_use(), [in_use(vip(1))]);
}

#[test]
fn thousand_fresh_addresses_are_asked_for_and_announced_at_once() {
    let mut bench = claiming(Config::default(), (0..2_000).map(vip));
    bench.run_until(20_000 * MS);
    for purpose in [Purpose::Probe, Purpose::Announce] {
        let early = bench.sent.iter().filter(|event| event.purpose == purpose && event.at <= MS).count();
        assert!(early >= 1_000, "{purpose:?}: {early}");
    }
    let (probes, announced) = (bench.all_times(Purpose::Probe), bench.all_times(Purpose::Announce));
    for n in 0..2_000 {
        assert_eq!(probes[&vip(n)].len(), 3, "{n}");
        let first = announced[&vip(n)][0];
        assert!(first > probes[&vip(n)][0] && first <= 3_000, "{n}: {first}");
    }
}

#[test]
fn each_interface_defends_for_itself() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.announce([vip(1)]);
    bench.run_until(20_000 * MS);
    bench.take();
    for index in [ETH0, ETH1, ETH0, ETH1] {
        bench.frame(index, &claim(OTHER, vip(1), vip(1)));
    }
    bench.run_until(29_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Defence).len(), 2);
    assert_eq!(bench.sent.iter().map(|event| event.index).collect::<Vec<_>>(), [ETH0, ETH1]);
    assert_eq!(bench.status(vip(1)).counters.defences_sent, 2);
}
