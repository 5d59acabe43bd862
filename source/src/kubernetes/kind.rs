//! The kinds that are watched, and how an object of each is reduced to what is used of it.

use std::collections::BTreeMap;

use ferrolb_api::{v1beta1, v1beta2};
use ferrolb_config::values::ConfigMapText;
use ferrolb_config::{ObjectRef, Problem, Resources, SecretFacts, UnknownFields, read};
use k8s_openapi::api::core::v1 as core;
use kube::api::{ApiResource, DynamicObject, ObjectMeta};

use super::state::{Configured, Slice, Stored};
use crate::object::{Age, ClusterIps, Node, ObjectKey, Service, project_endpoints};

/// Who reads, which decides what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Assigns addresses: Services, Namespaces, Nodes and the configuration.
    Controller,
    /// Announces them: Services, EndpointSlices, Nodes and the configuration.
    Speaker,
    /// Looks: Services and pools.
    Reader,
}

/// A kind that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Service,
    EndpointSlice,
    Node,
    Namespace,
    /// Configuration of the chart, and of old.
    ConfigMap,
    /// For passwords of BGP peers.
    Secret,
    Custom(Custom),
}

/// A custom resource of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Custom {
    Pool,
    L2Advertisement,
    BgpAdvertisement,
    BgpPeer,
    Community,
    BfdProfile,
}

impl Audience {
    pub(super) fn kinds(self) -> Vec<Kind> {
        let own = match self {
            Self::Controller => Kind::Namespace,
            Self::Speaker => Kind::EndpointSlice,
            Self::Reader => return vec![Kind::Service, Kind::ConfigMap, Kind::Custom(Custom::Pool)],
        };
        let mut kinds = vec![Kind::Service, own, Kind::Node, Kind::ConfigMap, Kind::Secret];
        kinds.extend(Custom::ALL.map(Kind::Custom));
        kinds
    }

    /// Whether nothing can be done before the kind was read. The others are used when they come: a kind that cannot be
    /// read, such as one whose conversion webhook is this very process, must not keep everything else waiting.
    pub(super) fn needs(self, kind: Kind) -> bool {
        match kind {
            Kind::Service | Kind::EndpointSlice | Kind::Namespace | Kind::ConfigMap | Kind::Custom(Custom::Pool) => {
                true
            }
            Kind::Node | Kind::Custom(Custom::L2Advertisement) => self == Self::Speaker,
            Kind::Secret
            | Kind::Custom(Custom::BgpAdvertisement | Custom::BgpPeer | Custom::Community | Custom::BfdProfile) => {
                false
            }
        }
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
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::Custom(custom) => custom.plural(),
        }
    }
}

// === impl Custom ===

impl Custom {
    const ALL: [Self; 6] =
        [Self::Pool, Self::L2Advertisement, Self::BgpAdvertisement, Self::BgpPeer, Self::Community, Self::BfdProfile];

    fn plural(self) -> &'static str {
        match self {
            Self::Pool => "ipaddresspools",
            Self::L2Advertisement => "l2advertisements",
            Self::BgpAdvertisement => "bgpadvertisements",
            Self::BgpPeer => "bgppeers",
            Self::Community => "communities",
            Self::BfdProfile => "bfdprofiles",
        }
    }

    /// In the version that is stored, so that reading needs no conversion.
    pub(super) fn resource(self) -> ApiResource {
        match self {
            Self::Pool => ApiResource::erase::<v1beta1::IPAddressPool>(&()),
            Self::L2Advertisement => ApiResource::erase::<v1beta1::L2Advertisement>(&()),
            Self::BgpAdvertisement => ApiResource::erase::<v1beta1::BGPAdvertisement>(&()),
            Self::BgpPeer => ApiResource::erase::<v1beta2::BGPPeer>(&()),
            Self::Community => ApiResource::erase::<v1beta1::Community>(&()),
            Self::BfdProfile => ApiResource::erase::<v1beta1::BFDProfile>(&()),
        }
    }

    /// What is wrong while the API server does not know the kind.
    pub(super) fn unknown(self) -> Problem {
        let resource = self.resource();
        let name = format!("{}.{}", resource.plural, resource.group);
        let object = ObjectRef::new("CustomResourceDefinition", "", &*name);
        let message = format!("is not installed, so no {} can be read; apply the CRDs of ferrolb", resource.kind);
        let problem = Problem::new(object, "", "", message);
        // Without pools nobody knows who may hold what; the others are missed by whoever refers to them.
        if self == Self::Pool { problem } else { problem.announcement().missing_reference() }
    }
}

pub(super) fn service(service: &core::Service) -> Stored {
    let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let age = Age { created, ..Age::default() };
    Stored::Service(Service::project(service, age, ClusterIps::AsWritten).into())
}

