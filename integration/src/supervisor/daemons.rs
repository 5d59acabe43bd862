//! Which processes a lab runs where, and with which flags.

use std::path::{Path, PathBuf};

use super::processes::Spec;
use crate::binaries::Binaries;
use crate::layout::{BACKEND_PORT, Host, HostKind, Layout};
use crate::namespaces::{LAB_FOLDER, SOURCE_FOLDER};

/// The controller's process.
pub(super) const CONTROLLER: &str = "controller";
/// Port of the speakers' gossip.
const GOSSIP_PORT: u16 = 7946;
/// The gossip key of every lab: base64 of the bytes 0 to 31. Nobody but the lab's own nodes can reach its network.
const GOSSIP_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The admin socket of a node's speaker.
pub(super) fn admin_socket(node: &str) -> PathBuf {
    Path::new(LAB_FOLDER).join(format!("{node}.sock"))
}

/// The name of a node's speaker process.
pub(super) fn speaker_name(node: &str) -> String {
    format!("speaker-{node}")
}

/// The file with the gossip key, and what is in it.
pub(super) fn gossip_key() -> (PathBuf, &'static str) {
    (Path::new(LAB_FOLDER).join("gossip.key"), GOSSIP_KEY)
}

/// A backend on every node, started by the binary `lab` itself.
pub(super) fn backends(lab: &Path, layout: &Layout) -> Vec<Spec> {
    let backend = |node: &Host| {
        let pod = node.pod.as_ref()?;
        let listen = format!("{}:{BACKEND_PORT}", pod.address);
        Some(Spec {
            name: format!("backend-{}", node.name),
            place: node.name.clone(),
            command: words(lab, &["backend", "--listen", &listen, "--answer", &node.name]),
        })
    };
    layout.nodes().filter_map(backend).collect()
}

/// The controller and a speaker on every node.
pub(super) fn daemons(binaries: &Binaries, layout: &Layout) -> Vec<Spec> {
    let source = format!("dir={SOURCE_FOLDER}");
    let control = layout.hosts().iter().find(|host| host.kind == HostKind::Control);
    let controller = control.map(|host| Spec {
        name: CONTROLLER.to_owned(),
        place: host.name.clone(),
        command: words(&binaries.controller, &["--source", &source, "--port", "0", "--health-probe-port", "0"]),
    });
    let speaker = |node: &Host| {
        let (key_file, socket) = (gossip_key().0, admin_socket(&node.name));
        Spec {
            name: speaker_name(&node.name),
            place: node.name.clone(),
            command: words(
                &binaries.speaker,
                &[
                    "--source",
                    &source,
                    "--node-name",
                    &node.name,
                    "--ml-bindaddr",
                    &node.address.to_string(),
                    "--ml-bindport",
                    &GOSSIP_PORT.to_string(),
                    "--gossip-key-file",
                    &key_file.to_string_lossy(),
                    "--cluster-id",
                    "lab",
                    "--admin-socket",
                    &socket.to_string_lossy(),
                    "--port",
                    "0",
                    "--health-probe-port",
                    "0",
                ],
            ),
        }
    };
    controller.into_iter().chain(layout.nodes().map(speaker)).collect()
}

fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    let program = program.to_string_lossy().into_owned();
    std::iter::once(program).chain(arguments.iter().map(|&argument| argument.to_owned())).collect()
}
