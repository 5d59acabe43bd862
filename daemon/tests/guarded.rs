//! Metrics that the network can reach: over TLS, and not for everybody.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ferrolb_daemon::tls::{Identity, TlsArgs};
use ferrolb_daemon::{Access, DaemonArgs, Guard, LogLevel, Readiness, serve_guarded};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{IntCounter, Registry};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As monitoring is told with `insecureSkipVerify`.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
    authorization: Option<&str>,
) -> (StatusCode, Bytes) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    TaskTracker::new().spawn(connection);
    let mut request = Request::get(path).header("host", "here");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn tls(server: SocketAddr) -> tokio_rustls::client::TlsStream<TcpStream> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    let stream = TcpStream::connect(server).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("here").unwrap(), stream).await.unwrap()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn metrics_are_for_those_who_may_and_health_is_for_all() {
    let registry = Registry::new();
    registry.register(Box::new(IntCounter::new("a_total", "a").unwrap())).unwrap();
    let (_identity, shows) = watch::channel(Some(Identity::self_signed("here").unwrap()));
    let authorize = |token: String, path: String| async move {
        match (&*token, &*path) {
            ("monitoring", "/metrics") => Access::Granted,
            ("stranger", _) => Access::Unauthenticated,
            ("later", _) => Access::Unanswered,
            _ => Access::Forbidden,
        }
    };
    let guard = Guard { tls: TlsArgs::default().server_config(shows).unwrap(), authorize: Arc::new(authorize) };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let args = DaemonArgs { log_level: LogLevel::Info, port: free_port(), health_probe_port: free_port() };
    let (health, ready) = (IpAddr::from(Ipv4Addr::LOCALHOST), Readiness::default());
    let [metrics, probes] =
        serve_guarded(&args, guard, health, registry, ready, &tasks, &shutdown).await.unwrap().map(Option::unwrap);
    let metrics = SocketAddr::new(health, metrics.port());
    for (authorization, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("Basic bW9uaXRvcmluZw=="), StatusCode::UNAUTHORIZED),
        (Some("Bearer "), StatusCode::UNAUTHORIZED),
        (Some("Bearer stranger"), StatusCode::UNAUTHORIZED),
        (Some("Bearer nobody"), StatusCode::FORBIDDEN),
        (Some("Bearer later"), StatusCode::SERVICE_UNAVAILABLE),
        (Some("Bearer monitoring"), StatusCode::OK),
        (Some("bearer monitoring"), StatusCode::OK),
    ] {
        let (answer, body) = get(tls(metrics).await, "/metrics", authorization).await;
        assert_eq!(answer, status, "{authorization:?}");
        assert_eq!(body.starts_with(b"# HELP a_total"), status == StatusCode::OK, "{authorization:?}");
    }
    let plain = async |path| get(TcpStream::connect(probes).await.unwrap(), path, None).await.0;
    assert_eq!(plain("/healthz").await, StatusCode::OK);
    assert_eq!(plain("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(plain("/metrics").await, StatusCode::NOT_FOUND);
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}
