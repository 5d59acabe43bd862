use std::time::Duration;

use super::super::testing::*;
use super::super::{Config, Event, GracefulRestart, Input, LongLived, Message, Output, Refresh, Retry};
use super::*;
use crate::rib::Keep;
use crate::wire::{PerFamily, RefreshKind, RouteRefresh};

const S: fn(u64) -> Duration = Duration::from_secs;

fn configure(rig: &mut Rig, change: impl FnOnce(&mut Config)) -> Vec<Output> {
    let mut config = Config::clone(rig.peer.config());
    change(&mut config);
    rig.handle(Input::Configure(Arc::new(config)))
}

// --- Start and stop ---

#[test]
fn starting_twice_is_harmless_and_a_stopped_peer_starts_again() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    assert_eq!(rig.handle(Input::Start), []);
    let outputs = rig.stop(Stop::Disabled { text: "later".to_owned() });
    assert_eq!(notification(&outputs), Some(Notification::cease_with(2, "later")));
    assert_eq!(rig.pass(S(10_000)), []);
    assert_eq!(rig.stop(Stop::Deleted), [], "there is nobody to tell");
    assert!(dialled(&rig.handle(Input::Start)).is_some());
}

#[test]
fn connections_that_are_not_up_yet_are_told_too() {
    let mut rig = Rig::new(speaker_both(1));
    let outgoing = rig.dial();
    let (incoming, _) = rig.accept();
    let outputs = rig.stop(Stop::Shutdown { text: "upgrade".to_owned() });
    assert_eq!(notifications(&outputs), [(6, 2), (6, 2)]);
    assert_eq!(closed(&outputs), [outgoing, incoming]);
    let mut rig = Rig::new(speaker(1));
    let dialling = dialled(&rig.outputs()).unwrap();
    let outputs = rig.stop(Stop::Deleted);
    assert_eq!((notifications(&outputs), closed(&outputs)), (vec![], vec![dialling]));
}

#[test]
fn a_reset_ends_the_session_and_begins_another() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    let outputs = rig.stop(Stop::Reset { text: "asked".to_owned() });
    assert_eq!(notification(&outputs), Some(Notification::cease_with(4, "asked")));
    assert!(dialled(&outputs).is_none(), "the peer has just been told to go");
    assert!(dialled(&rig.pass(S(1))).is_some());
}

#[test]
fn a_reset_of_a_peer_that_waits_dials_at_once() {
    let mut rig = Rig::new(Config { connect_retry: Retry { first: S(100), max: S(100) }, ..speaker(1) });
    let connection = dialled(&rig.outputs()).unwrap();
    rig.handle(Input::ConnectFailed { connection, error: String::new() });
    assert!(dialled(&rig.stop(Stop::Reset { text: String::new() })).is_some());
}

#[test]
fn a_reset_does_not_start_a_stopped_peer() {
    let mut rig = Rig::new(speaker(1));
    rig.stop(Stop::Disabled { text: String::new() });
    assert_eq!(rig.stop(Stop::Reset { text: String::new() }), []);
    assert_eq!(rig.pass(S(1000)), []);
}

#[test]
fn bfd_that_comes_up_ends_the_pause() {
    let mut rig = Rig::new(Config { connect_retry: Retry { first: S(100), max: S(100) }, ..speaker(1) });
    let connection = dialled(&rig.outputs()).unwrap();
    assert_eq!(rig.handle(Input::BfdUp), [], "it dials already");
    rig.handle(Input::ConnectFailed { connection, error: String::new() });
    assert!(dialled(&rig.handle(Input::BfdUp)).is_some());
}

#[test]
fn bfd_does_not_end_what_is_not_up() {
    let mut rig = Rig::new(speaker(1));
    rig.dial();
    assert_eq!(rig.handle(Input::BfdDown(BfdFailure { control_plane_independent: true })), []);
}

// --- Configuration ---

