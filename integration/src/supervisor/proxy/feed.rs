//! Where services and endpoints come from, and the sign that they changed.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, Store, reflector};
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client, Resource};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::objects::Objects;
use crate::error::{Error, system};

/// Where they are.
#[derive(Clone)]
pub(crate) enum Source {
    /// In a directory of manifests.
    Directory(PathBuf),
    /// On an API server.
    Cluster(Client),
}

/// A source that is followed; dropping it ends that.
pub(super) enum Feed {
    Directory { folder: PathBuf, _watcher: RecommendedWatcher },
    Cluster { services: Store<Service>, slices: Store<EndpointSlice>, _watches: JoinSet<()> },
}

// === impl Feed ===

impl Feed {
    /// Begins to follow a source. After every change `wish` has a token; where one waits already, that is the same wish.
    /// Of an API server everything is known when this returns.
    pub(super) async fn open(source: &Source, wish: mpsc::Sender<()>) -> Result<Self, Error> {
        match source {
            Source::Directory(folder) => {
                let watcher = watch_folder(folder, wish);
                let watcher =
                    watcher.map_err(|error| system("follow the manifest directory")(io::Error::other(error)))?;
                Ok(Self::Directory { folder: folder.clone(), _watcher: watcher })
            }
            Source::Cluster(client) => {
                let mut watches = JoinSet::new();
                let services = watch_kind(Api::all(client.clone()), wish.clone(), &mut watches);
                let slices = watch_kind(Api::all(client.clone()), wish, &mut watches);
                let (first, second) = tokio::join!(services.wait_until_ready(), slices.wait_until_ready());
                first.and(second).map_err(|error| system("follow the API server")(io::Error::other(error)))?;
                Ok(Self::Cluster { services, slices, _watches: watches })
            }
        }
    }

    /// What there is now.
    pub(super) fn objects(&self) -> io::Result<Objects> {
        match self {
            Self::Directory { folder, .. } => Objects::read(folder),
            Self::Cluster { services, slices, .. } => Ok(Objects::of(&services.state(), &slices.state())),
        }
    }
}

fn watch_folder(folder: &Path, wish: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = RecommendedWatcher::new(
        move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !changes_something(event.kind)) {
                return;
            }
            // Full: somebody is told already.
            wish.try_send(()).ok();
        },
        notify::Config::default(),
    )?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Reading is no change, except that closing a file which was written to is the end of one.
fn changes_something(kind: EventKind) -> bool {
    !kind.is_access() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

/// Keeps a copy of all objects of a kind. While the API server is away it stays as it is.
fn watch_kind<K>(api: Api<K>, wish: mpsc::Sender<()>, watches: &mut JoinSet<()>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changes = reflector(writer, watcher(api, Config::default()).default_backoff());
    watches.spawn(async move {
        let mut changes = std::pin::pin!(changes);
        while changes.next().await.is_some() {
            // Full: somebody is told already.
            wish.try_send(()).ok();
        }
    });
    store
}
