//! `BGPPeer` from one of its versions to the other.
//!
//! An API server converts whatever it stores whenever somebody asks for another version, so conversion takes objects as
//! they come: parts of them (server-side apply converts such), and fields that no schema knows. It works on JSON and
//! leaves alone what it does not know.
//!
//! `v1beta1` has no place for the fields that `v1beta2` added. They are kept in annotation [`KEPT_FIELDS`], so that an
//! object that is read, changed and written as `v1beta1` loses none of them. Where the object itself says otherwise, it
//! wins: a peer that was given an AS number in `v1beta1` has no `dynamicASN` any more, one with an address no
//! `interface`, one with a password no `passwordSecret`.
//!
//! What is absent stays absent. `v1beta1` requires an AS number and an address; where a peer has none they are 0 and
//! empty there, which means the same. A condition without values (`Exists`) in `nodeSelectors` is passed on as it is:
//! it can be read as `v1beta1`, whose schema refuses it when the object is written back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::map::Entry;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{v1beta1, v1beta2};

/// Annotation of `v1beta1` objects with the fields that only `v1beta2` has, as JSON. No object of `v1beta2` has it.
pub const KEPT_FIELDS: &str = "ferrolb.io/v1beta2-fields";

/// The fields that `v1beta2` added, with the value that means the same as their absence, and the field of `v1beta1`
/// that says otherwise.
const ADDED: [Added; 9] = [
    Added { name: "connectTime", default: Value::Null, instead: None },
    Added { name: "disableMP", default: Value::Bool(false), instead: None },
    Added { name: "dualStackAddressFamily", default: Value::Bool(false), instead: None },
    Added { name: "dynamicASN", default: Value::Null, instead: Some("peerASN") },
    Added { name: "enableGracefulRestart", default: Value::Null, instead: None },
    Added { name: "interface", default: Value::Null, instead: Some("peerAddress") },
    Added { name: "localASN", default: Value::Null, instead: None },
    Added { name: "passwordSecret", default: Value::Null, instead: Some("password") },
    Added { name: "vrf", default: Value::Null, instead: None },
];

struct Added {
    name: &'static str,
    default: Value,
    instead: Option<&'static str>,
}

/// A version of `BGPPeer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1Beta1,
    V1Beta2,
}

