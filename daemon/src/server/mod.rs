//! Takes connections, plain or over TLS, and answers HTTP/1.1 on them, all within limits.

mod seats;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::seats::{Seats, Ticket};

/// A body that is too large is read on, and forgotten, up to this many times its limit: a client that is cut off while
/// it still writes does not get to read why.
const PATIENCE: u64 = 4;

/// What answers requests.
pub trait Handle: Send + Sync + 'static {
    /// The answer. Whatever goes wrong is an answer, too.
    fn handle(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// What one client, or all of them, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. When one more comes, one on which nothing is being answered is closed for it; where there is
    /// none, it waits. Default 256.
    pub connections: usize,
    /// For the TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// Until the head of the first request is there. Default 10 s.
    pub first_request: Duration,
    /// Between two requests, and for the head of a later one. Default 120 s: longer than the 90 s for which Go's client
    /// keeps a connection, so that it is never us who close under a request that is on its way.
    pub idle: Duration,
    /// For one answer, its request's body included. Default 20 s.
    pub request: Duration,
    /// For what is being answered when the server stops. Default 1 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            request: Duration::from_secs(20),
            grace: Duration::from_secs(1),
        }
    }
}

/// A server that is not yet running.
pub struct Server<H> {
    handler: Arc<H>,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

// === impl Server ===

impl<H> std::fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("tls", &self.tls.is_some()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler), tls: self.tls.clone(), limits: self.limits }
    }
}

impl<H: Handle> Server<H> {
    /// A server of plain HTTP.
    pub fn new(handler: Arc<H>, limits: Limits) -> Self {
        Self { handler, tls: None, limits }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(TlsAcceptor::from(config)), ..self }
    }

    /// Serves until `shutdown`; what is being answered then is finished on `tasks`.
    pub async fn run(self, listener: TcpListener, tasks: TaskTracker, shutdown: CancellationToken) {
        let seats = Seats::new(self.limits.connections);
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, client)) = accepted else {
                // Out of descriptors, most likely: let others finish.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let ticket = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                ticket = seats.take() => ticket,
            };
            tasks.spawn(self.clone().connection(stream, client, ticket, shutdown.clone()));
        }
    }

    async fn connection(self, stream: TcpStream, client: SocketAddr, ticket: Ticket, shutdown: CancellationToken) {
        let Some(tls) = self.tls.clone() else { return self.converse(stream, client, &ticket, shutdown).await };
        let handshake = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = ticket.leave.cancelled() => return,
            handshake = tokio::time::timeout(self.limits.handshake, tls.accept(stream)) => handshake,
        };
        match handshake {
            Ok(Ok(stream)) => Box::pin(self.converse(stream, client, &ticket, shutdown)).await,
            Ok(Err(error)) => {
                tracing::debug!(%client, error = &error as &dyn std::error::Error, "TLS handshake failed");
            }
            Err(_elapsed) => tracing::debug!(%client, "TLS handshake took too long"),
        }
    }

    /// Answers the requests of one connection. Owned by its task; dropping it closes the connection.
    async fn converse(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        client: SocketAddr,
        ticket: &Ticket,
        shutdown: CancellationToken,
    ) {
        let Self { handler, limits, .. } = self;
        let asked = Arc::new(AtomicBool::new(false));
        let answer = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            ticket.asked();
            let handler = Arc::clone(&handler);
            async move {
                let answer = tokio::time::timeout(limits.request, handler.handle(request)).await;
                let answer = answer.unwrap_or_else(|_elapsed| {
                    response(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long; try again\n")
                });
                ticket.answered(answer.status().is_success());
                Ok::<_, Infallible>(answer)
            }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.idle);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
        let mut first = pin!(tokio::time::sleep(limits.first_request));
        let (mut waited, mut stopping, mut leaving) = (false, false, false);
        let mut grace = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    grace.set(tokio::time::sleep(limits.grace));
                    connection.as_mut().graceful_shutdown();
                }
                () = ticket.leave.cancelled(), if !leaving => {
                    leaving = true;
                    if !ticket.is_being_answered() {
                        tracing::debug!(%client, "connection closed: somebody else needs it");
                        return;
                    }
                    // A request came at the same moment.
                    connection.as_mut().graceful_shutdown();
                }
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%client, error = &error as &dyn std::error::Error, "connection ended");
                    }
                    return;
                }
                () = first.as_mut(), if !waited => {
                    waited = true;
                    if !asked.load(Ordering::Relaxed) {
                        tracing::debug!(%client, "connection closed: no request came");
                        return;
                    }
                }
                () = grace.as_mut(), if stopping => return,
            }
        }
    }
}

/// A body that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than the limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The connection broke.
    #[error("the body did not arrive")]
    Broken,
}

impl BodyError {
    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// It is larger, or the connection broke.
pub async fn read_body(mut body: Incoming, limit: u64) -> Result<Bytes, BodyError> {
    let mut size = 0_u64;
    let mut parts = Vec::new();
    if body.size_hint().lower() > limit.saturating_mul(PATIENCE) {
        return Err(BodyError::TooLarge(limit));
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "body broke off");
            BodyError::Broken
        })?;
        let Ok(data) = frame.into_data() else { continue };
        size = size.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if size > limit.saturating_mul(PATIENCE) {
            break;
        }
        if size > limit {
            parts = Vec::new();
        } else {
            parts.extend_from_slice(&data);
        }
    }
    if size > limit { Err(BodyError::TooLarge(limit)) } else { Ok(parts.into()) }
}

/// A response of text.
pub fn response(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
