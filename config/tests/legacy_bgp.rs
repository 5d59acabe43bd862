//! Legacy configuration for BGP: every key, what is refused, and that conversion changes nothing.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod support;

use ferrolb_config::{ObjectRef, Resources, Scope, UnknownFields, legacy, parse, read};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::sentences;

const FULL: &str = "
peers:
- my-asn: 64512
  peer-asn: 64513
  peer-address: 192.0.2.1
  source-address: 192.0.2.10
  peer-port: 180
  hold-time: 30s
  keepalive-time: 5s
  router-id: 10.0.0.1
  password: hunter2
  bfd-profile: Fast_1
  ebgp-multihop: true
  node-selectors:
  - match-labels: {rack: a}
    match-expressions:
    - {key: zone, operator: In, values: [x, y]}
- {my-asn: 64512, peer-asn: 64512, peer-address: 192.0.2.2}
bgp-communities: {backup: '64512:7', no-advertise: '65535:65282'}
bfd-profiles:
- {name: Fast_1, receive-interval: 50, transmit-interval: 60, detect-multiplier: 4, echo-interval: 70, echo-mode: true, passive-mode: true, minimum-ttl: 200}
address-pools:
- name: routed
  protocol: bgp
  addresses: [10.0.0.0/24, 10.1.0.0/24]
  auto-assign: false
  avoid-buggy-ips: true
  bgp-advertisements:
  - {aggregation-length: 32, localpref: 100, communities: [backup, '64512:8']}
  - {aggregation-length: 24, aggregation-length-v6: 64}
- {name: plain, protocol: bgp, addresses: [10.2.0.0/24]}
- {name: flat, protocol: layer2, addresses: [10.3.0.0/24]}
";

fn config(yaml: &str) -> Result<Resources, Vec<ferrolb_config::Problem>> {
    legacy::from_config_map(yaml, ObjectRef::new("ConfigMap", "lb", "config"))
}

/// Legacy input as its converted objects say it.
fn converted(resources: &Resources) -> Resources {
    let mut all = Resources::default();
    for object in legacy::to_objects(resources, "lb").unwrap() {
        let kind = object["kind"].as_str().unwrap();
        all.extend(
            read(kind, &object, UnknownFields::Refuse).unwrap_or_else(|problems| panic!("{:?}", sentences(&problems))),
        );
    }
    all
}

#[test]
fn every_key_becomes_a_field_of_a_resource() {
    let resources = config(FULL).unwrap();
    assert_eq!(parse(&resources).problems, []);
    let objects = legacy::to_objects(&resources, "lb").unwrap();
    let names: Vec<String> = objects
        .iter()
        .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', ""))
        .collect();
    assert_eq!(
        names,
        [
            "IPAddressPool routed",
            "IPAddressPool plain",
            "IPAddressPool flat",
            "L2Advertisement l2advertisement1",
            "BGPAdvertisement bgpadvertisement1",
            "BGPAdvertisement bgpadvertisement2",
            "BGPAdvertisement bgpadvertisement3",
            "BGPPeer peer1",
            "BGPPeer peer2",
            "Community communities",
            "BFDProfile fast-1",
        ]
    );
    assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "lb"));
    assert_eq!(
        objects[4]["spec"],
        json!({"ipAddressPools": ["routed"], "aggregationLength": 32, "aggregationLengthV6": 128, "localPref": 100,
               "communities": ["backup", "64512:8"]})
    );
    assert_eq!(
        objects[6]["spec"],
        json!({"ipAddressPools": ["plain"], "aggregationLength": 32, "aggregationLengthV6": 128})
    );
    assert_eq!(objects[7]["apiVersion"], "metallb.io/v1beta2");
    assert_eq!(
        objects[7]["spec"],
        json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "sourceAddress": "192.0.2.10", "peerPort": 180,
               "holdTime": "30s", "keepaliveTime": "5s", "routerID": "10.0.0.1", "password": "hunter2", "bfdProfile": "fast-1",
               "ebgpMultiHop": true, "disableMP": false, "dualStackAddressFamily": false,
               "nodeSelectors": [{"matchLabels": {"rack": "a"},
                                  "matchExpressions": [{"key": "zone", "operator": "In", "values": ["x", "y"]}]}]})
    );
    assert_eq!((&objects[8]["spec"]["holdTime"], &objects[8]["spec"]["peerPort"]), (&json!("90s"), &json!(179)));
    assert_eq!(objects[9]["spec"]["communities"][0], json!({"name": "backup", "value": "64512:7"}));
    assert_eq!(
        objects[10]["spec"],
        json!({"receiveInterval": 50, "transmitInterval": 60, "detectMultiplier": 4, "echoInterval": 70, "echoMode": true,
               "passiveMode": true, "minimumTtl": 200})
    );
    assert_eq!(parse(&resources).config, parse(&converted(&resources)).config);
}

