//! Where resources come from and where status goes: today a directory of manifests, with no API server at all.
//!
//! Whoever reads gets the latest [`Cluster`] on a `watch` channel: full state, never single changes. Whoever owns a
//! status hands it to the [`Writer`]. Both hide what is behind them.

mod cluster;
pub mod directory;
mod object;
mod writer;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

pub use cluster::{Cluster, Skipped};
pub use object::{
    Age, ClusterIps, Endpoint, Family, FamilyPolicy, Node, ObjectKey, Port, Service, TrafficPolicy, ingress,
    project_endpoints,
};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
pub use writer::{Event, EventType, WriteError, Writer};

/// What `--source` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `dir=PATH`: manifests below a directory.
    Directory(PathBuf),
}

/// A `--source` that cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Neither of the forms.
    #[error("--source {0:?}: write dir=PATH, the directory that holds the manifests")]
    Location(String),
    /// The directory is not there or cannot be read.
    #[error("--source dir={path}: {reason}", path = .0.display(), reason = .1)]
    Directory(PathBuf, #[source] std::io::Error),
    /// It cannot be watched for changes.
    #[error("--source dir={path}: cannot watch for changes", path = .0.display())]
    Watch(PathBuf, #[source] notify::Error),
}

impl FromStr for Location {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        match text.split_once('=') {
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(path.into())),
            _ => Err(SourceError::Location(text.to_owned())),
        }
    }
}

/// The namespace that the configuration objects are to be in: what `--namespace` or `FERROLB_NAMESPACE` said, else the
/// variable `METALLB_NAMESPACE`; `None`: the one that they all name.
pub fn configured_namespace(said: Option<String>) -> Option<String> {
    let given = |namespace: &String| !namespace.is_empty();
    said.filter(given).or_else(|| std::env::var("METALLB_NAMESPACE").ok().filter(given))
}

/// An open source.
#[derive(Debug, Clone)]
pub struct Source {
    /// The latest state; the first one is there from the start.
    pub cluster: watch::Receiver<Arc<Cluster>>,
    /// Where status goes.
    pub writer: Writer,
}

/// Opens a source: reads it once and follows it until `shutdown`.
///
/// `namespace` is the one of the configuration objects; `None`: the one that they all name.
///
/// # Errors
/// It cannot be read at all. Objects that are wrong are no error here: they are [`Cluster::problems`].
pub fn open(
    location: &Location,
    namespace: Option<String>,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<Source, SourceError> {
    let Location::Directory(path) = location;
    let cluster = directory::follow(path, namespace, tasks, shutdown)?;
    // One path for reading and writing, also when a link on the way is changed later.
    let path = path.canonicalize().map_err(|error| SourceError::Directory(path.clone(), error))?;
    Ok(Source { cluster, writer: Writer::directory(&path) })
}
