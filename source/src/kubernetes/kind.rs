//! The kinds that are watched, and how an object of each is reduced to what is used of it.

use ferrolb_api::v1beta1::{IPAddressPool, L2Advertisement};
use ferrolb_config::{ObjectRef, Problem, Resources};
use k8s_openapi::api::core::v1 as core;
use kube::api::{ApiResource, DynamicObject};

use super::state::{Configured, Stored};
use crate::object::{Age, ClusterIps, Node, ObjectKey, Service, project_endpoints};

/// Who reads, which decides what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Assigns addresses: Services, Namespaces, Nodes and the configuration.
    Controller,
    /// Announces them: Services, EndpointSlices, Nodes and the configuration.
    Speaker,
}

/// A kind that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Service,
    EndpointSlice,
    Node,
    Namespace,
    /// Of the configuration.
    Pool,
    L2Advertisement,
}

impl Audience {
    pub(super) fn kinds(self) -> Vec<Kind> {
        let own = match self {
            Self::Controller => Kind::Namespace,
            Self::Speaker => Kind::EndpointSlice,
        };
        vec![Kind::Service, own, Kind::Node, Kind::Pool, Kind::L2Advertisement]
    }
}

// === impl Kind ===

impl Kind {
    /// As it stands in a path of the API.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::Node => "nodes",
            Self::Namespace => "namespaces",
            Self::Pool => "ipaddresspools",
            Self::L2Advertisement => "l2advertisements",
        }
    }

    /// The custom resource behind a kind of the configuration.
    pub(super) fn custom(self) -> Option<ApiResource> {
        match self {
            Self::Pool => Some(ApiResource::erase::<IPAddressPool>(&())),
            Self::L2Advertisement => Some(ApiResource::erase::<L2Advertisement>(&())),
            Self::Service | Self::EndpointSlice | Self::Node | Self::Namespace => None,
        }
    }

    /// What is wrong while the API server does not know the kind.
    pub(super) fn unknown(self) -> Option<Problem> {
        let resource = self.custom()?;
        let name = format!("{}.{}", resource.plural, resource.group);
        let object = ObjectRef::new("CustomResourceDefinition", "", &*name);
        let message = format!("is not installed, so no {} can be read; apply the CRDs of ferrolb", resource.kind);
        let problem = Problem::new(object, "", "", message);
        Some(if self == Self::Pool { problem } else { problem.announcement() })
    }
}

pub(super) fn service(service: &core::Service) -> Stored {
    let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let age = Age { created, ..Age::default() };
    Stored::Service(Service::project(service, age, ClusterIps::AsWritten).into())
}

pub(super) fn slice(slice: &k8s_openapi::api::discovery::v1::EndpointSlice) -> Option<Stored> {
    project_endpoints(slice).map(|(service, endpoints)| Stored::Endpoints(service, endpoints))
}

pub(super) fn node(node: &core::Node) -> Stored {
    Stored::Node(Node::project(node).into())
}

/// An object of the configuration, as far as it can be read.
pub(super) fn configured(resource: &ApiResource, object: &DynamicObject) -> Stored {
    let metadata = &object.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let reference = ObjectRef::new(&*resource.kind, text(&metadata.namespace), text(&metadata.name));
    let (resources, problems) = match read(resource, object) {
        Ok(resources) => (resources, Vec::new()),
        Err(problems) => (Resources::default(), problems),
    };
    let status = || serde_json::from_value(object.data.get("status")?.clone()).ok();
    Stored::Config(Box::new(Configured {
        object: reference,
        uid: text(&metadata.uid),
        resources,
        problems,
        pool_status: if resource.kind == "IPAddressPool" { status() } else { None },
    }))
}

/// What an object of the configuration says.
fn read(resource: &ApiResource, object: &DynamicObject) -> Result<Resources, Vec<Problem>> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let reference = ObjectRef::new(&*resource.kind, object.metadata.namespace.clone().unwrap_or_default(), &*name);
    let origin = ferrolb_config::Origin::resource(&reference.kind, &reference.namespace, &name);
    let labels = object.metadata.labels.clone().unwrap_or_default();
    let spec = object.data.get("spec").cloned().unwrap_or_else(|| serde_json::json!({}));
    let wrong = |error: serde_json::Error| vec![Problem::new(reference.clone(), "spec", "", error.to_string())];
    let mut resources = Resources::default();
    match resource.kind.as_str() {
        "IPAddressPool" => {
            let spec = serde_json::from_value(spec).map_err(wrong)?;
            resources.pools.push(ferrolb_config::Resource { origin, name, labels, spec });
        }
        _ => {
            let spec = serde_json::from_value(spec).map_err(wrong)?;
            resources.l2_advertisements.push(ferrolb_config::Resource { origin, name, labels, spec });
        }
    }
    Ok(resources)
}

pub(super) fn key(metadata: &kube::core::ObjectMeta) -> ObjectKey {
    ObjectKey::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}
