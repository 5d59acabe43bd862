//! The events of the API server, written down as the daemons themselves do on a directory: one JSON line each.

use std::collections::BTreeSet;
use std::convert::Infallible;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::super::manifests::Manifests;
use crate::error::Error;

/// The file that `lab events` reads.
const FILE: &str = "status/events.jsonl";

/// Follows them. A watch that breaks is begun again, with pauses; what it tells twice is written once.
pub(super) async fn follow(client: &Client, record: &Manifests) -> Result<Infallible, Error> {
    let mut written = BTreeSet::new();
    let events = watcher(Api::<Event>::all(client.clone()), Config::default()).default_backoff().applied_objects();
    let mut events = std::pin::pin!(events);
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            // The API server is away; the watch comes back with it.
            Err(_away) => continue,
            Ok(None) => std::future::pending().await,
        };
        if written.insert((event.metadata.uid.clone(), event.metadata.resource_version.clone())) {
            record.append(FILE, &format!("{}\n", line(&event)))?;
        }
    }
}

/// In the form that a directory's `events.jsonl` has.
fn line(event: &Event) -> Value {
    let object = &event.involved_object;
    let time = event.last_timestamp.as_ref().map(|time| &time.0);
    json!({
        "time": time.or(event.event_time.as_ref().map(|time| &time.0)).map(ToString::to_string),
        "type": event.type_,
        "reason": event.reason,
        "message": event.message,
        "object": { "kind": object.kind, "namespace": object.namespace, "name": object.name },
        "source": event.source.as_ref().and_then(|source| source.component.as_ref()),
    })
}
