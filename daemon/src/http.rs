//! /metrics, /healthz and /readyz: over plain HTTP on the loopback address, or for the network, where metrics are served
//! over TLS to whoever a [`Guard`] admits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode};
use prometheus::{Encoder, Registry, TextEncoder};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guard::{Access, Authorize, Guard};
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
pub struct Readiness {
    own: Arc<AtomicBool>,
    /// Parts that have to be ready too.
    parts: Vec<Readiness>,
}

impl Readiness {
    /// One that is ready only while all of `parts` are, too.
    pub fn with(parts: impl IntoIterator<Item = Self>) -> Self {
        Self { own: Arc::default(), parts: parts.into_iter().collect() }
    }

    /// Says so.
    pub fn set(&self, ready: bool) {
        self.own.store(ready, Ordering::Relaxed);
    }

    /// What was last said, by all parts.
    pub fn get(&self) -> bool {
        self.own.load(Ordering::Relaxed) && self.parts.iter().all(Self::get)
    }
}

impl Readiness {
    fn answer(&self, path: &str) -> Option<Response<Full<Bytes>>> {
        match path {
            "/healthz" => Some(response(StatusCode::OK, "ok\n")),
            "/readyz" if self.get() => Some(response(StatusCode::OK, "ok\n")),
            "/readyz" => Some(response(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
            _ => None,
        }
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

/// Serves metrics and health, each on its port (0: not at all) of the loopback address until `shutdown`.
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
    let endpoint = Endpoint { registry, ready, authorize: None };
    let loopback = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if args.port != 0 {
        let listener = listen(loopback(args.port), "metrics", "--port").await?;
        start(Server::new(Arc::new(endpoint.clone()), LIMITS), listener, tasks, shutdown);
    }
    if args.health_probe_port != 0 && args.health_probe_port != args.port {
        let listener = listen(loopback(args.health_probe_port), "health", "--health-probe-port").await?;
        start(Server::new(Arc::new(endpoint), LIMITS), listener, tasks, shutdown);
    }
    Ok(())
}

/// Serves metrics on its port of all addresses over TLS to whoever `guard` admits, and health on its port of `health`
/// over plain HTTP (0: not at all), until `shutdown`. Returns the addresses of both.
///
/// # Errors
/// A port is taken: the error names it and its flag.
pub async fn serve_guarded(
    args: &crate::DaemonArgs,
    guard: Guard,
    health: IpAddr,
    registry: Registry,
    ready: Readiness,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<[Option<SocketAddr>; 2], HttpError> {
    let mut addresses = [None, None];
    let [metrics, probes] = &mut addresses;
    if args.port != 0 {
        let listener = listen_or_v4(Ipv6Addr::UNSPECIFIED.into(), args.port, "metrics", "--port").await?;
        *metrics = listener.local_addr().ok();
        let endpoint = Endpoint { registry: registry.clone(), ready: ready.clone(), authorize: Some(guard.authorize) };
        start(Server::new(Arc::new(endpoint), LIMITS).over_tls(guard.tls), listener, tasks, shutdown);
    }
    if args.health_probe_port != 0 {
        let listener = listen_or_v4(health, args.health_probe_port, "health", "--health-probe-port").await?;
        *probes = listener.local_addr().ok();
        start(Server::new(Arc::new(Probes { ready }), LIMITS), listener, tasks, shutdown);
    }
    Ok(addresses)
}

async fn listen(address: SocketAddr, what: &'static str, flag: &'static str) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|source| HttpError { address, what, flag, source })
}

/// All addresses are those of IPv4 only where there is no IPv6.
async fn listen_or_v4(ip: IpAddr, port: u16, what: &'static str, flag: &'static str) -> Result<TcpListener, HttpError> {
    match listen(SocketAddr::from((ip, port)), what, flag).await {
        Err(error) if ip == Ipv6Addr::UNSPECIFIED && error.source.kind() != std::io::ErrorKind::AddrInUse => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), what, flag).await
        }
        tried => tried,
    }
}

fn start(server: Server<impl Handle>, listener: TcpListener, tasks: &TaskTracker, shutdown: &CancellationToken) {
    tasks.spawn(server.run(listener, tasks.clone(), shutdown.clone()));
}

#[derive(Clone)]
struct Endpoint {
    registry: Registry,
    ready: Readiness,
    /// `None`: everybody is answered.
    authorize: Option<Arc<dyn Authorize>>,
}

/// Health without metrics.
struct Probes {
    ready: Readiness,
}

impl Handle for Probes {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.ready
            .answer(request.uri().path())
            .unwrap_or_else(|| response(StatusCode::NOT_FOUND, "known here: /healthz /readyz\n"))
    }
}

impl Handle for Endpoint {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if let Some(authorize) = &self.authorize {
            let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
            let access = match token {
                Some(token) => authorize.authorize(token.to_owned(), path.to_owned()).await,
                None => Access::Unauthenticated,
            };
            match access {
                Access::Granted => {}
                Access::Unauthenticated => return response(StatusCode::UNAUTHORIZED, "send a bearer token\n"),
                Access::Forbidden => return response(StatusCode::FORBIDDEN, "this token may not get this path\n"),
                Access::Unanswered => {
                    return response(StatusCode::SERVICE_UNAVAILABLE, "the token cannot be checked; try again\n");
                }
            }
        }
        self.answer(&request)
    }
}

/// RFC 6750 section 2.1; the scheme is written in any case (RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
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
            path => self
                .ready
                .answer(path)
                .unwrap_or_else(|| response(StatusCode::NOT_FOUND, "known here: /metrics /healthz /readyz\n")),
        }
    }
}