pub(super) fn slice(slice: &k8s_openapi::api::discovery::v1::EndpointSlice) -> Option<Stored> {
    project_endpoints(slice).map(|(service, endpoints)| Stored::Slice(Slice { service, endpoints }.into()))
}

pub(super) fn node(node: &core::Node) -> Stored {
    Stored::Node(Node::project(node).into())
}

/// A custom resource, as far as it can be read.
pub(super) fn custom(resource: &ApiResource, object: &DynamicObject) -> Stored {
    let reference = reference(&resource.kind, &object.metadata);
    let read = match serde_json::to_value(object) {
        Ok(value) => read(&resource.kind, &value, UnknownFields::Ignore),
        Err(error) => Err(vec![Problem::new(reference.clone(), "", "", error.to_string())]),
    };
    let status = || serde_json::from_value(object.data.get("status")?.clone()).ok();
    let pool_status = if resource.kind == "IPAddressPool" { status() } else { None };
    configured(reference, &object.metadata, read, pool_status)
}

/// The ConfigMap `config`, which may be somebody else's.
pub(super) fn config_map(map: &core::ConfigMap) -> Option<Stored> {
    let data = map.data.as_ref()?;
    let under = |key: &str| data.get(key).map(String::as_str);
    let text = ConfigMapText { config: under("config"), values: under("values") };
    let reference = reference("ConfigMap", &map.metadata);
    let read = text.read(&reference);
    if text.is_empty() || (read.is_err() && !text.is_certain()) {
        return None;
    }
    Some(configured(reference, &map.metadata, read, None))
}

/// Of a Secret nothing is kept but its type, whether a password is there, and the password of one that is there for it.
pub(super) fn secret(secret: &core::Secret) -> Stored {
    let secret_type = secret.type_.clone().unwrap_or_default();
    let stored = secret.data.as_ref().and_then(|data| data.get("password"));
    // What is no text is no password that TCP segments could be signed with: whoever needs it is told so by the router.
    let text = stored.filter(|_| secret_type == SecretFacts::BASIC_AUTH).map(|bytes| String::from_utf8_lossy(&bytes.0));
    let facts = SecretFacts {
        secret_type,
        has_password: stored.is_some(),
        password: text.unwrap_or_default().into_owned().into(),
    };
    let name = secret.metadata.name.clone().unwrap_or_default();
    let resources = Resources { secrets: BTreeMap::from([(name, facts)]), ..Resources::default() };
    configured(reference("Secret", &secret.metadata), &secret.metadata, Ok(resources), None)
}

fn reference(kind: &str, metadata: &ObjectMeta) -> ObjectRef {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    ObjectRef::new(kind, text(&metadata.namespace), text(&metadata.name))
}

fn configured(
    object: ObjectRef,
    metadata: &ObjectMeta,
    read: Result<Resources, Vec<Problem>>,
    pool_status: Option<v1beta1::IPAddressPoolStatus>,
) -> Stored {
    let (resources, problems) = match read {
        Ok(resources) => (resources, Vec::new()),
        Err(problems) => (Resources::default(), problems),
    };
    let uid = metadata.uid.clone().unwrap_or_default();
    Stored::Config(Box::new(Configured { object, uid, resources, problems, pool_status }))
}

pub(super) fn key(metadata: &ObjectMeta) -> ObjectKey {
    ObjectKey::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str) -> Option<Configured> {
        let text = format!("{{metadata: {{namespace: lb, name: config}}, data: {{{data}}}}}");
        let stored = config_map(&serde_yaml::from_str(&text).unwrap())?;
        let Stored::Config(configured) = stored else { panic!("{stored:?}") };
        Some(*configured)
    }

    #[test]
    fn the_map_of_the_chart_holds_legacy_configuration_and_lists_of_resources() {
        let both = read(
            "config: 'address-pools: [{name: a, protocol: layer2, addresses: [10.0.0.0/24]}]', \
             values: 'ipAddressPools: [{name: b, addresses: [10.0.1.0/24]}]'",
        );
        let pools: Vec<_> = both.unwrap().resources.pools.into_iter().map(|pool| pool.name).collect();
        assert_eq!(pools, ["a", "b"]);
    }

    #[test]
    fn a_map_of_somebody_else_is_nothing_and_a_wrong_one_of_ours_is_a_problem() {
        for foreign in ["", "other: text", "config: 'log: debug'", "values: 'log: debug'", "config: '['"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
        for wrong in ["values: 'ipAddressPools: 5'", "values: 'bgpPeers: ['", "config: 'address-pools: 5'"] {
            let configured = read(wrong).unwrap();
            assert_eq!(configured.problems.len(), 1, "{wrong}");
            assert_eq!(configured.problems[0].object, configured.object, "{wrong}");
            assert_eq!(configured.resources, Resources::default(), "{wrong}");
        }
    }
}
