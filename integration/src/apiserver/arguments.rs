//! The command lines of etcd and kube-apiserver, and the policy of the audit log.
//!
//! Paths are relative to the control plane's folder, in which both run: the path of a unix socket has at most 107 bytes,
//! and the temporary folder of a user may be deep.

use std::net::{IpAddr, SocketAddr};

/// The audit log's file.
pub(super) const AUDIT_LOG: &str = "audit.log";
/// The file of the audit log's policy.
pub(super) const AUDIT_POLICY: &str = "audit-policy.json";
/// Every request, once it was answered (and watches also when they begin), without bodies.
pub(super) const AUDIT_POLICY_TEXT: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]}"#;
/// Files of the keys and certificates.
pub(crate) const CA_FILE: &str = "ca.crt";
pub(super) const SERVER_CERTIFICATE_FILE: &str = "apiserver.crt";
pub(super) const SERVER_KEY_FILE: &str = "apiserver.key";
pub(crate) const TOKEN_KEY_FILE: &str = "tokens.key";
pub(super) const TOKEN_PUBLIC_KEY_FILE: &str = "tokens.pub";

/// Megabytes after which the audit log would be rotated: never, in a test.
const AUDIT_LOG_MEGABYTES: u32 = 10_000;

/// etcd, for one member that nobody else reaches.
pub(crate) fn etcd() -> Vec<String> {
    // The addresses that it advertises are for other members and for clients that ask for members; there are none of
    // either, but etcd wants them to look like addresses.
    const NOBODY: &str = "http://127.0.0.1:1";
    [
        "--name=etcd".to_owned(),
        "--data-dir=etcd".to_owned(),
        // The machine's crash would lose what was written; a process's does not.
        "--unsafe-no-fsync".to_owned(),
        "--listen-client-urls=unix://etcd.sock".to_owned(),
        format!("--advertise-client-urls={NOBODY}"),
        "--listen-peer-urls=unix://etcd-peer.sock".to_owned(),
        format!("--initial-advertise-peer-urls={NOBODY}"),
        format!("--initial-cluster=etcd={NOBODY}"),
        "--log-level=warn".to_owned(),
    ]
    .to_vec()
}

/// kube-apiserver, listening at `listen`.
pub(crate) fn api_server(listen: SocketAddr, advertise: IpAddr, service_ranges: &str) -> Vec<String> {
    [
        "--etcd-servers=unix://etcd.sock".to_owned(),
        format!("--bind-address={}", listen.ip()),
        format!("--secure-port={}", listen.port()),
        // The port is held for it: see `port`.
        "--permit-port-sharing".to_owned(),
        // What the endpoints of default/kubernetes say; a loopback address is refused there.
        format!("--advertise-address={advertise}"),
        format!("--service-cluster-ip-range={service_ranges}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--client-ca-file={CA_FILE}"),
        format!("--tls-cert-file={SERVER_CERTIFICATE_FILE}"),
        format!("--tls-private-key-file={SERVER_KEY_FILE}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={TOKEN_PUBLIC_KEY_FILE}"),
        format!("--service-account-signing-key-file={TOKEN_KEY_FILE}"),
        format!("--audit-log-path={AUDIT_LOG}"),
        format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"),
        // The default: no request is lost for a full buffer.
        "--audit-log-mode=blocking".to_owned(),
        format!("--audit-policy-file={AUDIT_POLICY}"),
        "--profiling=false".to_owned(),
    ]
    .to_vec()
}
