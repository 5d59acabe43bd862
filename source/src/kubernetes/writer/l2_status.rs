//! `ServiceL2Status`: which node announces a Service. Its fields cannot be changed, so a new owner replaces the object.

use ferrolb_api::{labels, v1beta1};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Failed, KubernetesWriter, exactly, within};
use crate::object::ObjectKey;
use crate::writer::{WriteError, WriteErrorClass, l2_name};

impl KubernetesWriter {
    fn l2_statuses(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<v1beta1::ServiceL2Status>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    pub(crate) async fn write_l2(
        &self,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        interfaces: &[String],
    ) -> Result<(), WriteError> {
        self.replace_l2(namespace, service, node, interfaces).await.map_err(|error| error.of(what(service)))
    }

    async fn replace_l2(
        &self,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        interfaces: &[String],
    ) -> Result<(), Failed> {
        let api = self.l2_statuses(namespace);
        let name = l2_name(service);
        let mut status = json!({ "node": node, "serviceName": service.name, "serviceNamespace": service.namespace });
        if let Some(map) = status.as_object_mut().filter(|_| !interfaces.is_empty()) {
            let names = interfaces.iter().map(|name| json!({ "name": name })).collect();
            map.insert("interfaces".to_owned(), Value::Array(names));
        }
        let owner = self.owner().await?;
        if let Some(there) = within(api.get_opt(&name)).await? {
            let shown = there.data.get("status");
            let owned = json!(there.metadata.owner_references.unwrap_or_default()) == owner;
            if shown == Some(&status) && owned {
                return Ok(());
            }
            // Its fields cannot be changed, and it has to go with the pod that announces.
            if shown.is_some_and(|shown| shown != &status) || !owned {
                gone(within(api.delete(&name, &exactly(there.metadata.uid))).await.map(drop))?;
            }
        }
        let object = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
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

    pub(crate) async fn remove_l2(&self, namespace: &str, service: &ObjectKey, node: &str) -> Result<(), WriteError> {
        let api = self.l2_statuses(namespace);
        let name = l2_name(service);
        let remove = async {
            let Some(there) = within(api.get_opt(&name)).await? else { return Ok(()) };
            if there.data.pointer("/status/node").and_then(Value::as_str) == Some(node) {
                gone(within(api.delete(&name, &exactly(there.metadata.uid))).await.map(drop))?;
            }
            Ok(())
        };
        remove.await.map_err(|error: Failed| error.of(what(service)))
    }
}

fn what(service: &ObjectKey) -> String {
    format!("the ServiceL2Status of {service}")
}

/// What was to go and is gone, or is another one by now, went well.
fn gone(result: Result<(), Failed>) -> Result<(), Failed> {
    match result {
        Err(Failed { class: WriteErrorClass::Gone | WriteErrorClass::Conflict, .. }) => Ok(()),
        other => other,
    }
}
