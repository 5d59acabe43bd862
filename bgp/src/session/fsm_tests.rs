use super::super::testing::*;
use super::super::{Config, Event, Input, State, Stop};
use super::*;
use crate::rib::Keep;
use crate::wire::{RefreshKind, RouteRefresh};

const S: fn(u64) -> Duration = Duration::from_secs;

fn refresh() -> Message {
    Message::RouteRefresh(RouteRefresh { family: crate::wire::Family::Ipv4.raw(), kind: RefreshKind::Request })
}

#[test]
fn an_active_peer_goes_through_all_states() {
    let mut rig = Rig::new(speaker(1));
    assert_eq!(rig.state(), State::Connect);
    let outputs = rig.outputs();
    let connection = dialled(&outputs).expect("it dials at once");
    assert_eq!(outputs[1], Output::State { from: State::Idle, to: State::Connect });

    let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
    assert_eq!(messages(&outputs), [Message::Open(open_of(&speaker(1)))]);
    assert_eq!(rig.state(), State::OpenSent);

    let outputs = rig.receive(connection, Message::Open(open_of(&speaker(2))));
    assert_eq!(messages(&outputs), [Message::Keepalive]);
    assert_eq!(rig.state(), State::OpenConfirm);
    assert!(!rig.peer.is_established());

    let outputs = rig.receive(connection, Message::Keepalive);
    assert!(matches!(&outputs[0], Output::Established { connection: up, .. } if *up == connection), "{outputs:?}");
    assert_eq!(outputs[1], Output::State { from: State::OpenConfirm, to: State::Established });
    assert!(rig.peer.is_established());
    let summary = rig.peer.summary();
    assert_eq!((summary.established, summary.failures, summary.last_error), (1, 0, None));
    let counters = summary.counters;
    assert_eq!((counters.opens_sent, counters.opens_received), (1, 1));
    assert_eq!((counters.keepalives_sent, counters.keepalives_received), (1, 1));
}

#[test]
fn a_passive_peer_waits_and_answers() {
    let mut rig = Rig::new(Config { mode: Mode::Passive, ..speaker(1) });
    let outputs = rig.pass(S(1000));
    assert_eq!(outputs, [Output::State { from: State::Idle, to: State::Active }], "it never dials");
    let (connection, outputs) = rig.accept();
    assert_eq!(messages(&outputs), [Message::Open(open_of(&speaker(1)))]);
    rig.establish(connection, &speaker(2));
}

#[test]
fn an_active_peer_refuses_connections_and_says_so_once() {
    let mut rig = Rig::new(speaker(1));
    let (connection, outputs) = rig.accept();
    assert_eq!(notifications(&outputs), [(6, 5)]);
    assert_eq!(closed(&outputs), [connection]);
    assert_eq!(logged(&outputs), [Event::Refused { suppressed: 0 }]);
    assert!(logged(&rig.accept().1).is_empty());
    assert_eq!(rig.peer.summary().counters.refused, 2);
}

#[test]
fn a_stopped_peer_refuses_connections() {
    let mut rig = Rig::new(speaker_both(1));
    rig.stop(Stop::Disabled { text: String::new() });
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(notifications(&rig.accept().1), [(6, 5)]);
    assert_eq!(rig.peer.next_deadline(), None);
}

#[test]
fn messages_out_of_place_are_errors_of_their_state() {
    let open = || Message::Open(open_of(&speaker(2)));
    let sent: [(Message, u8); 2] = [(Message::Keepalive, 4), (refresh(), 5)];
    for (message, kind) in sent {
        let mut rig = Rig::new(speaker(1));
        let connection = rig.dial();
        let outputs = rig.receive(connection, message);
        assert_eq!(notification(&outputs), Some(notify::unexpected(1, kind)));
        assert_eq!(closed(&outputs), [connection]);
        assert_eq!(rig.state(), State::Idle);
    }
    for (message, kind) in [(open(), 1), (refresh(), 5)] {
        let mut rig = Rig::new(speaker(1));
        let connection = rig.dial();
        rig.receive(connection, open());
        let outputs = rig.receive(connection, message);
        assert_eq!(notification(&outputs), Some(notify::unexpected(2, kind)));
    }
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    let outputs = rig.receive(connection, open());
    assert_eq!(notification(&outputs), Some(notify::unexpected(3, 1)));
    assert!(down(&outputs).is_some());
}

#[test]
fn an_update_before_the_session_is_up_is_an_error() {
    let mut rig = Rig::new(speaker(1));
    let connection = rig.dial();
    assert_eq!(notification(&rig.handle(Input::Update { connection })), Some(notify::unexpected(1, 2)));
    let connection = rig.dial();
    rig.receive(connection, Message::Open(open_of(&speaker(2))));
    assert_eq!(notification(&rig.handle(Input::Update { connection })), Some(notify::unexpected(2, 2)));
    assert_eq!(rig.peer.summary().counters.updates_received, 0);
}

