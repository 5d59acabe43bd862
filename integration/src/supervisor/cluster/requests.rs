//! What is asked of the API server about single objects.

use ferrolb_api::crds;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::core::TypeMeta;
use kube::discovery::{Scope, oneshot};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::documents::Identity;
use crate::apiserver;
use crate::error::Error;

/// Who owns the fields that a manifest sets.
const MANAGER: &str = "lab";
/// What the API server says of an object and nobody else may.
const OF_THE_SERVER: [&str; 5] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"];
/// The HTTP status of what is not there.
const NOT_FOUND: u16 = 404;

/// Server-side apply, strict about fields that nobody knows. Status is what daemons write and is left out, but for a
/// Node: its status is a kubelet's, and here is none.
pub(in super::super) async fn apply(client: &Client, object: &Value) -> Result<(), Error> {
    let (api, identity) = api_of(client, object).await?;
    let mut body = object.clone();
    if let Some(metadata) = body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !OF_THE_SERVER.contains(&key.as_str()));
    }
    let status = body.as_object_mut().and_then(|map| map.remove("status"));
    let parameters = PatchParams::apply(MANAGER).force().validation_strict();
    let applied = api.patch(&identity.name, &parameters, &Patch::Apply(&body)).await;
    applied.map_err(|error| failed("apply", &identity, error))?;
    if let Some(status) = status.filter(|_| identity.version == "v1" && identity.kind == "Node") {
        let body = json!({
            "apiVersion": identity.version, "kind": identity.kind, "metadata": { "name": identity.name },
            "status": status,
        });
        let applied = api.patch_status(&identity.name, &parameters, &Patch::Apply(&body)).await;
        applied.map_err(|error| failed("apply the status of", &identity, error))?;
    }
    Ok(())
}

/// Deletes an object; one that is gone already is no failure.
pub(super) async fn delete(client: &Client, object: &Value) -> Result<(), Error> {
    let (api, identity) = api_of(client, object).await?;
    match api.delete(&identity.name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == NOT_FOUND => Ok(()),
        Err(error) => Err(failed("delete", &identity, error)),
    }
}

/// The object as it is now, in YAML; none when it is not there. Services and our own kinds are known by their plural.
pub(super) async fn read(client: &Client, plural: &str, namespace: &str, name: &str) -> Result<Option<String>, Error> {
    let Some((version, kind)) = kind_of(plural) else { return Ok(None) };
    let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &kind), plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api.get_opt(name).await.map_err(|source| asked(format!("read {kind} {namespace}/{name}"), source))?;
    let Some(mut object) = found else { return Ok(None) };
    object.managed_fields_mut().clear();
    let text = serde_yaml::to_string(&object);
    text.map(Some).map_err(|error| Error::Refused { reason: format!("{kind} {namespace}/{name}: {error}") })
}

/// `apiVersion` and kind of a plural.
fn kind_of(plural: &str) -> Option<(String, String)> {
    if plural == "services" {
        return Some(("v1".to_owned(), "Service".to_owned()));
    }
    let definition = crds::all().into_iter().find(|definition| definition.spec.names.plural == plural)?;
    let version = definition.spec.versions.into_iter().find(|version| version.storage)?;
    Some((format!("{}/{}", definition.spec.group, version.name), definition.spec.names.kind))
}

async fn api_of(client: &Client, object: &Value) -> Result<(Api<DynamicObject>, Identity), Error> {
    let identity =
        Identity::of(object).ok_or_else(|| Error::Refused { reason: "no object stands there".to_owned() })?;
    let types = TypeMeta { api_version: identity.version.clone(), kind: identity.kind.clone() };
    let kind = GroupVersionKind::try_from(types)
        .map_err(|error| Error::Refused { reason: format!("{}: {error}", identity.version) })?;
    let found = oneshot::pinned_kind(client, &kind).await;
    let (resource, capabilities) = found.map_err(|error| failed("find the kind of", &identity, error))?;
    let api = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), identity.namespace_or_default(), &resource),
    };
    Ok((api, identity))
}

/// What the API server refuses is the caller's to mend; everything else is the lab's.
fn failed(what: &str, identity: &Identity, error: kube::Error) -> Error {
    let what = format!("{what} {} {}", identity.kind, identity.name);
    if let kube::Error::Api(status) = &error {
        return Error::Refused { reason: format!("{what}: {}", status.message) };
    }
    if let kube::Error::Discovery(unknown) = &error {
        return Error::Refused { reason: format!("{what}: {unknown}") };
    }
    asked(what, error)
}

fn asked(what: String, source: kube::Error) -> Error {
    apiserver::Error::Api { what, source: Box::new(source) }.into()
}
