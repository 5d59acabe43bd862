//! Walks through legacy configuration: reads values of a type each, and keeps what is wrong.

use serde_json::{Map, Value};

use super::CONFIG_KEYS;
use crate::problem::{ObjectRef, Problem, Scope};
use crate::resource::{Origin, Resource, Resources};
use crate::selectors::Labels;

/// Reads the mapping and keeps what is wrong with it.
pub(super) struct Walk {
    pub(super) object: ObjectRef,
    pub(super) resources: Resources,
    /// Whom the part hinders that is being read.
    pub(super) scope: Scope,
    problems: Vec<Problem>,
}

/// A mapping and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Part<'v> {
    pub(super) path: &'v str,
    pub(super) map: &'v Map<String, Value>,
}

impl<'v> Part<'v> {
    /// What stands under a key; null is the same as nothing.
    pub(super) fn get(self, key: &str) -> Option<&'v Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn field(self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}

// === impl Walk ===

impl Walk {
    pub(super) fn new(object: ObjectRef) -> Self {
        Self { object, resources: Resources::default(), scope: Scope::Allocation, problems: Vec::new() }
    }

    pub(super) fn finish(self) -> Result<Resources, Vec<Problem>> {
        let Self { problems, mut resources, .. } = self;
        // What hinders speakers only is carried along: addresses can be assigned all the same.
        let (announcement, forbidding): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(|problem| problem.scope == Scope::Announcement);
        if forbidding.is_empty() {
            resources.problems.extend(announcement);
            Ok(resources)
        } else {
            Err(forbidding.into_iter().chain(announcement).collect())
        }
    }

    pub(super) fn wrong(&mut self, field: &str, value: &Value, message: impl Into<String>) {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        };
        let problem = Problem { scope: self.scope, ..Problem::new(self.object.clone(), field, value, message) };
        self.problems.push(problem);
    }

    /// The mapping at `path`, its unknown keys reported.
    pub(super) fn part<'v>(&mut self, path: &'v str, value: &'v Value, known: &[&str]) -> Option<Part<'v>> {
        let Value::Object(map) = value else {
            self.wrong(path, value, format!("must be a mapping with the keys: {}", known.join(", ")));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = format!("unknown key {key:?}; known here are: {}", known.join(", "));
            self.wrong(&format!("{path}.{key}"), &Value::Null, message);
        }
        Some(Part { path, map })
    }

    /// The list under a key with the path of each entry; `example` is what would be right.
    pub(super) fn list<'v>(&mut self, part: Part<'v>, key: &str, example: &str) -> Vec<(String, &'v Value)> {
        let field = part.field(key);
        match part.get(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => {
                list.iter().enumerate().map(|(index, value)| (format!("{field}[{index}]"), value)).collect()
            }
            Some(other) => {
                self.wrong(&field, other, format!("must be a list, for example {example}"));
                Vec::new()
            }
        }
    }

    /// The texts in the list under a key.
    pub(super) fn texts(&mut self, part: Part<'_>, key: &str, example: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (field, value) in self.list(part, key, &format!("[{example}]")) {
            if let Some(text) = value.as_str() {
                texts.push(text.to_owned());
            } else {
                self.wrong(&field, value, format!("must be a text such as {example}"));
            }
        }
        texts
    }

    /// The text under a key. A number is taken as it is written, for people do not quote what looks like one.
    pub(super) fn text(&mut self, part: Part<'_>, key: &str, example: &str) -> Option<String> {
        match part.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                self.wrong(&part.field(key), other, format!("must be a text such as {example}"));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, part: Part<'_>, key: &str) -> Option<bool> {
        let value = part.get(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(&part.field(key), value, "must be true or false");
        }
        flag
    }

    /// The whole number under a key, as far as `T` holds it.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, part: Part<'_>, key: &str, highest: i64) -> Option<T> {
        let value = part.get(key)?;
        let number = value.as_i64().filter(|number| (0..=highest).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.wrong(
                &part.field(key),
                value,
                format!("must be a whole number between 0 and {highest}, without quotes"),
            );
        }
        number
    }

    /// A resource made of a part that has a name of its own.
    pub(super) fn named<S>(&self, path: &str, written: &str, name: String, spec: S) -> Resource<S> {
        let origin = Origin::legacy(self.object.clone(), path, written);
        Resource { origin, name, labels: Labels::new(), spec }
    }

    /// A resource made of a part that has none.
    pub(super) fn generated<S>(&self, path: &str, stem: &str, spec: S) -> Resource<S> {
        let origin = Origin::generated(self.object.clone(), path);
        Resource { origin, name: stem.to_owned(), labels: Labels::new(), spec }
    }

    /// The name of a part as written and as a resource has it.
    pub(super) fn name<'v>(&mut self, part: Part<'v>, what: &str) -> Option<(&'v str, String)> {
        let legacy = part.map.get("name").unwrap_or(&Value::Null);
        let named = legacy.as_str().map(|written| (written, super::resource_name(written)));
        let named = named.filter(|(_, name)| !name.is_empty());
        if named.is_none() {
            let message = format!("a {what} needs a name with at least one letter from a to z, for example default");
            self.wrong(&part.field("name"), legacy, message);
        }
        named
    }

    /// Everything that may stand in legacy configuration.
    pub(super) fn config(&mut self, path: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let Some(config) = self.part(path, value, &CONFIG_KEYS) else { return };
        let example = "[{name: default, protocol: layer2, addresses: [192.0.2.0/24]}]";
        for (path, pool) in self.list(config, "address-pools", example) {
            self.pool(&path, pool);
        }
        self.scope = Scope::Announcement;
        self.bgp(config);
        self.scope = Scope::Allocation;
    }
}
