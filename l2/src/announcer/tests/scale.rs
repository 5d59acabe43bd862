//! Many addresses at once: order, pace, and what happens to rounds that cannot keep up.

use super::*;

/// The most frames in any window of `window`, counting those of `keep`.
fn busiest(events: &[Event], window: Duration, keep: impl Fn(&Event) -> bool) -> usize {
    let times: Vec<Duration> = events.iter().filter(|event| keep(event)).map(|event| event.at).collect();
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while *at >= times[first] + window {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

#[test]
fn every_address_gets_its_first_frame_before_any_gets_a_second() {
    let mut bench = Bench::announcing((0..2_000).map(vip));
    bench.run_until(20_000 * MS);
    let first: BTreeSet<IpAddr> = bench.sent[..2_000].iter().map(|event| event.vip).collect();
    assert_eq!(first.len(), 2_000);
    assert!(bench.sent[..2_000].iter().all(|event| event.purpose == Purpose::Announce));
    assert!(bench.sent[..1_000].iter().all(|event| event.at.is_zero()), "the reserve goes at once");
    assert!(bench.sent[1_999].at <= 510 * MS, "the rest at 2,000 a second: {:?}", bench.sent[1_999].at);
}

#[test]
fn pace_of_two_thousand_frames_a_second_holds_but_for_the_reserve() {
    let mut bench = Bench::announcing((0..3_000).map(vip));
    bench.run_until(60_000 * MS);
    // 1,000 of reserve, replenished by 200 a second, and 10 at once for coarse timers.
    assert!(busiest(&bench.sent, 1_000 * MS, |_| true) <= 2_000 + 1_000 + 200 + 10);
    assert!(busiest(&bench.sent, 1_000 * MS, |event| event.at >= 1_000 * MS) <= 2_000 + 200 + 10);
    assert!(busiest(&bench.sent, 1_000 * MS, |_| true) >= 2_000, "the pace is used");
}

#[test]
fn rounds_that_pile_up_are_sent_as_one_and_every_address_gets_the_last() {
    let mut bench = Bench::announcing((0..3_000).map(vip));
    bench.run_until(120_000 * MS);
    let (requests, replies) = (bench.all_times(Purpose::Announce), bench.all_times(Purpose::Reply));
    for n in 0..3_000 {
        let requests = &requests[&vip(n)];
        assert!((3..=7).contains(&requests.len()), "{n}: {requests:?}");
        assert!(requests.last().expect("a round") - requests[0] >= 5_000, "{n}: {requests:?}");
        assert!(replies[&vip(n)].len() >= 3);
    }
}

#[test]
fn addresses_within_the_reserve_keep_the_schedule_of_a_single_one() {
    let mut bench = Bench::announcing((0..20).map(vip));
    bench.run_until(20_000 * MS);
    for n in 0..20 {
        let requests = bench.times(vip(n), Purpose::Announce);
        assert_eq!(requests.len(), 7);
        for (at, due) in requests.into_iter().zip([0, 50, 200, 500, 1_100, 2_200, 5_000]) {
            // 40 frames take 20 ms.
            assert!((due..=due + 20).contains(&at), "{n}: {at} for {due}");
        }
    }
}

#[test]
fn addresses_gained_one_after_the_other_are_told_at_once() {
    let mut bench = Bench::announcing([]);
    for n in 0..1_000 {
        bench.announce((0..=n).map(vip));
        let at = bench.elapsed() + 20 * MS;
        bench.run_until(at);
        assert_eq!(bench.times(vip(n), Purpose::Announce)[0], 20 * u128::from(n));
    }
}

#[test]
fn refreshes_keep_to_fifty_frames_a_second_and_yield_to_a_burst() {
    let mut bench = Bench::new(Config { seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0)]));
    bench.announce((0..2_000).map(vip));
    bench.run_until(70_000 * MS);
    bench.take();
    bench.run_until(200_000 * MS);
    let most = busiest(&bench.sent, 1_000 * MS, |_| true);
    assert!((45..=52).contains(&most), "seed {SEED}: {most}");
    bench.take();
    bench.announce((0..2_001).map(vip));
    bench.run_until(200_100 * MS);
    assert_eq!(bench.times(vip(2_000), Purpose::Announce), [200_000, 200_050]);
}

#[test]
fn interfaces_are_paced_each_for_itself() {
    let mut bench = Bench::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.announce((0..1_000).map(vip));
    for index in [ETH0, ETH1] {
        let first = bench.sent.iter().filter(|event| event.index == index && event.at.is_zero());
        assert!(first.count() >= 1_000, "{index}");
    }
}
