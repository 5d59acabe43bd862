//! Which peers and BFD profiles are accepted and refused: a row for every rule, on either side of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod support;

use std::time::Duration;

use ferrolb_config::{Bfd, Class, Labels, Password, PeerEndpoint, RemoteAsn};
use support::Verdict::{Accepted, Invalid, Missing};
use support::{check, node, object, parsed, resources, secret};

fn peer(name: &str, fields: &str) -> String {
    object("BGPPeer", name, &format!("{{{fields}}}"))
}

const SOUND: &str = "myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1";

#[test]
fn peers_are_judged_field_by_field() {
    for (fields, verdict) in [
        ("myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1", Accepted),
        ("myASN: 4294967295, peerASN: 4200000000, peerAddress: '2001:db8::1'", Accepted),
        ("myASN: 64512, dynamicASN: internal, interface: eth0", Accepted),
        ("myASN: 64512, dynamicASN: external, peerAddress: 192.0.2.1, ebgpMultiHop: true", Accepted),
        ("myASN: 64512, peerASN: 0, dynamicASN: external, peerAddress: 192.0.2.1", Accepted),
        ("peerASN: 64513, peerAddress: 192.0.2.1", Invalid("spec.myASN", "missing field `myASN`")),
        ("myASN: 0, peerASN: 64513, peerAddress: 192.0.2.1", Invalid("spec.myASN", "missing local ASN")),
        ("myASN: 4294967296, peerASN: 1, peerAddress: 192.0.2.1", Invalid("spec.myASN", "4294967296")),
        ("myASN: -1, peerASN: 1, peerAddress: 192.0.2.1", Invalid("spec.myASN", "-1")),
        ("myASN: 64512, peerAddress: 192.0.2.1", Invalid("spec.peerASN", "missing peer ASN and dynamicASN")),
        (
            "myASN: 64512, peerASN: 0, peerAddress: 192.0.2.1",
            Invalid("spec.peerASN", "missing peer ASN and dynamicASN"),
        ),
        (
            "myASN: 64512, peerASN: 1, dynamicASN: internal, peerAddress: 192.0.2.1",
            Invalid("spec.dynamicASN", "both peer ASN and dynamicASN specified"),
        ),
        (
            "myASN: 64512, dynamicASN: auto, peerAddress: 192.0.2.1",
            Invalid("spec.dynamicASN", "`internal` or `external`"),
        ),
        ("myASN: 64512, peerASN: 1", Invalid("spec.peerAddress", "peer has no Address or Interface specified")),
        (
            "myASN: 64512, peerASN: 1, peerAddress: ''",
            Invalid("spec.peerAddress", "peer has no Address or Interface specified"),
        ),
        (
            "myASN: 64512, peerASN: 1, peerAddress: 192.0.2.1, interface: eth0",
            Invalid("spec.interface", "peer has both Address and Interface specified"),
        ),
        (
            "myASN: 64512, peerASN: 1, peerAddress: router",
            Invalid("spec.peerAddress", "invalid BGPPeer address \"router\""),
        ),
        ("myASN: 64512, peerASN: 1, peerAddress: 192.0.2.1/32", Invalid("spec.peerAddress", "invalid BGPPeer address")),
    ] {
        check(&peer("p", fields), verdict);
    }
}

