//! What is accepted, what is refused, and the words it is refused with.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use ferrolb_api::v1beta1::{IPAddressPoolSpec, L2AdvertisementSpec};
use ferrolb_config::{Class, Labels, ObjectRef, Origin, Parsed, Resource, Resources, legacy, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn resource<S: serde::de::DeserializeOwned>(kind: &str, name: &str, yaml: &str) -> Resource<S> {
    Resource {
        origin: Origin::resource(kind, "ferrolb-system", name),
        name: name.to_owned(),
        labels: Labels::new(),
        spec: serde_yaml::from_str(yaml).unwrap(),
    }
}

fn pool(name: &str, yaml: &str) -> Resource<IPAddressPoolSpec> {
    resource("IPAddressPool", name, yaml)
}

fn l2(name: &str, yaml: &str) -> Resource<L2AdvertisementSpec> {
    resource("L2Advertisement", name, yaml)
}

fn parsed(pools: &[(&str, &str)], advertisements: &[(&str, &str)]) -> Parsed {
    parse(&Resources {
        pools: pools.iter().map(|(name, yaml)| pool(name, yaml)).collect(),
        l2_advertisements: advertisements.iter().map(|(name, yaml)| l2(name, yaml)).collect(),
        ..Resources::default()
    })
}

fn sentences(parsed: &Parsed) -> Vec<String> {
    parsed.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn overlapping_pools_name_both_prefixes_and_pools() {
    let both = parsed(&[("b", "addresses: [10.0.0.128-10.0.0.140]"), ("a", "addresses: [10.0.0.0/24]")], &[]);
    assert_eq!(
        sentences(&both),
        ["IPAddressPool ferrolb-system/b: spec.addresses[0] = 10.0.0.128-10.0.0.140: CIDR \"10.0.0.128/29\" in pool \
          \"b\" overlaps with already defined CIDR \"10.0.0.0/24\" of pool \"a\"; take it out of one of them"]
    );
    assert!(both.for_allocation().is_err());
    let within = parsed(&[("a", "addresses: [10.0.0.0/24, 10.0.0.7/32]")], &[]);
    assert!(sentences(&within)[0].contains("of this pool"), "{:?}", sentences(&within));
}

#[test]
fn wrong_pools_are_refused() {
    for (yaml, expected) in [
        ("addresses: []", "no prefixes"),
        ("addresses: [10.0.0.1]", "10.0.0.1/32"),
        ("addresses: [10.0.0.5-10.0.0.1]", "must not be above"),
        ("addresses: [10.0.0.0/24]\nserviceAllocation: {namespaces: [a, a]}", "in the list already"),
        ("addresses: [10.0.0.0/24]\nserviceAllocation: {serviceSelectors: [{}, {}]}", "in the list already"),
    ] {
        let refused = parsed(&[("p", yaml)], &[]);
        assert!(refused.for_allocation().is_err(), "{yaml}");
        assert!(sentences(&refused).iter().any(|s| s.contains(expected)), "{yaml}: {:?}", sentences(&refused));
    }
}

#[test]
fn a_wrong_advertisement_does_not_stop_allocation() {
    let both = parsed(
        &[("a", "addresses: [10.0.0.0/24]")],
        &[("adv", "{nodeSelectors: [{matchExpressions: [{key: k, operator: Is}]}]}")],
    );
    assert!(both.for_allocation().is_ok() && both.for_announcement().is_err() && both.strict().is_err());
}

#[test]
fn a_pool_that_may_still_come_is_reported_but_does_not_stop_anyone() {
    let missing = parsed(&[("a", "addresses: [10.0.0.0/24]")], &[("adv", "ipAddressPools: [a, b]")]);
    assert!(missing.for_announcement().is_ok() && missing.strict().is_err());
    assert_eq!(missing.problems[0].class, Class::MissingReference);
    assert!(missing.problems[0].message.contains("pools are: a"), "{}", missing.problems[0]);
    let advertisement = &missing.config.l2_advertisements[0];
    assert_eq!(advertisement.pools, ["a".to_owned()].into());
}

#[test]
fn an_advertisement_without_pools_is_for_all_of_them() {
    let all = parsed(&[("a", "addresses: [10.0.0.0/24]"), ("b", "addresses: [fd00::/120]")], &[("adv", "{}")]);
    assert!(all.problems.is_empty());
    assert_eq!(all.config.l2_advertisements[0].pools.len(), 2);
}

#[test]
fn the_same_name_twice_names_both_places() {
    let mut resources = Resources { pools: vec![pool("a", "addresses: [10.0.0.0/24]")], ..Default::default() };
    let values = json!({"configInline": {"address-pools": [
        {"name": "a", "protocol": "layer2", "addresses": ["10.0.1.0/24"]}]}});
    resources.extend(legacy::from_values(&values, "values.yaml").unwrap());
    let refused = parse(&resources);
    assert_eq!(
        sentences(&refused),
        [
            "Values values.yaml: configInline.address-pools[0].name = a: the name \"a\" is given twice, to IPAddressPool \
          ferrolb-system/a and to configInline.address-pools[0] of Values values.yaml; names must be unique, change one \
          of the two"
        ]
    );
    let refused = parsed(&[("a", "addresses: [10.0.0.0/24]"), ("a", "addresses: [10.0.1.0/24]")], &[]);
    assert_eq!((refused.problems[0].field.as_str(), refused.problems[0].value.as_str()), ("metadata.name", "a"));
}

/// Legacy values with one L2 pool of each name.
fn values_of(names: &[&str]) -> Value {
    let pool = |(index, name)| json!({"name": name, "protocol": "layer2", "addresses": [format!("10.1.{index}.0/24")]});
    let pools: Vec<Value> = names.iter().enumerate().map(pool).collect();
    json!({"configInline": {"address-pools": pools}})
}

#[test]
fn names_that_nobody_wrote_never_collide() {
    let mut resources = Resources::default();
    resources.extend(legacy::from_values(&values_of(&["a", "b"]), "values.yaml").unwrap());
    let object = ObjectRef::new("ConfigMap", "lb", "config");
    let inner = json!({"address-pools": [{"name": "c", "protocol": "layer2", "addresses": ["10.0.2.0/24"]}]});
    resources.extend(legacy::from_config(&inner, object, "data.config").unwrap());
    let announced = |resources: &Resources| -> Vec<(String, Vec<String>)> {
        let parsed = parse(resources);
        assert!(parsed.problems.is_empty(), "{:?}", sentences(&parsed));
        let advertisements = parsed.config.l2_advertisements.into_iter();
        advertisements.map(|ad| (ad.name, ad.pools.into_iter().collect())).collect()
    };
    let row = |name: &str, pool: &str| (name.to_owned(), vec![pool.to_owned()]);
    assert_eq!(
        announced(&resources),
        [row("l2advertisement1", "a"), row("l2advertisement2", "b"), row("l2advertisement3", "c")]
    );
    let objects = legacy::to_objects(&resources, "lb").unwrap();
    let names: Vec<&Value> = objects.iter().map(|object| &object["metadata"]["name"]).collect();
    assert_eq!(names, ["a", "b", "c", "l2advertisement1", "l2advertisement2", "l2advertisement3"]);

    resources.l2_advertisements.push(l2("l2advertisement2", "ipAddressPools: [a]"));
    assert_eq!(
        announced(&resources),
        [
            row("l2advertisement1", "a"),
            row("l2advertisement2", "a"),
            row("l2advertisement3", "b"),
            row("l2advertisement4", "c")
        ]
    );
    resources.l2_advertisements.push(l2("l2advertisement2", "ipAddressPools: [b]"));
    assert_eq!(parse(&resources).problems.len(), 1, "what two people wrote does collide");
}

#[test]
fn legacy_names_become_names_of_resources() {
    for (written, name) in [
        ("default", "default"),
        ("My_Pool", "my-pool"),
        ("pool 1", "pool-1"),
        ("pool_", "pool"),
        ("10-edge.lab", "edge.lab"),
        ("a_.-b..c", "a.b.c"),
        ("b\u{fc}ro", "b-ro"),
        ("42", ""),
        ("\u{6c60}", ""),
    ] {
        assert_eq!(legacy::resource_name(written), name, "{written}");
    }
    assert_eq!(legacy::resource_name(&format!("{}-x", "a".repeat(62))), "a".repeat(62));
    let problems = legacy::from_values(&values_of(&["a", "\u{6c60}"]), "values.yaml").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].field, "configInline.address-pools[1].name");
    assert!(problems[0].message.contains("at least one letter"), "{}", problems[0]);
}

