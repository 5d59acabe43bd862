//! What a change brings about, and what must not be deleted.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod support;

use ferrolb_config::{Class, ObjectRef, Resources, deletion, introduced};
use support::{object, pool, resources, sentences};

const PEER: &str = "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1, bfdProfile: fast}";

/// What is said when the objects of `candidate` are put in place of those of the same name.
fn said(before: &str, candidate: &str) -> Vec<(Class, String)> {
    let (before, candidate) = (resources(before), resources(candidate));
    let mut after = before.clone();
    for origin in
        candidate.pools.iter().map(|pool| &pool.origin).chain(candidate.bgp_peers.iter().map(|peer| &peer.origin))
    {
        after.remove(&origin.object);
    }
    after.extend(candidate);
    introduced(&before, &after).iter().map(|problem| (problem.class, problem.to_string())).collect()
}

#[test]
fn what_was_wrong_before_hinders_no_change() {
    let wrong = pool("wrong", "10.0.0.0/33") + &pool("good", "10.1.0.0/24");
    assert_eq!(said(&wrong, &pool("good", "10.2.0.0/24")), []);
    assert_eq!(said(&wrong, &pool("wrong", "10.0.0.0/24")), [], "it may be mended");
}

#[test]
fn what_a_change_breaks_elsewhere_is_its_fault() {
    let before = pool("b", "10.0.0.0/24");
    let found = said(&before, &pool("a", "10.0.0.128/25"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Class::Invalid);
    assert!(found[0].1.contains("overlaps with already defined CIDR"), "{found:?}");
    let advertised = pool("a", "10.0.0.0/24") + &object("BGPAdvertisement", "adv", "{aggregationLength: 24}");
    let found = said(&advertised, &pool("a", "10.0.0.0/28"));
    assert!(found[0].1.starts_with("BGPAdvertisement lb/adv: spec.aggregationLength = 24"), "{found:?}");
}

#[test]
fn references_to_what_may_still_come_are_told_apart() {
    let found = said("", &object("BGPPeer", "p", PEER));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Class::MissingReference);
}

#[test]
fn what_was_missing_before_is_not_told_again_whatever_else_comes() {
    let before = pool("a", "10.0.0.0/24") + &object("L2Advertisement", "l", "{ipAddressPools: [a, later]}");
    assert_eq!(said(&before, &pool("b", "10.1.0.0/24")), []);
}

#[test]
fn the_same_problem_once_more_is_a_new_one() {
    let wrong = pool("a", "10.0.0.0/33");
    let twice = pool("a", "10.0.0.0/33") + &pool("b", "10.0.0.0/33");
    assert_eq!(introduced(&resources(&wrong), &resources(&twice)).len(), 1);
}

#[test]
fn a_bfd_profile_in_use_is_not_deleted() {
    let all = resources(
        &(object("BFDProfile", "fast", "{}") + &object("BFDProfile", "idle", "{}") + &object("BGPPeer", "p", PEER)),
    );
    let of = |kind: &str, name: &str| ObjectRef::new(kind, "lb", name);
    let problem = deletion(&all, &of("BFDProfile", "fast")).unwrap_err();
    assert!(problem.message.starts_with("failed to delete BFDProfile fast, used by BGPPeer p"), "{problem}");
    assert_eq!(deletion(&all, &of("BFDProfile", "idle")), Ok(()));
    assert_eq!(deletion(&all, &of("IPAddressPool", "fast")), Ok(()));
    assert_eq!(deletion(&Resources::default(), &of("BFDProfile", "fast")), Ok(()));
}

#[test]
fn of_two_definitions_of_a_profile_one_may_go() {
    let mut all = resources(&(object("BFDProfile", "fast", "{}") + &object("BGPPeer", "p", PEER)));
    let values = serde_json::json!({"configInline": {"bfd-profiles": [{"name": "fast"}]}});
    all.extend(ferrolb_config::legacy::from_values(&values, "values.yaml").unwrap());
    assert_eq!(deletion(&all, &ObjectRef::new("BFDProfile", "lb", "fast")), Ok(()));
}

#[test]
fn what_is_removed_takes_its_problems_along() {
    let mut all = support::try_resources(&(pool("a", "10.0.0.0/24") + &object("IPAddressPool", "b", "{adresses: []}")));
    assert!(!all.problems.is_empty(), "{:?}", sentences(&all.problems));
    all.remove(&ObjectRef::new("IPAddressPool", "lb", "b"));
    assert_eq!((all.problems.len(), all.pools.len()), (0, 1));
    all.remove(&ObjectRef::new("IPAddressPool", "lb", "a"));
    assert_eq!(all, Resources::default());
}