/// Expects a problem of the speakers in this field.
fn expect(yaml: &str, field: &str, text: &str) {
    let parsed = parse(&config(yaml).unwrap_or_else(|problems| panic!("{yaml}: {:?}", sentences(&problems))));
    let found = parsed.problems.iter().find(|problem| problem.field == field && problem.message.contains(text));
    let found = found.unwrap_or_else(|| panic!("{field}: {text}\n{yaml}: {:#?}", sentences(&parsed.problems)));
    assert_eq!(found.scope, Scope::Announcement, "{found}");
    assert!(parsed.for_allocation().is_ok() && !found.to_string().contains("5553"), "{found}");
}

#[test]
fn what_is_wrong_with_a_peer_is_named_by_the_line_that_the_user_wrote() {
    for (yaml, field, text) in [
        ("{peers: [{peer-asn: 1, peer-address: 192.0.2.1}]}", "data.config.peers[0].my-asn", "missing local ASN"),
        ("{peers: [{my-asn: 1, peer-address: 192.0.2.1}]}", "data.config.peers[0].peer-asn", "missing peer ASN"),
        ("{peers: [{my-asn: 1, peer-asn: 2}]}", "data.config.peers[0].peer-address", "no Address or Interface"),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: x}]}",
            "data.config.peers[0].peer-address",
            "invalid BGPPeer address",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 1, peer-address: 1.1.1.1, ebgp-multihop: true}]}",
            "data.config.peers[0].ebgp-multihop",
            "ibgp peer",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, hold-time: 90}]}",
            "data.config.peers[0].hold-time",
            "with a unit",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, hold-time: 1s}]}",
            "data.config.peers[0].hold-time",
            ">=3s",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, router-id: x}]}",
            "data.config.peers[0].router-id",
            "invalid router ID",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, source-address: x}]}",
            "data.config.peers[0].source-address",
            "invalid source IP",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, bfd-profile: x}]}",
            "data.config.peers[0].bfd-profile",
            "non existing bfd profile",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, peer-port: 16385}]}",
            "data.config.peers[0].peer-port",
            "between 1 and 16384",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, peer-prot: 1}]}",
            "data.config.peers[0].peer-prot",
            "unknown key",
        ),
        ("{peers: [{my-asn: x, peer-asn: 2, peer-address: 1.1.1.1}]}", "data.config.peers[0].my-asn", "whole number"),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, password: 5553}]}",
            "data.config.peers[0].password",
            "in quotes",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, node-selectors: [{match-expressions: [{key: a, operator: Is}]}]}]}",
            "data.config.peers[0].node-selectors[0].match-expressions[0].operator",
            "unknown operator",
        ),
        (
            "{peers: [{my-asn: 1, peer-asn: 2, peer-address: 1.1.1.1, node-selectors: [{matchLabels: {}}]}]}",
            "data.config.peers[0].node-selectors[0].matchLabels",
            "unknown key",
        ),
        ("{peers: {}}", "data.config.peers", "must be a list"),
        ("{peers: [x]}", "data.config.peers[0]", "must be a mapping"),
    ] {
        expect(yaml, field, text);
    }
}

