//! Whom a command asks: the speaker of this node through its socket, or all speakers through the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ferrolb_source::kubernetes;
use kube::Client;

use crate::output::Failure;

/// The way to the API server, and which speakers to ask there.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// The API server's kubeconfig [default: KUBECONFIG, ~/.kube/config or the pod's service account].
    #[arg(long, env = "FERROLB_KUBECONFIG", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: its current one].
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Which speakers are asked through the API server, and how long.
#[derive(Debug, Clone, Args)]
pub struct Asked {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Ask the speaker of this node only.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Label selector of the speakers' pods [default: the chart's labels].
    #[arg(long, short = 'l', value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Seconds that each node has to answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}

/// What was said about where to ask, beside [`Asked`].
#[derive(Debug, Clone)]
pub struct Place {
    /// Where the speaker of this node listens.
    pub socket: PathBuf,
    /// Whether somebody said so.
    pub socket_said: bool,
    /// Whether `--kubeconfig` stands on the command line.
    pub kubeconfig_said: bool,
    /// The namespace of the command line, not that of the environment: speakers' pods have one there.
    pub namespace: Option<String>,
    /// Whether this is `kubectl ferrolb`.
    pub kubectl: bool,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The speaker that listens at the socket.
    Here,
    /// Speakers of the cluster.
    Cluster,
}

// === impl Access ===

impl Access {
    /// A client of the API server.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        kubernetes::client_in_context(self.kubeconfig.as_deref(), self.context.as_deref())
            .await
            .map_err(|error| Failure::BadInput(error.to_string()))
    }
}

// === impl Asked ===

impl Asked {
    /// How long a node has.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Who is asked: what was said decides; of a node that has a speaker's socket, and in a pod, the one there.
    pub fn whom(&self, place: &Place) -> Whom {
        let said =
            place.kubeconfig_said || self.access.context.is_some() || self.node.is_some() || self.selector.is_some();
        let in_pod = || kubernetes::own_namespace().is_some();
        if place.socket_said {
            Whom::Here
        } else if said || place.namespace.is_some() || place.kubectl {
            Whom::Cluster
        } else if exists(&place.socket) || in_pod() || !has_kubeconfig() {
            // Where there is neither, the socket is what is missed first.
            Whom::Here
        } else {
            Whom::Cluster
        }
    }
}

/// Whether something stands there, or somebody keeps us from seeing whether.
fn exists(socket: &Path) -> bool {
    socket.try_exists().unwrap_or(true)
}

/// Whether there is a kubeconfig where kubectl would look.
fn has_kubeconfig() -> bool {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|paths| !paths.is_empty());
    named || std::env::home_dir().is_some_and(|home| home.join(".kube/config").exists())
}

/// Runs what asks an API server.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(|error| Failure::Failed(error.to_string()))?;
    let result = runtime.block_on(work);
    // What nobody waits for any more must not keep the process, such as a name that is being looked up.
    runtime.shutdown_background();
    result
}
