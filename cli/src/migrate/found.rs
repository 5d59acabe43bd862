//! What there is: MetalLB, ferrolb beside it, and what they have to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_config::values::ConfigMapText;
use ferrolb_config::{ObjectRef, Problem, Resources, UnknownFields};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::gvk::GroupVersionKind;
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backup::Backup;
use super::objects::{flag, get, list, resource, text};
use super::release::Release;
use crate::output::Failure;

/// The Service by which the API server reaches the webhooks, of MetalLB as of ferrolb.
pub(super) const WEBHOOK_SERVICE: &str = "metallb-webhook-service";
/// What makes it call them.
pub(super) const WEBHOOK_CONFIGURATION: &str = "metallb-webhook-configuration";
/// The API group of the custom resources.
const GROUP: &str = "metallb.io";
/// Kinds of that group in which MetalLB and ferrolb say how things are.
const STATUS_KINDS: [&str; 3] = ["ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"];
/// The ConfigMap that ferrolb reads; MetalLB read it before 0.13, unless it was told another name.
const CONFIG_MAP: &str = "config";

/// Everything that counts.
#[derive(Debug)]
pub(super) struct Found {
    /// Where MetalLB is, and with it its custom resources.
    pub(super) namespace: String,
    pub(super) metallb: Workloads,
    pub(super) ferrolb: Workloads,
    /// The Helm release that MetalLB is of, by name.
    pub(super) released: Option<String>,
    /// Its newest record.
    pub(super) release: Option<Release>,
    /// The webhooks' Service and configuration, whosever they are.
    pub(super) webhooks: Vec<DynamicObject>,
    /// The CRDs of MetalLB's group.
    pub(super) definitions: Vec<DynamicObject>,
    /// The configuration, and what of it cannot be read.
    pub(super) resources: Resources,
    pub(super) unreadable: Vec<Problem>,
    pub(super) holdings: Holdings,
    /// What every speaker and the controller say of their configuration.
    pub(super) states: Vec<DynamicObject>,
    /// What was kept before the first change.
    pub(super) backup: Option<Backup>,
}

/// The controllers' Deployment and the speakers' DaemonSet of a product.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    pub(super) controller: Option<DynamicObject>,
    pub(super) speaker: Option<DynamicObject>,
}

/// What must not change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Holdings {
    /// The addresses of every Service that has some.
    pub(super) addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Those Services that are announced by a node.
    pub(super) announced: BTreeSet<String>,
    /// Custom resources: `Kind name`, and UID and generation, which change with the object and with its spec.
    pub(super) resources: BTreeMap<String, (String, i64)>,
}

// === impl Found ===

impl Found {
    /// Looks. Nothing is changed.
    ///
    /// # Errors
    /// There is no MetalLB, there are several, or the API server does not tell.
    pub(super) async fn look(client: &Client, namespace: Option<&str>) -> Result<Self, Failure> {
        let all = ListParams::default();
        let deployments = list(client, &resource::<Deployment>(), None, &all).await?;
        let daemon_sets = list(client, &resource::<DaemonSet>(), None, &all).await?;
        let ferrolb = Workloads::of("ferrolb", None, &deployments, &daemon_sets)?;
        let metallb = Workloads::of("metallb", namespace, &deployments, &daemon_sets)?;
        let at_home = |workloads: &Workloads| workloads.any().and_then(ResourceExt::namespace);
        // Once MetalLB is gone, ferrolb is where it was.
        let Some(namespace) = at_home(&metallb).or_else(|| at_home(&ferrolb)) else {
            let place = namespace.map_or_else(|| "the cluster".to_owned(), |name| format!("namespace {name}"));
            return Err(Failure::BadInput(format!(
                "there is no MetalLB in {place}: neither a Deployment nor a DaemonSet"
            )));
        };
        let owned = |workload: &DynamicObject| workload.annotations().get("meta.helm.sh/release-name").cloned();
        let released = metallb.any().and_then(owned);
        let release = match &released {
            Some(name) => {
                let labels = ListParams::default().labels(&format!("owner=helm,name={name}"));
                let records = list(client, &resource::<Secret>(), Some(&namespace), &labels).await?;
                Release::newest(records).map_err(Failure::Failed)?
            }
            None => None,
        };
        let service = get(client, &resource::<Service>(), Some(&namespace), WEBHOOK_SERVICE).await?;
        let configuration = resource::<ValidatingWebhookConfiguration>();
        let configuration = get(client, &configuration, None, WEBHOOK_CONFIGURATION).await?;
        let mut definitions = list(client, &resource::<CustomResourceDefinition>(), None, &all).await?;
        definitions.retain(|definition| text(definition, "/spec/group") == GROUP);
        let mut found = Self {
            metallb,
            ferrolb,
            released,
            release,
            webhooks: service.into_iter().chain(configuration).collect(),
            definitions,
            resources: Resources::default(),
            unreadable: Vec::new(),
            holdings: Holdings::default(),
            states: Vec::new(),
            backup: Backup::read(client, &namespace).await?,
            namespace,
        };
        found.configuration(client).await?;
        found.services(client).await?;
        Ok(found)
    }

