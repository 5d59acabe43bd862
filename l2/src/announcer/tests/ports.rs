//! Interfaces come, go and change; filters follow.

use super::*;

fn named(vip: IpAddr, names: &[&str]) -> Announcement {
    let names = names.iter().map(ToString::to_string).collect();
    Announcement { vip, interfaces: Interfaces::Named(names), reasserted: 0, fresh: false, expected: false }
}

fn names(status: &VipStatus) -> Vec<&str> {
    status.interfaces.names().collect()
}

#[test]
fn announcement_uses_the_interfaces_it_names() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.handle(Input::Announce(vec![named(vip(1), &["eth1", "eth7"]), everywhere(vip(2)), named(vip(3), &[])]));
    bench.run_until(10_000 * MS);
    assert_eq!(names(&bench.status(vip(1))), ["eth1"]);
    assert_eq!(names(&bench.status(vip(2))), ["eth0", "eth1"]);
    assert_eq!(names(&bench.status(vip(3))), Vec::<&str>::new());
    assert!(bench.sent.iter().all(|event| event.vip != vip(1) || event.index == ETH1));
    assert_eq!(bench.status(vip(2)).counters.gratuitous_sent, 28);
}

#[test]
fn entries_for_one_address_are_united() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.handle(Input::Announce(vec![named(vip(1), &["eth0"]), named(vip(1), &["eth1"])]));
    assert_eq!(names(&bench.status(vip(1))), ["eth0", "eth1"]);
}

#[test]
fn interface_that_is_down_is_left_alone_until_it_comes_up() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![Interface { up: false, ..interface(ETH0) }]));
    bench.announce([vip(1)]);
    bench.run_until(1_000 * MS);
    assert_eq!((bench.sent.len(), bench.filters.len()), (0, 0));
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce)[..2], [1_000, 1_050]);
}

#[test]
fn interface_that_goes_down_and_up_gets_a_new_burst() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.handle(Input::Interfaces(vec![Interface { up: false, ..interface(ETH0) }]));
    assert_eq!(names(&bench.status(vip(1))), Vec::<&str>::new());
    bench.take();
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 7);
}

#[test]
fn new_hardware_address_is_announced_in_a_new_burst() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.take();
    bench.handle(Input::Interfaces(vec![Interface { mac: mac(0x77), ..interface(ETH0) }]));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 7);
    assert!(bench.sent.iter().all(|event| event.arp().sender_mac == mac(0x77) && event.arp().source == mac(0x77)));
}

#[test]
fn interface_of_the_same_name_with_a_new_index_gets_a_new_burst() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.take();
    bench.handle(Input::Interfaces(vec![Interface { index: 9, ..interface(ETH0) }]));
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 7);
    assert!(bench.sent.iter().all(|event| event.index == 9));
}

#[test]
fn renamed_interface_is_matched_by_its_new_name() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.handle(Input::Announce(vec![named(vip(1), &["uplink"])]));
    assert_eq!(bench.sent, []);
    bench.handle(Input::Interfaces(vec![Interface { name: "uplink".into(), ..interface(ETH0) }]));
    assert_eq!(names(&bench.status(vip(1))), ["uplink"]);
}

#[test]
fn socket_that_fails_withdraws_and_announces_anew_when_it_is_back() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.run_until(10_000 * MS);
    bench.handle(Input::Port { index: ETH0, family: Family::Ipv4, event: PortEvent::Closed });
    assert_eq!(names(&bench.status(vip(1))), Vec::<&str>::new());
    assert!(!bench.announcer.announces(ETH0, vip(1)));
    bench.take();
    bench.frame(ETH0, &question(vip(1)));
    bench.run_until(11_000 * MS);
    assert_eq!(bench.sent, []);
    bench.handle(Input::Port { index: ETH0, family: Family::Ipv4, event: PortEvent::Open });
    bench.run_until(30_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 7);
}

#[test]
fn socket_that_cannot_be_opened_announces_nothing() {
    let mut bench = Bench::new(Config::default());
    bench.broken.insert(ETH0);
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce([vip(1)]);
    assert_eq!(bench.sent, []);
    assert_eq!(bench.status(vip(1)), VipStatus::default());
}

#[test]
fn unsent_first_frame_does_not_count_as_announced() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    let now = bench.now;
    bench.announcer.handle(now, Input::Announce(vec![everywhere(vip(1))]));
    let dropped = SendOutcome::Dropped;
    while bench.announcer.poll().is_some() {}
    bench.announcer.handle(now, Input::Sent { index: ETH0, vip: vip(1), purpose: Purpose::Announce, outcome: dropped });
    assert_eq!(bench.status(vip(1)).counters.dropped, 1);
    assert_eq!(names(&bench.status(vip(1))), Vec::<&str>::new());
    bench.run_until(60 * MS);
    assert_eq!(names(&bench.status(vip(1))), ["eth0"], "the second round does it");
}

#[test]
fn filter_is_set_before_the_first_frame_and_only_when_it_changes() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    let now = bench.now;
    bench.announcer.handle(now, Input::Interfaces(vec![interface(ETH0)]));
    assert!(matches!(bench.announcer.poll(), Some(Output::Filter { index: ETH0, .. })));
    bench.announcer.handle(now, Input::Port { index: ETH0, family: Family::Ipv4, event: PortEvent::Open });
    bench.announcer.handle(now, Input::Announce(vec![everywhere(vip(1))]));
    assert!(matches!(bench.announcer.poll(), Some(Output::Filter { index: ETH0, .. })));
    assert!(matches!(bench.announcer.poll(), Some(Output::Send(_))));
    while bench.announcer.poll().is_some() {}
    let reasserted = Announcement { reasserted: 1, ..everywhere(vip(1)) };
    bench.announcer.handle(now, Input::Announce(vec![reasserted]));
    bench.announcer.handle(now, Input::Watch(BTreeSet::from([vip(1)])));
    assert!(!std::iter::from_fn(|| bench.announcer.poll()).any(|output| matches!(output, Output::Filter { .. })));
    bench.announcer.handle(now, Input::Watch(BTreeSet::from([vip(5)])));
    assert!(matches!(bench.announcer.poll(), Some(Output::Filter { index: ETH0, .. })));
}

#[test]
fn filter_shrinks_until_the_kernel_has_memory_for_it() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.filter_memory = 100;
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce((0..400).map(|n| vip(2 * n)));
    let len = bench.filters[&(ETH0, Family::Ipv4)].len();
    assert!((50..=100).contains(&len), "{len} instructions");
    assert!(bench.announcer.announces(ETH0, vip(0)));
}
