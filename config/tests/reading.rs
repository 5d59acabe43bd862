//! Objects become resources, whoever hands them over.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod support;

use ferrolb_config::{ObjectRef, Scope, SecretFacts, UnknownFields, is_configuration, parse, read};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::sentences;

#[test]
fn fields_that_no_schema_has_are_refused_in_manifests_and_ignored_from_an_api_server() {
    let document = json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "extra": 1,
        "metadata": {"name": "p", "namespace": "lb", "labels": {"a": "b"}},
        "spec": {"addresses": ["10.0.0.0/24"], "autoAsign": false,
                 "serviceAllocation": {"priorty": 1, "serviceSelectors": [{"matchLabel": {}}]}}});
    let problems = read("IPAddressPool", &document, UnknownFields::Refuse).unwrap_err();
    let mut fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "extra",
            "spec.autoAsign",
            "spec.serviceAllocation.priorty",
            "spec.serviceAllocation.serviceSelectors[0].matchLabel"
        ]
    );
    assert!(problems.iter().all(|problem| problem.object == ObjectRef::new("IPAddressPool", "lb", "p")));
    let resources = read("IPAddressPool", &document, UnknownFields::Ignore).unwrap();
    assert_eq!((resources.pools[0].name.as_str(), resources.pools[0].labels.get("a")), ("p", Some("b")));
}

#[test]
fn what_is_null_is_absent() {
    let document = json!({"metadata": {"name": "p", "labels": null}, "spec": {"addresses": ["10.0.0.0/24"],
        "autoAssign": null, "serviceAllocation": {"namespaces": null}}});
    let pool = &read("IPAddressPool", &document, UnknownFields::Refuse).unwrap().pools[0];
    assert!(pool.spec.auto_assign);
    let without = json!({"metadata": {"name": "l2"}, "spec": null});
    assert_eq!(read("L2Advertisement", &without, UnknownFields::Refuse).unwrap().l2_advertisements.len(), 1);
}

#[test]
fn what_is_wrong_names_field_and_value_and_whom_it_hinders() {
    for (kind, spec, expected, scope) in [
        ("IPAddressPool", json!({}), "spec.addresses: missing field `addresses`", Scope::Allocation),
        (
            "IPAddressPool",
            json!({"addresses": "10.0.0.0/24"}),
            "spec.addresses = 10.0.0.0/24: invalid type",
            Scope::Allocation,
        ),
        ("IPAddressPool", json!({"addresses": [null]}), "spec.addresses[0] = null: invalid type", Scope::Allocation),
        ("IPAddressPool", json!([]), "spec: ", Scope::Allocation),
        (
            "L2Advertisement",
            json!({"preferredNodeSelectors": [{"weight": 1}]}),
            "spec.preferredNodeSelectors[0].preference: missing",
            Scope::Announcement,
        ),
        (
            "BFDProfile",
            json!({"receiveInterval": "300"}),
            "spec.receiveInterval = 300: invalid type",
            Scope::Announcement,
        ),
        (
            "BGPAdvertisement",
            json!({"aggregationLength": 24.5}),
            "spec.aggregationLength = 24.5: invalid type",
            Scope::Announcement,
        ),
        ("BGPPeer", json!({"peerASN": 1}), "spec.myASN: missing field", Scope::Announcement),
        (
            "Community",
            json!({"communities": [{"name": 1}]}),
            "spec.communities[0].name = 1: invalid type",
            Scope::Announcement,
        ),
    ] {
        let document = json!({"metadata": {"name": "x"}, "spec": spec});
        let problems = read(kind, &document, UnknownFields::Refuse).unwrap_err();
        let found = problems.iter().find(|problem| problem.to_string().contains(expected));
        let found = found.unwrap_or_else(|| panic!("{kind} {spec}: {:?}", sentences(&problems)));
        assert_eq!(found.scope, scope);
    }
    let labels = json!({"metadata": {"name": "x", "labels": {"a": 1}}, "spec": {"addresses": []}});
    let problems = read("IPAddressPool", &labels, UnknownFields::Refuse).unwrap_err();
    assert_eq!(problems[0].field, "metadata.labels.a");
    let version = json!({"apiVersion": "metallb.io/v1alpha1", "metadata": {"name": "x"}});
    assert_eq!(read("IPAddressPool", &version, UnknownFields::Refuse).unwrap_err()[0].field, "apiVersion");
}