#[test]
fn options_of_peers_are_judged_field_by_field() {
    for (fields, verdict) in [
        ("ebgpMultiHop: true", Accepted),
        ("localASN: 1", Accepted),
        ("localASN: 0", Invalid("spec.localASN", "between 1 and 4294967295")),
        ("peerPort: 180", Accepted),
        ("peerPort: 16384", Accepted),
        ("peerPort: 16385", Invalid("spec.peerPort", "between 1 and 16384")),
        ("peerPort: 0", Invalid("spec.peerPort", "between 1 and 16384")),
        ("peerPort: 70000", Invalid("spec.peerPort", "70000")),
        ("sourceAddress: 192.0.2.7", Accepted),
        ("sourceAddress: eth0", Invalid("spec.sourceAddress", "invalid source IP")),
        ("routerID: 10.0.0.1", Accepted),
        ("routerID: router-1", Invalid("spec.routerID", "invalid router ID")),
        ("routerID: 'fd00::1'", Invalid("spec.routerID", "invalid router ID")),
        ("routerID: 0.0.0.0", Invalid("spec.routerID", "invalid router ID")),
        ("holdTime: 3s, keepaliveTime: 1s", Accepted),
        ("holdTime: 0s", Accepted),
        ("holdTime: 2s", Invalid("spec.holdTime", "must be 0 or >=3s")),
        ("holdTime: 90", Invalid("spec.holdTime", "expected a text")),
        ("holdTime: '90'", Invalid("spec.holdTime", "write a number with a unit")),
        ("holdTime: 9s, keepaliveTime: 10s", Invalid("spec.keepaliveTime", "invalid keepaliveTime \"10s\"")),
        ("connectTime: 10s", Accepted),
        ("connectTime: 0s", Invalid("spec.connectTime", "connect time should be between 1 seconds to 65535")),
        ("connectTime: 1500ms", Invalid("spec.connectTime", "connect time should contain a whole number of seconds")),
        ("nodeSelectors: [{matchLabels: {rack: a}}]", Accepted),
        ("nodeSelectors: [{}, {}]", Invalid("spec.nodeSelectors[1]", "in the list already")),
        (
            "nodeSelectors: [{matchExpressions: [{key: a, operator: Is}]}]",
            Invalid("spec.nodeSelectors[0].matchExpressions[0].operator", "unknown operator"),
        ),
        ("password: hunter2", Accepted),
        ("passwordSecret: {name: auth}", Accepted),
        ("passwordSecret: {name: auth, namespace: elsewhere}", Accepted),
        ("passwordSecret: {}", Accepted),
        (
            "password: hunter2, passwordSecret: {name: auth}",
            Invalid("spec.passwordSecret.name", "leave one of the two out"),
        ),
        ("passwordSecret: {name: later}", Missing("spec.passwordSecret.name", "there is no Secret \"later\"")),
        ("passwordSecret: {name: opaque}", Missing("spec.passwordSecret.name", "secret type mismatch")),
        (
            "passwordSecret: {name: keyless}",
            Missing("spec.passwordSecret.name", "password not specified in the secret"),
        ),
        ("bfdProfile: fast", Accepted),
        ("bfdProfile: later", Missing("spec.bfdProfile", "peer p referencing non existing bfd profile later")),
        ("vrf: red, disableMP: true, dualStackAddressFamily: true, enableGracefulRestart: true", Accepted),
        ("holdtime: 90s", Invalid("spec.holdtime", "unknown field")),
        ("passwordSecret: {nam: x}", Invalid("spec.passwordSecret.nam", "unknown field")),
    ] {
        let around = secret("auth", "kubernetes.io/basic-auth", "password: aHVudGVyMg==")
            + &secret("opaque", "Opaque", "password: aHVudGVyMg==")
            + &secret("keyless", "kubernetes.io/basic-auth", "username: eA==")
            + &object("BFDProfile", "fast", "{}");
        check(&(around + &peer("p", &format!("{SOUND}, {fields}"))), verdict);
    }
    let internal = "myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.1";
    check(&peer("p", internal), Accepted);
    let multi_hop = format!("{internal}, ebgpMultiHop: true");
    check(&peer("p", &multi_hop), Invalid("spec.ebgpMultiHop", "invalid ebgp-multihop parameter set for an ibgp peer"));
}

