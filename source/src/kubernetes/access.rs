//! The way to the API server: a kubeconfig, or the service account of the pod.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;

/// A connection that is not made by then will not be.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer that is silent for so long will not come; longer than a watch may be idle.
const SILENCE: Duration = Duration::from_secs(60);
/// Where a pod finds the namespace it runs in.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Why there is no way to the API server.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {path}: {source}", path = .path.display())]
    Kubeconfig {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// The context of the kubeconfig cannot be used.
    #[error("context {context}: {source}")]
    Context {
        /// Which one.
        context: String,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// Neither in a pod nor any kubeconfig.
    #[error(
        "no API server: neither a kubeconfig nor a pod's service account; say --kubeconfig PATH or --source dir=PATH"
    )]
    Nowhere(#[source] Box<kube::config::InferConfigError>),
    /// What they say does not make a client.
    #[error("no client for the API server")]
    Client(#[source] Box<kube::Error>),
}

/// A client whose calls end: one that connects within 5 s, hears something at least once a minute, and leaves trying
/// again to its user.
///
/// `kubeconfig`: a file; `None`: `KUBECONFIG`, `~/.kube/config` or the pod's service account.
///
/// # Errors
/// [`AccessError`] names what is missing.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, AccessError> {
    client_in_context(kubeconfig, None).await
}

/// As [`client`], with a context of the kubeconfig other than its current one.
///
/// # Errors
/// [`AccessError`] names what is missing.
pub async fn client_in_context(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, AccessError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = match (kubeconfig, context) {
        (Some(path), _) => from_file(path, &options)
            .await
            .map_err(|source| AccessError::Kubeconfig { path: path.to_owned(), source: Box::new(source) })?,
        (None, Some(context)) => Config::from_kubeconfig(&options)
            .await
            .map_err(|source| AccessError::Context { context: context.to_owned(), source: Box::new(source) })?,
        (None, None) => Config::infer().await.map_err(|error| AccessError::Nowhere(Box::new(error)))?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    Client::try_from(config).map_err(|error| AccessError::Client(Box::new(error)))
}

async fn from_file(path: &Path, options: &KubeConfigOptions) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, options).await
}

/// The namespace of the pod that this process runs in.
pub fn own_namespace() -> Option<String> {
    let text = std::fs::read_to_string(NAMESPACE_FILE).ok()?;
    Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}
