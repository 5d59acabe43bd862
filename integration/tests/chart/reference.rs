//! `docs/values.md`: every value with its default and what it means, from the schema and `values.yaml`.

use std::env;
use std::fmt::Write;
use std::fs;

use ferrolb_config::values::LISTS;
use serde_json::{Map, Value};

use crate::helm::{repository, text};
use crate::schema::{resolved, schema};

const PATH: &str = "docs/values.md";
const HEAD: &str = "# Values of the chart

Made of `charts/ferrolb/values.schema.json` and `values.yaml` by `make docs`. Unknown keys are refused. A key that has no
default is not set; an empty text means what the last column says.
";

/// Compares a file that is made of others with what it should be; with `BLESS` set, writes it.
pub(crate) fn current(path: &str, should: &str) {
    if env::var_os("BLESS").is_some() {
        fs::write(repository(path), should).unwrap();
        return;
    }
    let is = fs::read_to_string(repository(path)).unwrap_or_default();
    let line = is.lines().zip(should.lines()).position(|(is, should)| is != should);
    assert!(is == should, "{path} is not current (from line {:?}); run `make docs`", line.map(|line| line + 1));
}

#[test]
fn the_reference_of_values_is_current() {
    let schema = schema();
    let values: serde_yaml::Value = serde_yaml::from_str(&text("charts/ferrolb/values.yaml")).unwrap();
    let mut page = HEAD.to_owned();
    let (plain, grouped) = top_level(&schema, &values);
    page.push_str("\n## General\n\n");
    table(&mut page, |rows| {
        for (key, property) in &plain {
            row(rows, key, property, values.get(key.as_str()));
        }
    });
    for (key, property) in grouped {
        let group = resolved(&schema, property);
        write!(page, "\n## {key}\n\n{}\n\n", description(property, group)).unwrap();
        table(&mut page, |rows| leaves(rows, &schema, group, values.get(key.as_str()), &key));
    }
    page.push_str("\n## Entries of lists\n");
    for (key, kind) in LISTS {
        let entry = resolved(&schema, &schema["properties"][key]["items"]);
        write!(page, "\n### {key}\n\nAs the custom resource {kind}.\n\n| field | meaning |\n| --- | --- |\n").unwrap();
        fields(&mut page, entry, "");
    }
    current(PATH, &page);
}

/// Keys with no keys below them that are described, and those with some; in the order of `values.yaml`, then of the name.
fn top_level<'s>(schema: &'s Value, values: &serde_yaml::Value) -> (Vec<Keyed<'s>>, Vec<Keyed<'s>>) {
    let all = in_order(schema["properties"].as_object().unwrap(), Some(values));
    all.into_iter().partition(|(_, property)| !resolved(schema, property)["properties"].is_object())
}

type Keyed<'s> = (String, &'s Value);

fn in_order<'s>(properties: &'s Map<String, Value>, values: Option<&serde_yaml::Value>) -> Vec<Keyed<'s>> {
    let named = values.and_then(serde_yaml::Value::as_mapping).into_iter().flatten();
    let named: Vec<String> = named.filter_map(|(key, _)| Some(key.as_str()?.to_owned())).collect();
    let others = properties.keys().filter(|key| !named.contains(key)).cloned();
    let keys = named.iter().cloned().chain(others);
    keys.filter_map(|key| properties.get(&key).map(|property| (key, property))).collect()
}

fn table(page: &mut String, rows: impl FnOnce(&mut String)) {
    page.push_str("| key | default | meaning |\n| --- | --- | --- |\n");
    rows(page);
}

/// A row for each value that has no values below it.
fn leaves(rows: &mut String, root: &Value, schema: &Value, values: Option<&serde_yaml::Value>, place: &str) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (key, property) in in_order(properties, values) {
        let below = resolved(root, property);
        let value = values.and_then(|values| values.get(key.as_str()));
        let place = format!("{place}.{key}");
        if below["properties"].is_object() && value.is_some() {
            leaves(rows, root, below, value, &place);
        } else {
            row(rows, &place, property, value);
        }
    }
}

fn row(rows: &mut String, place: &str, property: &Value, value: Option<&serde_yaml::Value>) {
    let default = match value {
        None | Some(serde_yaml::Value::Null) => String::new(),
        Some(value) => format!("`{}`", serde_json::to_string(&serde_json::to_value(value).unwrap()).unwrap()),
    };
    writeln!(rows, "| `{place}` | {default} | {} |", escaped(&description(property, property))).unwrap();
}

/// What is said at the reference, else behind it.
fn description(property: &Value, resolved: &Value) -> String {
    let said = property["description"].as_str().or_else(|| resolved["description"].as_str());
    let said = said.unwrap_or_default();
    let choices = property["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
    let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).filter(|choice| !choice.is_empty()).collect();
    let unnamed = choices.iter().any(|choice| !said.contains(*choice));
    if unnamed { format!("{said} One of: {}.", choices.join(", ")) } else { said.to_owned() }
}

/// The fields of an entry, those below them behind a dot; the fields of a label selector are the same everywhere.
fn fields(page: &mut String, schema: &Value, place: &str) {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let list = property["items"].is_object();
        let below = if list { &property["items"] } else { property };
        let selector = below["properties"]["matchLabels"].is_object();
        let required = if required.iter().any(|name| name == key) { " Required." } else { "" };
        let form = match (selector, list) {
            (true, true) => " A list of label selectors.",
            (true, false) => " A label selector.",
            (false, _) => "",
        };
        let place = format!("{place}{key}");
        let said = escaped(&description(property, property));
        writeln!(page, "| `{place}` | {said}{form}{required} |").unwrap();
        if !selector {
            fields(page, below, &format!("{place}{}.", if list { "[]" } else { "" }));
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
