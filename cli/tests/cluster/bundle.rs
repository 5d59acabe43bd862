//! `support-bundle`: what is in it, and that no secret is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use tar::Archive;

use crate::server::{Cluster, Manner, pod};
use crate::{status, text};

/// The files of a bundle by name, without the folder that all are in.
fn unpacked(file: &Path) -> BTreeMap<String, String> {
    let mut archive = Archive::new(GzDecoder::new(fs::File::open(file).unwrap()));
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

const MANIFESTS: &str = r"
apiVersion: v1
kind: Secret
metadata: {name: pw, namespace: lb}
stringData: {password: planted-in-secret}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata:
  name: peer
  namespace: lb
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {'spec': {'password': 'planted-in-annotation'}}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.9, password: planted-in-peer}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: lb}
data:
  config: |
    peers:
    - my-asn: 64512
      password: planted-in-legacy
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, annotations: {note: the password was planted-in-peer}}
spec: {type: LoadBalancer}
";

const VALUES: &str = "configInline:\n  peers:\n  - peer-asn: 64513\n    password: planted-in-values\n";

#[test]
fn a_directory_is_packed_without_a_single_secret_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    fs::create_dir_all(source.join("status")).unwrap();
    fs::write(source.join("cluster.yaml"), MANIFESTS).unwrap();
    fs::write(source.join("values.yaml"), VALUES).unwrap();
    fs::write(source.join("broken.yaml"), "a: [\npassword: planted-in-broken\n").unwrap();
    let event = "{\"reason\":\"R\",\"message\":\"refused with planted-in-peer and token=planted-in-event\"}\n";
    fs::write(source.join("status/events.jsonl"), event).unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
    command.arg("support-bundle").arg("--source").arg(format!("dir={}", source.display()));
    command.arg("--output").arg(&file).args(["--socket", "/nonexistent/speaker.sock"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let files = unpacked(&file);
    for (name, content) in &files {
        assert!(!content.contains("planted"), "{name}: {content}");
    }
    let cluster = &files["source/cluster.yaml"];
    for kept in ["192.0.2.9", "my-asn: 64512", "name: pw", "name: web", "[removed]"] {
        assert!(cluster.contains(kept), "{kept}: {cluster}");
    }
    assert!(files["source/values.yaml"].contains("64513"), "{}", files["source/values.yaml"]);
    assert!(files["source/status/events.jsonl.yaml"].contains("refused with [removed]"));
    assert!(
        files["missing.txt"].contains("no speaker listens on /nonexistent/speaker.sock"),
        "{}",
        files["missing.txt"]
    );
    assert!(files["README.txt"].contains("source/cluster.yaml"), "{}", files["README.txt"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_an_api_server_does_not_tell_is_named_and_no_failure() {
    let cluster = Cluster::serve(
        vec![pod("lb", "node-1"), pod("lb", "node-2")],
        vec![("node-1", status("node-1")), ("node-2", Manner::Refuses(403))],
    );
    let file = cluster.folder().join("bundle.tar.gz");
    // This server knows no /version: nothing else is asked for.
    let output = cluster.ferrolb(&["support-bundle", "--timeout", "3", "--output", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let files = unpacked(&file);
    assert!(files["missing.txt"].contains("everything of the API server: cannot get it: not here"), "{files:?}");
}

#[test]
fn a_file_that_cannot_be_written_and_a_directory_that_is_none_are_failures() {
    let folder = tempfile::tempdir().unwrap();
    let run = |source: &str, file: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
        command.args(["support-bundle", "--source", source, "--output", file, "--socket", "/nonexistent/s"]);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let source = format!("dir={}", folder.path().display());
    let (code, said) = run(&source, "/nonexistent/bundle.tar.gz");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot write /nonexistent/bundle.tar.gz"), "{said}");
    assert_eq!(run("dir=/nonexistent", "/nonexistent/b").0, Some(2));
}
