//! `support-bundle` of a cluster: everything that can be got, and not one of the secrets that are planted everywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::service_account_user;
use flate2::read::GzDecoder;
use serde_json::json;
use tar::Archive;

use crate::common::{apply, printed};
use crate::kubectl::{ferrolb, person, stage};
use crate::planted::PLANTED;

/// The files of a bundle by name, without the folder that all are in.
fn unpacked(file: &Path) -> BTreeMap<String, String> {
    let mut archive = Archive::new(GzDecoder::new(File::open(file).unwrap()));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        files.insert(path.split_once('/').unwrap().1.to_owned(), content);
    }
    files
}

#[tokio::test]
async fn a_bundle_has_what_can_be_got_and_no_secret_though_its_maker_may_read_them() {
    let Some(cluster) = stage().await else { return };
    let kubeconfig = person(cluster, "maker", &json!([])).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "maker" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "maker", "namespace": DEFAULT_NAMESPACE }],
    });
    printed(&apply(cluster, &binding.to_string()).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let output = ferrolb(&kubeconfig, &["support-bundle", "--timeout", "2", "--output", file.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let files = unpacked(&file);
    for (name, content) in &files {
        for (number, line) in content.lines().enumerate() {
            assert!(!line.contains(PLANTED), "{name}:{}: {line}", number + 1);
        }
    }
    for (name, kept) in [
        ("resources/bgppeers.metallb.io.yaml", "192.0.2.9"),
        ("resources/configmaps.yaml", "peer-asn: 64513"),
        ("resources/configmaps.yaml", "192.0.2.8"),
        ("resources/services.yaml", "kept-service"),
        ("resources/nodes.yaml", "k3s.io/node-args"),
        ("resources/pods.yaml", "HARMLESS"),
        ("resources/events.yaml", "Refused"),
        ("resources/customresourcedefinitions.yaml", "ipaddresspools.metallb.io"),
        ("resources/configurationstates.metallb.io.yaml", "items"),
        ("logs/speaker-1/speaker.log", "announcing 192.0.2.1"),
        ("kubernetes-version.yaml", "gitVersion"),
        ("missing.txt", "speakers/node-1/status.yaml: no answer within 2 s"),
        ("missing.txt", "logs/speaker-2/speaker.log"),
        ("missing.txt", "explain: no speaker answers"),
    ] {
        let content = files.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", files.keys()));
        assert!(content.contains(kept), "{kept} is not in {name}: {content}");
    }
    let maker = service_account_user(DEFAULT_NAMESPACE, "maker");
    let log = cluster.audit_log().unwrap();
    let asked: Vec<_> = log.iter().filter(|entry| entry.user == maker).collect();
    assert!(asked.iter().any(|entry| entry.resource == "bgppeers"), "the log is of this very run");
    for entry in asked {
        assert_ne!(entry.resource, "secrets", "{}", entry.uri);
        let reads = ["get", "list"].contains(&entry.verb.as_str()) || entry.subresource == "exec";
        assert!(reads, "{} {}", entry.verb, entry.uri);
    }
}

#[tokio::test]
async fn who_may_nothing_gets_a_bundle_that_says_so() {
    let Some(cluster) = stage().await else { return };
    let kubeconfig = person(cluster, "powerless", &json!([])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let output = ferrolb(&kubeconfig, &["support-bundle", "--output", file.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let missing = &unpacked(&file)["missing.txt"];
    for what in ["what the speakers say: may not list pods", "services: may not get it", "nodes: may not get it"] {
        assert!(missing.contains(what), "{what}: {missing}");
    }
}
