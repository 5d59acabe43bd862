//! A client for the webhooks, and reviews to ask.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

pub(crate) const NAMESPACE: &str = "metallb-system";

/// Asks as an API server does that trusts `authority` (PEM) and calls `name`.
pub(crate) async fn ask(
    server: SocketAddr,
    authority: &[u8],
    name: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> std::io::Result<(StatusCode, Bytes)> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap();
    let tls = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(server).await?;
    let stream = tls.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let background = TaskTracker::new();
    background.spawn(connection);
    let request = Request::post(path).header("host", name).header("content-type", "application/json");
    let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let status = response.status();
    Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
}

/// A question about an object as an API server puts it.
pub(crate) fn review(operation: &str, namespace: &str, object: &Value, old: &Value) -> Vec<u8> {
    let subject = if object.is_null() { old } else { object };
    let (version, kind) = (subject["apiVersion"].as_str().unwrap(), subject["kind"].as_str().unwrap());
    let (group, version) = version.split_once('/').unwrap();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "requestKind": {"group": group, "version": version, "kind": kind},
            "name": subject["metadata"]["name"],
            "namespace": namespace,
            "operation": operation,
            "userInfo": {"username": "admin", "groups": ["system:masters"]},
            "object": object,
            "oldObject": old,
            "dryRun": true,
            "options": null,
        },
    });
    serde_json::to_vec(&review).unwrap()
}

/// An object of `metallb.io`.
pub(crate) fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("metallb.io/{version}"),
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    })
}

pub(crate) fn pool(name: &str, addresses: &[&str]) -> Value {
    object("v1beta1", "IPAddressPool", name, &json!({"addresses": addresses}))
}
