//! Configuration of old: `configInline` of Helm values and the ConfigMap `config`, converted to resources.
//!
//! Keys are those of `MetalLB` before 0.13. An unknown key is refused by name, so that a typing error never becomes
//! a silent default.

mod bgp;
mod objects;
mod pools;
mod walk;

pub use objects::to_objects;
use serde_json::Value;
use walk::Walk;

use crate::problem::{ObjectRef, Problem};
use crate::resource::Resources;
use crate::values::{LISTS, from_lists};

/// Top-level keys of Helm values: those of the chart, and those that charts of `MetalLB` have or once had.
pub const VALUES_KEYS: [&str; 26] = [
    "bfdProfiles",
    "bgpAdvertisements",
    "bgpPeers",
    "communities",
    "configInline",
    "controller",
    "crds",
    "existingConfigMap",
    "frr-k8s",
    "frrk8s",
    "fullnameOverride",
    "global",
    "grafana",
    "image",
    "imagePullSecrets",
    "ipAddressPools",
    "l2Advertisements",
    "loadBalancerClass",
    "nameOverride",
    "networkpolicies",
    "nodeFailure",
    "prometheus",
    "psp",
    "rbac",
    "speaker",
    "tls",
];

/// What a message names of [`VALUES_KEYS`]: the ones that somebody may have meant.
const COMMON_VALUES_KEYS: [&str; 6] =
    ["configInline", "controller", "ipAddressPools", "l2Advertisements", "loadBalancerClass", "speaker"];

/// What the advertisement of a pool whose protocol is layer2 is named, with a number behind it as in `MetalLB`'s own
/// converter.
pub(crate) const GENERATED_L2_ADVERTISEMENT: &str = "l2advertisement";
/// The same for an advertisement of a pool whose protocol is bgp.
pub(crate) const GENERATED_BGP_ADVERTISEMENT: &str = "bgpadvertisement";
/// The same for peers, which have no names.
pub(crate) const GENERATED_PEER: &str = "peer";
/// What the object with all names of communities is named; another one has a number behind it.
pub(crate) const GENERATED_COMMUNITY: &str = "communities";

const CONFIG_KEYS: [&str; 4] = ["address-pools", "peers", "bgp-communities", "bfd-profiles"];

/// Whether a mapping without `apiVersion` can only be Helm values.
pub fn is_values(document: &Value) -> bool {
    let Value::Object(map) = document else { return false };
    let certain = |key: &String| key == "configInline" || LISTS.iter().any(|(list, _)| list == key);
    map.keys().any(certain) || (!map.is_empty() && map.keys().all(|key| VALUES_KEYS.contains(&key.as_str())))
}

/// Whether a mapping is what stands below `configInline`, without that key.
pub fn is_bare(document: &Value) -> bool {
    let Value::Object(map) = document else { return false };
    !map.is_empty() && map.keys().all(|key| CONFIG_KEYS.contains(&key.as_str()))
}

/// Whether a text that should be legacy configuration has at least one of its top-level keys in it.
pub fn mentions_known_key(text: &str) -> bool {
    CONFIG_KEYS.iter().any(|key| text.lines().any(|line| line.trim_end().trim_end_matches(':').starts_with(key)))
}

/// Converts the `configInline` and the [lists](crate::values) of Helm values that stand in `file`; values without them are
/// no configuration at all.
///
/// # Errors
/// Every key that is unknown and every value of a wrong type.
pub fn from_values(values: &Value, file: &str) -> Result<Resources, Vec<Problem>> {
    let object = ObjectRef::new("Values", "", file);
    let Value::Object(map) = values else {
        return Err(vec![Problem::new(object, "", "", "Helm values are a mapping with the key configInline")]);
    };
    let lists = from_lists(map, &object);
    let mut walk = Walk::new(object);
    for key in map.keys().filter(|key| !VALUES_KEYS.contains(&key.as_str())) {
        let known = COMMON_VALUES_KEYS.join(", ");
        let message = format!("unknown key {key:?} of Helm values; known here are {known} and other keys of the chart");
        walk.wrong(key, &Value::Null, message);
    }
    if let Some(inline) = map.get("configInline") {
        walk.config("configInline", inline);
    }
    match (walk.finish(), lists) {
        (Ok(mut resources), Ok(lists)) => {
            resources.extend(lists);
            Ok(resources)
        }
        (Err(problems), Ok(lists)) => Err(problems.into_iter().chain(lists.problems).collect()),
        (Ok(resources), Err(problems)) => Err(resources.problems.into_iter().chain(problems).collect()),
        (Err(problems), Err(more)) => Err(problems.into_iter().chain(more).collect()),
    }
}

/// Converts the inner YAML (what stands below `configInline`, or under the key `config` of the ConfigMap `object`).
///
/// # Errors
/// Every key that is unknown and every value of a wrong type.
pub fn from_config(config: &Value, object: ObjectRef, path: &str) -> Result<Resources, Vec<Problem>> {
    let mut walk = Walk::new(object);
    walk.config(path, config);
    walk.finish()
}

/// Converts the text under the key `config` of the ConfigMap `object`.
///
/// # Errors
/// It is no YAML, or it says what [`from_config`] refuses.
pub fn from_config_map(text: &str, object: ObjectRef) -> Result<Resources, Vec<Problem>> {
    match yaml(text) {
        Ok(config) => from_config(&config, object, "data.config"),
        Err(error) => Err(vec![Problem::new(object, "data.config", "", format!("is no YAML: {error}"))]),
    }
}

/// A text as YAML, through YAML's own value: that refuses a key that stands twice.
pub(crate) fn yaml(text: &str) -> Result<Value, serde_yaml::Error> {
    serde_yaml::from_str(text).and_then(serde_yaml::from_value)
}

/// The name of a resource made from a legacy one: a DNS subdomain (RFC 1123 section 2.1) that begins with a letter and
/// is at most 63 long. Letters become lower case, everything that such a name cannot hold becomes `-`, and what stands
/// before the first letter or would leave a `-` at the edge of a label is dropped. Empty where nothing remains.
pub fn resource_name(legacy: &str) -> String {
    let allowed = |c: char| if matches!(c, 'a'..='z' | '0'..='9' | '.') { c } else { '-' };
    let name: String = legacy.to_lowercase().chars().map(allowed).collect();
    let name: String = name.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(63).collect();
    let labels = name.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty());
    labels.collect::<Vec<_>>().join(".")
}
