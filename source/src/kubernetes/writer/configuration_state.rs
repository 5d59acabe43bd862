//! `ConfigurationState`: whether the configuration is in force as a component sees it.

use ferrolb_api::v1beta1;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Failed, KubernetesWriter, within};
use crate::writer::{ConfigurationState, WriteError};

impl KubernetesWriter {
    /// Does nothing where the own pod is not known: the object is to go with it.
    pub(crate) async fn write_configuration_state(&self, state: &ConfigurationState) -> Result<(), WriteError> {
        if self.identity.pod.is_empty() {
            return Ok(());
        }
        let what = || format!("ConfigurationState {}", state.name());
        self.apply_configuration_state(state).await.map_err(|error| error.of(what()))
    }

    async fn apply_configuration_state(&self, state: &ConfigurationState) -> Result<(), Failed> {
        let resource = ApiResource::erase::<v1beta1::ConfigurationState>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let name = state.name();
        let there = within(api.get_opt(&name)).await?;
        let before = there.as_ref().and_then(|there| there.data.get("status")).cloned().unwrap_or_default();
        let (condition_type, manager) = state.condition();
        let params = PatchParams::apply(manager).force();
        let head = json!({ "apiVersion": resource.api_version, "kind": resource.kind });
        // It goes with the pod that wrote it last, not with one that may be gone already.
        let owner = self.owner().await?;
        let owned = there.is_some_and(|there| json!(there.metadata.owner_references.unwrap_or_default()) == owner);
        if !owned {
            let mut object = head.clone();
            let metadata = json!({ "name": name, "labels": state.labels(), "ownerReferences": owner });
            set(&mut object, "metadata", metadata);
            within(api.patch(&name, &params, &Patch::Apply(&object))).await?;
        }
        let status = state.status(condition_type, &before, Timestamp::now());
        if status == before {
            return Ok(());
        }
        let mut object = head;
        set(&mut object, "status", status);
        within(api.patch_status(&name, &params, &Patch::Apply(&object))).await.map(drop)
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}
