//! What the lab needs from the machine, each with one sentence and its remedy.
//!
//! Commands are looked up; namespaces and packet sockets are tried in a child process, because the settings that
//! forbid them have many names.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::geteuid;

use crate::binaries;
use crate::layout::Router;

/// Exit codes of the hidden verb `try-namespaces`.
const NAMESPACES_REFUSED: u8 = 3;
const PACKET_SOCKET_REFUSED: u8 = 4;
/// Where administrators' commands live; an ordinary user's PATH often lacks these.
const ADMINISTRATORS_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Something the lab cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A command is not installed.
    #[error("the lab needs the command `{command}` (Debian package {package}): run `make setup`")]
    Command {
        /// The command.
        command: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The daemon of a router is not installed.
    #[error("a router of the lab needs `{command}` (Debian package {package}): run `integration/setup.sh bgp`")]
    RouterCommand {
        /// The command.
        command: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// Neither root nor user namespaces.
    #[error(
        "the lab needs root or unprivileged user namespaces: run it as root, or allow them \
         (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, \
         kernel.apparmor_restrict_unprivileged_userns=0)"
    )]
    Namespaces,
    /// A command or network plugin of a cluster's nodes is not installed.
    #[error("a cluster needs `{command}` (Debian package {package}): run `integration/setup.sh cluster`")]
    ClusterCommand {
        /// The command.
        command: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// A cluster runs containers, which an ordinary user cannot here.
    #[error("a cluster needs root: run it with sudo")]
    Root,
    /// Packet sockets are refused; ARP cannot be spoken.
    #[error(
        "the lab needs packet sockets (CONFIG_PACKET, CAP_NET_RAW): run it on a kernel and in a container that allow them"
    )]
    PacketSockets,
    /// The programs of an API server cannot be had.
    #[error(
        "a lab on an API server needs etcd, kube-apiserver and kubectl: run `make kubernetes`, which needs Go 1.26, \
         or set KUBEBUILDER_ASSETS"
    )]
    Kubernetes,
    /// The programs of a cluster cannot be had.
    #[error("a cluster needs Kubernetes' programs and Helm: run `make kubernetes`, which needs Go 1.26")]
    Cluster,
    /// The `lab` binary is not where the library looks for it.
    #[error("the binary `lab` is not beside {}: run `cargo build -p ferrolb-integration`", .beside.display())]
    Lab {
        /// The executable beside which it should be.
        beside: PathBuf,
    },
    /// A binary of ferrolb is not beside `lab`.
    #[error("{} is not there: run `cargo build -p {package}`, or start the lab with `--no-daemons`", .path.display())]
    Daemon {
        /// Where it should be.
        path: PathBuf,
        /// The package that builds it.
        package: &'static str,
    },
}

/// What this machine lacks to run a lab; empty when a lab can run. Binaries of ferrolb are not asked for.
pub fn missing_requirements() -> Vec<Missing> {
    let mut missing = Vec::new();
    let path = search_path();
    for (command, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if !env::split_paths(&path).any(|folder| folder.join(command).is_file()) {
            missing.push(Missing::Command { command, package });
        }
    }
    match binaries::lab() {
        Ok(lab) => missing.extend(refused_namespaces(&lab)),
        Err(error) => missing.push(error),
    }
    missing
}

/// What this machine lacks to run these routers.
pub(crate) fn missing_routers(routers: &[Router]) -> Vec<Missing> {
    let path = search_path();
    let needs = |router: &Router| match router {
        Router::Frr => ("/usr/lib/frr/bgpd", "frr"),
        Router::Bird => ("bird", "bird2"),
    };
    // An absolute path stands for itself in any folder.
    let is_there = |command: &str| env::split_paths(&path).any(|folder| folder.join(command).is_file());
    let lacking = routers.iter().map(needs).filter(|(command, _)| !is_there(command));
    lacking.map(|(command, package)| Missing::RouterCommand { command, package }).collect()
}

/// The PATH of everything in the lab: the caller's, where `ip` and `nft` are, and where `lab` and `ferrolb` are.
pub(crate) fn search_path() -> String {
    let own = env::var("PATH").unwrap_or_default();
    let mut folders: Vec<&str> = own.split(':').filter(|folder| !folder.is_empty()).collect();
    let lab = binaries::lab().ok();
    let built = lab.as_deref().and_then(Path::parent).and_then(Path::to_str);
    for folder in ADMINISTRATORS_PATH.into_iter().chain(built) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

/// Whether a lab of this user needs a user namespace of its own.
pub(crate) fn needs_user_namespace() -> bool {
    !geteuid().is_root()
}

fn refused_namespaces(lab: &Path) -> Option<Missing> {
    let status = Command::new(lab).arg("try-namespaces").status();
    match status.ok().and_then(|status| status.code()) {
        Some(0) => None,
        Some(code) if code == i32::from(PACKET_SOCKET_REFUSED) => Some(Missing::PacketSockets),
        Some(_) | None => Some(Missing::Namespaces),
    }
}

/// The hidden verb `try-namespaces`: makes the namespaces of a lab, tries a packet socket in them, and says by its
/// exit code what was refused. They vanish with the process.
pub(crate) fn try_namespaces() -> u8 {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    if needs_user_namespace() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    if unshare(flags).is_err() {
        return NAMESPACES_REFUSED;
    }
    match socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None) {
        Ok(_socket) => 0,
        Err(_refused) => PACKET_SOCKET_REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_one_sentence_with_its_remedy() {
        for missing in [
            Missing::Command { command: "nft", package: "nftables" },
            Missing::Namespaces,
            Missing::PacketSockets,
            Missing::ClusterCommand { command: "runc", package: "runc" },
            Missing::Root,
            Missing::RouterCommand { command: "bird", package: "bird2" },
            Missing::Cluster,
            Missing::Kubernetes,
            Missing::Lab { beside: "/target/debug".into() },
            Missing::Daemon { path: "/target/debug/ferrolb".into(), package: "ferrolb-cli" },
        ] {
            let text = missing.to_string();
            assert!(text.contains(": run "), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn administrators_commands_are_found_without_an_administrators_path() {
        let path = search_path();
        for folder in ADMINISTRATORS_PATH {
            assert_eq!(path.split(':').filter(|entry| *entry == folder).count(), 1, "{path}");
        }
    }
}