#[test]
fn what_is_wrong_with_communities_and_profiles_is_named_by_the_line_that_the_user_wrote() {
    for (yaml, field, text) in [
        ("{bgp-communities: {a: b}}", "data.config.bgp-communities.a", "invalid format"),
        ("{bgp-communities: {a: 5}}", "data.config.bgp-communities.a", "must be a text"),
        ("{bgp-communities: []}", "data.config.bgp-communities", "must be a mapping"),
        ("{bfd-profiles: [{receive-interval: 50}]}", "data.config.bfd-profiles[0].name", "BFD profile needs a name"),
        (
            "{bfd-profiles: [{name: a, receive-interval: 5}]}",
            "data.config.bfd-profiles[0].receive-interval",
            "between 10 and 60000",
        ),
        ("{bfd-profiles: [{name: a, minimum-ttl: 0}]}", "data.config.bfd-profiles[0].minimum-ttl", "between 1 and 254"),
        ("{bfd-profiles: [{name: a, echo-mode: 1}]}", "data.config.bfd-profiles[0].echo-mode", "true or false"),
        ("{bfd-profiles: [{name: A}, {name: a}]}", "data.config.bfd-profiles[1].name", "given twice"),
    ] {
        expect(yaml, field, text);
    }
}

#[test]
fn advertisements_of_pools_are_judged_where_they_stand() {
    for (entry, key, text) in [
        ("{aggregation-length: 20}", "aggregation-length", "more specific"),
        ("{aggregation-length: 33}", "aggregation-length", "between 0 and 32"),
        ("{aggregation-length-v6: x}", "aggregation-length-v6", "whole number"),
        ("{localpref: -1}", "localpref", "whole number"),
        ("{localpref: 4294967296}", "localpref", "between 0 and 4294967295"),
        ("{communities: [nobody]}", "communities[0]", "invalid format of community"),
        ("{communities: ['1:1', '1:1']}", "communities[1]", "duplicate"),
        ("{local-pref: 1}", "local-pref", "unknown key"),
    ] {
        let yaml = format!(
            "{{address-pools: [{{name: a, protocol: bgp, addresses: [10.0.0.0/24], bgp-advertisements: [{entry}]}}]}}"
        );
        let parsed = parse(&config(&yaml).unwrap());
        let field = format!("data.config.address-pools[0].bgp-advertisements[0].{key}");
        let found = parsed.problems.iter().find(|problem| problem.field == field && problem.message.contains(text));
        assert!(found.is_some(), "{field}: {text}: {:#?}", sentences(&parsed.problems));
        assert!(parsed.for_allocation().is_ok());
    }
    let two = "{address-pools: [{name: a, protocol: bgp, addresses: [10.0.0.0/24], bgp-advertisements: [{localpref: 1}, {localpref: 2}]}]}";
    let parsed = parse(&config(two).unwrap());
    assert_eq!(parsed.problems[0].field, "data.config.address-pools[0].bgp-advertisements[1].localpref");
    let flat = "{address-pools: [{name: a, protocol: layer2, addresses: [10.0.0.0/24], bgp-advertisements: [{}]}]}";
    assert_eq!(parse(&config(flat).unwrap()).problems[0].field, "data.config.address-pools[0].bgp-advertisements");
}

#[test]
fn names_that_nobody_wrote_count_on_over_all_files() {
    let peers = |address: &str| {
        format!(
            "{{peers: [{{my-asn: 1, peer-asn: 2, peer-address: {address}}}], bgp-communities: {{a{}: '1:1'}}}}",
            address.len()
        )
    };
    let mut resources = config(&peers("1.1.1.1")).unwrap();
    resources.extend(config(&peers("1.1.1.12")).unwrap());
    resources.extend(support::resources(&support::object(
        "BGPPeer",
        "peer2",
        "{myASN: 1, peerASN: 2, peerAddress: 1.1.1.3}",
    )));
    let parsed = parse(&resources);
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.config.peers.keys().collect::<Vec<_>>(), ["peer1", "peer2", "peer3"]);
    let objects = legacy::to_objects(&resources, "lb").unwrap();
    let communities: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "Community")
        .map(|object| &object["metadata"]["name"])
        .collect();
    assert_eq!(communities, ["communities", "communities2"]);
}