    /// Reads the custom resources and the ConfigMap.
    async fn configuration(&mut self, client: &Client) -> Result<(), Failure> {
        let kinds: Vec<ApiResource> = self.definitions.iter().filter_map(stored).collect();
        for resource in kinds {
            let objects = list(client, &resource, Some(&self.namespace), &ListParams::default()).await?;
            match resource.kind.as_str() {
                "ConfigurationState" => self.states = objects,
                "ServiceL2Status" => {
                    let service = |object: &DynamicObject| {
                        let said = |field: &str| text(object, &format!("/status/{field}")).to_owned();
                        format!("{}/{}", said("serviceNamespace"), said("serviceName"))
                    };
                    self.holdings.announced = objects.iter().map(service).collect();
                }
                kind if STATUS_KINDS.contains(&kind) => {}
                kind => {
                    for object in &objects {
                        let metadata = &object.metadata;
                        let life = (object.uid().unwrap_or_default(), metadata.generation.unwrap_or_default());
                        self.holdings.resources.insert(format!("{kind} {}", object.name_any()), life);
                        let document = serde_json::to_value(object).unwrap_or_default();
                        self.read(ferrolb_config::read(kind, &document, UnknownFields::Ignore));
                    }
                }
            }
        }
        let name = self.config_map().to_owned();
        if let Some(map) = get(client, &resource::<ConfigMap>(), Some(&self.namespace), &name).await? {
            let under = |key: &str| map.data.pointer(&format!("/data/{key}")).and_then(Value::as_str);
            let text = ConfigMapText { config: under("config"), values: under("values") };
            self.read(text.read(&ObjectRef::new("ConfigMap", &*self.namespace, &*name)));
        }
        Ok(())
    }

    fn read(&mut self, read: Result<Resources, Vec<Problem>>) {
        match read {
            Ok(resources) => self.resources.extend(resources),
            Err(problems) => self.unreadable.extend(problems),
        }
    }

    /// Reads who holds which addresses.
    async fn services(&mut self, client: &Client) -> Result<(), Failure> {
        for service in list(client, &resource::<Service>(), None, &ListParams::default()).await? {
            let typed = text(&service, "/spec/type") == "LoadBalancer";
            if !typed || text(&service, "/spec/loadBalancerClass") != self.class() {
                continue;
            }
            let ingress = service.data.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
            let address = |one: &Value| one.get("ip")?.as_str()?.parse().ok();
            let addresses: Vec<IpAddr> = ingress.into_iter().flatten().filter_map(address).collect();
            if !addresses.is_empty() {
                let key = format!("{}/{}", service.namespace().unwrap_or_default(), service.name_any());
                self.holdings.addresses.insert(key, addresses);
            }
        }
        Ok(())
    }

    /// The webhooks' Service and configuration, as long as they are not ferrolb's.
    pub(super) fn webhooks_of_metallb(&self) -> impl Iterator<Item = &DynamicObject> {
        self.webhooks.iter().filter(|object| !is_of("ferrolb", object))
    }

    /// The loadBalancerClass of the Services that are MetalLB's, and then ferrolb's.
    pub(super) fn class(&self) -> &str {
        self.metallb.class().or_else(|| self.ferrolb.class()).unwrap_or_default()
    }

    /// The ConfigMap with configuration: that of the product that is in charge.
    fn config_map(&self) -> &str {
        let told = self.metallb.controller.as_ref().and_then(|controller| flag(controller, "config"));
        told.filter(|_| self.ferrolb.any().is_none()).unwrap_or(CONFIG_MAP)
    }
}

// === impl Workloads ===

impl Workloads {
    /// Those of a product, of one namespace.
    fn of(
        product: &str,
        namespace: Option<&str>,
        deployments: &[DynamicObject],
        daemon_sets: &[DynamicObject],
    ) -> Result<Self, Failure> {
        let one = |all: &[DynamicObject], component: &str| {
            let wanted = |object: &&DynamicObject| {
                let there = namespace.is_none_or(|name| object.namespace().as_deref() == Some(name));
                there && is_of(product, object) && self::component(object) == component
            };
            let found: Vec<DynamicObject> = all.iter().filter(wanted).cloned().collect();
            if found.len() > 1 {
                let names: Vec<String> = found.iter().map(super::objects::called).collect();
                let message = format!("{product} is there several times: {}; say --namespace", names.join(", "));
                return Err(Failure::BadInput(message));
            }
            Ok(found.into_iter().next())
        };
        Ok(Self { controller: one(deployments, "controller")?, speaker: one(daemon_sets, "speaker")? })
    }

    /// One of the two.
    pub(super) fn any(&self) -> Option<&DynamicObject> {
        self.controller.as_ref().or(self.speaker.as_ref())
    }

