//! What a cluster needs from the machine beside what a lab needs.

use std::env;
use std::path::Path;

use nix::unistd::geteuid;

use super::configuration::PLUGINS;
use crate::requirements::{self, Missing, search_path};

/// Commands that the nodes run, and Debian's packages.
const COMMANDS: [(&str, &str); 5] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
];

/// What this machine lacks to run a cluster; empty when one can run. Kubernetes' programs are asked for elsewhere: see
/// [`cluster_programs`](crate::apiserver::cluster_programs).
pub fn missing_requirements() -> Vec<Missing> {
    let mut missing = requirements::missing_requirements();
    if !geteuid().is_root() {
        missing.push(Missing::Root);
    }
    let path = search_path();
    for (command, package) in COMMANDS {
        if !env::split_paths(&path).any(|folder| folder.join(command).is_file()) {
            missing.push(Missing::ClusterCommand { command, package });
        }
    }
    for plugin in ["bridge", "host-local", "loopback", "portmap"] {
        if !Path::new(PLUGINS).join(plugin).is_file() {
            missing.push(Missing::ClusterCommand { command: plugin, package: "containernetworking-plugins" });
        }
    }
    missing
}
