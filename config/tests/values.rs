//! Resources in lists of Helm values, and the ConfigMap that the chart makes of them.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use ferrolb_config::values::{ConfigMapText, LISTS};
use ferrolb_config::{ObjectRef, Problem, Resources, legacy, parse};
use serde_json::{Value, json};

#[cfg(test)]
mod support;

const ALL: &str = r#"
ipAddressPools:
- name: default
  labels: {tier: a}
  addresses: [192.0.2.0/24, "2001:db8::/120"]
  avoidBuggyIPs: true
l2Advertisements:
- {name: lan, ipAddressPoolSelectors: [{matchLabels: {tier: a}}], interfaces: [eth0]}
bgpAdvertisements:
- {name: wan, ipAddressPools: [default], communities: [backup], localPref: 100, peers: [router]}
bgpPeers:
- {name: router, myASN: 64512, peerASN: 4200000000, peerAddress: 192.0.2.254, bfdProfile: fast}
communities:
- {name: ours, communities: [{name: backup, value: "64512:100"}]}
bfdProfiles:
- {name: fast, receiveInterval: 150}
"#;

/// The same as objects.
const OBJECTS: [(&str, &str, &str); 6] = [
    ("IPAddressPool", "default", r#"{addresses: [192.0.2.0/24, "2001:db8::/120"], avoidBuggyIPs: true}"#),
    ("L2Advertisement", "lan", "{ipAddressPoolSelectors: [{matchLabels: {tier: a}}], interfaces: [eth0]}"),
    ("BGPAdvertisement", "wan", "{ipAddressPools: [default], communities: [backup], localPref: 100, peers: [router]}"),
    ("BGPPeer", "router", "{myASN: 64512, peerASN: 4200000000, peerAddress: 192.0.2.254, bfdProfile: fast}"),
    ("Community", "ours", r#"{communities: [{name: backup, value: "64512:100"}]}"#),
    ("BFDProfile", "fast", "{receiveInterval: 150}"),
];

fn values(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

fn map(config: Option<&str>, values: Option<&str>) -> Result<Resources, Vec<Problem>> {
    ConfigMapText { config, values }.read(&ObjectRef::new("ConfigMap", "lb", "config"))
}

#[test]
fn lists_of_values_say_the_same_as_objects_of_the_api() {
    let manifests = OBJECTS.map(|(kind, name, spec)| support::object(kind, name, spec)).concat();
    let manifests = manifests.replace("{name: default}", "{name: default, labels: {tier: a}}");
    let wanted = parse(&support::resources(&manifests));
    assert_eq!(wanted.problems, []);
    let in_file = legacy::from_values(&values(ALL), "values.yaml").unwrap();
    let in_map = map(None, Some(ALL)).unwrap();
    for found in [&in_file, &in_map].map(parse) {
        assert_eq!(found.problems, []);
        assert_eq!(found.config, wanted.config);
    }
    let objects = legacy::to_objects(&in_map, "lb").unwrap();
    assert_eq!(objects[0]["metadata"], json!({"name": "default", "namespace": "lb", "labels": {"tier": "a"}}));
}

#[test]
fn every_list_is_a_key_of_values() {
    for (key, kind) in LISTS {
        assert!(legacy::VALUES_KEYS.contains(&key), "{key}");
        assert!(ferrolb_config::is_configuration("metallb.io/v1beta1", kind), "{kind}");
        assert!(legacy::is_values(&json!({ key: [], "speakr": {} })), "{key}: not silently left out");
    }
}

#[test]
fn both_texts_of_the_map_are_united() {
    let inline = "address-pools: [{name: old, protocol: layer2, addresses: [198.51.100.0/24]}]";
    let parsed = parse(&map(Some(inline), Some(ALL)).unwrap());
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.config.pools.keys().collect::<Vec<_>>(), ["default", "old"]);
    let twice = inline.replace("old", "default");
    let problems = parse(&map(Some(&twice), Some(ALL)).unwrap()).problems;
    let twice = problems.iter().find(|problem| problem.message.contains("given twice")).unwrap();
    assert!(twice.message.contains("data.config.address-pools[0] of ConfigMap lb/config"), "{twice}");
    assert!(twice.message.contains("data.values.ipAddressPools[0] of ConfigMap lb/config"), "{twice}");
    assert_eq!(map(None, Some("")), Ok(Resources::default()), "no list is no configuration");
}

#[test]
fn what_is_wrong_is_named_by_the_place_in_the_values() {
    for (text, field, message) in [
        ("ipAddressPools: {name: a}", "data.values.ipAddressPools", "must be a list"),
        ("ipAddressPools: [a]", "data.values.ipAddressPools[0]", "must be a mapping with a name"),
        ("ipAddressPools: [{addresses: []}]", "data.values.ipAddressPools[0].name", "must be a name"),
        ("ipAddressPools: [{name: A_b, addresses: []}]", "data.values.ipAddressPools[0].name", "lower case"),
        ("ipAddressPools: [{name: a.-b, addresses: []}]", "data.values.ipAddressPools[0].name", "lower case"),
        ("ipAddressPools: [{name: a, adresses: []}]", "data.values.ipAddressPools[0].addresses", "required"),
        (
            "ipAddressPools: [{name: a, addresses: [], autoasign: true}]",
            "data.values.ipAddressPools[0].autoasign",
            "unknown field",
        ),
        ("ipAddressPools: [{name: a, addresses: 5}]", "data.values.ipAddressPools[0].addresses", "a list"),
        ("ipAddressPools: [{name: a, labels: [], addresses: []}]", "data.values.ipAddressPools[0].labels", "a mapping"),
        ("ipaddresspools: []", "data.values.ipaddresspools", "known here are: ipAddressPools, l2Advertisements"),
        ("[]", "data.values", "must be a mapping with the keys: ipAddressPools"),
        ("ipAddressPools: [", "data.values", "is no YAML"),
        ("ipAddressPools: []\nipAddressPools: []", "data.values", "is no YAML"),
    ] {
        let problems = map(None, Some(text)).unwrap_err();
        let found = problems.iter().find(|problem| problem.field == field);
        let found = found.unwrap_or_else(|| panic!("{text}: {problems:?}"));
        assert!(found.message.contains(message), "{text}: {found}");
        assert_eq!(found.object, ObjectRef::new("ConfigMap", "lb", "config"), "{text}");
    }
    let parsed = parse(&map(None, Some("ipAddressPools: [{name: a, addresses: [10.0.0.0/33]}]")).unwrap());
    assert_eq!(parsed.problems[0].field, "data.values.ipAddressPools[0].addresses[0]");
    let parsed = parse(&map(None, Some("communities: [{name: a, communities: [{name: b, value: x}]}]")).unwrap());
    assert_eq!(parsed.problems[0].field, "data.values.communities[0].communities[0].value");
}

#[test]
fn what_only_speakers_use_does_not_stop_allocation() {
    let text = "ipAddressPools: [{name: a, addresses: [10.0.0.0/24]}]\nbgpPeers: [{name: r, myASN: x}]";
    let parsed = parse(&map(None, Some(text)).unwrap());
    assert!(parsed.for_allocation().is_ok());
    let problems = parsed.for_announcement().unwrap_err();
    assert_eq!(problems[0].field, "data.values.bgpPeers[0].myASN");
    // Beside something that does stop it, both are told.
    let problems = map(Some("address-pools: 5"), Some(text)).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["data.config.address-pools", "data.values.bgpPeers[0].myASN"]);
}

#[test]
fn a_map_of_somebody_else_can_be_told() {
    let text = |config, values| ConfigMapText { config, values };
    assert!(text(None, None).is_empty());
    for (config, values, certain) in [
        (Some("log: debug"), None, false),
        (None, Some("log: debug"), false),
        (Some("address-pools: ["), None, true),
        (None, Some("ipAddressPools: ["), true),
        (None, Some("# comment\nbgpPeers:\n- 5"), true),
    ] {
        assert_eq!(text(config, values).is_certain(), certain, "{config:?} {values:?}");
    }
}

#[test]
fn the_password_of_a_peer_is_in_no_message() {
    let text = "bgpPeers: [{name: r, myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1, password: 12345678}]";
    let resources = map(None, Some(text)).unwrap();
    assert!(!format!("{resources:?}").contains("12345678"));
    assert!(resources.problems.iter().any(|problem| problem.field == "data.values.bgpPeers[0].password"));
}
