//! The record that Helm keeps of a release: a Secret that holds, among other things, the text of all its objects.
//!
//! `helm uninstall` deletes what stands in that text, whoever owns it by then, and honours `helm.sh/resource-policy: keep`
//! only where the text has it, not the object itself. So what is to stay is marked in the text.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::objects::text;

/// Whose presence makes `helm uninstall` leave an object alone.
const POLICY: &str = "helm.sh/resource-policy";
/// The text begins anew where a line says so.
const SEPARATOR: &str = "---";
/// No record is longer: etcd takes 1.5 MB, compressed.
const LONGEST: u64 = 256 << 20;

/// A release, as its newest record tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Release {
    /// The Secret.
    pub(super) secret: DynamicObject,
    record: Value,
}

// === impl Release ===

impl Release {
    /// The newest of these Secrets; None where there is none.
    pub(super) fn newest(secrets: Vec<DynamicObject>) -> Result<Option<Self>, String> {
        let revision =
            |secret: &DynamicObject| secret.labels().get("version").and_then(|text| text.parse::<u64>().ok());
        let Some(secret) = secrets.into_iter().max_by_key(revision) else { return Ok(None) };
        let record = decode(text(&secret, "/data/release"));
        let record = record.map_err(|why| format!("Secret {}: {why}", secret.name_any()))?;
        Ok(Some(Self { secret, record }))
    }

    /// Its name and revision.
    pub(super) fn called(&self) -> String {
        let label = |name: &str| self.secret.labels().get(name).map(String::as_str).unwrap_or_default();
        format!("{} (revision {})", label("name"), label("version"))
    }

    /// What to merge into the Secret so that Helm keeps those objects when the release is removed; None where it would
    /// already, or has none of them.
    pub(super) fn keeping(&self, is_kept: impl Fn(&str, &str) -> bool) -> Result<Option<Value>, String> {
        let manifest = self.record.get("manifest").and_then(Value::as_str).unwrap_or_default();
        let Some(manifest) = keep(manifest, is_kept)? else { return Ok(None) };
        let mut record = self.record.clone();
        if let Some(fields) = record.as_object_mut() {
            fields.insert("manifest".to_owned(), manifest.into());
        }
        Ok(Some(json!({ "data": { "release": encode(&record)? } })))
    }
}

/// Marks documents of a manifest; None where nothing is to be done. Those are written anew as JSON, which Helm reads as the
/// YAML that it is; all others stay as they are.
fn keep(manifest: &str, is_kept: impl Fn(&str, &str) -> bool) -> Result<Option<String>, String> {
    let mut changed = false;
    let mut whole = String::new();
    let lines: Vec<&str> = manifest.lines().collect();
    for document in lines.split(|line| line.trim_end() == SEPARATOR) {
        let source = document.join("\n");
        if source.trim().is_empty() {
            continue;
        }
        let mut object: Value = serde_yaml::from_str(&source).map_err(|error| format!("its manifest: {error}"))?;
        let said = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let marked = object.pointer("/metadata/annotations").is_some_and(|all| all.get(POLICY).is_some());
        let mark = is_kept(said("/kind"), said("/metadata/name")) && !marked;
        whole = whole + SEPARATOR + "\n";
        if mark {
            // Where it stands in the chart.
            for comment in document.iter().filter(|line| line.starts_with('#')) {
                whole = whole + comment + "\n";
            }
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                let annotations = metadata.entry("annotations").or_insert(Value::Null);
                let mut all = annotations.as_object().cloned().unwrap_or_default();
                all.insert(POLICY.to_owned(), "keep".into());
                *annotations = all.into();
            }
            whole = whole + &object.to_string() + "\n";
        } else {
            whole = whole + &source + "\n";
        }
        changed |= mark;
    }
    Ok(changed.then_some(whole))
}

