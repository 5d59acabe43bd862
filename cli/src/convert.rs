//! `convert`: legacy configuration becomes resources to apply.

use std::fs;
use std::path::Path;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_config::values::ConfigMapText;
use ferrolb_config::{ObjectRef, Resources, legacy, parse};
use serde_json::Value;

use crate::output::{Failure, Printer, remark};

/// The API group of what `convert` makes.
const CONVERTED_GROUP: &str = "metallb.io/";

/// Turns legacy values, `configInline` or the ConfigMap `config` into resources; prints them as a JSON array or as YAML.
///
/// # Errors
/// The file cannot be read, has none of these, or what it says is refused.
pub fn convert(file: &Path, namespace: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let name = file.display().to_string();
    let mut conversion = Conversion {
        file: &name,
        namespace: namespace.map(str::to_owned),
        resources: Resources::default(),
        converted: 0,
        already: None,
    };
    for document in documents(file, &name)? {
        conversion.document(&document)?;
    }
    let objects = conversion.finish()?;
    if objects.is_empty() {
        remark(format_args!("{name} names neither pools nor peers; there is nothing to apply"));
    }
    printer.print_objects(&objects)
}

/// Every document that says something.
fn documents(file: &Path, name: &str) -> Result<Vec<Value>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::BadInput(format!("{name}: {error}")))?;
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde::Deserialize::deserialize(document)
            .and_then(|value: serde_yaml::Value| serde_yaml::from_value::<Value>(value));
        let value = value.map_err(|error| Failure::BadInput(format!("{name} is no YAML: {error}")))?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

/// What was converted so far.
struct Conversion<'a> {
    file: &'a str,
    /// The one that was asked for, else the first that a ConfigMap names.
    namespace: Option<String>,
    resources: Resources,
    /// How many legacy documents there were.
    converted: usize,
    /// A resource that needs no conversion.
    already: Option<ObjectRef>,
}

// === impl Conversion ===

impl Conversion<'_> {
    fn document(&mut self, document: &Value) -> Result<(), Failure> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        if kind.ends_with("List")
            && let Some(items) = document.get("items").and_then(Value::as_array)
        {
            return items.iter().try_for_each(|item| self.document(item));
        }
        let object = ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        if version.starts_with(CONVERTED_GROUP) {
            self.already.get_or_insert(object);
            return Ok(());
        }
        let converted = if kind == "ConfigMap" {
            let under = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
            let text = ConfigMapText { config: under("/data/config"), values: under("/data/values") };
            if text.is_empty() {
                let message = format!("{object} has no data.config; legacy configuration stands there, as text");
                return Err(Failure::BadInput(message));
            }
            if self.namespace.is_none() && !object.namespace.is_empty() {
                self.namespace = Some(object.namespace.to_string());
            }
            text.read(&object)
        } else if !version.is_empty() {
            remark(format_args!("left out: {object} is no configuration of old"));
            return Ok(());
        } else if legacy::is_bare(document) {
            legacy::from_config(document, ObjectRef::new("File", "", self.file), "config")
        } else {
            legacy::from_values(document, self.file)
        };
        self.resources.extend(converted.map_err(Failure::Refused)?);
        self.converted += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<Value>, Failure> {
        let Self { file, namespace, resources, converted, already } = self;
        let sentence = match (converted, already) {
            (0, None) => Some("no configInline and no ConfigMap with data.config stands there".to_owned()),
            (0, Some(_)) => Some("these are resources already; nothing to convert".to_owned()),
            (_, Some(object)) => Some(format!("{object} is a resource already; convert what is of old alone")),
            (_, None) => None,
        };
        if let Some(sentence) = sentence {
            return Err(Failure::BadInput(format!("{file}: {sentence}")));
        }
        let problems = parse(&resources).problems;
        if !problems.is_empty() {
            return Err(Failure::Refused(problems));
        }
        let objects = legacy::to_objects(&resources, namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE));
        objects.map_err(|error| Failure::Failed(error.to_string()))
    }
}
