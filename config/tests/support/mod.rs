//! Resources from manifests, for tests.

#![allow(dead_code, clippy::allow_attributes, reason = "every test file uses a part of it")]

use ferrolb_config::{Class, Parsed, Problem, Resources, UnknownFields, parse, read};
use serde::Deserialize;
use serde_json::Value;

/// The documents of a YAML text.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

/// Every object read, and what is wrong with those that cannot be; a Node gives its labels.
pub(crate) fn try_resources(yaml: &str) -> Resources {
    let mut all = Resources::default();
    for mut document in documents(yaml) {
        if let Some(metadata) = document["metadata"].as_object_mut() {
            metadata.entry("namespace").or_insert("lb".into());
        }
        let kind = document["kind"].as_str().unwrap().to_owned();
        if kind == "Node" {
            let labels = serde_json::from_value(document["metadata"]["labels"].clone()).unwrap_or_default();
            all.nodes.insert(document["metadata"]["name"].as_str().unwrap().to_owned(), labels);
            continue;
        }
        match read(&kind, &document, UnknownFields::Refuse) {
            Ok(resources) => all.extend(resources),
            Err(problems) => all.problems.extend(problems),
        }
    }
    all
}

/// The same where everything can be read.
pub(crate) fn resources(yaml: &str) -> Resources {
    let all = try_resources(yaml);
    assert_eq!(all.problems, [], "{yaml}");
    all
}

pub(crate) fn parsed(yaml: &str) -> Parsed {
    parse(&try_resources(yaml))
}

/// A manifest of one object; `spec` is written as YAML in one line or with indentation of two.
pub(crate) fn object(kind: &str, name: &str, spec: &str) -> String {
    let version = if kind == "BGPPeer" { "v1beta2" } else { "v1beta1" };
    let spec = spec.replace('\n', "\n  ");
    format!("---\napiVersion: metallb.io/{version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n")
}

pub(crate) fn pool(name: &str, addresses: &str) -> String {
    object("IPAddressPool", name, &format!("{{addresses: [{addresses}]}}"))
}

pub(crate) fn node(name: &str, labels: &str) -> String {
    format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
}

pub(crate) fn secret(name: &str, secret_type: &str, data: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: {secret_type}\ndata: {{{data}}}\n")
}

pub(crate) fn sentences(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// What a case expects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// Nothing is to be said.
    Accepted,
    /// Refused with a problem in this field whose message has this text in it.
    Invalid(&'static str, &'static str),
    /// The same, but as a reference to what may still come.
    Missing(&'static str, &'static str),
}

/// Checks one case; everything in it is the speakers' matter.
pub(crate) fn check(yaml: &str, verdict: Verdict) {
    let parsed = parsed(yaml);
    let all = sentences(&parsed.problems);
    let expect = |class: Class, field: &str, text: &str| {
        let found = parsed.problems.iter().find(|problem| problem.field == field && problem.message.contains(text));
        let found = found.unwrap_or_else(|| panic!("expected {field}: {text}\n{yaml}\nfound {all:#?}"));
        assert_eq!(found.class, class, "{found}");
    };
    match verdict {
        Verdict::Accepted => assert!(all.is_empty(), "{yaml}\n{all:#?}"),
        Verdict::Invalid(field, text) => {
            expect(Class::Invalid, field, text);
            assert!(parsed.for_announcement().is_err());
        }
        Verdict::Missing(field, text) => {
            expect(Class::MissingReference, field, text);
            assert!(parsed.for_announcement().is_ok() && parsed.strict().is_err(), "{all:#?}");
        }
    }
    assert!(parsed.for_allocation().is_ok(), "{yaml}\n{all:#?}");
}
