//! What becomes of the certificate as time goes by.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ferrolb_controller::webhook::certificate::authority::{create, renew};
use ferrolb_controller::webhook::certificate::{Decision, Names, Reason, Stored, decide};
use jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn names() -> Names {
    Names::new("metallb-webhook-service", "metallb-system")
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn after(days: i32) -> Timestamp {
    start() + DAY * days
}

fn fresh() -> Stored {
    create(&Stored::default(), &names(), start()).unwrap()
}

fn until(stored: &Stored, now: Timestamp) -> Timestamp {
    let decision = decide(stored, &names(), now);
    let Decision::Keep { until, .. } = decision else { unreachable!("{decision:?}") };
    until
}

#[test]
fn what_was_just_made_is_kept() {
    let until = until(&fresh(), start());
    let days = until.duration_since(start()).as_hours() / 24;
    assert_eq!(days, 243, "two thirds of a year");
}

#[test]
fn an_empty_secret_is_filled() {
    assert_eq!(decide(&Stored::default(), &names(), start()), Decision::Create(Reason::Absent));
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let stored = fresh();
    assert!(until(&stored, after(243)) > after(243));
    assert_eq!(decide(&stored, &names(), after(244)), Decision::Renew(Reason::Age));
    assert_eq!(decide(&stored, &names(), after(1000)), Decision::Renew(Reason::Age));
    let renewed = renew(&stored, &names(), after(244)).unwrap();
    assert_eq!(renewed.authority, stored.authority);
    assert_ne!(renewed.certificate, stored.certificate);
    assert!(until(&renewed, after(244)) > after(480));
}

#[test]
fn an_authority_is_replaced_when_a_third_of_its_life_is_left_and_trusted_until_its_end() {
    let old = fresh();
    assert_eq!(decide(&old, &names(), after(2400)), Decision::Renew(Reason::Age));
    let now = after(2450);
    assert_eq!(decide(&old, &names(), now), Decision::Create(Reason::AuthorityAge));
    let new = create(&old, &names(), now).unwrap();
    let bundle = String::from_utf8(new.authority.clone().unwrap()).unwrap();
    let former = String::from_utf8(old.authority.clone().unwrap()).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(bundle.replace("\r\n", "\n").ends_with(&former.replace("\r\n", "\n")), "the new one comes first");
    until(&new, now);
    // The bundle does not grow for ever, and does not keep the dead.
    let next = create(&new, &names(), after(4900)).unwrap();
    assert_eq!(String::from_utf8(next.authority.unwrap()).unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    let late = create(&old, &names(), after(4000)).unwrap();
    assert_eq!(String::from_utf8(late.authority.unwrap()).unwrap().matches("BEGIN CERTIFICATE").count(), 1);
}

#[test]
fn a_life_that_has_not_begun_is_none() {
    assert_eq!(decide(&fresh(), &names(), after(-1)), Decision::Create(Reason::AuthorityAge));
}

#[test]
fn a_certificate_for_another_name_is_replaced() {
    let elsewhere = Names::new("metallb-webhook-service", "elsewhere");
    assert_eq!(decide(&fresh(), &elsewhere, start()), Decision::Renew(Reason::Name));
    let renewed = renew(&fresh(), &elsewhere, start()).unwrap();
    assert!(matches!(decide(&renewed, &elsewhere, start()), Decision::Keep { .. }));
}

#[test]
fn a_certificate_of_another_authority_is_replaced() {
    let mixed = Stored { authority: fresh().authority, ..fresh() };
    assert_eq!(decide(&mixed, &names(), start()), Decision::Renew(Reason::Foreign));
}

#[test]
fn what_is_no_certificate_is_replaced() {
    let broken = |change: fn(&mut Stored)| {
        let mut stored = fresh();
        change(&mut stored);
        decide(&stored, &names(), start())
    };
    assert_eq!(broken(|s| s.authority = Some(b"rubbish".to_vec())), Decision::Create(Reason::Unusable));
    assert_eq!(broken(|s| s.authority = s.certificate.clone()), Decision::Create(Reason::Unusable));
    assert_eq!(broken(|s| s.certificate = Some(b"rubbish".to_vec())), Decision::Renew(Reason::Unusable));
    assert_eq!(broken(|s| s.key = Some(b"rubbish".to_vec())), Decision::Renew(Reason::Unusable));
    assert_eq!(broken(|s| s.key = s.authority_key.clone()), Decision::Renew(Reason::Unusable));
    assert_eq!(broken(|s| s.key = None), Decision::Renew(Reason::Absent));
}

#[test]
fn without_the_key_of_the_authority_all_stays_until_something_is_to_be_done() {
    let stored = Stored { authority_key: None, ..fresh() };
    until(&stored, start());
    assert_eq!(decide(&stored, &names(), after(244)), Decision::Create(Reason::Age));
    assert!(renew(&stored, &names(), after(244)).is_err());
}

#[test]
fn keys_are_never_shown() {
    let text = format!("{:?}", fresh());
    assert!(!text.contains("PRIVATE") && !text.contains("80, 82, 73"), "{text}");
}
