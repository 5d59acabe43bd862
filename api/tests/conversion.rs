//! `BGPPeer` goes from one version to the other and back without losing anything that is said in it.

use ferrolb_api::conversion::{ConversionError, KEPT_FIELDS, convert_bgp_peer, to_v1beta1, to_v1beta2};
use ferrolb_api::{v1beta1, v1beta2};
use serde_json::{Map, Value, json};

const OLD: &str = "metallb.io/v1beta1";
const NEW: &str = "metallb.io/v1beta2";

fn peer(version: &str, spec: &Value) -> Value {
    json!({ "apiVersion": version, "kind": "BGPPeer", "metadata": { "name": "tor" }, "spec": spec })
}

/// Every field that v1beta2 has and v1beta1 has not, with a value other than its default.
fn added() -> Map<String, Value> {
    let Value::Object(fields) = json!({
        "connectTime": "10s",
        "disableMP": true,
        "dualStackAddressFamily": true,
        "dynamicASN": "external",
        "enableGracefulRestart": false,
        "interface": "eth1",
        "localASN": 64513,
        "passwordSecret": { "name": "tor", "namespace": "ferrolb-system" },
        "vrf": "red",
    }) else {
        unreachable!()
    };
    fields
}

fn full_v1beta1() -> Value {
    json!({
        "myASN": 4_294_967_295_u32,
        "peerASN": 64512,
        "peerAddress": "192.0.2.1",
        "sourceAddress": "192.0.2.2",
        "peerPort": 1179,
        "holdTime": "90s",
        "keepaliveTime": "30s",
        "routerID": "192.0.2.2",
        "nodeSelectors": [{
            "matchLabels": { "rack": "a" },
            "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["1", "2"] }],
        }],
        "password": "secret",
        "bfdProfile": "fast",
        "ebgpMultiHop": true,
    })
}

#[test]
fn every_field_of_v1beta1_is_carried_both_ways() {
    let old = peer(OLD, &full_v1beta1());
    let new = convert_bgp_peer(old.clone(), NEW).unwrap();
    assert_eq!(new, peer(NEW, &full_v1beta1()));
    assert_eq!(convert_bgp_peer(new, OLD).unwrap(), old);
    let typed: v1beta1::BGPPeer = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), old, "the type has every field");
}

