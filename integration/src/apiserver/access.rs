//! Ways into the control plane: kubeconfigs, clients, tokens, kubectl.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::certificates::{Certificates, Signed};
use super::error::{Error, api, system};
use super::folder::Folder;

/// How long an ordinary request may take; a test's machine may be busy.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// How long kubectl may take.
const KUBECTL_DEADLINE: Duration = Duration::from_secs(120);

/// How the audit log and RBAC call a ServiceAccount.
pub fn service_account_user(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Where the API server is, and who may do everything there.
#[derive(Debug)]
pub(super) struct Access {
    cluster: Value,
    admin: PathBuf,
    kubectl: PathBuf,
    /// Number of the next kubeconfig.
    next: AtomicU32,
}

// === impl Access ===

impl Access {
    pub(super) fn new(
        server: SocketAddr,
        certificates: &Certificates,
        programs: &Path,
        folder: &Folder,
    ) -> Result<Self, Error> {
        let cluster = cluster(server, certificates);
        let admin = folder.write("admin.kubeconfig", &kubeconfig(&cluster, &user(&certificates.admin))?)?;
        Ok(Self { cluster, admin, kubectl: programs.join("kubectl"), next: AtomicU32::new(1) })
    }

    pub(super) fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    pub(super) fn kubeconfig_with_token(&self, folder: &Folder, token: &str) -> Result<PathBuf, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        folder.write(&format!("token-{number}.kubeconfig"), &kubeconfig(&self.cluster, &json!({ "token": token }))?)
    }

    pub(super) async fn token_for(&self, namespace: &str, service_account: &str) -> Result<String, Error> {
        let account = format!("{namespace}/{service_account}");
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(24 * 60 * 60), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = Api::<ServiceAccount>::namespaced(client(&self.admin).await?, namespace)
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .map_err(api(format!("request a token for {account}")))?;
        answer.status.map(|status| status.token).ok_or(Error::NoToken { account })
    }

    pub(super) async fn kubectl(&self, folder: &Folder, arguments: &[&str], stdin: &str) -> Result<Output, Error> {
        let mut child = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.admin)
            .arg("--cache-dir")
            .arg(folder.path().join("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(system("run kubectl"))?;
        let pipe = child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = pipe {
                // It may end without having read all; its exit status tells.
                pipe.write_all(stdin.as_bytes()).await.ok();
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        match timeout(KUBECTL_DEADLINE, run).await {
            Ok(output) => output.map_err(system("run kubectl")),
            Err(_elapsed) => Err(Error::TimedOut {
                what: format!("kubectl {} ends", arguments.join(" ")),
                after: KUBECTL_DEADLINE,
                last: "it runs".to_owned(),
                log: String::new(),
            }),
        }
    }
}

/// A client for the identity in a kubeconfig. It never retries by itself: a test wants to see each answer.
pub(crate) async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let choice = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &choice).await?;
    config.default_retry = false;
    config.connect_timeout = Some(REQUEST_DEADLINE);
    config.write_timeout = Some(REQUEST_DEADLINE);
    // No read timeout: it would end a quiet watch.
    Client::try_from(config).map_err(api("make a client"))
}

/// The kubeconfig of one who is known to the API server at `server` by a certificate.
pub(super) fn kubeconfig_with_certificate(
    server: SocketAddr,
    certificates: &Certificates,
    signed: &Signed,
) -> Result<String, Error> {
    kubeconfig(&cluster(server, certificates), &user(signed))
}

fn cluster(server: SocketAddr, certificates: &Certificates) -> Value {
    json!({
        "server": format!("https://{server}"),
        "certificate-authority-data": STANDARD.encode(&certificates.authority),
    })
}

fn user(signed: &Signed) -> Value {
    json!({
        "client-certificate-data": STANDARD.encode(&signed.certificate),
        "client-key-data": STANDARD.encode(&signed.key),
    })
}

fn kubeconfig(cluster: &Value, user: &Value) -> Result<String, Error> {
    let text = serde_json::to_string(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": user }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "current-context": "test",
    }));
    text.map_err(|source| Error::Json { what: "a kubeconfig", source })
}
