//! Which communities and BGP advertisements are accepted and refused: a row for every rule, on either side of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod support;

use ferrolb_config::{Community, Labels, PeerSet};
use support::Verdict::{Accepted, Invalid, Missing};
use support::{check, node, object, parsed, pool};

fn peer(name: &str, fields: &str) -> String {
    object("BGPPeer", name, &format!("{{{fields}}}"))
}

fn advertisement(name: &str, fields: &str) -> String {
    object("BGPAdvertisement", name, &format!("{{{fields}}}"))
}

const SOUND: &str = "myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1";

#[test]
fn communities_are_judged_together() {
    let community = |name: &str, list: &str| object("Community", name, &format!("{{communities: [{list}]}}"));
    for (yaml, verdict) in [
        (community("c", "{name: a, value: '65535:65281'}, {name: b, value: 'large:1:2:3'}"), Accepted),
        (community("c", ""), Accepted),
        (
            community("c", "{name: a, value: '1:65536'}"),
            Invalid("spec.communities[0].value", "invalid community value"),
        ),
        (
            community("c", "{name: a, value: 'x:1:2:3'}"),
            Invalid("spec.communities[0].value", "invalid community value"),
        ),
        (community("c", "{name: a, value: b}"), Invalid("spec.communities[0].value", "invalid format")),
        (community("c", "{name: a}"), Invalid("spec.communities[0].value", "invalid format")),
        (community("c", "{value: '1:2'}"), Invalid("spec.communities[0].name", "needs a name")),
        (
            community("c", "{name: a, value: '1:2'}, {name: a, value: '1:3'}"),
            Invalid("spec.communities[1].name", "duplicate definition of community \"a\""),
        ),
        (
            community("c", "{name: a, value: '1:2'}") + &community("d", "{name: a, value: '1:2'}"),
            Invalid(
                "spec.communities[0].name",
                "duplicate definition of community \"a\"; it is defined in Community lb/c",
            ),
        ),
    ] {
        check(&yaml, verdict);
    }
}

#[test]
fn advertisements_are_judged_field_by_field() {
    let around = pool("a", "10.0.0.0/24, 10.1.0.1-10.1.0.6, fd00::/120")
        + &peer("p", SOUND)
        + &object("Community", "c", "{communities: [{name: backup, value: '64512:7'}, {name: 'a:b', value: '1:1'}]}");
    for (fields, verdict) in [
        ("", Accepted),
        (
            "ipAddressPools: [a], peers: [p], communities: [backup, 'a:b', '1:2', 'large:1:2:3'], localPref: 100",
            Accepted,
        ),
        ("ipAddressPools: [a, a]", Invalid("spec.ipAddressPools[1]", "duplicate")),
        ("ipAddressPools: [later]", Missing("spec.ipAddressPools[0]", "pools are: a")),
        ("ipAddressPoolSelectors: [{matchLabels: {x: y}}]", Accepted),
        ("ipAddressPoolSelectors: [{}, {}]", Invalid("spec.ipAddressPoolSelectors[1]", "in the list already")),
        ("peers: [p, p]", Invalid("spec.peers[1]", "duplicate")),
        ("peers: [later]", Missing("spec.peers[0]", "peers are: p")),
        ("communities: ['1:2', '1:2']", Invalid("spec.communities[1]", "duplicate")),
        ("communities: ['1:65536']", Invalid("spec.communities[0]", "invalid community value")),
        ("communities: ['x:1:2:3']", Invalid("spec.communities[0]", "invalid community value")),
        ("communities: [later]", Missing("spec.communities[0]", "invalid format of community \"later\"")),
        ("communities: ['1:2:3']", Missing("spec.communities[0]", "invalid format of community \"1:2:3\"")),
        ("localPref: 2147483648", Accepted),
        ("localPref: 4294967295", Accepted),
        ("localPref: 4294967296", Invalid("spec.localPref", "4294967296")),
        ("localPref: -1", Invalid("spec.localPref", "-1")),
        ("asPathPrepend: 10", Accepted),
        ("asPathPrepend: 11", Invalid("spec.asPathPrepend", "1 to 10")),
        ("asPathPrepend: 0", Invalid("spec.asPathPrepend", "1 to 10")),
        ("nodeSelectors: [{}, {}]", Invalid("spec.nodeSelectors[1]", "in the list already")),
        ("serviceSelectors: [{}, {}]", Invalid("spec.serviceSelectors[1]", "in the list already")),
        ("serviceSelectors: [{}], aggregationLength: 32, aggregationLengthV6: 128", Accepted),
        ("serviceSelectors: [{}], aggregationLength: 30", Invalid("spec.aggregationLength", "mutually exclusive")),
        ("serviceSelectors: [{}], aggregationLengthV6: 127", Invalid("spec.aggregationLengthV6", "mutually exclusive")),
        ("serviceSelectors: [], aggregationLength: 31", Accepted),
        ("communitys: []", Invalid("spec.communitys", "unknown field")),
    ] {
        check(&(around.clone() + &advertisement("adv", fields)), verdict);
    }
    check(&(advertisement("adv", "") + &advertisement("adv", "")), Invalid("metadata.name", "given twice"));
}

