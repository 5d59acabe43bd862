//! What is wrong at the start or in a manifest: one clear sentence, the exit code of the contract.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{binary, lab, settled_owner};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";

/// Runs a daemon that must not come up, and the one line it says.
fn refused(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(binary(program)).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&stderr).into_owned();
    let said = text.lines().find(|line| line.starts_with(program)).unwrap_or_else(|| panic!("{text}"));
    (status.code(), said.to_owned())
}

fn speaker(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let source = format!("dir={}", folder.join("manifests").display());
    let socket = folder.join("speaker.sock").display().to_string();
    let mut arguments = vec!["--source", &source, "--node-name", "n1", "--admin-socket", &socket];
    if !more.contains(&"--port") {
        arguments.extend_from_slice(&["--port", "0"]);
    }
    arguments.extend_from_slice(&["--health-probe-port", "0"]);
    arguments.extend_from_slice(more);
    refused("ferrolb-speaker", &arguments)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("manifests")).unwrap();
    fs::write(folder.path().join("key"), KEY).unwrap();
    folder
}

#[test]
fn a_speaker_without_a_usable_key_says_what_a_key_is() {
    let folder = folder();
    let missing = folder.path().join("no-key").display().to_string();
    let (code, said) = speaker(folder.path(), &["--gossip-key-file", &missing, "--ml-bindaddr", "127.0.0.1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&missing) && said.contains("base64 of 32 bytes"), "{said}");

    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "c2hvcnQ=").unwrap();
    let wrong = wrong.display().to_string();
    let (code, said) = speaker(folder.path(), &["--gossip-key-file", &wrong, "--ml-bindaddr", "127.0.0.1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&wrong) && !said.contains("c2hvcnQ"), "{said}");
}

#[test]
fn ports_that_are_taken_are_named_with_the_remedy() {
    let folder = folder();
    let key = folder.path().join("key").display().to_string();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let arguments = ["--gossip-key-file", &key, "--ml-bindaddr", "127.0.0.1", "--ml-bindport", &port];
    let (code, said) = speaker(folder.path(), &arguments);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")), "{said}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) =
        speaker(folder.path(), &["--gossip-key-file", &key, "--ml-bindaddr", "127.0.0.1", "--port", &port]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&port) && said.contains("--port"), "{said}");

    let source = format!("dir={}", folder.path().join("manifests").display());
    let (code, said) =
        refused("ferrolb-controller", &["--source", &source, "--health-probe-port", "0", "--port", &port]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
}

#[test]
fn a_speaker_that_cannot_know_where_to_gossip_says_how_to_tell_it() {
    let folder = folder();
    let key = folder.path().join("key").display().to_string();
    let (code, said) = speaker(folder.path(), &["--gossip-key-file", &key]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--ml-bindaddr") && said.contains("\"n1\""), "{said}");
    let (code, said) = speaker(folder.path(), &["--gossip-key-file", &key, "--ml-bindaddr", "192.0.2.7"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("192.0.2.7:7946 is not an address of this node"), "{said}");
}

#[test]
fn a_source_that_is_not_there_is_named() {
    for program in ["ferrolb-controller", "ferrolb-speaker"] {
        let key = folder();
        let path = key.path().join("key").display().to_string();
        let mut arguments = vec!["--source", "dir=/nonexistent/manifests"];
        if program == "ferrolb-speaker" {
            arguments.extend_from_slice(&["--node-name", "n1", "--gossip-key-file", &path]);
        }
        let (code, said) = refused(program, &arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("dir=/nonexistent/manifests"), "{said}");
    }
}

#[test]
fn an_interface_that_does_not_exist_is_an_event_that_names_those_that_do() {
    let Some((lab, vip)) = lab() else { return };
    let values = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p, namespace: lb}\n\
                  spec: {addresses: [10.10.52.0/24]}\n---\n\
                  apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l, namespace: lb}\n\
                  spec: {interfaces: [eth9]}\n";
    lab.apply("values.yaml", values).unwrap();
    let message = lab
        .wait_for("the failure is told", |lab| {
            let events = lab.events().unwrap();
            let failed = events.into_iter().find(|event| event["reason"] == "announceFailed")?;
            Some(failed["message"].as_str().unwrap_or_default().to_owned())
        })
        .unwrap();
    assert!(message.contains("no usable interface named eth9; it can announce on: eth0"), "{message}");
    lab.apply("values.yaml", &values.replace("eth9", "eth0")).unwrap();
    lab.wait_for("somebody answers for the address again", |lab| lab.owner(vip).unwrap()).unwrap();
    settled_owner(&lab, vip);
}