/// Helm's own coding is inside that of the Secret's data: base64 of gzip of JSON.
fn decode(data: &str) -> Result<Value, String> {
    let inner = STANDARD.decode(data).map_err(|error| error.to_string())?;
    unpack(&String::from_utf8_lossy(&inner))
}

fn encode(record: &Value) -> Result<String, String> {
    Ok(STANDARD.encode(pack(record)?))
}

/// JSON, compressed, in base64.
pub(super) fn pack(value: &Value) -> Result<String, String> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let written = packed.write_all(value.to_string().as_bytes()).and_then(|()| packed.finish());
    written.map(|bytes| STANDARD.encode(bytes)).map_err(|error| error.to_string())
}

/// What [`pack`] made.
pub(super) fn unpack(data: &str) -> Result<Value, String> {
    let packed = STANDARD.decode(data).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let unpacked = GzDecoder::new(packed.as_slice()).take(LONGEST).read_to_end(&mut bytes);
    unpacked.map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "---
# Source: metallb/charts/crds/templates/crds.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.16.3
  name: ipaddresspools.metallb.io
spec:
  description: |-
    One line.

    ---- Another.
---
# Source: metallb/templates/webhooks.yaml
apiVersion: v1
kind: Service
metadata:
  name: metallb-webhook-service
---
# Source: metallb/templates/controller.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: metallb-controller # on
";

    fn kept(kind: &str, name: &str) -> bool {
        kind == "CustomResourceDefinition" || name == "metallb-webhook-service"
    }

    #[test]
    fn what_is_to_stay_is_marked_and_the_rest_stays_as_it_is() {
        let marked = keep(MANIFEST, kept).unwrap().unwrap();
        let documents: Vec<Value> =
            marked.split("---\n").skip(1).map(|document| serde_yaml::from_str(document).unwrap()).collect();
        let [crd, service, deployment] = documents.as_slice() else { panic!("{marked}") };
        assert_eq!(crd["metadata"]["annotations"][POLICY], "keep");
        assert_eq!(crd["metadata"]["annotations"]["controller-gen.kubebuilder.io/version"], "v0.16.3");
        assert_eq!(crd["spec"]["description"], "One line.\n\n---- Another.");
        assert_eq!(service["metadata"]["annotations"][POLICY], "keep");
        assert!(deployment["metadata"].get("annotations").is_none());
        assert!(marked.contains("# Source: metallb/charts/crds/templates/crds.yaml\n"));
        assert!(marked.ends_with(MANIFEST.split_once("controller.yaml").unwrap().1));
    }

    #[test]
    fn marking_twice_is_marking_once() {
        let once = keep(MANIFEST, kept).unwrap().unwrap();
        assert_eq!(keep(&once, kept).unwrap(), None);
        assert_eq!(keep(MANIFEST, |_, _| false).unwrap(), None);
    }

    #[test]
    fn a_record_survives_its_coding_and_the_newest_revision_counts() {
        let record = |revision: u64| {
            let record = json!({ "version": revision, "manifest": MANIFEST });
            let mut secret = super::super::objects::secret("lb", "r", &json!({ "release": encode(&record).unwrap() }));
            // As the API server tells it: base64 around what Helm wrote.
            secret.labels_mut().insert("version".to_owned(), revision.to_string());
            secret.labels_mut().insert("name".to_owned(), "metallb".to_owned());
            secret
        };
        let release = Release::newest([2, 10, 9].map(record).to_vec()).unwrap().unwrap();
        assert_eq!(release.called(), "metallb (revision 10)");
        let merged = release.keeping(kept).unwrap().unwrap();
        let again = decode(merged["data"]["release"].as_str().unwrap()).unwrap();
        assert_eq!(again["version"], 10);
        assert!(again["manifest"].as_str().unwrap().contains(POLICY));
        assert_eq!(Release::newest(Vec::new()).unwrap(), None);
        let broken = super::super::objects::secret("lb", "r", &json!({ "release": "!" }));
        assert!(Release::newest(vec![broken]).unwrap_err().starts_with("Secret r: "));
    }
}
