//! A Service as the API has it, without what is not used of it.
//!
//! `metadata.managedFields` is a tree of maps that is larger in memory than all the rest; it is skipped as it is read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::Deserialize;

/// A Service; of its metadata only what identifies it, its age, labels and annotations.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Parts")]
pub(super) struct LeanService(pub(super) core::Service);

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<core::ServiceSpec>,
    status: Option<core::ServiceStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Parts> for LeanService {
    fn from(Parts { metadata, spec, status }: Parts) -> Self {
        let metadata = ObjectMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            creation_timestamp: metadata.creation_timestamp,
            labels: metadata.labels,
            annotations: metadata.annotations,
            ..ObjectMeta::default()
        };
        Self(core::Service { metadata, spec, status })
    }
}

impl Resource for LeanService {
    type DynamicType = ();
    type Scope = <core::Service as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        core::Service::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        core::Service::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        core::Service::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        core::Service::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::kind;

    #[test]
    fn nothing_that_is_used_is_lost() {
        let text = r#"{
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 3,
                "creationTimestamp": "2026-11-01T00:00:00Z",
                "labels": { "app": "web" }, "annotations": { "metallb.io/address-pool": "p" },
                "managedFields": [{ "manager": "kubectl", "fieldsV1": { "f:spec": { "f:ports": {} } } }]
            },
            "spec": {
                "type": "LoadBalancer", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"],
                "selector": { "app": "web" }, "ports": [{ "port": 80, "protocol": "TCP" }]
            },
            "status": { "loadBalancer": { "ingress": [{ "ip": "198.18.0.1" }] } }
        }"#;
        let whole: core::Service = serde_json::from_str(text).unwrap();
        let LeanService(lean) = serde_json::from_str(text).unwrap();
        assert_eq!(kind::service(&lean), kind::service(&whole));
        assert_eq!(kind::key(&lean.metadata), kind::key(&whole.metadata));
        assert!(whole.metadata.managed_fields.is_some() && lean.metadata.managed_fields.is_none());
    }
}