#[test]
fn an_open_that_is_not_acceptable_is_answered() {
    let mut rig = Rig::new(Config { remote_as: super::super::RemoteAs::Exactly(64_777), ..speaker(1) });
    let connection = rig.dial();
    let outputs = rig.receive(connection, Message::Open(open_of(&speaker(2))));
    assert_eq!(notifications(&outputs), [(2, 2)]);
    assert!(matches!(&logged(&outputs)[..], [Event::Failed { reason: DownReason::Sent(_), suppressed: 0 }]));
    assert!(matches!(rig.peer.summary().last_error, Some(error) if matches!(error.reason, DownReason::Sent(_))));
}

#[test]
fn what_cannot_be_read_is_answered_with_its_notification() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    let notification = Notification::header(2, &[0, 18]);
    let outputs = rig.handle(Input::Malformed { connection, notification: notification.clone() });
    assert_eq!(messages(&outputs), [Message::Notification(notification.clone())]);
    assert_eq!(down(&outputs).map(|down| down.0), Some(DownReason::Sent(notification)));
}

#[test]
fn a_notification_ends_the_connection_without_an_answer() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    let said = Notification::cease_with(cease::SHUTDOWN, "maintenance");
    let outputs = rig.receive(connection, Message::Notification(said.clone()));
    assert!(messages(&outputs).is_empty());
    assert_eq!(closed(&outputs), [connection]);
    let (reason, keep) = down(&outputs).expect("down");
    assert_eq!(reason, DownReason::Received(said));
    assert_eq!(reason.to_string(), "the peer sent NOTIFICATION 6/2 (Administrative Shutdown), \"maintenance\"");
    assert_eq!(keep.ipv4, Keep::Drop);
}

#[test]
fn inputs_of_a_connection_that_is_gone_are_ignored() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    rig.handle(Input::Closed { connection, error: None });
    assert!(!rig.peer.is_established());
    for input in [
        Input::Connected { connection, endpoints: endpoints() },
        Input::ConnectFailed { connection, error: String::new() },
        Input::Message { connection, message: Message::Keepalive },
        Input::Update { connection },
        Input::Malformed { connection, notification: Notification::header(2, &[]) },
        Input::Closed { connection, error: None },
        Input::Pending { connection },
        Input::Progress { connection, pending: true },
    ] {
        assert_eq!(rig.handle(input), []);
    }
}

// --- Timers ---

#[test]
fn the_peers_open_is_awaited_for_four_minutes() {
    let mut rig = Rig::new(speaker(1));
    rig.dial();
    assert_eq!(rig.pass(S(239)), []);
    let outputs = rig.pass(S(1));
    assert_eq!(notifications(&outputs), [(4, 0)]);
}

#[test]
fn keepalives_come_at_three_quarters_to_all_of_a_third_of_the_hold_time() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    let mut times = vec![rig.now];
    let mut sent = 1;
    for _ in 0..2000 {
        for output in rig.pass(Duration::from_millis(500)) {
            assert_eq!(output, Output::Send { connection, message: Message::Keepalive });
            times.push(rig.now);
            sent += 1;
        }
        rig.receive(connection, Message::Keepalive);
    }
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| S(22) <= *gap && *gap <= S(31)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < S(26)), "no jitter: {gaps:?}");
    assert_eq!(rig.peer.summary().counters.keepalives_sent, sent);
}

#[test]
fn a_peer_that_is_not_heard_for_the_smaller_hold_time_is_down() {
    let (mut rig, connection) = Rig::up(speaker(1), &Config { hold_time: S(9), ..speaker(2) });
    assert!(down(&rig.pass(S(8))).is_none());
    rig.handle(Input::Update { connection });
    assert!(down(&rig.pass(S(8))).is_none(), "an UPDATE counts");
    rig.receive(connection, refresh());
    assert!(down(&rig.pass(S(8))).is_none(), "as does any message");
    let outputs = rig.pass(S(1));
    assert_eq!(down(&outputs).map(|down| down.0), Some(DownReason::HoldTimer));
    assert_eq!(notifications(&outputs), [(4, 0)]);
}

#[test]
fn without_a_hold_time_nothing_is_sent_and_nothing_expires() {
    let (mut rig, connection) = Rig::up(speaker(1), &Config { hold_time: S(0), ..speaker(2) });
    rig.handle(Input::Pending { connection });
    assert_eq!(rig.peer.next_deadline(), None);
    assert_eq!(rig.pass(S(100_000)), []);
}

#[test]
fn a_peer_that_takes_nothing_for_the_send_hold_time_is_cut_off() {
    let (mut rig, connection) = Rig::up(speaker(1), &speaker(2));
    let mut outputs = Vec::new();
    let mut pass = |rig: &mut Rig, seconds| {
        for _ in 0..seconds {
            rig.handle(Input::Update { connection });
            outputs.extend(rig.pass(S(1)));
        }
        down(&outputs).map(|down| down.0)
    };
    rig.handle(Input::Pending { connection });
    assert_eq!(pass(&mut rig, 400), None);
    rig.handle(Input::Pending { connection });
    assert_eq!(pass(&mut rig, 79), None);
    rig.handle(Input::Progress { connection, pending: true });
    assert_eq!(pass(&mut rig, 479), None, "it takes little, but something");
    rig.handle(Input::Progress { connection, pending: false });
    assert_eq!(pass(&mut rig, 1000), None, "nothing waits");
    rig.handle(Input::Pending { connection });
    assert_eq!(pass(&mut rig, 480), Some(DownReason::SendHoldTimer));
    assert_eq!(notifications(&outputs), [(8, 0)]);
    assert!(outputs.contains(&Output::Close { connection, how: CloseHow::Abort }));
}

