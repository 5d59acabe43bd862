//! Removes secrets from everything that goes into a bundle.
//!
//! Two passes: first every tree is cleaned by the names of its fields, and what stood there is remembered; then what was
//! remembered is removed wherever else it turns up, in whatever form, along with what looks like a secret.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::text::{Patterns, REMOVED};
use super::words::{is_phrase, is_sensitive};

/// Of a Secret nothing is kept but this.
const OF_A_SECRET: [&str; 3] = ["apiVersion", "kind", "type"];
/// Shorter values are removed where they stand, but not searched for elsewhere: they are in half of all words.
const SHORTEST_TO_SEARCH: usize = 4;
/// Words of the configuration itself; whoever has one of them as password would get an empty bundle.
const TOO_COMMON: [&str; 10] =
    ["default", "ferrolb", "metallb", "secret", "password", "speaker", "controller", "config", "true", "false"];

/// Removes secrets and remembers them.
#[derive(Debug)]
pub(super) struct Redactor {
    patterns: Patterns,
    known: BTreeSet<String>,
}

// === impl Redactor ===

impl Redactor {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { patterns: Patterns::new()?, known: BTreeSet::new() })
    }

    /// The first pass over a tree.
    pub(super) fn tree(&mut self, value: &mut Value) {
        self.walk(value, "");
    }

    /// The first pass over text that may hold documents of YAML or JSON.
    pub(super) fn document(&mut self, text: &str) -> String {
        let Some(mut documents) = documents(text) else {
            // Nobody can tell where in it a value begins and ends.
            return if mentions_a_secret(text) {
                format!("[removed: {} bytes that could not be read and may hold a secret]", text.len())
            } else {
                self.patterns.clean(text)
            };
        };
        for document in &mut documents {
            self.walk(document, "");
        }
        if let [document] = documents.as_slice()
            && text.trim_start().starts_with(['{', '['])
        {
            return document.to_string();
        }
        let texts: Result<Vec<_>, _> = documents.iter().map(serde_yaml::to_string).collect();
        texts.map_or_else(|_unprintable| REMOVED.to_owned(), |texts| texts.join("---\n"))
    }

    /// The second pass, over the text of a file.
    pub(super) fn finish(&self, text: &str) -> String {
        self.patterns.clean(&self.forget(text))
    }

    /// The second pass over a tree, so that no layout of YAML hides a value.
    pub(super) fn finish_tree(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.finish(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.finish_tree(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.finish_tree(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text without any value that is known to be a secret.
    fn forget(&self, text: &str) -> String {
        // The longest first: one may be part of another.
        let mut known: Vec<&String> = self.known.iter().collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.into_iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), REMOVED) } else { text }
        })
    }

    fn walk(&mut self, value: &mut Value, under: &str) {
        match value {
            Value::Object(fields) => self.object(fields, under),
            Value::Array(items) => {
                self.arguments(items);
                for item in items {
                    self.walk(item, under);
                }
            }
            Value::String(text) if is_document(text, under) => *text = self.document(text),
            Value::String(text) => *text = self.patterns.clean(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, fields: &mut Map<String, Value>, under: &str) {
        if is_secret(fields) {
            return self.secret(fields);
        }
        // Who wrote which field: nothing of use, and much of it.
        fields.remove("managedFields");
        if under == "env" {
            self.variable(fields);
        }
        // {name: password, value: ...}, and a problem that quotes the value of a field.
        let named = ["name", "field", "key", "header"]
            .iter()
            .any(|label| fields.get(*label).and_then(Value::as_str).is_some_and(is_sensitive));
        for (name, value) in fields.iter_mut() {
            if is_sensitive(name) || (named && name == "value") {
                self.remove(value, name);
            } else if name.contains("last-applied") || name.ends_with("/applied") {
                // Everything again as it was applied, passwords included: what they are is learnt, nothing stays.
                if let Value::String(text) = value {
                    self.document(text);
                    REMOVED.clone_into(text);
                }
            } else {
                self.walk(value, name);
            }
        }
    }

    /// What stands under a name that tells of a secret. Where that is an object, as in `secret: {secretName: a}`, the
    /// names in it decide, unless the name is that of a password.
    fn remove(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::Object(fields) if is_phrase(name) => {
                fields.values_mut().for_each(|field| self.remove(field, name));
            }
            Value::Object(fields) => self.object(fields, name),
            Value::Array(items) => items.iter_mut().for_each(|item| self.remove(item, name)),
            Value::String(text) => {
                if !text.is_empty() {
                    self.learn(text);
                    REMOVED.clone_into(text);
                }
            }
            Value::Number(number) => {
                self.learn(&number.to_string());
                *value = Value::String(REMOVED.to_owned());
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A variable of a container: its value goes, whatever it is called. Where it comes from stays.
    fn variable(&mut self, fields: &mut Map<String, Value>) {
        let named = fields.get("name").and_then(Value::as_str).is_some_and(is_sensitive);
        if let Some(Value::String(value)) = fields.get_mut("value")
            && !value.is_empty()
        {
            if named {
                self.learn(value);
            }
            REMOVED.clone_into(value);
        }
    }

    /// `--password` and its value as two arguments.
    fn arguments(&mut self, items: &mut [Value]) {
        let mut awaited = false;
        for item in items {
            let Value::String(text) = item else {
                awaited = false;
                continue;
            };
            if awaited && !text.starts_with('-') {
                self.learn(text);
                REMOVED.clone_into(text);
                awaited = false;
                continue;
            }
            let flag = text.strip_prefix('-');
            awaited = flag.is_some_and(|flag| !flag.contains('=') && is_sensitive(flag));
        }
    }

    /// What a directory holds of a Secret: its name and type.
    fn secret(&mut self, fields: &mut Map<String, Value>) {
        for text in ["data", "stringData"].iter().filter_map(|field| fields.get(*field)).flat_map(texts) {
            self.learn(&text);
            if let Some(decoded) = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                self.learn(decoded.trim());
                decoded.lines().for_each(|line| self.learn(line.trim()));
            }
        }
        let name = |field: &str| Some((field.to_owned(), fields.get("metadata")?.get(field)?.clone()));
        let metadata: Map<String, Value> = ["name", "namespace"].iter().filter_map(|field| name(field)).collect();
        fields.retain(|field, _| OF_A_SECRET.contains(&field.as_str()));
        fields.insert("metadata".to_owned(), Value::Object(metadata));
    }

    /// Remembers a secret in the forms that it may turn up in.
    fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST_TO_SEARCH || secret == REMOVED || TOO_COMMON.contains(&secret) {
            return;
        }
        self.known.insert(secret.to_owned());
        self.known.insert(STANDARD.encode(secret));
        self.known.insert(STANDARD.encode(format!("{secret}\n")));
        // As JSON writes it, in quotes of its own or in those of a text around it.
        let mut escaped = secret.to_owned();
        for _ in 0..2 {
            let json = Value::String(escaped.clone()).to_string();
            json.get(1..json.len().saturating_sub(1)).unwrap_or_default().clone_into(&mut escaped);
            self.known.insert(escaped.clone());
        }
    }
}

fn is_secret(fields: &Map<String, Value>) -> bool {
    let is = |name: &str, value: &str| fields.get(name).and_then(Value::as_str) == Some(value);
    is("kind", "Secret") && is("apiVersion", "v1")
}

/// All texts below a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whether a text may be a document in a document, as in ConfigMaps and annotations.
fn is_document(text: &str, under: &str) -> bool {
    let start = text.trim_start();
    start.starts_with(['{', '['])
        || (text.contains('\n') && under != "message")
        || (start.contains(": ") && mentions_a_secret(text))
}

fn mentions_a_secret(text: &str) -> bool {
    let separators = |c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c));
    text.split(separators).any(|word| !word.is_empty() && is_sensitive(word.trim_matches('-')))
}

