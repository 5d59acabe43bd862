//! A watch on the Services of a namespace: when it shows what, on this process's clock.

use std::pin::Pin;
use std::time::Instant;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1 as core;
use kube::api::{ListParams, Request, WatchEvent, WatchParams};
use kube::{Client, Resource};
use serde::Deserialize;

use super::stage::asked;
use crate::apiserver::Error;
use crate::clock;

type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Shown>>> + Send>>;

/// What is looked at of a Service; little, so that looking costs little.
#[derive(Debug, Clone, Deserialize)]
struct Shown {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    load_balancer: LoadBalancer,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<Ingress>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Ingress {
    ip: String,
}

/// A list of what is looked at.
#[derive(Debug, Clone, Deserialize)]
struct List {
    metadata: Metadata,
    items: Vec<Shown>,
}

/// One Service at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) at: Instant,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) has_address: bool,
}

/// See the module.
pub(super) struct Observer {
    client: Client,
    path: String,
    /// The last version that was shown.
    version: String,
    events: Option<Events>,
}

// === impl Observer ===

impl Observer {
    /// Shows what changes from now on.
    pub(super) async fn open(client: Client, namespace: &str) -> Result<Self, Error> {
        let path = core::Service::url_path(&(), Some(namespace));
        let list = list(&client, &path, &ListParams::default().limit(1)).await?;
        let mut observer = Self { client, path, version: list.metadata.resource_version, events: None };
        observer.watch().await?;
        Ok(observer)
    }

    async fn watch(&mut self) -> Result<(), Error> {
        let request = Request::new(&self.path).watch(&WatchParams::default(), &self.version);
        let request = request.map_err(|error| asked("watch Services")(kube::Error::BuildRequest(error)))?;
        let events = self.client.request_events(request).await.map_err(asked("watch Services"))?;
        self.events = Some(events.boxed());
        Ok(())
    }

    /// The next change of a Service that is there.
    pub(super) async fn next(&mut self) -> Result<Sight, Error> {
        loop {
            let Some(events) = &mut self.events else {
                self.watch().await?;
                continue;
            };
            let Some(event) = events.next().await else {
                self.events = None;
                continue;
            };
            match event.map_err(asked("watch Services"))? {
                WatchEvent::Added(shown) | WatchEvent::Modified(shown) => {
                    self.version.clone_from(&shown.metadata.resource_version);
                    return Ok(shown.seen(clock::now()));
                }
                WatchEvent::Deleted(shown) => self.version = shown.metadata.resource_version,
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(asked("watch Services")(kube::Error::Api(status))),
            }
        }
    }

    /// The next change that is looked for.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Sight) -> bool) -> Result<Sight, Error> {
        loop {
            let sight = self.next().await?;
            if wanted(&sight) {
                return Ok(sight);
            }
        }
    }

    /// The first sight of a Service with an address.
    pub(super) async fn address_of(&mut self, name: &str) -> Result<Sight, Error> {
        self.until(|sight| sight.has_address && sight.name == name).await
    }
}

/// Every Service of a namespace as it is now, by name.
pub(super) async fn all(client: &Client, namespace: &str) -> Result<Vec<Sight>, Error> {
    let path = core::Service::url_path(&(), Some(namespace));
    let list = list(client, &path, &ListParams::default()).await?;
    let at = clock::now();
    let mut all: Vec<Sight> = list.items.into_iter().map(|shown| shown.seen(at)).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

async fn list(client: &Client, path: &str, params: &ListParams) -> Result<List, Error> {
    let request = Request::new(path).list(params);
    let request = request.map_err(|error| asked("list Services")(kube::Error::BuildRequest(error)))?;
    client.request(request).await.map_err(asked("list Services"))
}

// === impl Shown ===

impl Shown {
    fn seen(self, at: Instant) -> Sight {
        let has_address = self.status.load_balancer.ingress.iter().any(|ingress| !ingress.ip.is_empty());
        Sight { at, name: self.metadata.name, version: self.metadata.resource_version, has_address }
    }
}
