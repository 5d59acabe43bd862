//! A kubelet that has logs and nothing else: it never answers who wants to run a command.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Serves `log` as the log of every container until the tests' process ends, since several tests use it.
pub(crate) fn serve(log: &'static str) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["node".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept(listener, TlsAcceptor::from(Arc::new(tls)), log));
    });
    address
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, log: &'static str) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        connections.spawn(async move {
            // The API server may have gone by then.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| answer(request, log));
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(request: Request<Incoming>, log: &'static str) -> Result<Response<Full<Bytes>>, Infallible> {
    if !request.uri().path().starts_with("/containerLogs/") {
        std::future::pending::<()>().await;
    }
    Ok(Response::new(Full::new(Bytes::from_static(log.as_bytes()))))
}