/// The documents of a text, if all are objects or lists.
fn documents(text: &str) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = serde_yaml::Value::deserialize(document).ok()?;
        let value: Value = serde_yaml::from_value(value).ok()?;
        match value {
            Value::Object(_) | Value::Array(_) => found.push(value),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        }
    }
    if found.is_empty() { None } else { Some(found) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A tree after both passes, as text.
    fn cleaned(value: &Value) -> String {
        let mut redactor = Redactor::new().unwrap();
        let mut value = value.clone();
        redactor.tree(&mut value);
        redactor.finish_tree(&mut value);
        redactor.finish(&value.to_string())
    }

    #[test]
    fn a_password_goes_from_its_field_and_from_wherever_else_it_turns_up() {
        let text = cleaned(&json!({
            "peer": {"spec": {"password": "hun\"ter2", "passwordSecret": {"name": "pw"}, "peerAddress": "192.0.2.9"}},
            "log": "connecting with hun\"ter2 now",
            "nested": "{\"a\":\"hun\\\"ter2\"}",
            "encoded": STANDARD.encode("hun\"ter2"),
        }));
        assert!(!text.contains("ter2") && !text.contains(&STANDARD.encode("hun\"ter2")), "{text}");
        assert!(text.contains("\"name\":\"pw\"") && text.contains("192.0.2.9"), "{text}");
    }

    #[test]
    fn documents_in_documents_are_read_and_those_that_cannot_be_go_as_a_whole() {
        for document in [
            "peers:\n- my-asn: 1\n  password: hunter2\n",
            "{peers: [{password: hunter2}]}",
            "peers: [{password: hunter2}]",
            "a: &x hunter2\npassword: *x\n",
            "password: |\n  hunter2\n",
            "password: >-\n  correct\n  hunter2\n",
            "broken: [\npassword:\n  hunter2\n",
            "# password: hunter2\na: 1\n",
            "a: 1\n---\npassword: hunter2\n",
            "- --password\n- hunter2\n",
        ] {
            let text = cleaned(&json!({"kind": "ConfigMap", "data": {"config": document}}));
            assert!(!text.contains("hunter2"), "{document}: {text}");
        }
        let kept = cleaned(&json!({"data": {"config": "peers:\n- my-asn: 64512\n  peer-address: 192.0.2.9\n"}}));
        assert!(kept.contains("64512") && kept.contains("192.0.2.9"), "{kept}");
    }

    #[test]
    fn variables_arguments_and_what_was_applied_hold_nothing_any_more() {
        let applied = json!({"spec": {"password": "hunter2"}}).to_string();
        let text = cleaned(&json!({
            "metadata": {
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied, "note": "it is hunter2"},
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {"containers": [{
                "args": ["--password", "hunter3", "--port=1", "--api-token=hunter4"],
                "command": ["sh", "-c", "curl -u x https://u:hunter5@example.org"],
                "env": [
                    {"name": "WHATEVER", "value": "hunter6"},
                    {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "kept-name", "key": "k"}}},
                ],
            }]},
            "problems": [{"field": "spec.password", "value": "hunter7", "message": "too long"}],
        }));
        assert!(!text.contains("hunter") && !text.contains("managedFields"), "{text}");
        for kept in ["kept-name", "--port=1", "WHATEVER", "too long"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn of_a_secret_its_name_is_left_and_its_values_are_known() {
        let text = cleaned(&json!([
            {
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "pw", "annotations": {"a": "b"}},
                "data": {"x": STANDARD.encode("hunter2\n")}, "stringData": {"y": "hunter3"},
            },
            {"message": "hunter2 and hunter3"},
        ]));
        assert_eq!(
            text,
            r#"[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"pw"},"type":"Opaque"},{"message":"[removed] and [removed]"}]"#
        );
    }

    #[test]
    fn a_short_or_common_password_does_not_empty_the_bundle() {
        let text = cleaned(&json!({"a": {"password": "ip"}, "b": {"password": "metallb"}, "c": "metallb.io/v1 ip"}));
        assert_eq!(text, r#"{"a":{"password":"[removed]"},"b":{"password":"[removed]"},"c":"metallb.io/v1 ip"}"#);
    }
}