#[test]
fn absent_timers_stay_absent() {
    let old = peer(OLD, &json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1" }));
    let new = convert_bgp_peer(old.clone(), NEW).unwrap();
    assert_eq!(new["spec"], old["spec"]);
    let typed: v1beta2::BGPPeer = serde_json::from_value(new).unwrap();
    assert_eq!((typed.spec.hold_time, typed.spec.keepalive_time, typed.spec.peer_port), (None, None, 179));
}

#[test]
fn any_set_of_new_fields_survives_a_visit_to_v1beta1() {
    let fields = added();
    for set in 0..1_u32 << fields.len() {
        let mut spec = json!({ "myASN": 64512 });
        for (bit, (name, value)) in fields.iter().enumerate() {
            if set & (1 << bit) != 0 {
                spec[name] = value.clone();
            }
        }
        if spec.get("dynamicASN").is_none() {
            spec["peerASN"] = json!(64513);
        }
        if spec.get("interface").is_none() {
            spec["peerAddress"] = json!("192.0.2.1");
        }
        let new = peer(NEW, &spec);
        let old = convert_bgp_peer(new.clone(), OLD).unwrap();
        assert_eq!(old["metadata"].get("annotations").is_some(), set != 0, "{old}");
        assert!(fields.keys().all(|name| old["spec"].get(name).is_none()), "{old}");
        let typed: v1beta1::BGPPeer = serde_json::from_value(old.clone()).unwrap();
        let back = convert_bgp_peer(old, NEW).unwrap();
        assert_eq!(back, new);
        let typed_back = to_v1beta2(&typed).unwrap();
        assert_eq!(typed_back, serde_json::from_value::<v1beta2::BGPPeer>(new).unwrap());
        let mut with_default_port = typed;
        with_default_port.spec.peer_port = Some(179);
        assert_eq!(to_v1beta1(&typed_back).unwrap(), with_default_port);
    }
}

#[test]
fn new_fields_at_their_defaults_need_no_annotation() {
    let new = peer(
        NEW,
        &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "disableMP": false, "dualStackAddressFamily": false }),
    );
    let old = convert_bgp_peer(new, OLD).unwrap();
    assert_eq!(old, peer(OLD, &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" })));
}

#[test]
fn what_is_written_as_v1beta1_overrules_what_was_kept() {
    let mut new = peer(NEW, &Value::Object(added()));
    new["spec"]["myASN"] = json!(64512);
    let mut old = convert_bgp_peer(new, OLD).unwrap();
    assert_eq!((&old["spec"]["peerASN"], &old["spec"]["peerAddress"]), (&json!(0), &json!("")));
    old["spec"]["peerASN"] = json!(64513);
    old["spec"]["peerAddress"] = json!("192.0.2.1");
    old["spec"]["password"] = json!("secret");
    let spec = &convert_bgp_peer(old, NEW).unwrap()["spec"];
    assert!(["dynamicASN", "interface", "passwordSecret"].iter().all(|name| spec.get(name).is_none()), "{spec}");
    assert_eq!((&spec["vrf"], &spec["connectTime"], &spec["peerASN"]), (&json!("red"), &json!("10s"), &json!(64513)));
}

#[test]
fn zero_and_empty_in_v1beta1_mean_absent() {
    let old = peer(OLD, &json!({ "myASN": 64512, "peerASN": 0, "peerAddress": "", "peerPort": 0 }));
    assert_eq!(convert_bgp_peer(old, NEW).unwrap(), peer(NEW, &json!({ "myASN": 64512 })));
}

#[test]
fn metadata_and_status_are_left_alone() {
    let metadata = json!({
        "name": "tor",
        "uid": "1",
        "labels": { "a": "b" },
        "annotations": { "mine": "kept" },
        "managedFields": [{ "manager": "kubectl", "apiVersion": NEW }],
        "somethingNew": [1, 2],
    });
    let mut new = peer(NEW, &json!({ "myASN": 64512, "vrf": "red" }));
    new["metadata"] = metadata.clone();
    new["status"] = json!({});
    let mut old = convert_bgp_peer(new.clone(), OLD).unwrap();
    assert_eq!(old["status"], json!({}));
    assert_eq!(
        old["metadata"]["annotations"].as_object_mut().unwrap().remove(KEPT_FIELDS),
        Some(json!(r#"{"vrf":"red"}"#))
    );
    assert_eq!(old["metadata"], metadata);
    let new_with_stray_annotation = {
        let mut peer = new.clone();
        peer["metadata"]["annotations"][KEPT_FIELDS] = json!("nonsense");
        peer
    };
    let old = convert_bgp_peer(new_with_stray_annotation, OLD).unwrap();
    assert_eq!(convert_bgp_peer(old, NEW).unwrap(), new, "a stray annotation does not survive");
}

#[test]
fn parts_of_objects_are_converted_too() {
    let bare = json!({ "apiVersion": NEW, "kind": "BGPPeer", "metadata": null });
    let lowered = convert_bgp_peer(bare, OLD).unwrap();
    assert_eq!(lowered, json!({ "apiVersion": OLD, "kind": "BGPPeer", "metadata": null }));
    let part = json!({ "apiVersion": NEW, "kind": "BGPPeer", "spec": { "vrf": "red" } });
    let lowered = convert_bgp_peer(part.clone(), OLD).unwrap();
    let mut raised = convert_bgp_peer(lowered, NEW).unwrap();
    assert_eq!(raised.as_object_mut().unwrap().remove("metadata"), Some(json!({})));
    assert_eq!(raised, part);
}

#[test]
fn a_condition_without_values_can_be_read_as_v1beta1() {
    let selectors = json!([{ "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] }]);
    let new = peer(NEW, &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "nodeSelectors": selectors }));
    let new: v1beta2::BGPPeer = serde_json::from_value(new).unwrap();
    let old = to_v1beta1(&new).unwrap();
    assert_eq!(old.spec.node_selectors.as_ref().unwrap()[0].match_expressions.as_ref().unwrap()[0].values.len(), 0);
    assert_eq!(to_v1beta2(&old).unwrap(), new);
}

#[test]
fn the_version_an_object_has_already_changes_nothing() {
    for version in [OLD, NEW] {
        let peer = peer(version, &full_v1beta1());
        assert_eq!(convert_bgp_peer(peer.clone(), version).unwrap(), peer);
    }
}

#[test]
fn what_cannot_be_converted_is_named() {
    let convert = |peer: Value, desired: &str| convert_bgp_peer(peer, desired).unwrap_err();
    assert!(matches!(convert(json!([]), NEW), ConversionError::NotAnObject("the BGPPeer")));
    assert!(matches!(convert(json!({ "kind": "Community" }), NEW), ConversionError::Kind(kind) if kind == "Community"));
    let spec = json!({ "myASN": 64512 });
    assert!(matches!(convert(peer("v1", &spec), NEW), ConversionError::Version(version) if version == "v1"));
    assert!(matches!(convert(peer(NEW, &spec), "metallb.io/v2"), ConversionError::Version(_)));
    assert!(matches!(convert(peer(OLD, &json!("x")), NEW), ConversionError::NotAnObject("spec")));
    for tampered in ["", "[]", r#"{"localASN":"x"}"#, r#"{"dynamicASN":"sideways"}"#, r#"{"localASN":-1}"#] {
        let mut old = peer(OLD, &spec);
        old["metadata"]["annotations"] = json!({ KEPT_FIELDS: tampered });
        assert!(matches!(convert(old, NEW), ConversionError::KeptFields(_)), "{tampered}");
    }
}

#[test]
fn the_annotation_brings_in_no_other_fields() {
    let mut old = peer(OLD, &json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1" }));
    old["metadata"]["annotations"] =
        json!({ KEPT_FIELDS: r#"{"myASN":1,"holdTime":"3s","surprise":true,"vrf":"red"}"# });
    let spec = convert_bgp_peer(old, NEW).unwrap()["spec"].take();
    assert_eq!(spec, json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "vrf": "red" }));
}
