//! What can go wrong with a control plane.

use std::io;
use std::time::Duration;

use crate::requirements::Missing;

/// Why a control plane could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The binary `lab`, which tethers the processes, is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The machine refused something.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// etcd, kube-apiserver and kubectl could not be got; what the script complained of went to standard error.
    #[error("integration/kubernetes/get.sh ended with {status}")]
    Programs {
        /// Its exit status.
        status: std::process::ExitStatus,
    },
    /// A certificate could not be made.
    #[error("make the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: String,
        /// The reason.
        #[source]
        source: rcgen::Error,
    },
    /// A program ended that was meant to run on.
    #[error("{name} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The program.
        name: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines that it wrote.
        log: String,
    },
    /// What was waited for did not happen.
    #[error("waited {after:?} in vain until {what} (last: {last}); the end of the log:\n{log}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// What was seen last.
        last: String,
        /// The last lines that the program wrote.
        log: String,
    },
    /// It is so already: to start what runs.
    #[error("{name} runs already")]
    RunsAlready {
        /// The program.
        name: String,
    },
    /// The kubeconfig that was made for a client does not serve.
    #[error("read the kubeconfig made for the control plane")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The API server refused, or was not reached.
    #[error("{what}")]
    Api {
        /// What was asked.
        what: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server's answer to a TokenRequest held no token.
    #[error("no token was issued for {account}")]
    NoToken {
        /// The ServiceAccount, as `namespace/name`.
        account: String,
    },
    /// A line of the audit log is no audit event.
    #[error("line {line} of the audit log cannot be read")]
    Audit {
        /// Its number, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Something that was made here could not be written as JSON.
    #[error("write {what} as JSON")]
    Json {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// An error of the operating system with what was tried.
pub(super) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::System { what, source: source.into() }
}

/// An error of the API server with what was asked.
pub(super) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |source| Error::Api { what, source: Box::new(source) }
}
