//! Each rule, broken and kept: a judge that lets everything pass would pass everything.

use std::collections::BTreeMap;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::judge::{Judge, Rule};
use super::pools::{POOLS, Pool};
use super::seen::Seen;
use super::settled::unmet;

/// A version of a Service: its revision, its edit, what its annotations and its spec say beside the defaults, its
/// addresses.
fn seen(name: &str, (revision, edit): (u64, u64), annotations: Value, spec: Value, ips: &[&str]) -> Seen {
    let mut object = json!({
        "metadata": {
            "name": name, "uid": name, "resourceVersion": revision.to_string(), "annotations": {},
        },
        "spec": {
            "type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ipFamilyPolicy": "SingleStack", "ports": [{ "port": 80 }],
        },
        "status": { "loadBalancer": { "ingress": ips.iter().map(|ip| json!({ "ip": ip })).collect::<Vec<_>>() } },
    });
    let mut annotations = annotations;
    let mut whole = object.pointer_mut("/spec").unwrap().take();
    let map = annotations.as_object_mut().unwrap();
    map.insert("churn.ferrolb.io/edit".to_owned(), json!(edit.to_string()));
    if let Some(pool) = ips.first().and_then(|ip| Pool::of(ip.parse().unwrap())) {
        map.insert("metallb.io/ip-allocated-from-pool".to_owned(), json!(pool.name));
    }
    let Value::Object(more) = spec else { panic!("a spec is a map") };
    whole.as_object_mut().unwrap().extend(more);
    *object.pointer_mut("/metadata/annotations").unwrap() = annotations;
    *object.pointer_mut("/spec").unwrap() = whole;
    Seen::of(&serde_json::from_value::<Service>(object).unwrap())
}

fn plain(name: &str, version: (u64, u64), ips: &[&str]) -> Seen {
    seen(name, version, json!({}), json!({}), ips)
}

fn shares(name: &str, version: (u64, u64), key: &str, port: u16, ips: &[&str]) -> Seen {
    seen(name, version, json!({ "metallb.io/allow-shared-ip": key }), json!({ "ports": [{ "port": port }] }), ips)
}

fn judged(versions: Vec<Seen>) -> Judge {
    let mut judge = Judge::default();
    for seen in versions {
        judge.applied(seen);
    }
    judge
}

fn rule(versions: Vec<Seen>) -> Option<Rule> {
    judged(versions).violation().map(|violation| violation.rule)
}

const A: &str = "10.10.52.0";
const B: &str = "10.10.52.1";

#[test]
fn an_address_that_another_holds_is_held_twice() {
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), plain("b", (2, 1), &[A])]), Some(Rule::HeldTwice));
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), plain("b", (2, 1), &[B])]), None);
}

#[test]
fn only_the_same_key_and_other_ports_make_sharing_right() {
    let with = |key, port| rule(vec![shares("a", (1, 1), "k", 80, &[A]), shares("b", (2, 1), key, port, &[A])]);
    assert_eq!(with("k", 81), None);
    assert_eq!(with("k", 80), Some(Rule::HeldTwice));
    assert_eq!(with("other", 81), Some(Rule::HeldTwice));
    let local = |app| {
        let spec =
            |port| json!({ "ports": [{ "port": port }], "externalTrafficPolicy": "Local", "selector": { "app": app } });
        seen("b", (2, 1), json!({ "metallb.io/allow-shared-ip": "k" }), spec(81), &[A])
    };
    assert_eq!(rule(vec![shares("a", (1, 1), "k", 80, &[A]), local("x")]), Some(Rule::HeldTwice));
}

#[test]
fn whoever_shared_until_just_now_may_have_been_seen_so() {
    let changed = |edit| vec![shares("a", (1, 1), "k", 80, &[A]), shares("a", (2, edit), "other", 80, &[A])];
    let mut versions = changed(2);
    versions.push(shares("b", (3, 1), "k", 81, &[A]));
    assert_eq!(rule(versions), None);
    // A status of its own says that the controller has seen the change.
    let mut versions = changed(2);
    versions.extend([shares("a", (3, 2), "other", 80, &[B]), shares("b", (4, 1), "k", 81, &[B])]);
    assert_eq!(rule(versions), Some(Rule::HeldTwice));
    let versions = vec![shares("a", (1, 1), "other", 80, &[A]), shares("b", (4, 1), "k", 81, &[A])];
    assert_eq!(rule(versions), Some(Rule::HeldTwice));
}

#[test]
fn an_address_that_its_holder_gives_up_is_its_own_until_the_status_says_otherwise() {
    let asks =
        |revision, ips: &[&str]| seen("a", (revision, 2), json!({ "metallb.io/loadBalancerIPs": B }), json!({}), ips);
    let too_early = vec![plain("a", (1, 1), &[A]), asks(2, &[A]), plain("b", (3, 1), &[A])];
    assert_eq!(rule(too_early), Some(Rule::HeldTwice));
    let in_time = vec![plain("a", (1, 1), &[A]), asks(2, &[A]), asks(3, &[B]), plain("b", (4, 1), &[A])];
    assert_eq!(rule(in_time), None);
}

#[test]
fn an_address_is_lost_unless_something_asked_for_that() {
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), plain("a", (2, 1), &[])]), Some(Rule::Lost));
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), plain("a", (2, 1), &[B])]), Some(Rule::Lost));
    let edited = seen("a", (2, 2), json!({ "other": "x" }), json!({}), &[A]);
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), edited, plain("a", (3, 2), &[])]), Some(Rule::Lost));
    let asks = |revision, ips: &[&str]| {
        seen("a", (revision, 2), json!({ "metallb.io/address-pool": "small" }), json!({}), ips)
    };
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), asks(2, &[A]), asks(3, &["10.10.53.0"])]), None);
    let other = |revision, ips: &[&str]| seen("a", (revision, 2), json!({}), json!({ "type": "ClusterIP" }), ips);
    assert_eq!(rule(vec![plain("a", (1, 1), &[A]), other(2, &[A]), other(3, &[])]), None);
}