#[test]
fn a_node_has_one_peer_for_one_address_port_and_vrf() {
    let twin = "BGPPeers \"a\" and \"b\" are both the router at 192.0.2.1 port 179";
    let on = |rack: &str| format!("{SOUND}, nodeSelectors: [{{matchLabels: {{rack: '{rack}'}}}}]");
    let nodes = node("n1", "rack: '1'") + &node("n2", "rack: '2'");
    for (first, second, verdict) in [
        (SOUND.to_owned(), SOUND.to_owned(), Invalid("spec.peerAddress", twin)),
        (SOUND.to_owned(), SOUND.replace("64512", "64515"), Invalid("spec.peerAddress", "peer b already exists")),
        (SOUND.to_owned(), format!("{SOUND}, peerPort: 1179"), Accepted),
        (SOUND.to_owned(), format!("{SOUND}, vrf: red"), Accepted),
        (format!("{SOUND}, vrf: red"), format!("{SOUND}, vrf: red"), Invalid("spec.peerAddress", "in VRF \"red\"")),
        (on("1"), on("2"), Invalid("spec.peerAddress", twin)),
        (on("1") + "#", on("2"), Accepted),
        (on("1") + "#", SOUND.to_owned(), Invalid("spec.peerAddress", twin)),
        (
            "myASN: 1, peerASN: 2, interface: eth0".to_owned(),
            "myASN: 1, dynamicASN: external, interface: eth0".to_owned(),
            Invalid("spec.interface", "router at eth0"),
        ),
    ] {
        // Where nothing is known of nodes, any two selectors may meet.
        let known = if first.ends_with('#') { nodes.as_str() } else { "" };
        check(&(peer("a", first.trim_end_matches('#')) + &peer("b", &second) + known), verdict);
    }
    check(&(peer("a", SOUND) + &peer("a", SOUND)), Invalid("metadata.name", "given twice"));
}

#[test]
fn the_version_before_the_newest_is_read_with_its_own_bounds() {
    let old = |fields: &str| peer("p", fields).replace("v1beta2", "v1beta1");
    for (fields, verdict) in [
        (SOUND.to_owned(), Accepted),
        (format!("{SOUND}, peerPort: 0"), Accepted),
        (format!("{SOUND}, holdTime: 30s, nodeSelectors: [{{matchLabels: {{a: b}}}}]"), Accepted),
        (format!("{SOUND}, peerPort: 16385"), Invalid("spec.peerPort", "between 1 and 16384")),
        (format!("{SOUND}, connectTime: 10s"), Invalid("spec.connectTime", "unknown field")),
        ("myASN: 64512, peerASN: 1".to_owned(), Invalid("spec.peerAddress", "missing field `peerAddress`")),
        (
            format!("{SOUND}, nodeSelectors: [{{matchExpressions: [{{key: a, operator: Exists}}]}}]"),
            Invalid("spec.nodeSelectors[0].matchExpressions[0].values", "at least one value"),
        ),
        ("myASN: 1, peerASN: 0, peerAddress: 192.0.2.1".to_owned(), Invalid("spec.peerASN", "missing peer ASN")),
    ] {
        check(&old(&fields), verdict);
    }
    let peer = &parsed(&old(SOUND)).config.peers["p"];
    assert_eq!((peer.port, peer.timers.hold), (179, Duration::from_secs(90)), "an absent hold time is the default one");
}

#[test]
fn a_peer_is_parsed_once_and_for_all() {
    let around = secret("auth", "kubernetes.io/basic-auth", "password: aHVudGVyMg==")
        + &object("BFDProfile", "fast", "{receiveInterval: 50, echoMode: true, minimumTtl: 200}");
    let fields = "myASN: 64512, dynamicASN: external, localASN: 65000, interface: eth0, sourceAddress: 'fe80::1', \
                  peerPort: 180, holdTime: 1m30s, connectTime: 5s, routerID: 10.0.0.1, passwordSecret: {name: auth}, \
                  bfdProfile: fast, enableGracefulRestart: true, vrf: red, dualStackAddressFamily: true, \
                  nodeSelectors: [{matchLabels: {rack: a}}]";
    let config = parsed(&(around + &peer("p", fields))).config;
    let peer = &config.peers["p"];
    assert_eq!((peer.my_asn, peer.remote_asn, peer.local_asn), (64_512, RemoteAsn::External, Some(65_000)));
    assert_eq!(peer.endpoint, PeerEndpoint::Interface("eth0".into()));
    assert_eq!((peer.port, peer.source_address), (180, Some("fe80::1".parse().unwrap())));
    assert_eq!((peer.timers.hold.as_secs(), peer.timers.keepalive.as_secs()), (90, 30));
    assert_eq!(peer.connect_retry, Some(Duration::from_secs(5)));
    assert_eq!(peer.router_id, Some("10.0.0.1".parse().unwrap()));
    assert!(matches!(&peer.password, Password::Secret { name, .. } if name == "auth"), "{:?}", peer.password);
    let Bfd::On(profile) = &peer.bfd else { panic!("{:?}", peer.bfd) };
    assert_eq!(profile, &config.bfd_profiles["fast"]);
    assert_eq!(
        (profile.receive_interval, profile.transmit_interval),
        (Duration::from_millis(50), Duration::from_millis(300))
    );
    assert_eq!((profile.detect_multiplier, profile.echo_mode, profile.minimum_ttl), (3, true, 200));
    assert_eq!((peer.graceful_restart, peer.dual_stack, peer.vrf.as_deref()), (true, true, Some("red")));
    assert!(peer.covers_node(&[("rack", "a")].into()) && !peer.covers_node(&Labels::new()));
    assert!(peer.is_complete());
}