#[test]
fn of_a_secret_its_type_and_a_password_that_is_meant_for_peers_are_known() {
    let facts = |document: Value| {
        let document = json!({"metadata": {"name": "s"}, "type": document["type"], "data": document["data"], "stringData": document["stringData"]});
        read("Secret", &document, UnknownFields::Refuse).unwrap().secrets["s"].clone()
    };
    let known = |secret_type: &str, has_password, password: &str| SecretFacts {
        secret_type: secret_type.to_owned(),
        has_password,
        password: password.to_owned().into(),
    };
    assert_eq!(facts(json!({})), known("Opaque", false, ""));
    assert_eq!(
        facts(json!({"type": SecretFacts::BASIC_AUTH, "data": {"password": "eA=="}})),
        known(SecretFacts::BASIC_AUTH, true, "x")
    );
    let both =
        json!({"type": SecretFacts::BASIC_AUTH, "stringData": {"password": "zz9"}, "data": {"password": "eA=="}});
    assert_eq!(facts(both.clone()), known(SecretFacts::BASIC_AUTH, true, "zz9"), "as the API server unites them");
    assert!(!format!("{:?}", facts(both)).contains("zz9"), "it is not shown");
    assert_eq!(facts(json!({"stringData": {"password": "x"}})), known("Opaque", true, ""), "not meant for peers");
    assert_eq!(facts(json!({"stringData": {"username": "x"}})), known("Opaque", false, ""));
    let no_base64 =
        json!({"metadata": {"name": "s"}, "type": SecretFacts::BASIC_AUTH, "data": {"password": "not base64"}});
    let problems = read("Secret", &no_base64, UnknownFields::Refuse).unwrap_err();
    assert_eq!(problems[0].field, "data.password");
    let number = json!({"metadata": {"name": "s"}, "stringData": {"password": 5553}});
    let problems = read("Secret", &number, UnknownFields::Refuse).unwrap_err();
    assert_eq!(problems[0].field, "stringData");
    assert!(!format!("{problems:?}").contains("5553"));
}

#[test]
fn what_counts_as_configuration_is_known_by_version_and_kind() {
    assert!(is_configuration("metallb.io/v1beta1", "BGPPeer") && is_configuration("metallb.io/v1beta2", "BGPPeer"));
    assert!(is_configuration("v1", "Secret") && is_configuration("metallb.io/v1beta1", "Community"));
    for (version, kind) in
        [("metallb.io/v1beta2", "IPAddressPool"), ("v1", "Service"), ("metallb.io/v1beta1", "ServiceL2Status")]
    {
        assert!(!is_configuration(version, kind), "{version} {kind}");
    }
}

const KINDS: [&str; 8] =
    ["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community", "BFDProfile", "Secret", "Other"];

/// Values that look enough like specifications to get far.
fn specification() -> impl Strategy<Value = Value> {
    let keys = "addresses|autoAssign|ipAddressPools|nodeSelectors|matchLabels|matchExpressions|key|operator|values|\
                peers|communities|name|value|aggregationLength|aggregationLengthV6|localPref|asPathPrepend|myASN|peerASN|\
                peerAddress|holdTime|keepaliveTime|connectTime|password|passwordSecret|bfdProfile|receiveInterval|\
                echoMode|dynamicASN|interface|weight|preference|preferredNodeSelectors|serviceSelectors|[a-z]{1,4}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0i64..130).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "10\\.0\\.[0-9]{1,3}\\.0/[0-9]{1,2}|fd00::/[0-9]{1,3}|[0-9]{1,5}:[0-9]{1,6}|large:1:2:[0-9]{1,12}|[0-9]{1,6}(s|ms|m)|In|Exists|a|internal|\\PC{0,12}"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_objects_never_panic(specs in prop::collection::vec((0usize..8, specification(), any::<bool>()), 1..6), old: bool) {
        let mut all = ferrolb_config::Resources::default();
        for (index, (kind, spec, bare)) in specs.into_iter().enumerate() {
            let version = if old { "metallb.io/v1beta1" } else { "" };
            let object = json!({"apiVersion": version, "metadata": {"name": format!("x{index}")}, "spec": spec, "data": spec});
            let document = if bare { spec } else { object };
            for unknown in [UnknownFields::Refuse, UnknownFields::Ignore] {
                match read(KINDS[kind], &document, unknown) {
                    Ok(resources) => all.extend(resources),
                    Err(problems) => prop_assert!(!problems.is_empty()),
                }
            }
        }
        let parsed = parse(&all);
        prop_assert_eq!(parsed.strict().is_ok(), parsed.problems.is_empty());
    }

    #[test]
    fn arbitrary_yaml_never_panics(text in "([a-zA-Z-]{0,8}: ?[0-9a-z./:{}\\[\\]-]{0,12}\n? ?){0,6}|\\PC{0,60}") {
        if let Ok(value) = serde_yaml::from_str::<Value>(&text) {
            for kind in KINDS {
                let _read = read(kind, &value, UnknownFields::Refuse);
            }
        }
    }
}
