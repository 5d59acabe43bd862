//! Flags of the controller, and why it ends.

use std::path::PathBuf;

use clap::Args;
use ferrolb_config::Problem;
use ferrolb_daemon::{DaemonArgs, GuardArgs, GuardError};
use ferrolb_source::{SourceError, WriteError};
use thiserror::Error;

use crate::failure::FailureArgs;
use crate::webhook::{WebhookArgs, WebhookError};

/// Flags of `ferrolb-controller`.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// Where resources come from and status goes: `kube`, or `dir=PATH`.
    #[arg(long, env = "FERROLB_SOURCE", value_name = "kube|dir=PATH", default_value = "kube")]
    pub source: String,
    /// The API server's kubeconfig [default: KUBECONFIG, ~/.kube/config or the pod's service account].
    #[arg(long, env = "FERROLB_KUBECONFIG", value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the configuration objects [default: METALLB_NAMESPACE, the own pod's, or the one that they name].
    #[arg(long, env = "FERROLB_NAMESPACE")]
    pub namespace: Option<String>,
    /// Name of the own pod; the ConfigurationState goes with it, and a restart in the same pod goes on with its Lease.
    #[arg(long, env = "METALLB_POD_NAME", default_value = "", hide_default_value = true)]
    pub pod_name: String,
    /// Assign, write and exit: 0 done, 2 the configuration is refused. With dir=PATH only.
    #[arg(long)]
    pub once: bool,
    /// Serve Services of this loadBalancerClass only [default: those without one].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub lb_class: String,
    /// Name of the Lease that decides which replica assigns addresses.
    #[arg(long, env = "FERROLB_LEASE_NAME", default_value = "ferrolb-controller")]
    pub lease_name: String,
    /// Nodes that die.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Flags that MetalLB's controller has and that have no meaning here.
    #[command(flatten)]
    pub ignored: IgnoredArgs,
    /// Webhooks and their certificate.
    #[command(flatten)]
    pub webhook: WebhookArgs,
    /// Metrics for the network.
    #[command(flatten)]
    pub guard: GuardArgs,
    /// Log level, ports.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Accepted, so that arguments made for MetalLB's controller need not be changed; each is named once in the log.
#[derive(Debug, Clone, Default, Args)]
pub struct IgnoredArgs {
    /// Whoever installs ferrolb makes the Secret with the key of gossip.
    #[arg(long, env = "METALLB_ML_SECRET_NAME", default_value = "", hide = true)]
    pub ml_secret_name: String,
    /// Owner of that Secret.
    #[arg(long, env = "METALLB_DEPLOYMENT", default_value = "", hide = true)]
    pub deployment: String,
    /// There is no pprof.
    #[arg(long, default_value = "", hide = true)]
    pub pprof_bind_address: String,
    /// One implementation of BGP has the features of all.
    #[arg(long = "bgp-type", env = "METALLB_BGP_TYPE", default_value = "", hide = true)]
    pub bgp_type: String,
}

impl IgnoredArgs {
    /// Names and values of those that were given.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("--ml-secret-name", &self.ml_secret_name),
            ("--deployment", &self.deployment),
            ("--pprof-bind-address", &self.pprof_bind_address),
            ("METALLB_BGP_TYPE", &self.bgp_type),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.as_str()))
    }
}

/// Why the controller ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// `--once` without a directory.
    #[error("--once works on a directory; say --source dir=PATH")]
    OnceNeedsDirectory,
    /// `--once`, and the configuration is refused.
    #[error("the configuration is refused; nothing was written")]
    Refused(Vec<Problem>),
    /// A status could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Another controller is at work, or the status directory is not writable.
    #[error("cannot take charge of the status")]
    Charge(#[source] WriteError),
    /// A port is taken.
    #[error(transparent)]
    Http(#[from] ferrolb_daemon::HttpError),
    /// The kernel grants no threads.
    #[error(transparent)]
    Runtime(#[from] ferrolb_daemon::RuntimeError),
    /// Webhooks cannot be served.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// Metrics cannot be guarded.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Two metrics of one name: a bug.
    #[error("metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

impl ControllerArgs {
    /// The class to serve; `None`: Services without one.
    pub(super) fn class(&self) -> Option<String> {
        Some(self.lb_class.clone()).filter(|class| !class.is_empty())
    }

    /// Who this process is to the Lease: its pod, whose process before this one has ended; else nobody else.
    pub(super) fn lease_identity(&self) -> String {
        if self.pod_name.is_empty() {
            format!("ferrolb-controller-{:016x}", rand::random::<u64>())
        } else {
            self.pod_name.clone()
        }
    }
}
