//! Two connections at once.

use std::time::Duration;

use super::testing::*;
use super::{CloseHow, Config, DownReason, GracefulRestart, Input, Message, Mode, Output, State};
use crate::wire::{Capability, Open, PerFamily};

const S: fn(u64) -> Duration = Duration::from_secs;

fn open(config: &Config) -> Message {
    Message::Open(open_of(config))
}

#[test]
fn the_connection_of_the_higher_identifier_stays_whichever_open_comes_first() {
    for own in [1, 3] {
        for incoming_first in [false, true] {
            let mut rig = Rig::new(speaker_both(own));
            let outgoing = rig.dial();
            let (incoming, _) = rig.accept();
            let (first, second) = if incoming_first { (incoming, outgoing) } else { (outgoing, incoming) };
            let outputs = rig.receive(first, open(&speaker(2)));
            assert_eq!(closed(&outputs), [], "no collision before both are known");
            let outputs = rig.receive(second, open(&speaker(2)));
            let (winner, loser) = if own == 3 { (outgoing, incoming) } else { (incoming, outgoing) };
            assert_eq!(closed(&outputs), [loser], "own {own}, incoming first {incoming_first}");
            assert_eq!(notifications(&outputs), [(6, 7)]);
            assert_eq!(rig.peer.summary().counters.collisions, 1);
            assert_eq!(rig.state(), State::OpenConfirm);
            let outputs = rig.receive(winner, Message::Keepalive);
            assert!(matches!(outputs[0], Output::Established { connection, .. } if connection == winner));
            assert_eq!(rig.peer.summary().failures, 0, "nothing went wrong");
        }
    }
}

#[test]
fn a_session_that_is_up_stays_and_the_newcomer_is_told_before_it_hears_an_open() {
    let (mut rig, up) = Rig::up(speaker_both(1), &speaker(2));
    let (newcomer, outputs) = rig.accept();
    assert_eq!(outputs, [], "it has to say first what it wants");
    let outputs = rig.receive(newcomer, open(&speaker(2)));
    assert_eq!(notifications(&outputs), [(6, 7)]);
    assert_eq!(closed(&outputs), [newcomer]);
    assert_eq!(rig.peer.established().map(|(id, _)| id), Some(up));
}

#[test]
fn a_newcomer_that_says_nothing_is_closed_after_a_while() {
    let (mut rig, _) = Rig::up(speaker_both(1), &speaker(2));
    let (newcomer, _) = rig.accept();
    assert_eq!(closed(&rig.pass(S(10))), [newcomer]);
    assert!(rig.peer.is_established());
}

#[test]
fn a_newcomer_beside_a_session_that_ends_becomes_the_session() {
    let (mut rig, up) = Rig::up(speaker_both(1), &speaker(2));
    let (newcomer, _) = rig.accept();
    rig.handle(Input::Closed { connection: up, error: None });
    rig.establish(newcomer, &speaker(2));
}

#[test]
fn the_other_connection_is_closed_when_one_is_up() {
    let mut rig = Rig::new(speaker_both(1));
    let dialling = dialled(&rig.outputs()).unwrap();
    let (incoming, _) = rig.accept();
    rig.receive(incoming, open(&speaker(2)));
    let outputs = rig.receive(incoming, Message::Keepalive);
    assert_eq!(closed(&outputs), [dialling]);
    assert_eq!(notifications(&outputs), [], "there is no one to tell yet");
    assert_eq!(rig.handle(Input::Connected { connection: dialling, endpoints: endpoints() }), []);
    assert!(dialled(&rig.pass(S(80))).is_none(), "nothing is dialled while it is up");
}

#[test]
fn an_earlier_connection_of_the_peer_that_got_nowhere_gives_way_to_its_next() {
    let mut rig = Rig::new(Config { mode: Mode::Passive, ..speaker(1) });
    let (first, _) = rig.accept();
    let (second, outputs) = rig.accept();
    assert_eq!(closed(&outputs), [first]);
    rig.establish(second, &speaker(2));
}

#[test]
fn this_side_does_not_dial_into_a_connection_that_has_just_come() {
    let mut rig = Rig::new(speaker_both(1));
    let connection = dialled(&rig.outputs()).unwrap();
    rig.handle(Input::ConnectFailed { connection, error: "refused".to_owned() });
    rig.accept();
    assert!(dialled(&rig.pass(S(4))).is_none());
    assert!(dialled(&rig.pass(S(2))).is_some(), "unless it gets nowhere");
}

#[test]
fn a_connection_lost_to_a_collision_is_no_failure() {
    let mut rig = Rig::new(speaker_both(3));
    let outgoing = rig.dial();
    let said = crate::wire::Notification::cease_with(7, "");
    let outputs = rig.receive(outgoing, Message::Notification(said));
    assert_eq!(logged(&outputs), []);
    let summary = rig.peer.summary();
    assert_eq!((summary.failures, summary.last_error), (0, None));
    assert!(dialled(&rig.pass(S(1))).is_some(), "but if the other is lost too it tries again soon");
}

// --- A peer that has restarted (RFC 4724 section 4.2) ---

fn restarting(config: &Config, restarted: bool) -> Message {
    let mut open: Open = open_of(config);
    for capability in &mut open.capabilities {
        if let Capability::GracefulRestart(graceful) = capability {
            graceful.restarting = restarted;
        }
    }
    Message::Open(open)
}

fn with_restart(config: Config) -> Config {
    let families = PerFamily { ipv4: true, ipv6: true };
    Config { graceful_restart: Some(GracefulRestart { families, ..GracefulRestart::default() }), ..config }
}

#[test]
fn a_peer_that_has_restarted_takes_the_place_of_its_old_session() {
    let peer = with_restart(speaker(2));
    let (mut rig, old) = Rig::up(speaker_both(1), &peer);
    let (new, _) = rig.accept();
    let outputs = rig.receive(new, restarting(&peer, true));
    let close = outputs.iter().position(|output| *output == Output::Close { connection: old, how: CloseHow::Flush });
    let send = outputs.iter().position(
        |output| matches!(output, Output::Send { connection, message: Message::Keepalive } if *connection == new),
    );
    assert!(close < send && close.is_some(), "{outputs:?}");
    assert_eq!(notifications(&outputs), [], "a NOTIFICATION would end the restart");
    let (reason, keep) = down(&outputs).unwrap();
    assert_eq!(reason, DownReason::Replaced);
    assert!(matches!(keep.ipv4, crate::rib::Keep::Stale { .. }));
    let outputs = rig.receive(new, Message::Keepalive);
    assert!(
        matches!(&outputs[0], Output::Established { session, .. } if session.peer_restarted && session.keeps_stale.ipv4)
    );
}

#[test]
fn a_peer_that_lost_only_its_connection_does_so_once_a_collision_is_out_of_the_question() {
    let peer = with_restart(speaker(2));
    let (mut rig, old) = Rig::up(speaker_both(1), &peer);
    let (new, _) = rig.accept();
    assert_eq!(closed(&rig.receive(new, restarting(&peer, false))), [new]);
    rig.pass(S(30));
    let (new, _) = rig.accept();
    assert_eq!(closed(&rig.receive(new, restarting(&peer, false))), [old]);
}

#[test]
fn without_graceful_restart_the_old_session_stays() {
    let (mut rig, _) = Rig::up(speaker_both(1), &speaker(2));
    rig.pass(S(60));
    let (new, _) = rig.accept();
    assert_eq!(closed(&rig.receive(new, restarting(&speaker(2), true))), [new]);
}