#[test]
fn a_route_is_no_longer_than_the_pool_it_is_for() {
    let specific = "is more specific than the aggregation length for addresses";
    for (addresses, fields, verdict) in [
        ("10.0.0.0/28", "aggregationLength: 28", Accepted),
        (
            "10.0.0.0/28",
            "aggregationLength: 27",
            Invalid(
                "spec.aggregationLength",
                "invalid aggregation length 27: prefix 28 in this pool is more specific than the aggregation length for addresses 10.0.0.0/28",
            ),
        ),
        ("10.0.0.0/24, 10.1.0.0/28", "aggregationLength: 26", Invalid("spec.aggregationLength", specific)),
        // Of a range it is enough that one of its prefixes is short enough.
        ("10.0.0.1-10.0.0.6", "aggregationLength: 31", Accepted),
        ("10.0.0.1-10.0.0.6", "aggregationLength: 30", Invalid("spec.aggregationLength", specific)),
        ("10.0.0.0/24", "aggregationLength: 33", Invalid("spec.aggregationLength", "between 1 and 32")),
        ("10.0.0.0/24", "aggregationLength: 0", Invalid("spec.aggregationLength", "between 1 and 32")),
        ("10.0.0.0/24", "aggregationLengthV6: 0", Accepted),
        ("fd00::/120", "aggregationLengthV6: 120", Accepted),
        ("fd00::/120", "aggregationLength: 8", Accepted),
        (
            "fd00::/120",
            "aggregationLengthV6: 64",
            Invalid("spec.aggregationLengthV6", "invalid aggregation length 64: prefix 120"),
        ),
        ("fd00::/120", "aggregationLengthV6: 129", Invalid("spec.aggregationLengthV6", "between 0 and 128")),
    ] {
        check(&(pool("a", addresses) + &advertisement("adv", fields)), verdict);
    }
    // Another pool's addresses do not matter.
    let both = pool("a", "10.0.0.0/28")
        + &pool("b", "10.1.0.0/16")
        + &advertisement("adv", "ipAddressPools: [b], aggregationLength: 24");
    check(&both, Accepted);
}

