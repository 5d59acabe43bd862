//! Why a run could not be brought to its end, or ended badly.

use super::judge::Violation;
use crate::apiserver;
use crate::requirements::Missing;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane or a process.
    #[error(transparent)]
    Cluster(#[from] apiserver::Error),
    /// A binary is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The API server refused something that is right.
    #[error("{what}")]
    Api {
        /// What.
        what: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// kubectl complained.
    #[error("kubectl {what}: {complaint}")]
    Kubectl {
        /// Its arguments.
        what: String,
        /// What it said.
        complaint: String,
    },
    /// An object made here is none: a bug in this program.
    #[error("{what}")]
    Object {
        /// What for.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody took the Lease over in time.
    #[error("nobody took over within {after:?}; the end of the controllers' logs:\n{logs}")]
    NobodyInCharge {
        /// How long that was waited for.
        after: std::time::Duration,
        /// The last lines that the controllers wrote.
        logs: String,
    },
    /// A rule was broken.
    #[error("SEED={seed}: {violation}\nwhat the controllers wrote of it:\n{logs}")]
    Broken {
        /// The seed of the run.
        seed: u64,
        /// Which, and how it came to that.
        violation: Box<Violation>,
        /// Lines of the controllers' logs.
        logs: String,
    },
    /// A task panicked.
    #[error("a task of the run ended early")]
    Task(#[from] tokio::task::JoinError),
}

// === impl Error ===

impl Error {
    pub(super) fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Broken { violation, .. } => Some(violation),
            Self::Cluster(_)
            | Self::Missing(_)
            | Self::Api { .. }
            | Self::Kubectl { .. }
            | Self::Object { .. }
            | Self::NobodyInCharge { .. }
            | Self::Task(_) => None,
        }
    }
}
