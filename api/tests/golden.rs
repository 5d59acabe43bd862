//! The generated CRDs are structurally equal to `MetalLB`'s: a manifest that one API server accepts, ours does too.
//! Descriptions are our own and not compared.

use serde_json::Value;

fn normalised(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, value)| !(key == "description" && value.is_string()))
                .map(|(key, value)| (key, normalised(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(normalised).collect()),
        // 1 and 1.0 are one number in JSON.
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other,
    }
}

fn sorted_required(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(names)) = map.get_mut("required") {
                names.sort_by_key(ToString::to_string);
            }
            map.values_mut().for_each(sorted_required);
        }
        Value::Array(items) => items.iter_mut().for_each(sorted_required),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn generated_crds_are_those_that_people_have_installed() {
    let golden = [
        include_str!("crds/bfdprofiles.yaml"),
        include_str!("crds/bgpadvertisements.yaml"),
        include_str!("crds/bgppeers.yaml"),
        include_str!("crds/communities.yaml"),
        include_str!("crds/configurationstates.yaml"),
        include_str!("crds/ipaddresspools.yaml"),
        include_str!("crds/l2advertisements.yaml"),
        include_str!("crds/servicebgpstatuses.yaml"),
        include_str!("crds/servicel2statuses.yaml"),
    ];
    let mut ours = ferrolb_api::crds::all();
    ours.retain(|crd| crd.spec.group == ferrolb_api::GROUP);
    assert_eq!(ours.len(), golden.len());
    for (crd, golden) in ours.iter().zip(golden) {
        let mut ours = normalised(serde_json::to_value(crd).unwrap());
        let mut golden = normalised(serde_yaml::from_str(golden).unwrap());
        sorted_required(&mut ours);
        sorted_required(&mut golden);
        assert_eq!(
            serde_json::to_string_pretty(&ours["spec"]).unwrap(),
            serde_json::to_string_pretty(&golden["spec"]).unwrap()
        );
        assert_eq!(ours["metadata"]["name"], golden["metadata"]["name"]);
    }
}

#[test]
fn absent_fields_are_defaulted_as_the_schema_says() {
    let pool: ferrolb_api::v1beta1::IPAddressPoolSpec = serde_yaml::from_str("addresses: [192.0.2.0/24]").unwrap();
    assert!(pool.auto_assign);
    assert!(!pool.avoid_buggy_ips);
    assert_eq!(pool.service_allocation, None);
}
