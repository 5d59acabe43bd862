//! A manifest's text as the objects that it stands for.
//!
//! Values and the ConfigMap's inner text (what an API server has no kind for) become resources, as `ferrolb convert`
//! makes them.

use ferrolb_api::{DEFAULT_NAMESPACE, GROUP};
use ferrolb_config::{ObjectRef, Problem, legacy, parse};
use serde::Deserialize as _;
use serde_json::Value;

use crate::error::Error;

/// Which object it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) version: String,
    pub(super) kind: String,
    /// As it stands there; empty for what is in none, and where the manifest leaves it to the default.
    pub(super) namespace: String,
    pub(super) name: String,
}

// === impl Identity ===

impl Identity {
    /// None for what is no object.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            version: text("/apiVersion")?,
            kind: text("/kind")?,
            namespace: text("/metadata/namespace").unwrap_or_default(),
            name: text("/metadata/name")?,
        })
    }

    /// Where it belongs when it is of a kind that has namespaces.
    pub(super) fn namespace_or_default(&self) -> &str {
        match self.namespace.as_str() {
            "" if self.version.split('/').next() == Some(GROUP) => DEFAULT_NAMESPACE,
            "" => "default",
            named => named,
        }
    }
}

/// The objects of the manifest `name`, in their order.
///
/// # Errors
/// [`Error::Refused`] for what is no YAML, no object, or no good configuration.
pub(super) fn read(text: &str, name: &str) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        // Through YAML's own value first: it refuses a key that stands twice.
        let value = serde_yaml::Value::deserialize(document).and_then(serde_yaml::from_value::<Value>);
        let value = value.map_err(|error| Error::Refused { reason: format!("{name} is no YAML: {error}") })?;
        add(value, name, &mut objects)?;
    }
    Ok(objects)
}

fn add(document: Value, name: &str, objects: &mut Vec<Value>) -> Result<(), Error> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    if is_list && let Some(items) = document.get("items").and_then(Value::as_array) {
        return items.iter().try_for_each(|item| add(item.clone(), name, objects));
    }
    if document.is_null() {
        return Ok(());
    }
    if Identity::of(&document).is_some() {
        objects.push(document);
        return Ok(());
    }
    let converted = if document.get("apiVersion").is_some() || document.get("kind").is_some() {
        return Err(Error::Refused { reason: format!("{name}: an object has apiVersion, kind and metadata.name") });
    } else if legacy::is_bare(&document) {
        legacy::from_config(&document, ObjectRef::new("File", "", name), "config")
    } else {
        legacy::from_values(&document, name)
    };
    let resources = converted.map_err(|problems| refused(&problems))?;
    let problems = parse(&resources).problems;
    if !problems.is_empty() {
        return Err(refused(&problems));
    }
    objects.extend(legacy::to_objects(&resources, DEFAULT_NAMESPACE)?);
    Ok(())
}

fn refused(problems: &[Problem]) -> Error {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Error::Refused { reason: problems.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::default_values;
    use crate::layout::Family;

    fn identities(text: &str) -> Vec<Identity> {
        read(text, "x.yaml").unwrap().iter().filter_map(Identity::of).collect()
    }

    #[test]
    fn values_become_resources_in_the_namespace_of_an_installation() {
        let found = identities(&default_values(Family::Dual, &[]));
        let kinds: Vec<&str> = found.iter().map(|identity| identity.kind.as_str()).collect();
        assert_eq!(kinds, ["IPAddressPool", "L2Advertisement"]);
        assert!(found.iter().all(|identity| identity.namespace == DEFAULT_NAMESPACE), "{found:?}");
    }

    #[test]
    fn lists_are_unfolded_and_empty_documents_left_out() {
        let text = "---\n---\napiVersion: v1\nkind: List\nitems:\n\
                    - {apiVersion: v1, kind: Service, metadata: {name: a}}\n\
                    - {apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: b}}\n\
                    - {apiVersion: v1, kind: Service, metadata: {name: c, namespace: shop}}\n";
        let found = identities(text);
        let places: Vec<(&str, &str)> =
            found.iter().map(|identity| (identity.name.as_str(), identity.namespace_or_default())).collect();
        assert_eq!(places, [("a", "default"), ("b", DEFAULT_NAMESPACE), ("c", "shop")]);
    }

    #[test]
    fn what_is_neither_an_object_nor_good_values_is_refused_by_name() {
        for text in ["a: [", "kind: Service\nmetadata: {}\n", "nonsense: 1\n", "configInline: {address-pools: [{}]}\n"]
        {
            let error = read(text, "x.yaml").unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{text}: {error}");
            assert!(error.to_string().contains("x.yaml"), "{text}: {error}");
        }
    }
}