#[test]
fn a_peer_that_waits_for_something_is_there_but_not_complete() {
    let config = parsed(
        &(peer("a", &format!("{SOUND}, bfdProfile: x")) + &peer("b", &format!("{SOUND}, passwordSecret: {{name: y}}"))),
    )
    .config;
    assert_eq!(config.peers["a"].bfd, Bfd::Missing("x".into()));
    assert_eq!(config.peers["b"].password, Password::Missing("y".into()));
    assert!(config.peers.values().all(|peer| !peer.is_complete()));
}

#[test]
fn bfd_profiles_are_judged_field_by_field() {
    for (fields, verdict) in [
        ("", Accepted),
        (
            "receiveInterval: 10, transmitInterval: 60000, echoInterval: 10, detectMultiplier: 2, minimumTtl: 1",
            Accepted,
        ),
        ("detectMultiplier: 255, minimumTtl: 254, passiveMode: true, echoMode: true", Accepted),
        ("receiveInterval: 9", Invalid("spec.receiveInterval", "between 10 and 60000")),
        ("transmitInterval: 60001", Invalid("spec.transmitInterval", "between 10 and 60000")),
        ("echoInterval: 0", Invalid("spec.echoInterval", "between 10 and 60000")),
        ("detectMultiplier: 1", Invalid("spec.detectMultiplier", "between 2 and 255")),
        ("detectMultiplier: 256", Invalid("spec.detectMultiplier", "between 2 and 255")),
        ("minimumTtl: 0", Invalid("spec.minimumTtl", "between 1 and 254")),
        ("minimumTtl: 255", Invalid("spec.minimumTtl", "between 1 and 254")),
        ("receiveInterval: -1", Invalid("spec.receiveInterval", "-1")),
        ("echoMode: 'yes'", Invalid("spec.echoMode", "expected true or false")),
        ("interval: 300", Invalid("spec.interval", "unknown field")),
    ] {
        check(&object("BFDProfile", "b", &format!("{{{fields}}}")), verdict);
    }
    let twice = object("BFDProfile", "b", "{}") + &object("BFDProfile", "b", "{}");
    check(&twice, Invalid("metadata.name", "given twice"));
}

#[test]
fn passwords_never_show() {
    let yaml = peer("p", &format!("{SOUND}, password: hunter2"))
        + &secret("s", "kubernetes.io/basic-auth", "password: aHVudGVyMg==");
    let resources = resources(&yaml);
    let parsed = ferrolb_config::parse(&resources);
    assert_eq!(parsed.config.peers["p"].password, Password::Inline("hunter2".into()));
    let wrong = support::parsed(&peer("p", &format!("{SOUND}, password: 5553")));
    assert_eq!((wrong.problems[0].class, wrong.problems[0].field.as_str()), (Class::Invalid, "spec.password"));
    let shown = format!("{resources:?} {parsed:?} {wrong:?} {}", wrong.problems[0]);
    for secret in ["hunter2", "aHVudGVyMg", "5553"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