#[test]
fn legacy_names_that_become_the_same_are_both_shown_as_written() {
    let refused = parse(&legacy::from_values(&values_of(&["Pool_1", "pool 1"]), "values.yaml").unwrap());
    assert_eq!(refused.problems.len(), 1);
    let problem = &refused.problems[0];
    assert_eq!((problem.field.as_str(), problem.value.as_str()), ("configInline.address-pools[1].name", "pool 1"));
    for part in ["\"pool-1\"", "\"Pool_1\"", "\"pool 1\"", "address-pools[0]", "address-pools[1]"] {
        assert!(problem.message.contains(part), "{part}: {problem}");
    }
}

#[test]
fn keys_of_older_charts_are_accepted_and_others_refused_in_a_short_sentence() {
    assert!(legacy::VALUES_KEYS.is_sorted());
    let old = json!({"psp": {"create": true}, "existingConfigMap": "", "global": {}, "image": {}, "configInline": {}});
    assert_eq!(legacy::from_values(&old, "values.yaml"), Ok(Resources::default()));
    let problems = legacy::from_values(&json!({"configInlin": {}}), "values.yaml").unwrap_err();
    assert_eq!(problems[0].field, "configInlin");
    assert!(problems[0].message.contains("configInline, "), "{}", problems[0]);
    assert!(!problems[0].message.contains("psp"), "{}", problems[0]);
}