#[test]
fn advertisements_of_one_pool_do_not_contradict_each_other() {
    let conflict = Invalid("spec.localPref", "invalid local preference 200: local preference 100 was already set");
    for (addresses, first, second, verdict) in [
        ("10.0.0.0/24", "localPref: 100", "localPref: 100", Accepted),
        ("10.0.0.0/24", "localPref: 100", "localPref: 200", conflict),
        ("10.0.0.0/24", "", "localPref: 200", Invalid("spec.localPref", "local preference 0 was already set")),
        ("10.0.0.0/24", "localPref: 0", "", Accepted),
        // Other routes.
        ("10.0.0.0/24", "localPref: 100", "localPref: 200, aggregationLength: 24", Accepted),
        ("10.0.0.0/24", "localPref: 100", "localPref: 200, aggregationLengthV6: 120", conflict),
        ("fd00::/120", "localPref: 100", "localPref: 200, aggregationLengthV6: 120", Accepted),
        ("fd00::/120", "localPref: 100", "localPref: 200, aggregationLength: 24", conflict),
        ("10.0.0.0/24, fd00::/120", "localPref: 100", "localPref: 200, aggregationLength: 24", conflict),
        (
            "10.0.0.0/24, fd00::/120",
            "localPref: 100",
            "localPref: 200, aggregationLength: 24, aggregationLengthV6: 120",
            Accepted,
        ),
        // Other peers.
        ("10.0.0.0/24", "localPref: 100, peers: [p]", "localPref: 200, peers: [q]", Accepted),
        ("10.0.0.0/24", "localPref: 100, peers: [p]", "localPref: 200, peers: [q, p]", conflict),
        ("10.0.0.0/24", "localPref: 100, peers: [p]", "localPref: 200", conflict),
        // Other nodes: n1 and n2 carry rack a and b.
        (
            "10.0.0.0/24",
            "localPref: 100, nodeSelectors: [{matchLabels: {rack: a}}]",
            "localPref: 200, nodeSelectors: [{matchLabels: {rack: b}}]",
            Accepted,
        ),
        (
            "10.0.0.0/24",
            "localPref: 100, nodeSelectors: [{matchLabels: {rack: a}}]",
            "localPref: 200, nodeSelectors: [{matchLabels: {rack: none}}]",
            Accepted,
        ),
        ("10.0.0.0/24", "localPref: 100, nodeSelectors: [{matchLabels: {rack: a}}]", "localPref: 200", conflict),
        // Some Services only: decided when they meet.
        ("10.0.0.0/24", "localPref: 100", "localPref: 200, serviceSelectors: [{matchLabels: {a: b}}]", Accepted),
        // The AS path is judged like the preference.
        ("10.0.0.0/24", "asPathPrepend: 3", "asPathPrepend: 3", Accepted),
        (
            "10.0.0.0/24",
            "asPathPrepend: 3",
            "asPathPrepend: 2",
            Invalid("spec.asPathPrepend", "invalid AS path prepend 2: AS path prepend 3 was already set"),
        ),
        ("10.0.0.0/24", "asPathPrepend: 3", "", Invalid("spec.asPathPrepend", "AS path prepend 3 was already set")),
        ("10.0.0.0/24", "asPathPrepend: 3, peers: [p]", "peers: [q]", Accepted),
        ("10.0.0.0/24", "asPathPrepend: 3", "aggregationLength: 24", Accepted),
    ] {
        let around = pool("pool", addresses)
            + &peer("p", SOUND)
            + &peer("q", &format!("{SOUND}, peerPort: 1179"))
            + &node("n1", "rack: a")
            + &node("n2", "rack: b");
        check(&(around + &advertisement("a", first) + &advertisement("b", second)), verdict);
    }
    let apart = pool("x", "10.0.0.0/24")
        + &pool("y", "10.1.0.0/24")
        + &advertisement("a", "ipAddressPools: [x], localPref: 1")
        + &advertisement("b", "ipAddressPools: [y], localPref: 2");
    check(&apart, Accepted);
    // Nothing is known of nodes: they may be the same.
    let unknown = pool("x", "10.0.0.0/24")
        + &advertisement("a", "localPref: 1, nodeSelectors: [{matchLabels: {rack: a}}]")
        + &advertisement("b", "localPref: 2, nodeSelectors: [{matchLabels: {rack: b}}]");
    check(&unknown, Invalid("spec.localPref", "invalid local preference 2"));
}

