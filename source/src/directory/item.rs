//! One document of a file, as what it is: a Service, a pool, legacy values, something for others, or something wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_config::{ObjectRef, Origin, Problem, Resource, Resources, legacy};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cluster::Skipped;
use crate::object::{Age, ClusterIps, Endpoint, Node, ObjectKey, Service, project_endpoints};

/// A document and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Kind, namespace and name as written.
    pub(super) object: ObjectRef,
    /// File and document, for people.
    pub(super) place: String,
    pub(super) content: Content,
    /// What is wrong with it; the content is then that of its last good version, or nothing.
    pub(super) problem: Option<Problem>,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Service(Arc<Service>),
    Endpoints(ObjectKey, Vec<Endpoint>),
    Node(Arc<Node>),
    Namespace(BTreeMap<String, String>),
    /// Resources of the configuration.
    Config(Resources),
    Skipped(Skipped),
    /// Nothing that can be used.
    Nothing,
}

// === impl Item ===

impl Item {
    /// What is wrong now is as it was before, where it was right before.
    pub(super) fn fall_back_to(&mut self, before: &[Self]) {
        if self.problem.is_some()
            && let Some(good) = before.iter().find(|item| item.object == self.object)
        {
            self.content = good.content.clone();
        }
    }

    /// The pool that a written status says the addresses came from.
    pub(super) fn service(&self) -> Option<(ObjectKey, &Arc<Service>)> {
        let Content::Service(service) = &self.content else { return None };
        Some((ObjectKey::new(&*self.object.namespace, &*self.object.name), service))
    }
}

/// Carries the addresses and the pool that a status file tells over to the Service of the manifest.
pub(super) fn with_status(manifest: &Service, status: &Service) -> Service {
    let mut service = manifest.clone();
    service.ingress.clone_from(&status.ingress);
    match status.annotations.get(ALLOCATED_FROM_POOL) {
        Some(pool) => service.annotations.insert(ALLOCATED_FROM_POOL.to_owned(), pool.clone()),
        None => service.annotations.remove(ALLOCATED_FROM_POOL),
    };
    service
}

