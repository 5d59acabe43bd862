//! Flags and variables of MetalLB's speaker that have no meaning here.

use std::path::PathBuf;

use clap::Args;

/// Accepted, so that arguments made for MetalLB's speaker need not be changed; each is named once in the log.
#[derive(Debug, Clone, Default, Args)]
pub struct IgnoredArgs {
    /// It has been without meaning for long.
    #[arg(long, env = "METALLB_HOST", default_value = "", hide = true)]
    pub host: String,
    /// Speakers find each other by the Node objects.
    #[arg(long, env = "METALLB_ML_LABELS", default_value = "", hide = true)]
    pub ml_labels: String,
    /// There is no pprof.
    #[arg(long, default_value = "", hide = true)]
    pub pprof_bind_address: String,
    /// Changes are taken as they come.
    #[arg(long, env = "METALLB_BGP_DEBOUNCE_TIMEOUT", default_value = "", hide = true)]
    pub bgp_debounce_timeout: String,
    /// There is no FRR.
    #[arg(long, env = "FRRK8S_NAMESPACE", default_value = "", hide = true)]
    pub frrk8s_namespace: String,
    /// There is no FRR.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "", default_missing_value = "true", hide = true)]
    pub frrk8s_secret_passthrough: String,
    /// One implementation of BGP has the features of all.
    #[arg(long = "bgp-type", env = "METALLB_BGP_TYPE", default_value = "", hide = true)]
    pub bgp_type: String,
    /// There is no FRR.
    #[arg(long = "frr-config-file", env = "FRR_CONFIG_FILE", hide = true)]
    pub frr_config_file: Option<PathBuf>,
    /// There is no FRR.
    #[arg(long = "frr-reloader-pid-file", env = "FRR_RELOADER_PID_FILE", hide = true)]
    pub frr_reloader_pid_file: Option<PathBuf>,
    /// There is no FRR.
    #[arg(long = "frr-logging-level", env = "FRR_LOGGING_LEVEL", default_value = "", hide = true)]
    pub frr_logging_level: String,
}

impl IgnoredArgs {
    /// Names and values of those that were given.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let all = [
            ("--host", self.host.clone()),
            ("--ml-labels", self.ml_labels.clone()),
            ("--pprof-bind-address", self.pprof_bind_address.clone()),
            ("--bgp-debounce-timeout", self.bgp_debounce_timeout.clone()),
            ("--frrk8s-namespace", self.frrk8s_namespace.clone()),
            ("--frrk8s-secret-passthrough", self.frrk8s_secret_passthrough.clone()),
            ("METALLB_BGP_TYPE", self.bgp_type.clone()),
            ("FRR_CONFIG_FILE", path(&self.frr_config_file)),
            ("FRR_RELOADER_PID_FILE", path(&self.frr_reloader_pid_file)),
            ("FRR_LOGGING_LEVEL", self.frr_logging_level.clone()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty())
    }
}
