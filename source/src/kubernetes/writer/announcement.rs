//! `ServiceL2Status` and `ServiceBGPStatus`: where a Service is announced. Node and Service cannot be changed, so a new owner
//! by L2 replaces the object.

use ferrolb_api::labels;
use ferrolb_api::v1beta1::{ServiceBGPStatus, ServiceL2Status};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Failed, KubernetesWriter, exactly, within};
use crate::announcement::Protocol;
use crate::object::ObjectKey;
use crate::writer::{WriteError, WriteErrorClass};

impl KubernetesWriter {
    fn announcements(&self, protocol: Protocol, namespace: &str) -> Api<DynamicObject> {
        let resource = match protocol {
            Protocol::Layer2 => ApiResource::erase::<ServiceL2Status>(&()),
            Protocol::Bgp => ApiResource::erase::<ServiceBGPStatus>(&()),
        };
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    pub(crate) async fn write_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        places: &[String],
    ) -> Result<(), WriteError> {
        let replaced = self.replace_announcement(protocol, namespace, service, node, places).await;
        replaced.map_err(|error| error.of(what(protocol, service)))
    }

    async fn replace_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        places: &[String],
    ) -> Result<(), Failed> {
        let api = self.announcements(protocol, namespace);
        let name = protocol.object_name(service, node);
        let status = protocol.status(service, node, places);
        let owner = self.owner().await?;
        if let Some(there) = within(api.get_opt(&name)).await? {
            let shown = there.data.get("status");
            let owned = json!(there.metadata.owner_references.unwrap_or_default()) == owner;
            if shown == Some(&status) && owned {
                return Ok(());
            }
            // Its fields cannot be changed, and it has to go with the pod that announces.
            if shown.is_some_and(|shown| !can_become(shown, &status)) || !owned {
                gone(within(api.delete(&name, &exactly(there.metadata.uid))).await.map(drop))?;
            }
        }
        let object = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": protocol.kind(),
            "metadata": {
                "name": name, "namespace": namespace,
                "labels": {
                    labels::NODE: node,
                    labels::SERVICE_NAME: service.name,
                    labels::SERVICE_NAMESPACE: service.namespace,
                },
                "ownerReferences": owner,
            },
            "spec": {},
        });
        let object: DynamicObject = serde_json::from_value(object).map_err(|error| Failed::local(Box::new(error)))?;
        match within(api.create(&PostParams::default(), &object)).await {
            Err(Failed { class: WriteErrorClass::Conflict, .. }) | Ok(_) => {}
            Err(error) => return Err(error),
        }
        let patch = json!({ "status": status });
        let patch = Patch::Merge(&patch);
        within(api.patch_status(&name, &PatchParams::default(), &patch)).await.map(drop)
    }

    pub(crate) async fn remove_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
    ) -> Result<(), WriteError> {
        let api = self.announcements(protocol, namespace);
        let name = protocol.object_name(service, node);
        let remove = async {
            let Some(there) = within(api.get_opt(&name)).await? else { return Ok(()) };
            if there.data.pointer("/status/node").and_then(Value::as_str) == Some(node) {
                gone(within(api.delete(&name, &exactly(there.metadata.uid))).await.map(drop))?;
            }
            Ok(())
        };
        remove.await.map_err(|error: Failed| error.of(what(protocol, service)))
    }
}

/// Whether a patch leads from one status to the other: node and Service cannot be changed, peers can. Interfaces are
/// replaced with the rest, as a patch would leave them where there are none any more.
fn can_become(shown: &Value, wanted: &Value) -> bool {
    let fixed = ["node", "serviceName", "serviceNamespace", "interfaces"];
    fixed.iter().all(|field| shown.get(field) == wanted.get(field)) && wanted.get("peers").is_some()
}

fn what(protocol: Protocol, service: &ObjectKey) -> String {
    format!("the {} of {service}", protocol.kind())
}

/// What was to go and is gone, or is another one by now, went well.
fn gone(result: Result<(), Failed>) -> Result<(), Failed> {
    match result {
        Err(Failed { class: WriteErrorClass::Gone | WriteErrorClass::Conflict, .. }) => Ok(()),
        other => other,
    }
}