#[test]
fn a_change_that_does_not_concern_the_session_does_not_touch_it() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    assert_eq!(configure(&mut rig, |_| {}), []);
    assert_eq!(configure(&mut rig, |config| config.mode = Mode::Both), []);
    assert_eq!(configure(&mut rig, |config| config.mode = Mode::Passive), []);
    assert_eq!(configure(&mut rig, |config| config.host = Some("worker-1".to_owned())), []);
    assert_eq!(configure(&mut rig, |config| config.keepalive = Some(S(2))), []);
    let sent = messages(&rig.pass(S(20))).len();
    assert!((9..=14).contains(&sent), "{sent} of the new interval");
    assert_eq!(rig.peer.established().map(|(id, _)| id), Some(connection));
}

#[test]
fn a_change_that_concerns_the_session_ends_it_and_begins_another() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    let outputs = configure(&mut rig, |config| config.hold_time = S(30));
    assert_eq!(notifications(&outputs), [(6, 6)]);
    assert_eq!(down(&outputs).map(|down| down.0), Some(DownReason::Configuration));
    let connection = rig.dial();
    assert_eq!(rig.establish(connection, &speaker(2)).hold_time, S(30));
}

#[test]
fn a_configuration_that_cannot_be_changes_nothing() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    assert_eq!(configure(&mut rig, |config| config.hold_time = S(1)), []);
    assert_eq!(rig.peer.config().hold_time, S(90));
}

#[test]
fn a_stopped_peer_stays_stopped_over_a_change() {
    let mut rig = Rig::new(speaker(1));
    rig.stop(Stop::Disabled { text: String::new() });
    assert_eq!(configure(&mut rig, |config| config.hold_time = S(30)), []);
    assert_eq!(configure(&mut rig, |config| config.mode = Mode::Both), []);
    assert_eq!(rig.pass(S(1000)), []);
}

#[test]
fn a_peer_that_becomes_passive_gives_up_what_it_dials_and_one_that_becomes_active_dials() {
    let mut rig = Rig::new(speaker(1));
    let dialling = dialled(&rig.outputs()).unwrap();
    assert_eq!(closed(&configure(&mut rig, |config| config.mode = Mode::Passive)), [dialling]);
    assert_eq!(rig.state(), State::Active);
    assert_eq!(rig.peer.next_deadline(), None);
    assert!(dialled(&configure(&mut rig, |config| config.mode = Mode::Both)).is_some());
}

// --- Prefix limits ---

#[test]
fn too_many_prefixes_end_the_session_until_a_person_resets_it() {
    let (mut rig, _) = Rig::up(speaker_both(1), &speaker(2));
    let outputs = rig.handle(Input::PrefixLimit { family: Family::Ipv4, max: 1000 });
    assert_eq!(notification(&outputs), Some(Notification::max_prefixes(Family::Ipv4, 1000)));
    assert_eq!(down(&outputs), Some((DownReason::PrefixLimit(Family::Ipv4), PerFamily::default())));
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.handle(Input::Start), [], "wanting it is not enough");
    assert_eq!(rig.pass(S(100_000)), []);
    assert_eq!(notifications(&rig.accept().1), [(6, 5)]);
    assert!(dialled(&rig.stop(Stop::Reset { text: String::new() })).is_some());
}

#[test]
fn or_until_the_configured_time_is_over() {
    let (mut rig, _) = Rig::up(Config { prefix_limit_restart: Some(S(600)), ..speaker(1) }, &speaker(2));
    rig.handle(Input::PrefixLimit { family: Family::Ipv6, max: 10 });
    assert_eq!(rig.peer.summary().next_attempt, Some(rig.now + S(600)));
    assert!(dialled(&rig.pass(S(599))).is_none());
    assert!(dialled(&rig.pass(S(1))).is_some());
}

#[test]
fn a_new_time_counts_from_when_it_is_configured() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    rig.handle(Input::PrefixLimit { family: Family::Ipv4, max: 10 });
    configure(&mut rig, |config| config.prefix_limit_restart = Some(S(30)));
    assert!(dialled(&rig.pass(S(29))).is_none());
    assert!(dialled(&rig.pass(S(1))).is_some());
}

// --- Route refresh ---

fn refresh(kind: RefreshKind, family: Family) -> Message {
    Message::RouteRefresh(RouteRefresh { family: family.raw(), kind })
}

