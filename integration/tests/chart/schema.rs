//! `values.schema.json`: it knows every value, describes it, and refuses what it does not know.
//!
//! The entries of `ipAddressPools` and the like are made of the CRDs' schemas, so that they have every field of them.

use std::collections::BTreeSet;

use ferrolb_config::legacy::VALUES_KEYS;
use ferrolb_config::values::LISTS;
use serde_json::{Map, Value, json};

use crate::helm::{repository, text};

/// Where it is.
pub(crate) const PATH: &str = "charts/ferrolb/values.schema.json";
/// What a Kubernetes name may be.
const NAME: &str = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";

pub(crate) fn schema() -> Value {
    serde_json::from_str(&text(PATH)).unwrap()
}

/// The schema behind a reference, if it is one.
pub(crate) fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    root.pointer(reference.trim_start_matches('#')).unwrap()
}

/// Every schema in it that describes an object, with its place.
fn objects<'s>(place: &str, schema: &'s Value, found: &mut Vec<(String, &'s Value)>) {
    if schema["properties"].is_object() {
        found.push((place.to_owned(), schema));
    }
    match schema {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| objects(&format!("{place}/{key}"), value, found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| objects(&format!("{place}/{index}"), value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_object_refuses_what_it_does_not_know_and_describes_what_it_knows() {
    let schema = schema();
    let mut found = Vec::new();
    objects("", &schema, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for (place, object) in found {
        assert_eq!(object["additionalProperties"], false, "{place}");
        for (key, value) in object["properties"].as_object().unwrap() {
            let place = format!("{place}.{key}");
            let described = value["description"].as_str().is_some_and(|text| text.ends_with(['.', ')']));
            let nested = place.starts_with("/$defs/") && resolved(&schema, value)["description"].is_string();
            assert!(described || nested, "{place} is not described");
        }
    }
}

#[test]
fn keys_at_the_top_are_those_that_files_of_values_are_known_by() {
    let schema = schema();
    let known: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(known, BTreeSet::from(VALUES_KEYS));
}

#[test]
fn every_default_is_a_value_that_the_schema_knows() {
    let schema = schema();
    let values: Value = serde_yaml::from_str(&text("charts/ferrolb/values.yaml")).unwrap();
    walk(&schema, &schema, &values, "");
}

fn walk(root: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(root, schema);
    let (Some(properties), Some(map)) = (schema["properties"].as_object(), value.as_object()) else { return };
    for (key, value) in map {
        let place = format!("{place}.{key}");
        let property = properties.get(key).unwrap_or_else(|| panic!("{place} is in values.yaml only"));
        walk(root, property, value, &place);
    }
}

#[test]
fn entries_of_lists_have_the_fields_of_the_crds() {
    let mut schema = schema();
    for (key, kind) in LISTS {
        let entry = schema["properties"][key]["items"]["$ref"].as_str().unwrap().replace("#/$defs/", "");
        schema["$defs"][entry.as_str()] = entry_of(kind);
    }
    crate::reference::current(PATH, &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

/// The schema of an entry: a name, labels, and what the CRD's `spec` has.
fn entry_of(kind: &str) -> Value {
    let crd = ferrolb_api::crds::all().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    let stored = crd.spec.versions.iter().find(|version| version.storage).unwrap();
    let whole = serde_json::to_value(&stored.schema).unwrap();
    let mut entry = tidy(&whole["openAPIV3Schema"]["properties"]["spec"]);
    let properties = entry["properties"].as_object_mut().unwrap();
    let name = json!({ "description": "Name of the resource.", "maxLength": 63, "pattern": NAME, "type": "string" });
    properties.insert("name".to_owned(), name);
    let labels = json!({
        "additionalProperties": { "type": "string" },
        "description": "Labels of the resource, for selectors.",
        "type": "object",
    });
    properties.insert("labels".to_owned(), labels);
    let mut required = vec![json!("name")];
    required.extend(entry["required"].as_array().into_iter().flatten().cloned());
    entry["required"] = required.into();
    entry
}

/// A schema of Kubernetes as one of values: what only an API server understands is left out, and an object has the fields
/// that it has.
fn tidy(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| {
                !key.starts_with("x-kubernetes") && !["default", "format", "nullable"].contains(&key.as_str())
            });
            let mut tidied: Map<String, Value> = kept.map(|(key, value)| (key.clone(), tidy(value))).collect();
            if tidied.contains_key("properties") && !tidied.contains_key("additionalProperties") {
                tidied.insert("additionalProperties".to_owned(), false.into());
            }
            if let Some(Value::String(description)) = tidied.get_mut("description") {
                *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            Value::Object(tidied)
        }
        Value::Array(list) => list.iter().map(tidy).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

#[test]
fn the_schema_is_where_helm_looks_for_it() {
    assert!(repository(PATH).is_file());
    assert_eq!(schema()["additionalProperties"], false);
}
