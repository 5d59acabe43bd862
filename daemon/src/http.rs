//! /metrics, /healthz and /readyz over plain HTTP on the loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use prometheus::{Encoder, Registry, TextEncoder};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::{Handle, Limits, Server, response};

/// Monitoring asks seldom and has few mouths.
const LIMITS: Limits = Limits {
    connections: 64,
    handshake: Duration::from_secs(10),
    first_request: Duration::from_secs(10),
    idle: Duration::from_secs(120),
    request: Duration::from_secs(20),
    grace: Duration::from_secs(1),
};

/// Whether the process can do its work; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// What was last said.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A port that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for {what}; choose another with {flag}, or 0 to do without")]
pub struct HttpError {
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
    #[source]
    source: std::io::Error,
}

/// Serves metrics and health, each on its port (0: not at all) until `shutdown`.
///
/// # Errors
/// A port is taken: the error names it and its flag.
pub async fn serve(
    args: &crate::DaemonArgs,
    registry: Registry,
    ready: Readiness,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), HttpError> {
    let endpoint = Endpoint { registry, ready };
    for (port, what, flag) in
        [(args.port, "metrics", "--port"), (args.health_probe_port, "health", "--health-probe-port")]
    {
        if port == 0 || (what == "health" && port == args.port) {
            continue;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(|source| HttpError { address, what, flag, source })?;
        let server = Server::new(Arc::new(endpoint.clone()), LIMITS);
        tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
    }
    Ok(())
}

#[derive(Debug, Clone)]
struct Endpoint {
    registry: Registry,
    ready: Readiness,
}

impl Handle for Endpoint {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.answer(&request)
    }
}

impl Endpoint {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return response(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/metrics" => {
                let mut text = Vec::new();
                match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
                    Ok(()) => response(StatusCode::OK, text),
                    Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                }
            }
            "/healthz" => response(StatusCode::OK, "ok\n"),
            "/readyz" if self.ready.get() => response(StatusCode::OK, "ok\n"),
            "/readyz" => response(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ => response(StatusCode::NOT_FOUND, "known here: /metrics /healthz /readyz\n"),
        }
    }
}
