use std::sync::Arc;
use std::time::Duration;

use super::super::testing::*;
use super::super::{Config, GracefulRestart, Input, Message, Output};
use super::*;
use crate::wire::{Capability, Family};

const S: fn(u64) -> Duration = Duration::from_secs;
const BOTH: PerFamily<bool> = PerFamily { ipv4: true, ipv6: true };

fn restarting(number: u8, notification: bool) -> Config {
    let graceful = GracefulRestart { families: BOTH, notification, ..GracefulRestart::default() };
    Config { graceful_restart: Some(graceful), ..speaker(number) }
}

/// A session with a peer whose routes are kept, with or without RFC 8538.
fn session(notification: bool) -> Arc<Session> {
    let (rig, _) = Rig::up(restarting(1, true), &restarting(2, notification));
    let (_, session) = rig.peer.established().unwrap();
    Arc::clone(session)
}

fn text() -> String {
    "bye".to_owned()
}

#[test]
fn routes_are_kept_over_what_is_a_restart_and_dropped_over_what_is_an_end() {
    let hard = Notification::cease(cease::SHUTDOWN).hard_reset();
    let bfd = |control_plane_independent| DownReason::Bfd(BfdFailure { control_plane_independent });
    // The end, whether routes are kept by RFC 4724, and with RFC 8538.
    let cases = [
        (DownReason::Closed(None), true, true),
        (DownReason::Closed(Some("connection reset by peer".to_owned())), true, true),
        (DownReason::Replaced, true, true),
        (DownReason::Received(Notification::cease(cease::SHUTDOWN)), false, true),
        (DownReason::Received(Notification::update(1, &[])), false, true),
        (DownReason::Received(hard.clone()), false, false),
        (DownReason::Sent(Notification::update(1, &[])), false, true),
        (DownReason::Sent(hard), false, false),
        (DownReason::HoldTimer, false, true),
        (DownReason::SendHoldTimer, false, true),
        (DownReason::Configuration, false, true),
        (DownReason::Stopped(Stop::Reset { text: text() }), false, true),
        (DownReason::Stopped(Stop::Reconfigured), false, true),
        (DownReason::Stopped(Stop::Disabled { text: text() }), false, false),
        (DownReason::Stopped(Stop::Drained { text: text() }), false, false),
        (DownReason::Stopped(Stop::Shutdown { text: text() }), false, false),
        (DownReason::Stopped(Stop::Deleted), false, false),
        (DownReason::PrefixLimit(Family::Ipv4), false, false),
        (bfd(false), true, true),
        (bfd(true), false, false),
    ];
    let (plain, with) = (session(false), session(true));
    assert!(!plain.notification_restart && with.notification_restart);
    for (reason, by_4724, by_8538) in cases {
        let kept = |session: &Session| keep(session, &reason).ipv4 != Keep::Drop;
        assert_eq!((kept(&plain), kept(&with)), (by_4724, by_8538), "{reason:?}");
    }
}

#[test]
fn without_graceful_restart_nothing_is_kept() {
    let (mut rig, connection) = Rig::up(restarting(1, true), &speaker(2));
    let outputs = rig.handle(Input::Closed { connection, error: None });
    assert_eq!(down(&outputs), Some((DownReason::Closed(None), PerFamily::default())));
}

#[test]
fn the_end_of_this_process_is_silent_where_the_peer_keeps_the_routes() {
    let stop = || Stop::Shutdown { text: "upgrade".to_owned() };
    let (mut rig, connection) = Rig::up(restarting(1, true), &speaker(2));
    let outputs = rig.stop(stop());
    assert_eq!(messages(&outputs), []);
    assert_eq!(closed(&outputs), [connection]);

    for (own, peer) in
        [(speaker(1), restarting(2, true)), (restarting(1, true), Config { graceful_restart: None, ..speaker(2) })]
    {
        let (mut rig, _) = Rig::up(own, &peer);
        assert_eq!(notification(&rig.stop(stop())), Some(Notification::cease_with(cease::SHUTDOWN, "upgrade")));
    }
}

#[test]
fn last_words_are_those_of_the_reason_and_hard_only_when_this_speaker_leaves() {
    let words = |stop: Stop| {
        let said = |session: &Session| farewell(Some(session), &stop).unwrap();
        (said(&session(false)), said(&session(true)))
    };
    let plain = |subcode| Notification::cease_with(subcode, "bye");
    assert_eq!(words(Stop::Disabled { text: text() }), (plain(2), plain(2)));
    assert_eq!(words(Stop::Drained { text: text() }), (plain(2), plain(2).hard_reset()));
    let deconfigured = Notification::cease(cease::DECONFIGURED);
    assert_eq!(words(Stop::Deleted), (deconfigured.clone(), deconfigured.hard_reset()));
    assert_eq!(words(Stop::Reset { text: text() }), (plain(4), plain(4)));
    assert_eq!(words(Stop::Reconfigured), (Notification::cease(6), Notification::cease(6)));
}

#[test]
fn a_failure_of_bfd_is_said_unless_that_would_end_a_restart() {
    let said = |notification, control_plane_independent| {
        let (mut rig, _) = Rig::up(restarting(1, true), &restarting(2, notification));
        let outputs = rig.handle(Input::BfdDown(BfdFailure { control_plane_independent }));
        assert!(!rig.peer.is_established());
        (notifications(&outputs), down(&outputs).unwrap().1.ipv6 != Keep::Drop)
    };
    assert_eq!(said(false, true), (vec![(6, 10)], false));
    assert_eq!(said(true, true), (vec![(6, 10)], false));
    assert_eq!(said(false, false), (vec![], true));
    assert_eq!(said(true, false), (vec![(6, 10)], true));
    let (mut rig, _) = Rig::up(speaker(1), &speaker(2));
    let outputs = rig.handle(Input::BfdDown(BfdFailure { control_plane_independent: false }));
    assert_eq!(notifications(&outputs), [(6, 10)], "without graceful restart there is nothing to spare");
}

// --- This speaker has restarted ---

fn restarted_bit(outputs: &[Output]) -> Option<bool> {
    messages(outputs).into_iter().find_map(|message| {
        let Message::Open(open) = message else { return None };
        open.capabilities.into_iter().find_map(|capability| {
            if let Capability::GracefulRestart(graceful) = capability { Some(graceful.restarting) } else { None }
        })
    })
}

#[test]
fn the_first_session_after_a_restart_says_so_and_later_ones_do_not() {
    let mut rig = Rig::restarted(restarting(1, true));
    let connection = dialled(&rig.outputs()).unwrap();
    let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
    assert_eq!(restarted_bit(&outputs), Some(true));
    rig.handle(Input::Closed { connection, error: None });
    let connection = dialled(&rig.pass(S(2))).unwrap();
    let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
    assert_eq!(restarted_bit(&outputs), Some(true), "none was established yet");
    rig.establish(connection, &speaker(2));
    rig.handle(Input::Closed { connection, error: None });
    let connection = dialled(&rig.pass(S(2))).unwrap();
    let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
    assert_eq!(restarted_bit(&outputs), Some(false));
}

#[test]
fn after_the_restart_time_nobody_waits_for_this_speaker_any_more() {
    let mut rig = Rig::restarted(restarting(1, true));
    let connection = dialled(&rig.outputs()).unwrap();
    rig.handle(Input::ConnectFailed { connection, error: String::new() });
    rig.now += S(121);
    rig.peer.handle_deadline(rig.now);
    let connection = dialled(&rig.outputs()).unwrap();
    let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
    assert_eq!(restarted_bit(&outputs), Some(false));
}
