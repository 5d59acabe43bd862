//! Where the objects are that the daemons work on: in the directory of manifests, or on an API server.

use std::convert::Infallible;

use super::cluster::Cluster;
use super::daemons::Origin;
use super::manifests::Manifests;
use super::proxy::Source;
use crate::error::Error;
use crate::namespaces::SOURCE_FOLDER;

/// See the module.
pub(super) enum Ground {
    /// Daemons read the directory.
    Directory(Manifests),
    /// Daemons ask the API server.
    Cluster(Box<Cluster>),
}

// === impl Ground ===

impl Ground {
    /// The API server, where there is one.
    pub(super) fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Directory(_) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }

    /// Writes or replaces a manifest.
    pub(super) async fn apply(&self, name: &str, text: &str) -> Result<(), Error> {
        match self {
            Self::Directory(manifests) => manifests.apply(name, text),
            Self::Cluster(cluster) => cluster.apply(name, text).await,
        }
    }

    /// Removes a manifest.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Directory(manifests) => manifests.remove(name),
            Self::Cluster(cluster) => cluster.remove(name).await,
        }
    }

    /// The text of a file, when it is there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Self::Directory(manifests) => manifests.read(name),
            Self::Cluster(cluster) => cluster.read(name).await,
        }
    }

    /// Where kube-proxy's place finds services and endpoints.
    pub(super) fn source(&self) -> Source {
        match self {
            Self::Directory(_) => Source::Directory(SOURCE_FOLDER.into()),
            Self::Cluster(cluster) => Source::Cluster(cluster.client()),
        }
    }

    /// Where the daemons find their objects.
    pub(super) async fn origin(&self) -> Result<Origin, Error> {
        match self {
            Self::Directory(_) => Ok(Origin::Directory),
            Self::Cluster(cluster) => cluster.origin().await,
        }
    }

    /// Keeps the file of events, where the daemons do not do so themselves. Ends only with an error.
    pub(super) async fn follow_events(&self) -> Result<Infallible, Error> {
        match self {
            Self::Directory(_) => std::future::pending().await,
            Self::Cluster(cluster) => cluster.follow_events().await,
        }
    }
}
