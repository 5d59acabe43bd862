//! Objects of any kind, whole: read, altered, put back.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, TypeMeta};
use kube::{Client, Resource, ResourceExt};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::output::Failure;
use crate::remote::told;

/// How often a list is asked for while the API server prepares for a definition that was changed a moment ago (429).
const TRIES: u32 = 30;
/// Between two times.
const PAUSE: Duration = Duration::from_secs(1);

/// One change of one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Change {
    /// The object; but for [`Verb::Put`] only its type, namespace and name count.
    #[serde(serialize_with = "by_name")]
    pub(super) object: DynamicObject,
    /// What is done, in words.
    pub(super) what: String,
    #[serde(skip)]
    verb: Verb,
}

/// How an object is changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verb {
    /// It becomes what the change's object is, whether or not it is there.
    Put,
    /// These fields are merged into it.
    Merge(Value),
    Delete,
}

/// All kinds that are read or changed here, but for the custom resources.
pub(super) fn known() -> [ApiResource; 7] {
    [
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<DaemonSet>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        ApiResource::erase::<CustomResourceDefinition>(&()),
    ]
}

/// The resource of one of Kubernetes' own kinds.
pub(super) fn resource<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

/// All objects of a kind, of a namespace or of all, with their types.
pub(super) async fn list(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    params: &ListParams,
) -> Result<Vec<DynamicObject>, Failure> {
    let api = api(client, resource, namespace);
    let mut listed = api.list(params).await;
    for _ in 1..TRIES {
        if !matches!(&listed, Err(kube::Error::Api(status)) if status.code == 429) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        listed = api.list(params).await;
    }
    let mut items = listed.map_err(|error| Failure::Failed(told(&format!("list {}", resource.plural), &error)))?.items;
    for item in &mut items {
        item.types = Some(types(resource));
    }
    Ok(items)
}

/// The object of this name, if it is there.
pub(super) async fn get(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<DynamicObject>, Failure> {
    let found = api(client, resource, namespace).get_opt(name).await;
    found.map_err(|error| Failure::Failed(told(&format!("get {}/{name}", resource.plural), &error)))
}

/// `Kind namespace/name`, or `Kind name`.
pub(super) fn called(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
    match object.namespace() {
        Some(namespace) => format!("{kind} {namespace}/{}", object.name_any()),
        None => format!("{kind} {}", object.name_any()),
    }
}

fn by_name<S: Serializer>(object: &DynamicObject, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&called(object))
}

/// The object as it is to be put back: without what the API server gave to this one life of it.
pub(super) fn as_written(object: &DynamicObject) -> DynamicObject {
    let mut object = object.clone();
    let metadata = &mut object.metadata;
    (metadata.uid, metadata.resource_version, metadata.generation) = (None, None, None);
    (metadata.creation_timestamp, metadata.managed_fields) = (None, None);
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        // Of a Service; another one may have it by then.
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    object
}

/// A Secret of these data, in base64.
pub(super) fn secret(namespace: &str, name: &str, data: &Value) -> DynamicObject {
    let mut secret = DynamicObject::new(name, &resource::<Secret>()).within(namespace);
    secret.data = json!({ "type": "Opaque", "data": data });
    secret
}

/// Text at a place of an object; empty where there is none.
pub(super) fn text<'a>(object: &'a DynamicObject, pointer: &str) -> &'a str {
    object.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A number at a place of an object; 0 where there is none.
pub(super) fn number(object: &DynamicObject, pointer: &str) -> i64 {
    object.data.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The value of a flag of a workload's containers, as the last of its kind; written with one dash or two.
pub(super) fn flag<'a>(workload: &'a DynamicObject, name: &str) -> Option<&'a str> {
    let containers = workload.data.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let arguments = containers.into_iter().flatten().filter_map(|container| container.get("args")?.as_array());
    let mut values = arguments.flatten().filter_map(|argument| {
        let (flag, value) = argument.as_str()?.trim_start_matches('-').split_once('=')?;
        (flag == name).then_some(value)
    });
    values.next_back()
}

fn types(resource: &ApiResource) -> TypeMeta {
    TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() }
}

fn api(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

// === impl Change ===

impl Change {
    pub(super) fn new(object: &DynamicObject, what: impl Into<String>, verb: Verb) -> Self {
        Self { object: object.clone(), what: what.into(), verb }
    }

    /// Does it.
    ///
    /// # Errors
    /// The API server refuses it or does not answer.
    pub(super) async fn apply(&self, client: &Client) -> Result<(), Failure> {
        let name = self.object.name_any();
        let kind = self.object.types.as_ref().map_or("", |types| types.kind.as_str());
        let Some(resource) = known().into_iter().find(|resource| resource.kind == kind) else {
            return Err(Failure::Failed(format!("nobody knows how to change a {kind}")));
        };
        let api = api(client, &resource, self.object.namespace().as_deref());
        let done = match &self.verb {
            Verb::Put => put(&api, &name, self.object.clone()).await,
            Verb::Merge(fields) => api.patch(&name, &PatchParams::default(), &Patch::Merge(fields)).await.map(drop),
            Verb::Delete => match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop),
            },
        };
        let doing = || format!("change {}", called(&self.object));
        done.map_err(|error| Failure::Failed(told(&doing(), &error)))
    }
}

async fn put(api: &Api<DynamicObject>, name: &str, mut object: DynamicObject) -> kube::Result<()> {
    let Some(there) = api.get_opt(name).await? else {
        return api.create(&PostParams::default(), &object).await.map(drop);
    };
    object.metadata.resource_version = there.metadata.resource_version;
    api.replace(name, &PostParams::default(), &object).await.map(drop)
}
