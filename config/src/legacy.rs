//! Configuration of old: `configInline` of Helm values and the ConfigMap `config`, converted to resources.
//!
//! Keys are those of `MetalLB` before 0.13. An unknown key is refused by name, so that a typing error never becomes
//! a silent default.

use ferrolb_api::v1beta1::{IPAddressPool, IPAddressPoolSpec, L2Advertisement, L2AdvertisementSpec};
use serde_json::{Map, Value};

use crate::problem::{ObjectRef, Problem};
use crate::resource::{Origin, Resource, Resources, number_generated};

/// Top-level keys of Helm values: those of the chart, and those that charts of `MetalLB` have or once had.
pub const VALUES_KEYS: [&str; 18] = [
    "configInline",
    "controller",
    "crds",
    "existingConfigMap",
    "frr-k8s",
    "frrk8s",
    "fullnameOverride",
    "global",
    "image",
    "imagePullSecrets",
    "loadBalancerClass",
    "nameOverride",
    "networkpolicies",
    "prometheus",
    "psp",
    "rbac",
    "speaker",
    "tls",
];

/// What a message names of [`VALUES_KEYS`]: the ones that somebody may have meant.
const COMMON_VALUES_KEYS: [&str; 5] = ["configInline", "controller", "loadBalancerClass", "prometheus", "speaker"];

/// What the advertisement of a pool whose protocol is layer2 is named, with a number behind it as in `MetalLB`'s own
/// converter.
pub(crate) const GENERATED_L2_ADVERTISEMENT: &str = "l2advertisement";

const CONFIG_KEYS: [&str; 4] = ["address-pools", "peers", "bgp-communities", "bfd-profiles"];
const POOL_KEYS: [&str; 6] = ["name", "protocol", "addresses", "auto-assign", "avoid-buggy-ips", "bgp-advertisements"];