    /// The two that are there.
    pub(super) fn both(&self) -> impl Iterator<Item = &DynamicObject> {
        self.controller.iter().chain(&self.speaker)
    }

    /// The loadBalancerClass that they serve; None where they are not there.
    pub(super) fn class(&self) -> Option<&str> {
        self.any().map(|workload| flag(workload, "lb-class").unwrap_or_default())
    }
}

/// Whether an object is of a product, by the labels of its chart or its manifests.
pub(super) fn is_of(product: &str, object: &DynamicObject) -> bool {
    let labels = object.labels();
    let says = |name: &str| labels.get(name).is_some_and(|value| value == product);
    let chart = labels.get("helm.sh/chart").and_then(|chart| chart.strip_prefix(product));
    says("app.kubernetes.io/name") || says("app") || chart.is_some_and(|version| version.starts_with('-'))
}

fn component(object: &DynamicObject) -> &str {
    let labels = object.labels();
    labels.get("app.kubernetes.io/component").or_else(|| labels.get("component")).map_or("", String::as_str)
}

/// The resource of a definition in the version that is stored, so that reading needs no conversion.
fn stored(definition: &DynamicObject) -> Option<ApiResource> {
    let versions = definition.data.pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|version| version.get("storage") == Some(&Value::Bool(true)))?;
    let gvk = GroupVersionKind::gvk(GROUP, version.get("name")?.as_str()?, text(definition, "/spec/names/kind"));
    Some(ApiResource::from_gvk_with_plural(&gvk, text(definition, "/spec/names/plural")))
}

// === impl Holdings ===

impl Holdings {
    /// What is no longer as it was; what is new is none of it.
    pub(super) fn lost_in(&self, now: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        let list = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        for (service, before) in &self.addresses {
            match now.addresses.get(service) {
                Some(after) if after == before => {}
                Some(after) => lost.push(format!("Service {service} had {}, and has {}", list(before), list(after))),
                None => lost.push(format!("Service {service} had {}, and has none or is gone", list(before))),
            }
        }
        for (resource, (uid, generation)) in &self.resources {
            match now.resources.get(resource) {
                Some((same, unchanged)) if same == uid && unchanged == generation => {}
                Some((same, _)) if same == uid => lost.push(format!("{resource} was changed")),
                Some(_) => lost.push(format!("{resource} was made anew")),
                None => lost.push(format!("{resource} is gone")),
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labelled(labels: &Value) -> DynamicObject {
        let object = json!({ "metadata": { "name": "speaker", "namespace": "lb", "labels": labels } });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_product_is_known_by_the_labels_of_its_chart_or_its_manifests() {
        for labels in [
            json!({ "app.kubernetes.io/name": "metallb" }),
            json!({ "app": "metallb" }),
            json!({ "app.kubernetes.io/name": "renamed", "helm.sh/chart": "metallb-0.16.1" }),
        ] {
            assert!(is_of("metallb", &labelled(&labels)) && !is_of("ferrolb", &labelled(&labels)), "{labels}");
        }
        assert!(!is_of("metallb", &labelled(&json!({ "helm.sh/chart": "metallbish-1" }))));
    }

    #[test]
    fn two_installations_are_told_apart_by_their_namespace_only() {
        let one = |namespace: &str| {
            let mut object = labelled(&json!({ "app": "metallb", "component": "speaker" }));
            object.metadata.namespace = Some(namespace.to_owned());
            object
        };
        let both = [one("a"), one("b")];
        let refused = Workloads::of("metallb", None, &[], &both).unwrap_err().to_string();
        assert!(refused.contains("several times") && refused.ends_with("say --namespace"), "{refused}");
        let found = Workloads::of("metallb", Some("b"), &[], &both).unwrap();
        assert_eq!(found.any().and_then(ResourceExt::namespace).as_deref(), Some("b"));
    }

    #[test]
    fn what_is_not_as_it_was_is_named_and_what_is_new_is_not() {
        let holdings = |address: &str, uid: &str, generation: i64| Holdings {
            addresses: [("default/web".to_owned(), vec![address.parse().unwrap()])].into(),
            announced: BTreeSet::new(),
            resources: [("IPAddressPool p".to_owned(), (uid.to_owned(), generation))].into(),
        };
        let before = holdings("192.0.2.1", "u", 1);
        assert_eq!(before.lost_in(&before), [""; 0]);
        assert_eq!(Holdings::default().lost_in(&before), [""; 0]);
        assert_eq!(
            before.lost_in(&holdings("192.0.2.2", "u", 2)),
            ["Service default/web had 192.0.2.1, and has 192.0.2.2", "IPAddressPool p was changed"]
        );
        assert_eq!(before.lost_in(&holdings("192.0.2.1", "v", 1)), ["IPAddressPool p was made anew"]);
        let gone = ["Service default/web had 192.0.2.1, and has none or is gone", "IPAddressPool p is gone"];
        assert_eq!(before.lost_in(&Holdings::default()), gone);
    }
}