/// What a document says; a list is unfolded.
pub(super) fn items(document: &Value, file: &str, number: usize) -> Vec<Item> {
    let place = if number == 0 { file.to_owned() } else { format!("{file}, document {}", number + 1) };
    let reader = Reader { file, place, number };
    match document {
        Value::Null => Vec::new(),
        Value::Object(map) if map.contains_key("apiVersion") => reader.object(document),
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            vec![reader.no_object(document)]
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    place: String,
    number: usize,
}

impl Reader<'_> {
    fn item(&self, object: ObjectRef, content: Content) -> Item {
        Item { object, place: self.place.clone(), content, problem: None }
    }

    fn wrong(&self, problem: Problem) -> Item {
        // Advertisements are the speakers' matter.
        let problem = if problem.object.kind == "L2Advertisement" { problem.announcement() } else { problem };
        Item {
            object: problem.object.clone(),
            place: self.place.clone(),
            content: Content::Nothing,
            problem: Some(problem),
        }
    }

    fn skipped(&self, object: ObjectRef, reason: &str) -> Item {
        let skipped = Skipped { object: object.clone(), place: self.place.clone(), reason: reason.to_owned() };
        self.item(object, Content::Skipped(skipped))
    }

    fn no_object(&self, document: &Value) -> Item {
        let object = ObjectRef::new("File", "", self.file);
        if legacy::is_values(document) {
            let name = self.place.as_str();
            return match legacy::from_values(document, name) {
                Ok(resources) => self.item(ObjectRef::new("Values", "", name), Content::Config(resources)),
                Err(problems) => self.several(problems),
            };
        }
        let reason = if legacy::is_bare(document) {
            "not read: put it below the key configInline, as in Helm values"
        } else {
            "not read: neither an object of Kubernetes (it has no apiVersion) nor Helm values"
        };
        self.skipped(object, reason)
    }

    /// Problems of one document: the first stands for the document, the others ride on it as resources' problems.
    fn several(&self, problems: Vec<Problem>) -> Item {
        let mut problems = problems.into_iter();
        let Some(first) = problems.next() else {
            return self.item(ObjectRef::new("File", "", self.file), Content::Nothing);
        };
        let rest = Resources { problems: problems.collect(), ..Resources::default() };
        Item { content: Content::Config(rest), ..self.wrong(first) }
    }

    fn object(&self, document: &Value) -> Vec<Item> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        if kind.ends_with("List") && document.get("items").is_some() {
            let list = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            return list.iter().flat_map(|item| items(item, self.file, self.number)).collect();
        }
        let object = ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        if let Some(problem) = wrong_name(&object) {
            return vec![self.wrong(problem)];
        }
        let item = match (version, kind) {
            ("v1", "Service") => self.service(object, document),
            ("discovery.k8s.io/v1", "EndpointSlice") => self.endpoint_slice(object, document),
            ("v1", "Node") => {
                self.parse::<core::Node>(object, document, |node| Content::Node(Arc::new(Node::project(node))))
            }
            ("v1", "Namespace") => self.parse::<core::Namespace>(object, document, |namespace| {
                Content::Namespace(namespace.metadata.labels.clone().unwrap_or_default())
            }),
            ("v1", "ConfigMap") => self.config_map(object, document),
            ("v1", "Secret") => self.skipped(object, "not read: no configuration refers to Secrets yet"),
            ("metallb.io/v1beta1", "IPAddressPool") => {
                self.resource(object, document, |resources, pool| resources.pools.push(pool))
            }
            ("metallb.io/v1beta1", "L2Advertisement") => {
                self.resource(object, document, |resources, l2| resources.l2_advertisements.push(l2))
            }
            _ => self.skipped(object, &format!("not read: ferrolb has no use for {version} {kind}")),
        };
        vec![item]
    }

    fn parse<T: DeserializeOwned>(
        &self,
        object: ObjectRef,
        document: &Value,
        content: impl FnOnce(&T) -> Content,
    ) -> Item {
        match typed::<T>(document, &object) {
            Ok((value, _)) => self.item(object, content(&value)),
            Err(problem) => self.wrong(*problem),
        }
    }

    fn service(&self, object: ObjectRef, document: &Value) -> Item {
        let object = in_default_namespace(object);
        self.parse::<core::Service>(object, document, |service| {
            let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
            let age = Age { created, position: (self.file.to_owned(), self.number) };
            Content::Service(Arc::new(Service::project(service, age, ClusterIps::Defaulted)))
        })
    }

    fn endpoint_slice(&self, object: ObjectRef, document: &Value) -> Item {
        let object = in_default_namespace(object);
        self.parse::<EndpointSlice>(object, document, |slice| {
            project_endpoints(slice).map_or(Content::Nothing, |(key, endpoints)| Content::Endpoints(key, endpoints))
        })
    }

    /// The ConfigMap `config` with the key `config` is configuration of old; others are somebody else's.
    fn config_map(&self, object: ObjectRef, document: &Value) -> Item {
        let text = document.pointer("/data/config").and_then(Value::as_str).filter(|_| object.name == "config");
        let inner: Option<Value> = text.and_then(|text| serde_yaml::from_str(text).ok());
        match inner.filter(legacy::is_bare) {
            Some(config) => match legacy::from_config(&config, object.clone(), "data.config") {
                Ok(resources) => self.item(object, Content::Config(resources)),
                Err(problems) => self.several(problems),
            },
            None => self.skipped(object, "not read: no configuration of ferrolb"),
        }
    }

    fn resource<S: DeserializeOwned>(
        &self,
        object: ObjectRef,
        document: &Value,
        add: impl FnOnce(&mut Resources, Resource<S>),
    ) -> Item {
        let spec = document.get("spec").cloned().unwrap_or_else(|| json!({}));
        let (spec, unknown) = match typed::<S>(&spec, &object) {
            Ok(parsed) => parsed,
            Err(problem) => {
                let field =
                    if problem.field.is_empty() { "spec".to_owned() } else { format!("spec.{}", problem.field) };
                return self.wrong(Problem { field, ..*problem });
            }
        };
        if let Some(field) = unknown.first() {
            let message = "unknown field; see the resource's documentation for the fields it has";
            return self.wrong(Problem::new(object, format!("spec.{field}"), "", message));
        }
        let labels = document.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        let labels = match typed::<BTreeMap<String, String>>(&labels, &object) {
            Ok((labels, _)) => labels,
            Err(problem) => return self.wrong(Problem { field: "metadata.labels".to_owned(), ..*problem }),
        };
        let origin = Origin::resource(&object.kind, &object.namespace, &object.name);
        let mut resources = Resources::default();
        add(&mut resources, Resource { origin, name: object.name.clone(), labels, spec });
        self.item(object, Content::Config(resources))
    }
}

/// The value as a `T`, and the fields that a `T` does not have.
fn typed<T: DeserializeOwned>(value: &Value, object: &ObjectRef) -> Result<(T, Vec<String>), Box<Problem>> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
    result.map(|parsed| (parsed, unknown)).map_err(|error: serde_json::Error| {
        let path = track.path().to_string();
        let field = if path == "." { String::new() } else { path };
        let pointer = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
        let there = value.pointer(&pointer).filter(|there| !there.is_object() && !there.is_array());
        let there = there.map(|there| there.as_str().map_or_else(|| there.to_string(), str::to_owned));
        Box::new(Problem::new(object.clone(), field, there.unwrap_or_default(), error.to_string()))
    })
}

fn in_default_namespace(mut object: ObjectRef) -> ObjectRef {
    if object.namespace.is_empty() {
        "default".clone_into(&mut object.namespace);
    }
    object
}

/// Names become parts of file names, so they have to be what an API server would take.
fn wrong_name(object: &ObjectRef) -> Option<Problem> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let subdomain = |text: &str| {
        text.len() <= 253 && text.chars().all(allowed) && edge(text.chars().next()) && edge(text.chars().next_back())
    };
    let message = "must be a DNS name: lower case letters, digits, '-' and '.', at most 253 of them";
    if !subdomain(&object.name) {
        return Some(Problem::new(object.clone(), "metadata.name", object.name.clone(), message));
    }
    if !object.namespace.is_empty() && !subdomain(&object.namespace) {
        return Some(Problem::new(object.clone(), "metadata.namespace", object.namespace.clone(), message));
    }
    None
}
