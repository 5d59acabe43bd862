//! What can go wrong with a lab, in sentences for the person at the terminal.

use std::io;
use std::time::Duration;

use crate::requirements::Missing;

/// Why a lab could not be made, reached or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine lacks something; nothing was started.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A lab of that name is up already; it was left alone.
    #[error("a lab named {name} is already up: `cargo lab down` ends it, `--name` makes another one")]
    AlreadyUp {
        /// The name.
        name: String,
    },
    /// No lab of that name is up.
    #[error("no lab named {name} is up: start one with `cargo lab up`")]
    NotUp {
        /// The name.
        name: String,
    },
    /// The machine refused something.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A command that sets up or reads the network failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// The command line.
        command: String,
        /// What it wrote to its error output.
        message: String,
    },
    /// The lab did not do what it was asked, and says why. The lab is as it was before.
    #[error("{reason}")]
    Refused {
        /// The reason.
        reason: String,
    },
    /// The lab ended while it was asked, or before it was ready.
    #[error("the lab ended: {reason}")]
    Ended {
        /// What it said last.
        reason: String,
    },
    /// The other side speaks another version of the protocol.
    #[error("the lab's answer cannot be read (was it started by an older build?)")]
    Protocol(#[from] serde_json::Error),
    /// The control plane that something was to run on.
    #[error(transparent)]
    ControlPlane(#[from] crate::apiserver::Error),
    /// A run of [`churn`](crate::churn).
    #[error(transparent)]
    Churn(#[from] Box<crate::churn::Error>),
    /// What was waited for did not happen.
    #[error("waited {after:?} in vain until {what}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
}

/// An error of the operating system with what was tried.
pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::System { what, source: source.into() }
}

/// The error and everything beneath it, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