/// Whether a mapping without `apiVersion` can only be Helm values.
pub fn is_values(document: &Value) -> bool {
    let Value::Object(map) = document else { return false };
    map.contains_key("configInline") || (!map.is_empty() && map.keys().all(|key| VALUES_KEYS.contains(&key.as_str())))
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

/// Converts the `configInline` of Helm values that stand in `file`; values without it are no configuration at all.
///
/// # Errors
/// Every key that is unknown and every value of a wrong type.
pub fn from_values(values: &Value, file: &str) -> Result<Resources, Vec<Problem>> {
    let object = ObjectRef::new("Values", "", file);
    let Value::Object(map) = values else {
        return Err(vec![Problem::new(object, "", "", "Helm values are a mapping with the key configInline")]);
    };
    let mut walk = Walk { object, problems: Vec::new(), resources: Resources::default() };
    for key in map.keys().filter(|key| !VALUES_KEYS.contains(&key.as_str())) {
        let known = COMMON_VALUES_KEYS.join(", ");
        let message = format!("unknown key {key:?} of Helm values; known here are {known} and other keys of the chart");
        walk.problems.push(Problem::new(walk.object.clone(), key, "", message));
    }
    if let Some(inline) = map.get("configInline") {
        walk.config("configInline", inline);
    }
    walk.finish()
}

/// Converts the inner YAML (what stands below `configInline`, or under the key `config` of the ConfigMap `object`).
///
/// # Errors
/// Every key that is unknown and every value of a wrong type.
pub fn from_config(config: &Value, object: ObjectRef, path: &str) -> Result<Resources, Vec<Problem>> {
    let mut walk = Walk { object, problems: Vec::new(), resources: Resources::default() };
    walk.config(path, config);
    walk.finish()
}

/// The resources as objects to apply, in `namespace`.
///
/// # Errors
/// None that the types allow; serialisation is fallible by its signature.
pub fn to_objects(resources: &Resources, namespace: &str) -> Result<Vec<Value>, serde_json::Error> {
    let pools = resources.pools.iter().map(|pool| {
        let mut object = IPAddressPool::new(&pool.name, pool.spec.clone());
        object.metadata.namespace = Some(namespace.to_owned());
        serde_json::to_value(object)
    });
    let l2_advertisements = number_generated(&resources.l2_advertisements, GENERATED_L2_ADVERTISEMENT);
    let l2 = l2_advertisements.iter().map(|advertisement| {
        let mut object = L2Advertisement::new(&advertisement.name, advertisement.spec.clone());
        object.metadata.namespace = Some(namespace.to_owned());
        serde_json::to_value(object)
    });
    pools.chain(l2).collect()
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

/// Reads the mapping and keeps what is wrong with it.
struct Walk {
    object: ObjectRef,
    problems: Vec<Problem>,
    resources: Resources,
}

// === impl Walk ===

impl Walk {
    fn finish(self) -> Result<Resources, Vec<Problem>> {
        let Self { problems, mut resources, .. } = self;
        // What hinders speakers only is carried along: addresses can be assigned all the same.
        let (announcement, forbidding): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(|problem| problem.scope == crate::Scope::Announcement);
        if forbidding.is_empty() {
            resources.problems.extend(announcement);
            Ok(resources)
        } else {
            Err(forbidding.into_iter().chain(announcement).collect())
        }
    }

    fn problem(&self, field: &str, value: &Value, message: impl Into<String>) -> Problem {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        Problem::new(self.object.clone(), field, value, message)
    }

    fn unknown(&mut self, path: &str, key: &str, known: &[&str]) {
        let message = format!("unknown key {key:?}; known here are: {}", known.join(", "));
        self.problems.push(Problem::new(self.object.clone(), format!("{path}.{key}"), "", message));
    }

    /// The mapping at `path`, its unknown keys reported.
    fn mapping<'v>(&mut self, path: &str, value: &'v Value, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Value::Object(map) = value else {
            let problem = self.problem(path, value, format!("must be a mapping with the keys: {}", known.join(", ")));
            self.problems.push(problem);
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.unknown(path, key, known);
        }
        Some(map)
    }

    fn config(&mut self, path: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let Some(map) = self.mapping(path, value, &CONFIG_KEYS) else { return };
        for key in ["peers", "bgp-communities", "bfd-profiles"] {
            if let Some(value) = map.get(key).filter(|value| !is_empty(value)) {
                let message = format!("{key} are for BGP, which this version does not speak; leave them out");
                let problem = self.problem(&format!("{path}.{key}"), value, message).announcement();
                self.problems.push(problem);
            }
        }
        match map.get("address-pools") {
            None | Some(Value::Null) => {}
            Some(Value::Array(pools)) => {
                for (index, pool) in pools.iter().enumerate() {
                    self.pool(&format!("{path}.address-pools[{index}]"), pool);
                }
            }
            Some(other) => {
                let problem = self.problem(&format!("{path}.address-pools"), other, "must be a list of pools");
                self.problems.push(problem);
            }
        }
    }

    fn pool(&mut self, path: &str, value: &Value) {
        let Some(map) = self.mapping(path, value, &POOL_KEYS) else { return };
        let Some((written, name)) = self.name(path, map) else { return };
        let Some(addresses) = self.addresses(path, map) else { return };
        let flag = |walk: &mut Self, key: &str, default: bool| match map.get(key) {
            None | Some(Value::Null) => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let problem = walk.problem(&format!("{path}.{key}"), other, "must be true or false");
                walk.problems.push(problem);
                default
            }
        };
        let spec = IPAddressPoolSpec {
            addresses,
            auto_assign: flag(self, "auto-assign", true),
            avoid_buggy_ips: flag(self, "avoid-buggy-ips", false),
            service_allocation: None,
        };
        let origin = Origin::legacy(self.object.clone(), path, written);
        let pool = Resource { origin, name: name.clone(), labels: [].into(), spec };
        self.resources.pools.push(pool);
        if self.protocol(path, map) {
            self.announce_by_l2(path, name);
        }
    }

    fn announce_by_l2(&mut self, path: &str, pool: String) {
        self.resources.l2_advertisements.push(Resource {
            origin: Origin::generated(self.object.clone(), path),
            name: GENERATED_L2_ADVERTISEMENT.to_owned(),
            labels: [].into(),
            spec: L2AdvertisementSpec { ip_address_pools: Some(vec![pool]), ..Default::default() },
        });
    }

    /// The pool's name as written and as a resource has it.
    fn name<'v>(&mut self, path: &str, map: &'v Map<String, Value>) -> Option<(&'v str, String)> {
        let legacy = map.get("name").unwrap_or(&Value::Null);
        let named = legacy.as_str().map(|written| (written, resource_name(written)));
        let named = named.filter(|(_, name)| !name.is_empty());
        if named.is_none() {
            let message = "a pool needs a name with at least one letter from a to z, for example default";
            let problem = self.problem(&format!("{path}.name"), legacy, message);
            self.problems.push(problem);
        }
        named
    }

    fn addresses(&mut self, path: &str, map: &Map<String, Value>) -> Option<Vec<String>> {
        let field = format!("{path}.addresses");
        let list = match map.get("addresses") {
            Some(Value::Array(list)) => list.as_slice(),
            None | Some(Value::Null) => &[],
            Some(other) => {
                let problem = self.problem(&field, other, "must be a list, for example [192.0.2.0/24]");
                self.problems.push(problem);
                return None;
            }
        };
        let mut addresses = Vec::new();
        for (index, value) in list.iter().enumerate() {
            if let Some(text) = value.as_str() {
                addresses.push(text.to_owned());
            } else {
                let message = "must be a text such as 192.0.2.0/24 or 192.0.2.10-192.0.2.20";
                let problem = self.problem(&format!("{field}[{index}]"), value, message);
                self.problems.push(problem);
            }
        }
        Some(addresses)
    }

    /// Whether the pool is announced by L2.
    fn protocol(&mut self, path: &str, map: &Map<String, Value>) -> bool {
        let protocol = map.get("protocol").unwrap_or(&Value::Null);
        let field = format!("{path}.protocol");
        let problem = match protocol.as_str() {
            Some("layer2") => {
                if let Some(list) = map.get("bgp-advertisements").filter(|list| !is_empty(list)) {
                    let message = "belongs to protocol bgp; a layer2 pool has none";
                    let problem = self.problem(&format!("{path}.bgp-advertisements"), list, message).announcement();
                    self.problems.push(problem);
                }
                return true;
            }
            Some("bgp") => {
                let message = "this version does not speak BGP; addresses are assigned, but nobody announces them";
                self.problem(&field, protocol, message).announcement()
            }
            _ => self.problem(&field, protocol, "must be layer2 or bgp"),
        };
        self.problems.push(problem);
        false
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
