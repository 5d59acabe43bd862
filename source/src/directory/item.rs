//! One document of a file, as what it is: a Service, a pool, legacy values, something for others, or something wrong.

use std::sync::Arc;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::values::ConfigMapText;
use ferrolb_config::{Labels, ObjectRef, Problem, Resources, UnknownFields, is_configuration, legacy, read, typed};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::Skipped;
use crate::object::{Age, ClusterIps, Endpoint, Node, ObjectKey, Service, project_endpoints};

/// Kinds that only tell what is; they are written, never read.
const STATUS_KINDS: [&str; 3] = ["ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"];

/// A document and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Kind, namespace and name as written.
    pub(super) object: ObjectRef,
    /// File and document, for people.
    pub(super) place: String,
    pub(super) content: Content,
    /// What is wrong with it; the content is then that of its last good version, or nothing.
    pub(super) problem: Option<Box<Problem>>,
}

/// Nothing large stands in here itself: there may be thousands, and most are Services and endpoints.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Service(Arc<Service>),
    Endpoints(ObjectKey, Vec<Endpoint>),
    Node(Arc<Node>),
    Namespace(Labels),
    /// Resources of the configuration.
    Config(Box<Resources>),
    /// What the configuration may refer to; it does not say which namespace is meant.
    Secret(Box<Resources>),
    Skipped(Box<Skipped>),
    /// What is wrong if this is configuration at all, which its namespace decides.
    Suspect(Box<Problem>),
    /// Counters of a pool as they were written.
    PoolStatus(IPAddressPoolStatus),
    /// Nothing that can be used.
    Nothing,
}

// === impl Item ===

impl Item {
    /// What is wrong now is as it was before, where it was right before.
    pub(super) fn fall_back_to(&mut self, before: &[Self]) {
        let good = before.iter().find(|item| item.object == self.object || item.place == self.place);
        let Some(good) = good.filter(|good| matches!(good.content, Content::Config(_)) || good.object == self.object)
        else {
            return;
        };
        // What was configuration and is none any more has been damaged, not withdrawn.
        if self.problem.is_none()
            && matches!(good.content, Content::Config(_))
            && let Content::Skipped(skipped) = &self.content
        {
            let reason = &skipped.reason;
            let message = format!("was configuration before; {reason}. Remove the file if that is meant");
            self.problem = Some(Box::new(Problem::new(self.object.clone(), "", "", message)));
        }
        if let Content::Suspect(problem) = &self.content {
            self.problem = Some(problem.clone());
        }
        if self.problem.is_some() {
            self.content = good.content.clone();
        }
    }

    /// The counters of a pool that this file tells.
    pub(super) fn pool_status(&self) -> Option<(ObjectKey, IPAddressPoolStatus)> {
        let Content::PoolStatus(status) = self.content else { return None };
        Some((ObjectKey::new(&*self.object.namespace, &*self.object.name), status))
    }

    /// The Service, where it is one.
    pub(super) fn service(&self) -> Option<(ObjectKey, &Arc<Service>)> {
        let Content::Service(service) = &self.content else { return None };
        Some((ObjectKey::new(&*self.object.namespace, &*self.object.name), service))
    }
}

/// Carries the addresses and the pool that a status file tells over to the Service of the manifest.
pub(super) fn with_status(manifest: &Service, status: &Service) -> Service {
    let mut service = manifest.clone();
    service.ingress.clone_from(&status.ingress);
    service.ingress_has_more = status.ingress_has_more;
    match status.annotations.get(ALLOCATED_FROM_POOL) {
        Some(pool) => service.annotations.insert(ALLOCATED_FROM_POOL, pool),
        None => service.annotations.remove(ALLOCATED_FROM_POOL),
    }
    service
}