#[test]
fn attempts_back_off_and_the_log_stays_quiet() {
    let mut rig = Rig::new(speaker(1));
    let (mut dials, mut events) = (Vec::new(), Vec::new());
    let start = rig.now;
    let mut outputs = rig.outputs();
    for _ in 0..600 {
        if let Some(connection) = dialled(&outputs) {
            dials.push(rig.now - start);
            let error = "connection refused".to_owned();
            events.extend(logged(&rig.handle(Input::ConnectFailed { connection, error })));
            assert_eq!(rig.state(), State::Active);
        }
        outputs = rig.pass(S(1));
    }
    let gaps: Vec<_> = dials.windows(2).map(|pair| pair[1].as_secs() - pair[0].as_secs()).collect();
    assert!(gaps[0] <= 2 && gaps[1] <= 3 && (90..=121).contains(gaps.last().unwrap()), "{gaps:?}");
    assert!((9..=13).contains(&dials.len()), "{gaps:?}");
    assert_eq!(events.len(), 1, "{events:?}");
}

#[test]
fn a_dial_without_an_answer_is_given_up_after_ten_seconds() {
    let mut rig = Rig::new(speaker(1));
    let connection = dialled(&rig.outputs()).unwrap();
    let outputs = rig.pass(S(10));
    assert_eq!(closed(&outputs), [connection]);
    assert!(
        matches!(&logged(&outputs)[..], [Event::Failed { reason: DownReason::ConnectFailed(error), .. }] if error == "no answer in 10 s")
    );
    assert!(dialled(&rig.pass(S(1))).is_some());
}

#[test]
fn a_session_that_was_up_for_a_minute_starts_the_backoff_anew_and_a_shorter_one_does_not() {
    let mut rig = Rig::new(speaker(1));
    let mut failures = |up: u64| {
        let connection = rig.dial();
        rig.establish(connection, &speaker(2));
        for _ in 0..up {
            rig.handle(Input::Update { connection });
            rig.pass(S(1));
        }
        rig.handle(Input::Closed { connection, error: None });
        assert_eq!(rig.state(), State::Idle);
        rig.peer.summary().failures
    };
    assert_eq!([failures(1), failures(59), failures(0), failures(60), failures(5)], [1, 2, 3, 1, 2]);
}

// --- DelayOpen ---

#[test]
fn the_own_open_waits_for_that_of_a_peer_that_connected() {
    let config = || Config { mode: Mode::Passive, delay_open: Some(S(20)), ..speaker(1) };
    let mut rig = Rig::new(config());
    let (connection, outputs) = rig.accept();
    assert_eq!(messages(&outputs), []);
    assert_eq!(rig.state(), State::Active);
    let outputs = rig.receive(connection, Message::Open(open_of(&speaker(2))));
    assert_eq!(messages(&outputs), [Message::Open(open_of(&speaker(1))), Message::Keepalive]);
    assert_eq!(rig.state(), State::OpenConfirm);

    let mut rig = Rig::new(config());
    rig.accept();
    assert_eq!(messages(&rig.pass(S(19))), []);
    assert_eq!(messages(&rig.pass(S(1))), [Message::Open(open_of(&speaker(1)))], "not for ever");

    let mut rig = Rig::new(config());
    let (connection, _) = rig.accept();
    let outputs = rig.receive(connection, Message::Keepalive);
    assert_eq!(notification(&outputs), Some(notify::unexpected(0, 4)));
}

// --- Capabilities refused ---

#[test]
fn a_peer_that_knows_no_capabilities_is_tried_once_without() {
    let mut rig = Rig::new(speaker(1));
    let refusal = || Message::Notification(Notification::open(open_error::PARAMETER, &[]));
    let connection = rig.dial();
    rig.receive(connection, refusal());
    rig.pass(S(1));
    let said = |rig: &mut Rig| {
        let connection = dialled(&rig.outputs()).or_else(|| dialled(&rig.pass(S(5)))).expect("it dials");
        let outputs = rig.handle(Input::Connected { connection, endpoints: endpoints() });
        let [Message::Open(open)] = &messages(&outputs)[..] else { panic!("{outputs:?}") };
        (connection, open.capabilities.len())
    };
    // The dial of the pass above was not answered; it is given up here.
    let failing: Vec<_> = rig.peer.connections.iter().map(|connection| connection.id).collect();
    for connection in failing {
        rig.handle(Input::ConnectFailed { connection, error: String::new() });
    }
    let (connection, capabilities) = said(&mut rig);
    assert_eq!(capabilities, 0);
    rig.receive(connection, refusal());
    assert_ne!(said(&mut rig).1, 0, "and then again with them");
}