#[test]
fn the_peer_is_asked_for_its_routes_where_it_can_be() {
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    let outputs = rig.handle(Input::Refresh { family: Family::Ipv6 });
    assert_eq!(messages(&outputs), [refresh(RefreshKind::Request, Family::Ipv6)]);
    assert_eq!(rig.peer.summary().counters.route_refresh_sent, 1);

    let mut only_ipv4 = speaker(2);
    only_ipv4.families.ipv6.enabled = false;
    let (mut rig, _) = Rig::up(speaker(1), &only_ipv4);
    assert_eq!(rig.handle(Input::Refresh { family: Family::Ipv6 }), []);

    let mut rig = Rig::new(speaker(1));
    let connection = rig.dial();
    let mut bare = open_of(&speaker(2));
    bare.capabilities.clear();
    rig.receive(connection, Message::Open(bare));
    rig.receive(connection, Message::Keepalive);
    assert!(rig.peer.is_established());
    assert_eq!(rig.handle(Input::Refresh { family: Family::Ipv4 }), [], "it does not know the message");
    assert_eq!(rig.receive(connection, refresh(RefreshKind::Begin, Family::Ipv4)), [], "nor its marks");
}

#[test]
fn what_the_peer_asks_for_is_for_the_rib() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    for (kind, refresh_of) in [
        (RefreshKind::Request, Refresh::Asked),
        (RefreshKind::Begin, Refresh::Begins),
        (RefreshKind::End, Refresh::Ends),
    ] {
        let outputs = rig.receive(connection, refresh(kind, Family::Ipv4));
        assert_eq!(outputs, [Output::Refresh { family: Family::Ipv4, refresh: refresh_of }]);
    }
    assert_eq!(rig.receive(connection, refresh(RefreshKind::Unknown(9), Family::Ipv4)), []);
    let vpn = RouteRefresh { family: crate::wire::RawFamily { afi: 1, safi: 128 }, kind: RefreshKind::Request };
    assert_eq!(rig.receive(connection, Message::RouteRefresh(vpn)), []);
    assert_eq!(rig.peer.summary().counters.route_refresh_received, 5);
}

// --- What becomes of routes, as the RIB hears it ---

#[test]
fn the_rib_hears_both_phases() {
    let long = |stale, bound| PerFamily {
        ipv4: None,
        ipv6: Some(LongLived { stale_time: S(stale), max_stale_time: S(bound) }),
    };
    let graceful = |long_lived| {
        let families = PerFamily { ipv4: true, ipv6: true };
        Some(GracefulRestart { families, long_lived, ..GracefulRestart::default() })
    };
    let own = Config { graceful_restart: graceful(long(0, 86_400)), ..speaker(1) };
    let peer = Config { graceful_restart: graceful(long(3600, 0)), ..speaker(2) };
    let (mut rig, connection) = Rig::up(own, &peer);
    let outputs = rig.handle(Input::Closed { connection, error: None });
    let keep = down(&outputs).unwrap().1;
    assert_eq!(keep.ipv4, Keep::Stale { restart_time: S(120), long_lived: S(0) });
    assert_eq!(keep.ipv6, Keep::Stale { restart_time: S(120), long_lived: S(3600) });
}

#[test]
fn the_log_says_once_that_a_peer_does_not_answer_and_anew_after_a_session() {
    let mut rig = Rig::new(speaker(1));
    let fail = |rig: &mut Rig, outputs: &[Output]| {
        let connection = dialled(outputs).unwrap();
        logged(&rig.handle(Input::ConnectFailed { connection, error: "refused".to_owned() }))
    };
    let outputs = rig.outputs();
    assert_eq!(fail(&mut rig, &outputs).len(), 1);
    let outputs = rig.pass(S(1));
    assert_eq!(fail(&mut rig, &outputs), []);
    let connection = rig.dial();
    rig.establish(connection, &speaker(2));
    rig.handle(Input::Closed { connection, error: None });
    let outputs = rig.pass(S(4));
    let reason = DownReason::ConnectFailed("refused".to_owned());
    assert_eq!(fail(&mut rig, &outputs), [Event::Failed { reason, suppressed: 0 }]);
}
