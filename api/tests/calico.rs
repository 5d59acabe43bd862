//! Every field that Calico's schemas have can be read, and values that no schema has do no harm.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use ferrolb_api::calico::v1;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// How the strings of enumerations are chosen.
#[derive(Clone, Copy)]
enum Enumerations {
    /// As the schema has them.
    Known,
    /// As a newer schema might have them.
    Unknown,
}

/// An instance of `schema` that has every field.
fn example(schema: &Value, enumerations: Enumerations) -> Value {
    match schema["type"].as_str().unwrap() {
        "object" => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            Value::Object(properties.iter().map(|(name, of)| (name.clone(), example(of, enumerations))).collect())
        }
        "array" => json!([example(&schema["items"], enumerations)]),
        "boolean" => json!(true),
        "integer" => schema.get("maximum").cloned().unwrap_or(json!(2_147_483_647)),
        "string" if schema["format"] == "date-time" => json!("2026-01-02T03:04:05Z"),
        "string" => match (schema["enum"].get(0), enumerations) {
            (Some(known), Enumerations::Known) => known.clone(),
            (_, Enumerations::Known | Enumerations::Unknown) => json!("anything else"),
        },
        other => panic!("{other}"),
    }
}

fn objects(crd: &str, enumerations: Enumerations) -> Value {
    let crd: Value = serde_yaml::from_str(crd).unwrap();
    let version = &crd["spec"]["versions"][0];
    let mut object = example(&version["schema"]["openAPIV3Schema"], enumerations);
    object["apiVersion"] =
        json!(format!("{}/{}", crd["spec"]["group"].as_str().unwrap(), version["name"].as_str().unwrap()));
    object["kind"] = crd["spec"]["names"]["kind"].clone();
    object["metadata"] = json!({ "name": "example" });
    object
}

fn reads<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>(crd: &str) {
    for enumerations in [Enumerations::Known, Enumerations::Unknown] {
        let object = objects(crd, enumerations);
        assert!(object["spec"].as_object().is_some_and(|spec| spec.len() > 3), "{object}");
        let read: K = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), object, "no field is lost");
    }
    let crd: Value = serde_yaml::from_str(crd).unwrap();
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    assert_eq!(crd["metadata"]["name"], json!(name));
}

#[test]
fn every_field_of_every_kind_is_read() {
    reads::<v1::BGPConfiguration>(include_str!("crds/calico/bgpconfigurations.yaml"));
    reads::<v1::BGPPeer>(include_str!("crds/calico/bgppeers.yaml"));
    reads::<v1::BGPFilter>(include_str!("crds/calico/bgpfilters.yaml"));
    reads::<v1::IPPool>(include_str!("crds/calico/ippools.yaml"));
    reads::<v1::BlockAffinity>(include_str!("crds/calico/blockaffinities.yaml"));
}

#[test]
fn what_is_required_is_enough() {
    fn minimal<K: DeserializeOwned>(spec: &Value) -> K {
        serde_json::from_value(json!({ "metadata": { "name": "a" }, "spec": spec })).unwrap()
    }
    let empty = || Value::Object(Map::new());
    assert_eq!(minimal::<v1::BGPConfiguration>(&empty()).spec, v1::BGPConfigurationSpec::default());
    assert_eq!(minimal::<v1::BGPPeer>(&empty()).spec, v1::BGPPeerSpec::default());
    assert_eq!(
        minimal::<v1::BGPFilter>(&json!({ "exportV4": [{ "action": "Reject" }] })).spec.export_v4.unwrap().len(),
        1
    );
    assert_eq!(minimal::<v1::IPPool>(&json!({ "cidr": "10.244.0.0/16" })).spec.cidr, "10.244.0.0/16");
    let block = json!({ "cidr": "10.244.0.0/26", "deleted": "false", "node": "a", "state": "confirmed" });
    assert_eq!(minimal::<v1::BlockAffinity>(&block).spec.type_, None);
}

#[test]
fn fields_and_operations_of_a_newer_calico_are_passed_over() {
    let filter = json!({
        "metadata": { "name": "a" },
        "spec": { "exportV4": [{ "action": "Accept", "operations": [{ "setMed": { "value": 1 } }], "hue": "red" }] },
    });
    let filter: v1::BGPFilter = serde_json::from_value(filter).unwrap();
    let rule = filter.spec.export_v4.unwrap().remove(0);
    assert_eq!(rule.operations, Some(vec![v1::BGPFilterOperation::default()]));
}

#[test]
fn as_numbers_of_four_octets_are_read() {
    let peer = json!({ "metadata": { "name": "a" }, "spec": { "asNumber": 4_200_000_000_u32, "peerIP": "192.0.2.1" } });
    assert_eq!(serde_json::from_value::<v1::BGPPeer>(peer).unwrap().spec.as_number, Some(4_200_000_000));
}