#[test]
fn a_partner_that_changes_its_key_is_a_cause() {
    let versions = vec![
        shares("a", (1, 1), "k", 80, &[A]),
        shares("b", (2, 1), "k", 81, &[A]),
        shares("a", (3, 2), "other", 80, &[A]),
        shares("b", (4, 1), "k", 81, &[B]),
    ];
    assert_eq!(rule(versions), None);
}

#[test]
fn who_changes_the_key_may_find_that_somebody_was_let_in_a_moment_before() {
    let version = |version, key, ips: &[&str]| shares("a", version, key, 80, ips);
    assert_eq!(rule(vec![version((1, 1), "k", &[A]), version((2, 2), "l", &[A]), version((3, 2), "l", &[B])]), None);
    // Nobody can have been let in where nothing was shared, or where that goes on.
    let first = vec![plain("a", (1, 1), &[A]), version((2, 2), "l", &[A]), version((3, 2), "l", &[B])];
    assert_eq!(rule(first), Some(Rule::Lost));
    let same = vec![version((1, 1), "k", &[A]), version((2, 2), "k", &[A]), version((3, 2), "k", &[B])];
    assert_eq!(rule(same), Some(Rule::Lost));
}

#[test]
fn addresses_that_nobody_may_have_or_not_this_service_are_unfit() {
    assert_eq!(rule(vec![plain("a", (1, 1), &["192.0.2.1"])]), Some(Rule::Unfit));
    assert_eq!(rule(vec![plain("a", (1, 1), &["fd00:10:52::"])]), Some(Rule::Unfit));
    let dual = |policy: &str, ips: &[&str]| {
        let spec = json!({ "ipFamilyPolicy": policy, "clusterIPs": ["10.96.0.1", "fd00::1"] });
        rule(vec![seen("a", (1, 1), json!({}), spec, ips)])
    };
    assert_eq!(dual("RequireDualStack", &[A]), Some(Rule::Unfit));
    assert_eq!(dual("PreferDualStack", &[A]), None);
    assert_eq!(dual("RequireDualStack", &[A, "fd00:10:52::"]), None);
    assert_eq!(dual("RequireDualStack", &[A, "fd00:10:53::"]), Some(Rule::Unfit));
}

#[test]
fn what_was_not_seen_in_a_gap_is_not_held_against_anybody_and_what_was_is() {
    let after = |edit, ips: &[&str]| {
        let mut judge = judged(vec![plain("a", (1, 1), &[A])]);
        judge.listed(vec![plain("a", (9, edit), ips)]);
        judge.violation().map(|violation| violation.rule)
    };
    assert_eq!(after(2, &[B]), None);
    assert_eq!(after(1, &[B]), Some(Rule::Lost));
    let mut judge = judged(vec![plain("a", (1, 1), &[A])]);
    judge.listed(vec![plain("b", (9, 1), &[A])]);
    assert!(judge.violation().is_none(), "a was deleted");
}

/// Counters that are right for the addresses that are held.
fn counters(held: &[(&str, i64)]) -> BTreeMap<String, IPAddressPoolStatus> {
    let count = |v6: bool, pool: &Pool| i64::try_from(pool.addresses(v6).len()).unwrap();
    let status = |pool: &Pool| {
        let used = held.iter().find(|(name, _)| *name == pool.name).map_or(0, |(_, used)| *used);
        IPAddressPoolStatus {
            assigned_ipv4: used,
            assigned_ipv6: 0,
            available_ipv4: count(false, pool) - used,
            available_ipv6: count(true, pool),
        }
    };
    POOLS.iter().map(|pool| (pool.name.to_owned(), status(pool))).collect()
}

#[test]
fn in_the_end_everybody_is_served_who_can_be() {
    let left = |versions: Vec<Seen>, used| unmet(&judged(versions), &counters(&[("large", used)])).len();
    assert_eq!(left(vec![plain("a", (1, 1), &[A])], 1), 0);
    assert_eq!(left(vec![plain("a", (1, 1), &[])], 0), 1);
    let asks = |ip: &str| seen("b", (2, 1), json!({ "metallb.io/loadBalancerIPs": ip }), json!({}), &[]);
    assert_eq!(left(vec![plain("a", (1, 1), &[A]), asks(A)], 1), 0, "it is taken");
    assert_eq!(left(vec![plain("a", (1, 1), &[A]), asks(B)], 1), 1);
    let spec = json!({ "ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.96.0.1", "fd00::1"] });
    assert_eq!(left(vec![seen("a", (1, 1), json!({}), spec, &[A])], 1), 1, "it could have an IPv6 address too");
}

#[test]
fn in_the_end_counters_are_right_and_nothing_is_left_over() {
    let left = |versions: Vec<Seen>, used| unmet(&judged(versions), &counters(&[("large", used)])).len();
    assert_eq!(left(vec![plain("a", (1, 1), &[A])], 2), 1);
    assert_eq!(left(vec![shares("a", (1, 1), "k", 80, &[A]), shares("b", (2, 1), "k", 81, &[A])], 1), 0);
    let cleared = |ips: &[&str]| seen("a", (2, 2), json!({}), json!({ "type": "ClusterIP" }), ips);
    assert_eq!(left(vec![plain("a", (1, 1), &[A]), cleared(&[])], 0), 0);
    assert_eq!(left(vec![plain("a", (1, 1), &[A]), cleared(&[A])], 0), 2);
}
