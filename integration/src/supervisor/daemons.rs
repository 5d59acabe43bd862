//! Which processes a lab runs where, and with which flags.

use std::path::{Path, PathBuf};

use ferrolb_api::DEFAULT_NAMESPACE;

use super::processes::Spec;
use crate::binaries::Binaries;
use crate::layout::{BACKEND_PORT, Family, Host, HostKind, Layout};
use crate::namespaces::{LAB_FOLDER, SOURCE_FOLDER};

/// The controller's process.
pub(super) const CONTROLLER: &str = "controller";
/// Port of the speakers' gossip.
const GOSSIP_PORT: u16 = 7946;
/// Many daemons of one lab share a machine: no metrics, no health probes.
const NO_PORTS: &[&str] = &["--port", "0", "--health-probe-port", "0"];
/// The gossip key of every lab: base64 of the bytes 0 to 31. Nobody but the lab's own nodes can reach its network.
const GOSSIP_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where the daemons find their objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A directory of manifests.
    Directory,
    /// An API server; each kind of daemon has a kubeconfig of its own.
    Kube {
        /// The controller's.
        controller: PathBuf,
        /// The speakers'.
        speaker: PathBuf,
    },
}

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
    // On IPv6's any address, a socket takes IPv4's connections too.
    let listen = match layout.family() {
        Family::Ipv4 => format!("0.0.0.0:{BACKEND_PORT}"),
        Family::Ipv6 | Family::Dual => format!("[::]:{BACKEND_PORT}"),
    };
    let backend = |node: &Host| Spec {
        name: format!("backend-{}", node.name),
        place: node.name.clone(),
        command: words(lab, &["backend", "--listen", &listen, "--answer", &node.name]),
    };
    layout.nodes().map(backend).collect()
}

/// The controller and a speaker on every node, which find their objects at `origin`; with the speakers' gossip profile,
/// where one is wanted, and `more` of their flags.
pub(super) fn daemons(
    binaries: &Binaries,
    layout: &Layout,
    origin: &Origin,
    profile: Option<&str>,
    more: &[String],
) -> Vec<Spec> {
    let (for_controller, for_speaker) = origin.arguments();
    let control = layout.hosts().iter().find(|host| host.kind == HostKind::Control);
    let controller = control.map(|host| Spec {
        name: CONTROLLER.to_owned(),
        place: host.name.clone(),
        command: words(&binaries.controller, &[&refs(&for_controller), NO_PORTS].concat()),
    });
    let speaker = |node: &Host| {
        let (address, gossip_port) = (node.address().to_string(), GOSSIP_PORT.to_string());
        let (key_file, socket) = (gossip_key().0, admin_socket(&node.name));
        let (key_file, socket) = (key_file.to_string_lossy(), socket.to_string_lossy());
        let own: &[&str] = &[
            "--node-name",
            &node.name,
            "--ml-bindaddr",
            &address,
            "--ml-bindport",
            &gossip_port,
            "--gossip-key-file",
            &key_file,
            "--cluster-id",
            "lab",
            "--admin-socket",
            &socket,
        ];
        let profile: Vec<&str> = profile.map(|name| ["--gossip-profile", name]).into_iter().flatten().collect();
        let more: Vec<String> = more.iter().map(|flag| flag.replace("{node}", &node.name)).collect();
        Spec {
            name: speaker_name(&node.name),
            place: node.name.clone(),
            command: words(&binaries.speaker, &[&refs(&for_speaker), own, NO_PORTS, &profile, &refs(&more)].concat()),
        }
    };
    controller.into_iter().chain(layout.nodes().map(speaker)).collect()
}

// === impl Origin ===

impl Origin {
    /// The flags of the controller and of a speaker that say so.
    fn arguments(&self) -> (Vec<String>, Vec<String>) {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        match self {
            Self::Directory => {
                let source = owned(&["--source", &format!("dir={SOURCE_FOLDER}")]);
                (source.clone(), source)
            }
            Self::Kube { controller, speaker } => {
                let from = |kubeconfig: &Path| {
                    let kubeconfig = kubeconfig.to_string_lossy();
                    owned(&["--source", "kube", "--kubeconfig", &kubeconfig, "--namespace", DEFAULT_NAMESPACE])
                };
                // Nobody calls webhooks here. With a name, its successor goes on with its Lease at once.
                let alone = owned(&["--webhook-mode", "disabled", "--pod-name", "controller-0"]);
                ([from(controller), alone].concat(), from(speaker))
            }
        }
    }
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    let program = program.to_string_lossy().into_owned();
    std::iter::once(program).chain(arguments.iter().map(|&argument| argument.to_owned())).collect()
}
