//! The flags of the webhooks, and their server.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use ferrolb_daemon::Readiness;
use ferrolb_daemon::server::{Limits, Server};
use ferrolb_daemon::tls::{self, Identity, TlsArgs, TlsError};
use ferrolb_source::Cluster;
use kube::Client;
use prometheus::IntCounterVec;
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::webhook::certificate::{Keeper, Names};
use crate::webhook::handler::Webhooks;
use crate::webhook::judge::ClusterJudge;

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum WebhookMode {
    /// Addresses and webhooks.
    #[default]
    #[value(name = "enabled")]
    Enabled,
    /// Addresses only.
    #[value(name = "disabled")]
    Disabled,
    /// Webhooks only.
    #[value(name = "onlywebhook")]
    OnlyWebhook,
}

/// Flags of the webhooks.
#[derive(Debug, Clone, Args)]
pub struct WebhookArgs {
    /// Whether the process serves webhooks beside assigning addresses, or instead of it.
    #[arg(long, value_enum, default_value = "enabled")]
    pub webhook_mode: WebhookMode,
    /// TCP port of the webhooks on all addresses; 0: any that is free.
    #[arg(long, default_value_t = 9443)]
    pub webhook_port: u16,
    /// Leave the certificate to somebody else, who keeps it in --cert-dir.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub disable_cert_rotation: bool,
    /// Directory of tls.crt and tls.key (PEM); only read with --disable-cert-rotation.
    #[arg(long, value_name = "DIR", default_value = "/tmp/k8s-webhook-server/serving-certs")]
    pub cert_dir: PathBuf,
    /// Service by which the API server reaches the webhooks.
    #[arg(long, value_name = "SERVICE", default_value = "metallb-webhook-service")]
    pub cert_service_name: String,
    /// Secret in which the certificate and its authority are kept.
    #[arg(long, value_name = "SECRET", default_value = "metallb-webhook-cert")]
    pub webhook_secret: String,
    /// Accepted for compatibility: HTTP/1.1 is spoken, which every API server speaks.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub webhook_http2: bool,
    /// Versions, suites and curves.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// Webhooks that cannot be served.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// A flag cannot be followed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port is taken.
    #[error("cannot listen on port {port} for webhooks; choose another with --webhook-port")]
    Listen {
        /// The port.
        port: u16,
        /// What the kernel says.
        #[source]
        source: std::io::Error,
    },
}

/// What is shown of the webhooks.
#[derive(Debug, Clone)]
pub struct ShownOfWebhooks {
    /// Whether the API server can be answered.
    pub ready: Readiness,
    /// Its questions, by kind and verdict.
    pub requests: IntCounterVec,
}

/// Serves webhooks for the configuration in `namespace` on `tasks` until `shutdown`, and keeps their certificate.
/// Returns its address as soon as the port is open; [`ShownOfWebhooks::ready`] is set once there is a certificate and something was read of the
/// cluster, which is when the API server can be answered.
///
/// # Errors
/// A flag cannot be followed, or the port is taken. Nothing was started then.
pub async fn serve_webhooks(
    args: &WebhookArgs,
    client: Client,
    namespace: &str,
    cluster: watch::Receiver<Arc<Cluster>>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
    shown: ShownOfWebhooks,
) -> Result<SocketAddr, WebhookError> {
    if args.webhook_http2 {
        tracing::info!("--webhook-http2 has no effect: HTTP/1.1 is spoken");
    }
    let names = Names::new(&args.cert_service_name, namespace);
    let (keeper, kept) = Keeper::new(client, names, &args.webhook_secret);
    let rotate = !args.disable_cert_rotation;
    let (follower, followed) = tls::follow(&args.cert_dir);
    let identity = if rotate { kept } else { followed };
    let config = args.tls.server_config(identity.clone())?;
    let listener = listen(args.webhook_port).await?;
    let address = listener.local_addr().map_err(|source| WebhookError::Listen { port: args.webhook_port, source })?;
    if rotate {
        tasks.spawn(keeper.run(tasks.clone(), shutdown.clone()));
    } else {
        tasks.spawn(follower.run(shutdown.clone()));
    }
    let judge = Arc::new(ClusterJudge::new(cluster.clone()));
    let webhooks = Webhooks::new(namespace, judge, Arc::new(convert), shown.requests);
    let server = Server::new(Arc::new(webhooks), Limits::default()).over_tls(config);
    tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            able = both(identity, cluster) => shown.ready.set(able),
        }
    });
    Ok(address)
}

/// Waits for a certificate and for something to have been read; `false`: they will not come.
async fn both(mut identity: watch::Receiver<Option<Identity>>, mut cluster: watch::Receiver<Arc<Cluster>>) -> bool {
    identity.wait_for(Option::is_some).await.is_ok() && cluster.wait_for(|cluster| !cluster.reading).await.is_ok()
}

/// The only kind with more than one version.
fn convert(object: Value, to: &str) -> Result<Value, String> {
    ferrolb_api::conversion::convert_bgp_peer(object, to).map_err(|error| ferrolb_daemon::sentence(&error))
}

/// All addresses of both families; of IPv4 only where the kernel has no IPv6.
async fn listen(port: u16) -> Result<TcpListener, WebhookError> {
    let both = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
    let listener = match both {
        Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        Ok(_) | Err(_) => both,
    };
    listener.map_err(|source| WebhookError::Listen { port, source })
}
