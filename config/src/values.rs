//! Resources that stand in lists of Helm values instead of in objects of their own: `ipAddressPools`, `bgpPeers`, ...
//!
//! An entry has a name, labels where wanted, and beside them the fields of the resource's `spec`. The chart puts these
//! lists under the key `values` of the ConfigMap `config`, and `configInline` under its key `config`.

use serde_json::{Map, Value, json};

use crate::legacy;
use crate::problem::{ObjectRef, Problem, Scope};
use crate::read::{UnknownFields, read};
use crate::resource::Resources;

/// The lists, and the kind of resource that each holds.
pub const LISTS: [(&str, &str); 6] = [
    ("ipAddressPools", "IPAddressPool"),
    ("l2Advertisements", "L2Advertisement"),
    ("bgpAdvertisements", "BGPAdvertisement"),
    ("bgpPeers", "BGPPeer"),
    ("communities", "Community"),
    ("bfdProfiles", "BFDProfile"),
];

/// A name is a DNS label or several of them (RFC 1123 section 2.1), of this length together.
const LONGEST_NAME: usize = 63;

/// What stands in the ConfigMap `config`: the texts under its keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfigMapText<'t> {
    /// Under `config`: legacy configuration.
    pub config: Option<&'t str>,
    /// Under `values`: lists of resources as in Helm values.
    pub values: Option<&'t str>,
}

// === impl ConfigMapText ===

impl ConfigMapText<'_> {
    /// Whether it has neither key, so that it is somebody else's.
    pub fn is_empty(&self) -> bool {
        self.config.is_none() && self.values.is_none()
    }

    /// Whether it cannot be but ferrolb's: a key of configuration begins a line of it.
    pub fn is_certain(&self) -> bool {
        let begins =
            |text: &str, key: &str| text.lines().any(|line| line.trim_end().trim_end_matches(':').starts_with(key));
        self.config.is_some_and(legacy::mentions_known_key)
            || self.values.is_some_and(|text| LISTS.iter().any(|(key, _)| begins(text, key)))
    }

    /// What it says, which `object` is named for.
    ///
    /// # Errors
    /// A text is no YAML, or says what the chart refuses.
    pub fn read(&self, object: &ObjectRef) -> Result<Resources, Vec<Problem>> {
        let config = self.config.map(|text| legacy::from_config_map(text, object.clone()));
        let values = self.values.map(|text| match legacy::yaml(text) {
            Ok(Value::Null) => Ok(Resources::default()),
            Ok(Value::Object(values)) => {
                let mut lists = Lists::new(object, "data.values.");
                lists.all(&values);
                lists.refuse_others(&values);
                lists.finish()
            }
            Ok(Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let message = format!("must be a mapping with the keys: {}", keys());
                Err(vec![Problem::new(object.clone(), "data.values", "", message)])
            }
            Err(error) => Err(vec![Problem::new(object.clone(), "data.values", "", format!("is no YAML: {error}"))]),
        });
        let (mut all, mut problems) = (Resources::default(), Vec::new());
        for part in [config, values].into_iter().flatten() {
            match part {
                Ok(resources) => all.extend(resources),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            return Ok(all);
        }
        // What is wrong for speakers only rode on what is refused now.
        problems.append(&mut all.problems);
        Err(problems)
    }
}

/// The lists of Helm values that stand in `object`.
///
/// # Errors
/// Every entry without a name, every field that is unknown and every value of a wrong type.
pub(crate) fn from_lists(values: &Map<String, Value>, object: &ObjectRef) -> Result<Resources, Vec<Problem>> {
    let mut lists = Lists::new(object, "");
    lists.all(values);
    lists.finish()
}

/// Reads lists and keeps what is wrong with them.
struct Lists<'a> {
    object: &'a ObjectRef,
    /// What the path of a list begins with.
    place: &'a str,
    resources: Resources,
    problems: Vec<Problem>,
}

// === impl Lists ===

impl<'a> Lists<'a> {
    fn new(object: &'a ObjectRef, place: &'a str) -> Self {
        Self { object, place, resources: Resources::default(), problems: Vec::new() }
    }

    /// As with legacy configuration: what hinders speakers only is carried along, for addresses can be assigned.
    fn finish(self) -> Result<Resources, Vec<Problem>> {
        let Self { mut resources, problems, .. } = self;
        if problems.iter().any(|problem| problem.scope == Scope::Allocation) {
            return Err(problems);
        }
        resources.problems.extend(problems);
        Ok(resources)
    }

    fn wrong(&mut self, field: &str, value: &Value, message: impl Into<String>) {
        let value = value.as_str().unwrap_or_default();
        self.problems.push(Problem::new(self.object.clone(), field, value, message));
    }

    fn all(&mut self, values: &Map<String, Value>) {
        for (key, kind) in LISTS {
            let path = format!("{}{key}", self.place);
            match values.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::Array(entries)) => {
                    for (index, entry) in entries.iter().enumerate() {
                        self.entry(kind, &format!("{path}[{index}]"), entry);
                    }
                }
                Some(other) => {
                    let message = format!("must be a list of mappings, each with a name and the fields of a {kind}");
                    self.wrong(&path, other, message);
                }
            }
        }
    }

    fn refuse_others(&mut self, values: &Map<String, Value>) {
        for key in values.keys().filter(|key| !LISTS.iter().any(|(list, _)| list == key)) {
            let message = format!("unknown key {key:?}; known here are: {}", keys());
            self.wrong(&format!("{}{key}", self.place), &Value::Null, message);
        }
    }

    fn entry(&mut self, kind: &str, path: &str, entry: &Value) {
        let Value::Object(fields) = entry else {
            self.wrong(path, entry, format!("must be a mapping with a name and the fields of a {kind}"));
            return;
        };
        let mut spec = fields.clone();
        let (name, labels) = (spec.remove("name"), spec.remove("labels"));
        let name = name.unwrap_or_default();
        let Some(text) = name.as_str().filter(|name| is_name(name)) else {
            let message = format!(
                "must be a name for the {kind}: lower case letters, digits, '-' and '.', at most {LONGEST_NAME} of them"
            );
            self.wrong(&format!("{path}.name"), &name, message);
            return;
        };
        let metadata = json!({ "name": text, "namespace": self.object.namespace, "labels": labels });
        match read(kind, &json!({ "metadata": metadata, "spec": spec }), UnknownFields::Refuse) {
            Ok(resources) => self.resources.extend(resources.written_in(self.object, path)),
            Err(problems) => {
                let here = problems.into_iter().map(|problem| Problem {
                    object: self.object.clone(),
                    field: within(path, &problem.field),
                    ..problem
                });
                self.problems.extend(here);
            }
        }
    }
}

/// The place in an entry of a field of the object that was made of it.
fn within(path: &str, field: &str) -> String {
    let field = field.strip_prefix("spec").or_else(|| field.strip_prefix("metadata")).unwrap_or(field);
    match field.strip_prefix('.').unwrap_or(field) {
        "" => path.to_owned(),
        field => format!("{path}.{field}"),
    }
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(label)
}

fn keys() -> String {
    LISTS.map(|(key, _)| key).join(", ")
}