#[test]
fn unknown_legacy_keys_are_refused_by_name() {
    for (values, field, message) in [
        (json!({"configInline": {"adress-pools": []}}), "configInline.adress-pools", "known here are: address-pools"),
        (json!({"configInline": {}, "speakr": {}}), "speakr", "unknown key \"speakr\""),
        (
            json!({"configInline": {"address-pools": [
                {"name": "a", "protocol": "layer2", "addreses": ["10.0.0.0/24"]}]}}),
            "configInline.address-pools[0].addreses",
            "known here are: name, protocol, addresses",
        ),
        (
            json!({"configInline": {"address-pools": [
                {"name": "a", "protocol": "ospf", "addresses": ["10.0.0.0/24"]}]}}),
            "configInline.address-pools[0].protocol",
            "must be layer2 or bgp",
        ),
        (
            json!({"configInline": {"address-pools": [{"protocol": "layer2", "addresses": "10.0.0.0/24"}]}}),
            "configInline.address-pools[0].name",
            "needs a name",
        ),
    ] {
        let problems = legacy::from_values(&values, "values.yaml").unwrap_err();
        let found = problems.iter().find(|problem| problem.field == field);
        let found = found.unwrap_or_else(|| panic!("{values}: {problems:?}"));
        assert!(found.message.contains(message), "{found}");
    }
}

#[test]
fn problems_inside_legacy_pools_are_named_by_the_line_that_the_user_wrote() {
    let values = json!({"configInline": {"address-pools": [
        {"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/24", "10.0.0.300/32"]}]}});
    let parsed = parse(&legacy::from_values(&values, "values.yaml").unwrap());
    assert_eq!(parsed.problems[0].field, "configInline.address-pools[0].addresses[1]");
}

fn json_value() -> impl Strategy<Value = Value> {
    let keys = "configInline|address-pools|name|protocol|addresses|auto-assign|peers|[a-z]{1,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "layer2|bgp|10\\.0\\.[0-9]{1,3}\\.0/[0-9]{1,2}|\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn names_made_from_any_text_are_dns_subdomains_or_empty(written in "[a-zA-Z0-9._ -]{0,80}|\\PC{0,80}") {
        let name = legacy::resource_name(&written);
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(inside) && !label.starts_with('-') && !label.ends_with('-')
        };
        prop_assert!(name.is_empty() || (name.len() <= 63 && name.split('.').all(label)), "{name:?}");
        prop_assert_eq!(legacy::resource_name(&name), name);
    }

    #[test]
    fn arbitrary_values_never_panic(values in json_value()) {
        if let Ok(resources) = legacy::from_values(&values, "values.yaml") {
            let _parsed = parse(&resources);
        }
    }

    #[test]
    fn converting_and_parsing_gives_the_same_as_parsing(octets in prop::collection::vec(0u8..40, 1..6), buggy: bool) {
        let pools: Vec<Value> = octets.iter().map(|octet| json!({
            "name": format!("pool-{octet}"), "protocol": "layer2",
            "addresses": [format!("10.0.{octet}.0/24")], "avoid-buggy-ips": buggy,
        })).collect();
        let legacy = legacy::from_values(&json!({"configInline": {"address-pools": pools}}), "values.yaml").unwrap();
        let direct = parse(&legacy);
        let objects = legacy::to_objects(&legacy, "ferrolb-system").unwrap();
        let mut converted = Resources::default();
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let spec = serde_yaml::to_string(&object["spec"]).unwrap();
            match object["kind"].as_str().unwrap() {
                "IPAddressPool" => converted.pools.push(pool(&name, &spec)),
                _ => converted.l2_advertisements.push(l2(&name, &spec)),
            }
        }
        let converted = parse(&converted);
        prop_assert_eq!(direct.config, converted.config);
        // The same pool twice is refused in both forms, only told in as many sentences as there are places.
        prop_assert_eq!(direct.problems.is_empty(), converted.problems.is_empty());
    }
}
