//! A node is dead when it is gone and silent, and was heard before.

use ferrolb_gossip::Identity;

use super::*;

fn identity(name: &str, host: u8) -> Identity {
    Identity { name: name.into(), addr: ([192, 0, 2, host], 7946).into(), boot: 1, rejoins: 0 }
}

fn view(others: &[&str]) -> View {
    let mut view = View::new(identity("me", 1));
    view.members.extend(others.iter().map(|name| (NodeName::from(*name), identity(name, name.as_bytes()[0]))));
    view
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn start() -> Instant {
    Instant::now()
}

/// Tries whom there is to try, all with the same result; who they were.
fn try_all(health: &mut Health, now: Instant, heard: Heard) -> Vec<String> {
    let trials: Vec<Trial> = std::iter::from_fn(|| health.poll(now)).collect();
    for trial in &trials {
        health.heard(now, trial, heard);
    }
    trials.iter().map(|trial| trial.node.to_string()).collect()
}

fn dead(health: &Health) -> Vec<String> {
    health.dead().keys().map(ToString::to_string).collect()
}

/// A node that has answered, and is gone.
fn gone(now: Instant) -> Health {
    let mut health = Health::default();
    health.view(now, &view(&["a", "b"]));
    assert_eq!(try_all(&mut health, now, Heard::Answer), ["a", "b"]);
    health.view(now, &view(&["b"]));
    health
}

#[test]
fn a_node_that_is_gone_and_silent_is_dead_until_kubernetes_has_noticed() {
    let begin = start();
    let mut health = gone(begin);
    assert_eq!(dead(&health), [] as [&str; 0]);
    assert_eq!(health.next_deadline(), Some(begin), "it is tried at once");
    let mut now = begin;
    while now < begin + FORGET {
        assert_eq!(try_all(&mut health, now, Heard::Silence), ["a"]);
        assert_eq!(health.dead()["a"], Dead { since: begin, checked: now });
        assert_eq!(health.next_deadline(), Some(now + CHECK_GONE));
        now += CHECK_GONE;
    }
    assert_eq!(try_all(&mut health, now, Heard::Answer), ["b"], "who is a member is tried again, who is forgotten not");
    assert_eq!(dead(&health), [] as [&str; 0]);
}

#[test]
fn a_speaker_that_dies_alone_is_no_dead_node_but_its_node_may_die_after_it() {
    let now = start();
    let mut health = gone(now);
    try_all(&mut health, now, Heard::Answer);
    assert_eq!(dead(&health), [] as [&str; 0]);
    let later = now + CHECK_GONE;
    try_all(&mut health, later, Heard::Silence);
    assert_eq!(health.dead()["a"], Dead { since: later, checked: later });
    try_all(&mut health, later + CHECK_GONE, Heard::Answer);
    assert_eq!(dead(&health), [] as [&str; 0], "it has come back");
}

#[test]
fn silence_of_a_node_that_has_never_answered_says_nothing() {
    for before in [Heard::Silence, Heard::Nothing] {
        let now = start();
        let mut health = Health::default();
        health.view(now, &view(&["a"]));
        try_all(&mut health, now, before);
        health.view(now, &view(&[]));
        assert_eq!(try_all(&mut health, now, Heard::Silence), ["a"]);
        assert_eq!(dead(&health), [] as [&str; 0], "{before:?}");
    }
}

#[test]
fn what_cannot_be_tried_is_neither_dead_nor_alive() {
    let now = start();
    let mut health = gone(now);
    try_all(&mut health, now, Heard::Nothing);
    assert_eq!(dead(&health), [] as [&str; 0]);
    try_all(&mut health, now + CHECK_GONE, Heard::Silence);
    assert_eq!(dead(&health), ["a"]);
    try_all(&mut health, now + CHECK_GONE * 2, Heard::Nothing);
    assert_eq!(health.dead()["a"].checked, now + CHECK_GONE, "nothing new is told of it");
}

#[test]
fn a_node_that_returns_is_alive_at_once_and_what_was_heard_before_does_not_count() {
    let now = start();
    let mut health = gone(now);
    let before = health.poll(now).unwrap();
    health.view(now, &view(&["a", "b"]));
    assert_eq!(dead(&health), [] as [&str; 0]);
    health.heard(now, &before, Heard::Answer);
    // It goes again before anybody knows whether it answers.
    health.view(now, &view(&["b"]));
    assert_eq!(try_all(&mut health, now, Heard::Silence), ["a"]);
    assert_eq!(dead(&health), [] as [&str; 0]);
}

#[test]
fn those_that_are_gone_are_tried_first_and_few_at_a_time() {
    let now = start();
    let mut health = gone(now);
    let many: Vec<String> = (0..40).map(|number| format!("b{number}")).collect();
    health.view(now, &view(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    let trials: Vec<Trial> = std::iter::from_fn(|| health.poll(now)).collect();
    assert_eq!(trials.len(), AT_A_TIME);
    assert!(trials[..2].iter().all(|trial| ["a", "b"].contains(&trial.node.as_ref())), "{trials:?}");
    assert!(health.next_deadline().is_some_and(|deadline| deadline > now), "the rest waits for these");
    health.heard(now, &trials[0], Heard::Silence);
    assert_eq!(health.next_deadline(), Some(now));
    assert!(health.poll(now).is_some());
}
