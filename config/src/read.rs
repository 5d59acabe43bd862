//! Objects as they are written, in JSON or YAML, become resources; or what is wrong with which field.
//!
//! Whoever reads objects reads them here: a directory of manifests, an API server, a webhook. What the schema of a
//! kind refuses is refused here or by [`parse`](crate::parse), so that a check without an API server says the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrolb_api::conversion::convert_bgp_peer;
use ferrolb_api::{v1beta1, v1beta2};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::problem::{ObjectRef, Problem};
use crate::resource::{Origin, Resource, Resources, SecretFacts};
use crate::selectors::Labels;

/// What becomes of fields that a kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// They are refused by name: for manifests, where they are typing errors.
    Refuse,
    /// They are ignored: an API server has left them out already, and one of a newer release may know more of them.
    Ignore,
}

/// Kinds that speakers use and the controller does not.
const SPEAKERS: [&str; 6] = ["L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community", "BFDProfile", "Secret"];

/// Whether [`read`] reads objects of this version and kind.
pub fn is_configuration(api_version: &str, kind: &str) -> bool {
    match api_version {
        "v1" => kind == "Secret",
        "metallb.io/v1beta1" => {
            ["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community", "BFDProfile"]
                .contains(&kind)
        }
        "metallb.io/v1beta2" => kind == "BGPPeer",
        _ => false,
    }
}

/// Reads an object of this kind as a part of the configuration. Its version is the one it names, else the newest; its
/// name and namespace are taken as they are. Of a Secret nothing is kept but its type, whether a
/// password is there, and the password of one that is there for it.
///
/// # Errors
/// Every field that is unknown, missing, of a wrong type or beyond its bounds.
pub fn read(kind: &str, document: &Value, unknown: UnknownFields) -> Result<Resources, Vec<Problem>> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let object = ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name"));
    let mut reader = Reader { document, object, unknown, problems: Vec::new(), resources: Resources::default() };
    reader.kind(kind, text("/apiVersion"));
    let Reader { problems, resources, .. } = reader;
    if problems.is_empty() {
        return Ok(resources);
    }
    let announcement = SPEAKERS.contains(&kind);
    Err(problems.into_iter().map(|problem| if announcement { problem.announcement() } else { problem }).collect())
}

struct Reader<'a> {
    document: &'a Value,
    object: ObjectRef,
    unknown: UnknownFields,
    problems: Vec<Problem>,
    resources: Resources,
}

// === impl Reader ===

impl Reader<'_> {
    fn wrong(&mut self, field: impl Into<String>, value: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(self.object.clone(), field, value, message));
    }

    fn kind(&mut self, kind: &str, version: &str) {
        match (kind, version) {
            ("Secret", "" | "v1") => self.secret(),
            ("BGPPeer", "metallb.io/v1beta1") => self.old_peer(),
            ("BGPPeer", "" | "metallb.io/v1beta2") => {
                let peer = self.resource();
                self.resources.bgp_peers.extend(peer);
            }
            ("IPAddressPool", "" | "metallb.io/v1beta1") => {
                let pool = self.resource();
                self.resources.pools.extend(pool);
            }
            ("L2Advertisement", "" | "metallb.io/v1beta1") => {
                let advertisement = self.resource();
                self.resources.l2_advertisements.extend(advertisement);
            }
            ("BGPAdvertisement", "" | "metallb.io/v1beta1") => {
                let advertisement = self.resource();
                self.resources.bgp_advertisements.extend(advertisement);
            }
            ("Community", "" | "metallb.io/v1beta1") => {
                let community = self.resource();
                self.resources.communities.extend(community);
            }
            ("BFDProfile", "" | "metallb.io/v1beta1") => {
                let profile = self.resource();
                self.resources.bfd_profiles.extend(profile);
            }
            (_, version) => {
                let message = format!("{kind} is no configuration in version {version:?}; see `kubectl api-resources`");
                self.wrong("apiVersion", version, message);
            }
        }
    }

    /// What every kind has: labels and a specification.
    fn resource<S: DeserializeOwned>(&mut self) -> Option<Resource<S>> {
        if self.unknown == UnknownFields::Refuse {
            let known = ["apiVersion", "kind", "metadata", "spec", "status"];
            let keys = self.document.as_object().into_iter().flat_map(Map::keys);
            for key in keys.filter(|key| !known.contains(&key.as_str())) {
                let message = format!("unknown field; an object has {}", known.join(", "));
                self.wrong(key, "", message);
            }
        }
        let labels = self.labels();
        let mut spec = match self.document.get("spec") {
            None | Some(Value::Null) => json!({}),
            Some(spec) => spec.clone(),
        };
        without_nulls(&mut spec);
        let spec = match typed::<S>(&spec, &self.object, "spec") {
            Ok((spec, unknown)) => {
                if self.unknown == UnknownFields::Refuse {
                    for field in unknown {
                        let message = "unknown field; see the resource's documentation for the fields it has";
                        self.wrong(field, "", message);
                    }
                }
                spec
            }
            Err(problem) => {
                self.problems.push(*problem);
                return None;
            }
        };
        let origin = Origin::resource(&self.object.kind, &self.object.namespace, &self.object.name);
        Some(Resource { origin, name: self.object.name.to_string(), labels, spec })
    }

    fn labels(&mut self) -> Labels {
        let labels = self.document.pointer("/metadata/labels").filter(|labels| !labels.is_null());
        match labels.map(|labels| typed(labels, &self.object, "metadata.labels")) {
            None => Labels::new(),
            Some(Ok((labels, _))) => labels,
            Some(Err(problem)) => {
                self.problems.push(*problem);
                Labels::new()
            }
        }
    }

    /// A peer of the version before the newest: judged by the bounds of its own version, then converted.
    fn old_peer(&mut self) {
        let Some(old) = self.resource::<v1beta1::BGPPeerSpec>() else { return };
        for (index, selector) in old.spec.node_selectors.iter().flatten().enumerate() {
            for (place, expression) in selector.match_expressions.iter().flatten().enumerate() {
                if expression.values.is_empty() {
                    let field = format!("spec.nodeSelectors[{index}].matchExpressions[{place}].values");
                    let message = "must have at least one value in metallb.io/v1beta1; use metallb.io/v1beta2 for \
                                   operators without values";
                    self.wrong(field, "", message);
                }
            }
        }
        let converted = match convert_bgp_peer(self.document.clone(), "metallb.io/v1beta2") {
            Ok(converted) => converted,
            Err(error) => {
                self.wrong("spec", "", error.to_string());
                return;
            }
        };
        let spec = converted.get("spec").cloned().map(|mut spec| {
            without_nulls(&mut spec);
            spec
        });
        match typed::<v1beta2::BGPPeerSpec>(&spec.unwrap_or_default(), &self.object, "spec") {
            Ok((mut spec, _)) => {
                // Nothing at all is how that version says the usual port.
                if spec.peer_port == 0 {
                    spec.peer_port = v1beta2::BGPPeerSpec::default().peer_port;
                }
                let Resource { origin, name, labels, .. } = old;
                self.resources.bgp_peers.push(Resource { origin, name, labels, spec });
            }
            Err(problem) => self.problems.push(*problem),
        }
    }

    /// Never says what stands in it.
    fn secret(&mut self) {
        let text = |part: &str| self.document.get(part)?.get("password")?.as_str();
        let (plain, encoded) = (text("stringData"), text("data"));
        let secret_type = self.document.get("type").and_then(Value::as_str).unwrap_or("Opaque").to_owned();
        let is_for_it = secret_type == SecretFacts::BASIC_AUTH;
        let password = match (plain, encoded) {
            (Some(plain), _) if is_for_it => Ok(plain.to_owned()),
            (None, Some(encoded)) if is_for_it => decoded(encoded),
            _ => Ok(String::new()),
        };
        let facts = SecretFacts {
            has_password: plain.or(encoded).is_some(),
            password: password.as_ref().cloned().unwrap_or_default().into(),
            secret_type,
        };
        if let Err(message) = password {
            self.wrong("data.password", "", message);
        }
        for part in ["data", "stringData"] {
            let Some(value) = self.document.get(part).filter(|value| !value.is_null()) else { continue };
            let Value::Object(map) = value else {
                self.wrong(part, "", "must be a mapping of keys to texts");
                continue;
            };
            if map.values().any(|value| !value.is_string()) {
                self.wrong(part, "", "every value must be a text; write numbers in quotes");
            }
        }
        self.resources.secrets.insert(self.object.name.to_string(), facts);
    }
}

