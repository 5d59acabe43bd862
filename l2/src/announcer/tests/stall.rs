//! After a standstill.

use super::*;

#[test]
fn nothing_is_said_after_a_standstill_until_ownership_is_confirmed() {
    let mut bench = Bench::announcing([vip(1), vip6(1)]);
    bench.run_until(30 * MS);
    bench.take();
    let revision = bench.announcer.revision();
    bench.handle(Input::Stalled);
    assert!(bench.announcer.revision() > revision);
    bench.frame(ETH0, &question(vip(1)));
    // What is said meanwhile is no confirmation.
    bench.announce([vip(1), vip6(1), vip(2)]);
    bench.handle(Input::Interfaces(vec![interface(ETH0), interface(ETH1)]));
    bench.run_until(60_000 * MS);
    assert_eq!(bench.sent, []);
    assert!(bench.status(vip(1)).interfaces.is_empty());
    bench.handle(Input::Confirmed);
    assert_eq!(bench.status(vip(1)).interfaces.len(), 2);
    bench.frame(ETH0, &question(vip(1)));
    bench.run_until(90_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce).len(), 14, "a burst on each interface");
    assert_eq!(bench.times(vip6(1), Purpose::Announce).len(), 14);
    assert_eq!(bench.times(vip(1), Purpose::Answer), [60_000]);
}

#[test]
fn others_are_heard_while_silent() {
    let mut bench = Bench::announcing([vip(1)]);
    bench.handle(Input::Stalled);
    bench.frame(ETH0, &claim(CLIENT_MAC, vip(1), vip(1)));
    assert_eq!(bench.heard.len(), 1);
    assert!(!bench.heard[0].announced && !bench.heard[0].defended);
}

#[test]
fn what_was_given_up_before_the_confirmation_stays_silent() {
    let mut bench = Bench::announcing([vip(1), vip(2)]);
    bench.handle(Input::Stalled);
    bench.take();
    bench.announce([vip(2)]);
    bench.handle(Input::Confirmed);
    bench.run_until(20_000 * MS);
    assert_eq!(bench.times(vip(1), Purpose::Announce), []);
    assert_eq!(bench.times(vip(2), Purpose::Announce).len(), 7);
}