/// Legacy input that is right often enough.
fn legacy_input() -> impl Strategy<Value = Value> {
    let maybe = |value: BoxedStrategy<Value>| prop_oneof![3 => Just(Value::Null), 1 => value].boxed();
    let text = |pattern: &'static str| pattern.prop_map(Value::from).boxed();
    let number = |range: std::ops::Range<i64>| range.prop_map(Value::from).boxed();
    let flag = || any::<bool>().prop_map(Value::from).boxed();
    let selector = ("[a-c]", "[a-c]", prop_oneof![Just("In"), Just("NotIn"), Just("Is")]).prop_map(|(label, value, operator)| {
        json!([{"match-labels": {label: value.clone()}, "match-expressions": [{"key": "k", "operator": operator, "values": [value]}]}])
    });
    let peer = (
        (number(0..4), number(1..4), text("192\\.0\\.2\\.[1-9]|fd00::1|x"), maybe(text("192\\.0\\.2\\.1"))),
        (maybe(number(0..20_000)), maybe(text("[0-9]{1,2}s|0|0s")), maybe(text("[1-9]s")), maybe(text("10\\.0\\.0\\.1|x"))),
        (maybe(selector.boxed()), maybe(text("[a-z]{1,8}")), maybe(text("fast|Fast|slow")), maybe(flag())),
    )
        .prop_map(|((my, peer, address, source), (port, hold, keepalive, router), (selectors, password, bfd, hops))| {
            json!({"my-asn": my, "peer-asn": peer, "peer-address": address, "source-address": source, "peer-port": port,
                   "hold-time": hold, "keepalive-time": keepalive, "router-id": router, "node-selectors": selectors,
                   "password": password, "bfd-profile": bfd, "ebgp-multihop": hops})
        });
    let advertisement = (maybe(number(22..34)), maybe(number(120..129)), maybe(number(0..3)), prop::collection::vec("backup|1:[0-9]{1,2}|large:1:2:3|none", 0..3))
        .prop_map(|(length, length_v6, preference, communities)| json!({"aggregation-length": length, "aggregation-length-v6": length_v6, "localpref": preference, "communities": communities}));
    let pool = (0u8..9, prop_oneof![Just("bgp"), Just("layer2")], flag(), prop::collection::vec(advertisement, 0..3))
        .prop_map(|(octet, protocol, flag, advertisements)| {
            let advertisements = if protocol == "bgp" { json!(advertisements) } else { Value::Null };
            json!({"name": format!("Pool_{octet}"), "protocol": protocol, "addresses": [format!("10.0.{octet}.0/24")],
                   "auto-assign": flag, "bgp-advertisements": advertisements})
        });
    let profile = (text("fast|slow"), maybe(number(5..100)), maybe(number(1..300)), maybe(flag()))
        .prop_map(|(name, interval, multiplier, echo)| json!({"name": name, "receive-interval": interval, "detect-multiplier": multiplier, "echo-mode": echo}));
    (
        prop::collection::vec(peer, 0..4),
        prop::collection::vec(pool, 0..4),
        prop::collection::vec(profile, 0..3),
        prop::collection::btree_map("backup|other", "[0-9]{1,6}:[0-9]{1,2}|x", 0..3),
    )
        .prop_map(|(peers, pools, profiles, communities)| {
            json!({"peers": peers, "address-pools": pools, "bfd-profiles": profiles, "bgp-communities": communities})
        })
}

proptest! {
    #[test]
    fn converting_and_parsing_gives_the_same_as_parsing(input in legacy_input()) {
        let resources = legacy::from_config(&input, ObjectRef::new("ConfigMap", "lb", "config"), "data.config").unwrap();
        if !resources.problems.is_empty() {
            return Ok(());
        }
        let (direct, converted) = (parse(&resources), parse(&converted(&resources)));
        prop_assert_eq!(direct.config, converted.config);
        let messages = |problems: &[ferrolb_config::Problem]| {
            let mut messages: Vec<_> = problems.iter().filter(|problem| !problem.message.contains("given twice")).map(|problem| (problem.class as u8, problem.message.clone())).collect();
            messages.sort();
            messages
        };
        // Places have other names, and a duplicate definition names the place of the first.
        let comparable = |messages: Vec<(u8, String)>| -> Vec<(u8, String)> {
            messages.into_iter().filter(|(_, message)| !message.contains("duplicate definition")).collect()
        };
        prop_assert_eq!(comparable(messages(&direct.problems)), comparable(messages(&converted.problems)));
    }

    #[test]
    fn arbitrary_text_in_a_config_map_never_panics(text in "(peers|address-pools|bgp-communities|bfd-profiles)?:? ?\\PC{0,40}") {
        if let Ok(resources) = config(&text) {
            let _parsed = parse(&resources);
        }
    }
}