#[test]
fn echo_packets_and_addresses_of_ipv6_do_not_go_together() {
    let with = |addresses: &str, echo: &str, fields: &str| {
        pool("a", addresses)
            + &object("BFDProfile", "fast", &format!("{{echoMode: {echo}}}"))
            + &peer("p", &format!("{SOUND}, bfdProfile: fast"))
            + &peer("q", &format!("{SOUND}, peerPort: 1179"))
            + &advertisement("adv", fields)
    };
    let refused = Invalid("spec.bfdProfile", "echo enabled, which is not possible");
    check(&with("10.0.0.0/24", "true", ""), Accepted);
    check(&with("fd00::/120", "false", ""), Accepted);
    check(&with("fd00::/120", "true", "peers: [q]"), Accepted);
    check(&with("10.0.0.0/24, fd00::/120", "true", ""), refused);
    check(&with("fd00::/120", "true", "peers: [p]"), refused);
}

#[test]
fn an_advertisement_is_parsed_once_and_for_all() {
    let around = pool("a", "10.0.0.0/24")
        + &pool("b", "fd00::/64")
        + &peer("p", SOUND)
        + &object("Community", "c", "{communities: [{name: backup, value: '64512:7'}]}");
    let fields = "aggregationLength: 24, aggregationLengthV6: 64, localPref: 5, asPathPrepend: 2, peers: [p, later], \
                  communities: [backup, 'large:1:2:3', '64512:7']";
    let config =
        parsed(&(around + &advertisement("adv", fields) + &advertisement("zero", "localPref: 5, asPathPrepend: 2")))
            .config;
    let adv = &config.bgp_advertisements[0];
    assert_eq!(adv.pools, ["a".to_owned(), "b".to_owned()].into());
    assert_eq!((adv.local_pref, adv.as_path_prepend), (Some(5), Some(2)));
    assert_eq!(adv.communities, [Community::Standard(64_512, 7), Community::Large(1, 2, 3)].into());
    assert_eq!(adv.peers, PeerSet::Named(["p".to_owned(), "later".to_owned()].into()));
    assert_eq!(adv.route("10.0.0.7".parse().unwrap()), "10.0.0.0/24".parse().unwrap());
    assert_eq!(adv.route("fd00::7".parse().unwrap()), "fd00::/64".parse().unwrap());
    let zero = &config.bgp_advertisements[1];
    assert_eq!((&zero.peers, zero.route("10.0.0.7".parse().unwrap())), (&PeerSet::All, "10.0.0.7/32".parse().unwrap()));
    assert_eq!(config.communities["backup"], Community::Standard(64_512, 7));
}

#[test]
fn what_is_wrong_elsewhere_does_not_hinder_a_node() {
    let elsewhere = "nodeSelectors: [{matchLabels: {rack: b}}]";
    let yaml = pool("a", "10.0.0.0/28")
        + &peer("good", SOUND)
        + &peer("bad", &format!("myASN: 0, peerASN: 1, peerAddress: x, {elsewhere}"))
        + &advertisement("good", "")
        + &advertisement("bad", &format!("aggregationLength: 8, {elsewhere}"));
    let parsed = parsed(&yaml);
    assert!(parsed.for_announcement().is_err());
    let config = parsed.for_node(&[("rack", "a")].into()).unwrap();
    assert_eq!(config.peers.keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(config.bgp_advertisements.len(), 1);
    let hindered = parsed.for_node(&[("rack", "b")].into()).unwrap_err();
    assert_eq!(hindered.len(), 3, "{hindered:?}");
    let wrong_selector =
        peer("bad", "myASN: 0, peerASN: 1, peerAddress: 192.0.2.1, nodeSelectors: [{matchLabels: {'': b}}]");
    assert!(support::parsed(&wrong_selector).for_node(&Labels::new()).is_err(), "who is meant is not known");
}
