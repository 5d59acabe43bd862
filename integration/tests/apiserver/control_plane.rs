//! The ground itself: it comes up, breaks, comes back and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ferrolb_integration::apiserver::{AuditEntry, ControlPlane, Error, available, service_account_user};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use tokio::net::TcpStream;

use crate::common::{own_control_plane, printed};

#[tokio::test]
async fn what_was_written_outlives_crashes_of_the_api_server_and_of_etcd() {
    let Some(mut cluster) = own_control_plane().await else { return };
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), "default");
    let written = ConfigMap {
        metadata: ObjectMeta { name: Some("kept".to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &written).await.unwrap();
    let address = cluster.address();

    cluster.kill_api_server().unwrap();
    assert!(maps.get("kept").await.is_err(), "a killed API server answers");
    cluster.kill_etcd().unwrap();
    cluster.start_etcd().await.unwrap();
    cluster.start_api_server().await.unwrap();
    assert_eq!(cluster.address(), address);
    assert!(matches!(cluster.start_api_server().await, Err(Error::RunsAlready { .. })));
    maps.get("kept").await.unwrap();

    // A list with no resource version has to come from etcd.
    cluster.kill_etcd().unwrap();
    let without = tokio::time::timeout(Duration::from_secs(5), maps.list(&ListParams::default())).await;
    assert!(!matches!(without, Ok(Ok(_))), "an API server without etcd lists: {without:?}");
    cluster.start_etcd().await.unwrap();
    maps.get("kept").await.unwrap();

    let folder = cluster.folder().to_owned();
    assert!(folder.is_dir());
    drop(cluster);
    assert!(!folder.exists(), "{} was left behind", folder.display());
}

#[tokio::test]
async fn a_token_speaks_for_its_service_account_and_the_audit_log_tells() {
    let Some(cluster) = own_control_plane().await else { return };
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client().await.unwrap(), "default");
    let account = ServiceAccount {
        metadata: ObjectMeta { name: Some("nobody".to_owned()), ..ObjectMeta::default() },
        ..ServiceAccount::default()
    };
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let token = cluster.token_for("default", "nobody").await.unwrap();
    assert!(matches!(cluster.token_for("default", "missing").await, Err(Error::Api { .. })));

    let kubeconfig = cluster.kubeconfig_with_token(&token).unwrap();
    let me =
        ["--kubeconfig", kubeconfig.to_str().unwrap(), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let user = service_account_user("default", "nobody");
    assert_eq!(printed(&cluster.kubectl(&me, "").await.unwrap()), user);

    let maps: Api<ConfigMap> = Api::namespaced(cluster.client_with_token(&token).await.unwrap(), "kube-system");
    let refused = maps.get("secret").await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
    let entry = asked(&cluster, &user, "configmaps").await;
    assert_eq!((entry.verb.as_str(), entry.namespace.as_str(), entry.name.as_str()), ("get", "kube-system", "secret"));
    assert_eq!((entry.code, entry.allowed), (403, false));
}

/// The first request of `user` for `resource` in the audit log, which may come a moment after its answer.
async fn asked(cluster: &ControlPlane, user: &str, resource: &str) -> AuditEntry {
    let look = async {
        loop {
            let entries = cluster.audit_log().unwrap();
            if let Some(entry) = entries.into_iter().find(|entry| entry.user == user && entry.resource == resource) {
                return entry;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.unwrap()
}

/// Run by the next test, in a process of its own, which it kills.
#[tokio::test]
#[ignore = "ends only by being killed"]
async fn hold_until_killed() {
    let Some(cluster) = own_control_plane().await else { return };
    println!("held {} {}", cluster.address(), cluster.folder().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_test_leaves_neither_processes_nor_files() {
    if available().unwrap().is_none() {
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "control_plane::hold_until_killed", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines().map(Result::unwrap);
    let held = lines.find_map(|line| line.split_once("held ").map(|(_, held)| held.to_owned())).unwrap();
    let (address, folder) = held.split_once(' ').unwrap();
    let (address, folder): (SocketAddr, &Path) = (address.parse().unwrap(), Path::new(folder));
    TcpStream::connect(address).await.unwrap();
    assert!(folder.is_dir());

    test.kill().unwrap();
    test.wait().unwrap();
    let gone = async {
        while TcpStream::connect(address).await.is_ok() || folder.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}