/// Why an object cannot be converted.
#[derive(Debug, Error)]
pub enum ConversionError {
    /// The object is of another kind.
    #[error("cannot convert a {0:?}: only BGPPeer has more than one version")]
    Kind(String),
    /// The object is of, or is wanted in, a version that does not exist.
    #[error("BGPPeer has no version {0:?}: it has metallb.io/v1beta1 and metallb.io/v1beta2")]
    Version(String),
    /// Something that has to be a JSON object is not.
    #[error("{0} is not an object")]
    NotAnObject(&'static str),
    /// The fields that were kept for `v1beta2` have been changed into something else.
    #[error("annotation {KEPT_FIELDS} does not hold fields of a v1beta2 BGPPeer")]
    KeptFields(#[source] serde_json::Error),
    /// A field is missing, or of the wrong type.
    #[error("not a BGPPeer")]
    Fields(#[source] serde_json::Error),
}

/// `peer` in version `desired` (`metallb.io/v1beta1` or `metallb.io/v1beta2`). Of its metadata only annotation
/// [`KEPT_FIELDS`] is touched.
///
/// # Errors
/// Where `peer` is no `BGPPeer`, where either version is unknown, and where the annotation was tampered with.
pub fn convert_bgp_peer(mut peer: Value, desired: &str) -> Result<Value, ConversionError> {
    let object = peer.as_object_mut().ok_or(ConversionError::NotAnObject("the BGPPeer"))?;
    let kind = text(object, "kind");
    if kind != "BGPPeer" {
        return Err(ConversionError::Kind(kind.to_owned()));
    }
    match (version(text(object, "apiVersion"))?, version(desired)?) {
        (Version::V1Beta1, Version::V1Beta2) => raise(object)?,
        (Version::V1Beta2, Version::V1Beta1) => lower(object)?,
        (Version::V1Beta1, Version::V1Beta1) | (Version::V1Beta2, Version::V1Beta2) => {}
    }
    object.insert("apiVersion".to_owned(), json!(desired));
    Ok(peer)
}

/// `peer` as `v1beta2` has it.
///
/// # Errors
/// Where its annotation [`KEPT_FIELDS`] was tampered with.
pub fn to_v1beta2(peer: &v1beta1::BGPPeer) -> Result<v1beta2::BGPPeer, ConversionError> {
    typed(peer, "metallb.io/v1beta2")
}

/// `peer` as `v1beta1` has it.
///
/// # Errors
/// None that a well-formed peer could cause.
pub fn to_v1beta1(peer: &v1beta2::BGPPeer) -> Result<v1beta1::BGPPeer, ConversionError> {
    typed(peer, "metallb.io/v1beta1")
}

fn typed<T: DeserializeOwned>(peer: &impl Serialize, desired: &str) -> Result<T, ConversionError> {
    let value = serde_json::to_value(peer).map_err(ConversionError::Fields)?;
    serde_json::from_value(convert_bgp_peer(value, desired)?).map_err(ConversionError::Fields)
}

fn version(api_version: &str) -> Result<Version, ConversionError> {
    match api_version {
        "metallb.io/v1beta1" => Ok(Version::V1Beta1),
        "metallb.io/v1beta2" => Ok(Version::V1Beta2),
        other => Err(ConversionError::Version(other.to_owned())),
    }
}

fn text<'a>(object: &'a Map<String, Value>, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn raise(object: &mut Map<String, Value>) -> Result<(), ConversionError> {
    let kept = match take_annotation(object)? {
        Some(kept) => read_kept(&kept).map_err(ConversionError::KeptFields)?,
        None => Map::new(),
    };
    let Some(spec) = member(object, "spec", "spec")? else { return Ok(()) };
    for (field, nothing) in [("peerASN", json!(0)), ("peerAddress", json!("")), ("peerPort", json!(0))] {
        if spec.get(field) == Some(&nothing) {
            spec.remove(field);
        }
    }
    for added in &ADDED {
        let overruled = added.instead.is_some_and(|field| spec.contains_key(field)) || spec.contains_key(added.name);
        if let Some(value) = kept.get(added.name).filter(|_| !overruled) {
            spec.insert(added.name.to_owned(), value.clone());
        }
    }
    Ok(())
}

fn lower(object: &mut Map<String, Value>) -> Result<(), ConversionError> {
    take_annotation(object)?;
    let Some(spec) = member(object, "spec", "spec")? else { return Ok(()) };
    let mut kept = Map::new();
    for added in &ADDED {
        if let Some(value) = spec.remove(added.name).filter(|value| *value != added.default) {
            kept.insert(added.name.to_owned(), value);
        }
    }
    spec.entry("peerASN").or_insert_with(|| json!(0));
    spec.entry("peerAddress").or_insert_with(|| json!(""));
    if kept.is_empty() { Ok(()) } else { put_annotation(object, &Value::Object(kept)) }
}

/// The fields in the annotation, all of the type that they have to be: what is written as `v1beta1` is never checked
/// against the schema of `v1beta2`, and must not make the stored object unreadable.
fn read_kept(annotation: &str) -> Result<Map<String, Value>, serde_json::Error> {
    let kept: Map<String, Value> = serde_json::from_str(annotation)?;
    let mut spec = kept.clone();
    spec.insert("myASN".to_owned(), json!(0));
    serde_json::from_value::<v1beta2::BGPPeerSpec>(Value::Object(spec))?;
    Ok(kept)
}

/// Member `field` of `object`, whose whole path is `path`; absent and null are alike.
fn member<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
    path: &'static str,
) -> Result<Option<&'a mut Map<String, Value>>, ConversionError> {
    match object.get_mut(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(ConversionError::NotAnObject(path))
        }
    }
}

/// Takes the annotation out, and an `annotations` that nothing is left in.
fn take_annotation(object: &mut Map<String, Value>) -> Result<Option<String>, ConversionError> {
    let Some(metadata) = member(object, "metadata", "metadata")? else { return Ok(None) };
    let Some(annotations) = member(metadata, "annotations", "metadata.annotations")? else { return Ok(None) };
    let Some(annotation) = annotations.remove(KEPT_FIELDS) else { return Ok(None) };
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    Ok(Some(annotation.as_str().unwrap_or_default().to_owned()))
}

fn put_annotation(object: &mut Map<String, Value>, kept: &Value) -> Result<(), ConversionError> {
    let metadata = or_empty(object.entry("metadata"), "metadata")?;
    let annotations = or_empty(metadata.entry("annotations"), "metadata.annotations")?;
    annotations.insert(KEPT_FIELDS.to_owned(), json!(kept.to_string()));
    Ok(())
}

fn or_empty<'a>(entry: Entry<'a>, path: &'static str) -> Result<&'a mut Map<String, Value>, ConversionError> {
    let value = entry.or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or(ConversionError::NotAnObject(path))
}