/// An API server takes a field that is null for one that is absent.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The value, which stands in `field` of the object (empty: it is the object), as a `T`, and the fields that a `T` does
/// not have.
///
/// # Errors
/// What is missing or of a wrong type, with the field that it stands in.
pub fn typed<T: DeserializeOwned>(
    value: &Value,
    object: &ObjectRef,
    field: &str,
) -> Result<(T, Vec<String>), Box<Problem>> {
    let place = |path: &str| match (field.is_empty(), path.is_empty() || path == ".") {
        (true, true) => String::new(),
        (true, false) => path.to_owned(),
        (false, true) => field.to_owned(),
        (false, false) => format!("{field}.{path}"),
    };
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(deserializer, |path| unknown.push(place(&readable(&path))));
    result.map(|parsed| (parsed, unknown)).map_err(|error: serde_json::Error| {
        let path = track.path().to_string();
        let message = error.to_string();
        if let Some(missing) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            let field = place(&path);
            let field = if field.is_empty() { missing.to_owned() } else { format!("{field}.{missing}") };
            return Box::new(Problem::new(
                object.clone(),
                field,
                "",
                format!("missing field `{missing}`, which is required"),
            ));
        }
        // What stands there must not show where it may be a secret.
        if path == "password" {
            return Box::new(Problem::new(object.clone(), place(&path), "", "must be a text; write it in quotes"));
        }
        let there = at(value, &path).filter(|there| !there.is_object() && !there.is_array());
        let there = there.map(|there| there.as_str().map_or_else(|| there.to_string(), str::to_owned));
        Box::new(Problem::new(object.clone(), place(&path), there.unwrap_or_default(), plain(&message)))
    })
}

/// What was expected, in words of manifests instead of words of this language.
fn plain(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "u8" => "a whole number between 0 and 255",
        "u16" => "a whole number between 0 and 65535",
        "u32" => "a whole number between 0 and 4294967295",
        "i32" | "i64" => "a whole number",
        "a string" => "a text; write it in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other == "a map" || other.starts_with("struct ") => "a mapping",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// A path as problems write it: places in lists in brackets, and nothing for what may be absent.
fn readable(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Map { parent, key } => match readable(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Seq { parent, index } => format!("{}[{index}]", readable(parent)),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => readable(parent),
    }
}

/// What stands at a path such as `a.b[0].c`.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    value.pointer(&pointer)
}

/// The text that stands in base64 under `data` of a Secret.
fn decoded(encoded: &str) -> Result<String, &'static str> {
    let bytes = STANDARD.decode(encoded).map_err(|_not_base64| "must be base64; write plain text under stringData")?;
    String::from_utf8(bytes).map_err(|_not_text| "must be text (UTF-8) in base64")
}