/// What a document says; a list is unfolded.
pub(super) fn items(document: &Value, file: &str, number: usize) -> Vec<Item> {
    let place = if number == 0 { file.to_owned() } else { format!("{file}, document {}", number + 1) };
    let mut reader = Reader { file, place, number, index: 0 };
    match document {
        Value::Null => Vec::new(),
        Value::Object(map) if map.contains_key("apiVersion") => reader.objects(document),
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            vec![reader.no_object(document)]
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    place: String,
    number: usize,
    /// Place in a list.
    index: usize,
}

impl Reader<'_> {
    fn item(&self, object: ObjectRef, content: Content) -> Item {
        Item { object, place: self.place.clone(), content, problem: None }
    }

    fn wrong(&self, problem: Problem) -> Item {
        // Endpoints and nodes are the speakers' matter.
        let speakers = ["EndpointSlice", "Node"].contains(&&*problem.object.kind);
        let problem = if speakers { problem.announcement() } else { problem };
        Item {
            object: problem.object.clone(),
            place: self.place.clone(),
            content: Content::Nothing,
            problem: Some(Box::new(problem)),
        }
    }

    fn skipped(&self, object: ObjectRef, reason: &str) -> Item {
        let skipped = Skipped { object: object.clone(), place: self.place.clone(), reason: reason.to_owned() };
        self.item(object, Content::Skipped(Box::new(skipped)))
    }

    fn no_object(&self, document: &Value) -> Item {
        let object = ObjectRef::new("File", "", self.file);
        if legacy::is_values(document) {
            let name = self.place.as_str();
            return match legacy::from_values(document, name) {
                Ok(resources) => self.item(ObjectRef::new("Values", "", name), Content::Config(Box::new(resources))),
                Err(problems) => self.several(problems),
            };
        }
        if let Some(key) = misspelt(document) {
            let message = format!("unknown key {key:?}; did you mean configInline?");
            return self.wrong(Problem::new(object, key, "", message));
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
        Item { content: Content::Config(Box::new(rest)), ..self.wrong(first) }
    }

    fn objects(&mut self, document: &Value) -> Vec<Item> {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        let Some(list) = document.get("items").filter(|_| kind.ends_with("List")) else {
            return vec![self.object(document)];
        };
        let mut items = Vec::new();
        for item in list.as_array().into_iter().flatten() {
            items.extend(self.objects(item));
            self.index += 1;
        }
        items
    }

    fn object(&self, document: &Value) -> Item {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        let object = ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        let used = ["Service", "EndpointSlice", "Node", "Namespace"].contains(&kind) || is_configuration(version, kind);
        if used && let Some(problem) = self.wrong_name(&object, document) {
            return self.wrong(problem);
        }
        match (version, kind) {
            ("v1", "Service") => self.service(object, document),
            ("discovery.k8s.io/v1", "EndpointSlice") => self.endpoint_slice(object, document),
            ("v1", "Node") => {
                self.parse::<core::Node>(object, document, |node| Content::Node(Arc::new(Node::project(node))))
            }
            ("v1", "Namespace") => self.parse::<core::Namespace>(object, document, |namespace| {
                Content::Namespace(namespace.metadata.labels.as_ref().map(Labels::from).unwrap_or_default())
            }),
            ("v1", "ConfigMap") => self.config_map(object, document),
            ("metallb.io/v1beta1", "IPAddressPool") if self.file.starts_with("status/") => {
                let status = document.get("status").and_then(|status| serde_json::from_value(status.clone()).ok());
                self.item(object, status.map_or(Content::Nothing, Content::PoolStatus))
            }
            ("metallb.io/v1beta1", kind) if STATUS_KINDS.contains(&kind) => self.item(object, Content::Nothing),
            _ if is_configuration(version, kind) => match read(kind, document, UnknownFields::Refuse) {
                Ok(facts) if kind == "Secret" => self.item(object, Content::Secret(Box::new(facts))),
                Ok(resources) => self.item(object, Content::Config(Box::new(resources))),
                Err(problems) => self.several(problems),
            },
            _ => self.skipped(object, &format!("not read: ferrolb has no use for {version} {kind}")),
        }
    }

    /// Names become parts of file names, so they have to be what an API server would take.
    fn wrong_name(&self, object: &ObjectRef, document: &Value) -> Option<Problem> {
        let longest = if &*object.kind == "Service" { 63 } else { 253 };
        for (field, text, longest) in [("name", &object.name, longest), ("namespace", &object.namespace, 63)] {
            let there =
                document.get("metadata").and_then(|metadata| metadata.get(field)).filter(|value| !value.is_null());
            if (there.is_none() && field == "namespace") || is_dns_name(text, longest) {
                continue;
            }
            let there = there.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let must =
                format!("must be a DNS name: lower case letters, digits, '-' and '.', at most {longest} of them");
            let message = match there {
                None => format!("is missing (in {}); it {must}", self.place),
                Some(_) => format!("{must} (in {})", self.place),
            };
            let field = format!("metadata.{field}");
            return Some(Problem::new(object.clone(), field, there.unwrap_or_default(), message));
        }
        None
    }

    fn parse<T: DeserializeOwned>(
        &self,
        object: ObjectRef,
        document: &Value,
        content: impl FnOnce(&T) -> Content,
    ) -> Item {
        match typed::<T>(document, &object, "") {
            Ok((value, _)) => self.item(object, content(&value)),
            Err(problem) => self.wrong(*problem),
        }
    }

    fn service(&self, object: ObjectRef, document: &Value) -> Item {
        let object = in_default_namespace(object);
        self.parse::<core::Service>(object, document, |service| {
            let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
            let age = Age { created, ..Age::read_at(self.file, self.number, self.index) };
            Content::Service(Arc::new(Service::project(service, age, ClusterIps::Defaulted)))
        })
    }

    fn endpoint_slice(&self, object: ObjectRef, document: &Value) -> Item {
        let object = in_default_namespace(object);
        self.parse::<EndpointSlice>(object, document, |slice| {
            project_endpoints(slice).map_or(Content::Nothing, |(key, endpoints)| Content::Endpoints(key, endpoints))
        })
    }

    /// The ConfigMap `config` is configuration of the chart or of old, unless it is somebody else's.
    fn config_map(&self, object: ObjectRef, document: &Value) -> Item {
        let ours = &*object.name == "config";
        let under = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).filter(|_| ours);
        let text = ConfigMapText { config: under("/data/config"), values: under("/data/values") };
        if text.is_empty() {
            return self.skipped(object, "not read: no configuration of ferrolb");
        }
        match text.read(&object) {
            Ok(resources) => self.item(object, Content::Config(Box::new(resources))),
            Err(problems) if text.is_certain() => self.several(problems),
            Err(problems) => match problems.into_iter().next() {
                Some(problem) => self.item(object, Content::Suspect(Box::new(problem))),
                None => self.item(object, Content::Nothing),
            },
        }
    }
}

fn in_default_namespace(mut object: ObjectRef) -> ObjectRef {
    if object.namespace.is_empty() {
        object.namespace = "default".into();
    }
    object
}

fn is_dns_name(text: &str, longest: usize) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let (first, last) = (text.chars().next(), text.chars().next_back());
    text.len() <= longest && text.chars().all(allowed) && edge(first) && edge(last)
}

/// A key that was meant to be `configInline`.
fn misspelt(document: &Value) -> Option<&str> {
    let plain = |key: &str| key.to_lowercase().replace(['-', '_'], "");
    document.as_object()?.keys().map(String::as_str).find(|key| plain(key) == "configinline")
}
