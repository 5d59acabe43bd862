//! What is kept before the first change, so that everything can be put back: a Secret in MetalLB's namespace.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};

use super::found::{Found, Holdings};
use super::objects::{as_written, get, resource, secret, text};
use super::release::{pack, unpack};
use crate::output::Failure;

/// The Secret's name.
pub(super) const NAME: &str = "ferrolb-migration";
const KEY: &str = "before";

/// The state before the first change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Backup {
    /// What must not change.
    pub(super) holdings: Holdings,
    /// Everything that is changed, as it was.
    pub(super) objects: Vec<DynamicObject>,
}

// === impl Backup ===

impl Backup {
    /// Of what there is.
    pub(super) fn of(found: &Found) -> Self {
        let record = found.release.as_ref().map(|release| &release.secret);
        let objects =
            found.definitions.iter().chain(found.webhooks_of_metallb()).chain(record).chain(found.metallb.both());
        Self { holdings: found.holdings.clone(), objects: objects.map(as_written).collect() }
    }

    /// The one that was written, if one was.
    pub(super) async fn read(client: &Client, namespace: &str) -> Result<Option<Self>, Failure> {
        let Some(secret) = get(client, &resource::<Secret>(), Some(namespace), NAME).await? else { return Ok(None) };
        let backup = unpack(text(&secret, &format!("/data/{KEY}")));
        let backup = backup.and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()));
        backup.map(Some).map_err(|why| Failure::Failed(format!("Secret {namespace}/{NAME} cannot be read: {why}")))
    }

    /// The Secret that keeps it.
    pub(super) fn secret(&self, namespace: &str) -> Result<DynamicObject, Failure> {
        let packed = serde_json::to_value(self).map_err(|error| error.to_string()).and_then(|value| pack(&value));
        let packed = packed.map_err(Failure::Failed)?;
        Ok(secret(namespace, NAME, &serde_json::json!({ KEY: packed })))
    }
}
