//! Metrics for the network: over TLS, for whoever the API server says may get them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ferrolb_daemon::tls::{self, Identity, IdentityError, TlsArgs, TlsError};
use ferrolb_daemon::{Access, Guard};
use ferrolb_source::permission::{Permission, Permissions};
use kube::Client;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Flags of metrics for the network.
#[derive(Debug, Clone, Default, Args)]
pub struct GuardArgs {
    /// Directory of tls.crt and tls.key (PEM) for metrics, followed as it changes [default: a self-signed certificate].
    #[arg(long, value_name = "DIR")]
    pub metrics_cert_dir: Option<PathBuf>,
}

/// Metrics that cannot be guarded.
#[derive(Debug, Error)]
pub enum GuardError {
    /// A flag cannot be followed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no certificate for metrics, and none can be made.
    #[error("metrics cannot be served over TLS")]
    Identity(#[from] IdentityError),
}

/// A guard that asks the API server through `client` whether the sender of a token may get a path. A certificate in
/// files is followed on `tasks` until `shutdown`.
///
/// # Errors
/// A flag cannot be followed, or no certificate can be made. Nothing was started then.
pub fn guard(
    args: &GuardArgs,
    tls: &TlsArgs,
    client: Client,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Guard, GuardError> {
    let permissions = Permissions::new(client);
    let authorize = move |token: String, path: String| {
        let permissions = permissions.clone();
        async move { access(&permissions, &token, &path).await }
    };
    let config = match &args.metrics_cert_dir {
        Some(dir) => {
            let (follower, identity) = tls::follow(dir);
            let config = tls.server_config(identity)?;
            tasks.spawn(follower.run(shutdown.clone()));
            config
        }
        None => tls.server_config(watch::channel(Some(Identity::self_signed("localhost")?)).1)?,
    };
    Ok(Guard { tls: config, authorize: Arc::new(authorize) })
}

async fn access(permissions: &Permissions, token: &str, path: &str) -> Access {
    match permissions.may_get(token, path).await {
        Ok(Permission::Granted) => Access::Granted,
        Ok(Permission::Unauthenticated) => Access::Unauthenticated,
        Ok(Permission::Forbidden) => Access::Forbidden,
        Err(error) => {
            tracing::warn!(path, error = ferrolb_daemon::sentence(&error), "token not checked");
            Access::Unanswered
        }
    }
}
