//! Where resources come from and where status goes: the Kubernetes API, or a directory of manifests with no API server
//! at all.
//!
//! Whoever reads gets the latest [`Cluster`] on a `watch` channel: full state, never single changes. Whoever owns a
//! status hands it to the [`Writer`]. Both hide what is behind them.

mod announcement;
mod cluster;
pub mod directory;
mod families;
pub mod kubernetes;
mod object;
pub mod permission;
mod writer;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use announcement::Protocol;
pub use cluster::{Cluster, Services, Skipped};
pub use families::{Families, Family, FamilyPolicy};
pub use object::{
    Addresses, Age, ClusterIps, Endpoint, Node, ObjectKey, Port, Service, TrafficPolicy, Version, ingress,
    project_endpoints,
};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
pub use writer::{ConfigurationState, Event, EventType, KernelSetting, WriteError, WriteErrorClass, Writer};

/// What `--source` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `kube`: the Kubernetes API.
    Kubernetes,
    /// `dir=PATH`: manifests below a directory.
    Directory(PathBuf),
}

/// A `--source` that cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// None of the forms.
    #[error("--source {0:?}: write kube, or dir=PATH with the directory that holds the manifests")]
    Location(String),
    /// The directory is not there or cannot be read.
    #[error("--source dir={path}: {reason}", path = .0.display(), reason = .1)]
    Directory(PathBuf, #[source] std::io::Error),
    /// It cannot be watched for changes.
    #[error("--source dir={path}: cannot watch for changes", path = .0.display())]
    Watch(PathBuf, #[source] notify::Error),
    /// No way to the API server.
    #[error(transparent)]
    Access(#[from] kubernetes::AccessError),
}

impl FromStr for Location {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        match text.split_once('=') {
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(path.into())),
            None if text == "kube" => Ok(Self::Kubernetes),
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
    /// The latest state.
    pub cluster: watch::Receiver<Arc<Cluster>>,
    /// Where status goes.
    pub writer: Writer,
    /// Asks for everything to be read anew.
    pub refresh: Refresh,
    failures: Arc<AtomicU64>,
    /// `None`: nobody finds it out.
    cluster_id: Option<watch::Receiver<Option<String>>>,
}

impl Source {
    /// How often reading has failed so far, and was tried again.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What says [`failures`](Self::failures) later on, for whoever shows it.
    pub fn failure_count(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let failures = Arc::clone(&self.failures);
        move || failures.load(Ordering::Relaxed)
    }

    /// The UID of the namespace kube-system, which tells one cluster from another. Waits until it is known; `None`: there
    /// is none, since this is a directory, or nobody asked for it ([`Audience::Speaker`](kubernetes::Audience) does).
    pub async fn cluster_id(&self) -> Option<String> {
        let mut id = self.cluster_id.clone()?;
        // Whoever was to find it out has ended: so does the process.
        id.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Waits until something has been read.
    pub async fn read(&mut self) {
        // Nobody reads any more: nothing will come, and whoever waits is about to end too.
        drop(self.cluster.wait_for(|cluster| !cluster.reading).await);
    }
}

/// Asks a source to read everything anew, for whoever has to be sure that what it sees is not old.
#[derive(Debug, Clone, Default)]
pub struct Refresh(Option<Arc<watch::Sender<u64>>>);

impl Refresh {
    fn new(sender: watch::Sender<u64>) -> Self {
        Self(Some(Arc::new(sender)))
    }

    /// The [`refreshed`](Cluster::refreshed) of the first state that was read after this call.
    pub fn request(&self) -> u64 {
        // A directory is always read as it is.
        let Some(sender) = &self.0 else { return 0 };
        let mut number = 0;
        sender.send_modify(|current| {
            *current += 1;
            number = *current;
        });
        number
    }
}

/// Opens a directory: reads it once and follows it until `shutdown`. The first state is there from the start.
///
/// `namespace` is the one of the configuration objects; `None`: the one that they all name.
///
/// # Errors
/// It cannot be read at all. Objects that are wrong are no error here: they are [`Cluster::problems`].
pub fn open_directory(
    path: &Path,
    namespace: Option<String>,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<Source, SourceError> {
    let cluster = directory::follow(path, namespace, tasks, shutdown)?;
    // One path for reading and writing, also when a link on the way is changed later.
    let path = path.canonicalize().map_err(|error| SourceError::Directory(path.to_owned(), error))?;
    let (writer, refresh) = (Writer::directory(&path), Refresh::default());
    Ok(Source { cluster, writer, refresh, failures: Arc::default(), cluster_id: None })
}

/// Opens the Kubernetes API: watches it until `shutdown`. The first state is [`reading`](Cluster::reading); an API
/// server that cannot be reached is waited for. `namespace` is the one of the configuration objects.
pub fn open_kubernetes(
    client: &kube::Client,
    audience: kubernetes::Audience,
    identity: kubernetes::Identity,
    namespace: String,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Source {
    kubernetes::open(client, audience, identity, namespace, tasks, shutdown)
}
