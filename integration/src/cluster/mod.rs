//! A real Kubernetes cluster in namespaces: the lab's network with kubelet, containerd and kube-proxy on every node, and a
//! whole control plane beside them.
//!
//! ```text
//!   switch   10.10.0.3   kubectl, helm
//!   control  10.10.0.2   etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy
//!   node-1   10.10.0.11  a machine: pid, mount and uts namespace of its own, with
//!                        containerd, kubelet, kube-proxy -> pods 10.244.1.0/24
//!   client   10.10.0.100
//! ```
//!
//! What the lab does to hosts and cables it does here too: a node that crashes loses its link, then its first process,
//! and the kernel ends whatever runs on it. What a disk would keep (containerd's and kubelet's folders) is there when it
//! comes back; what a boot clears is not.
//!
//! It leaves nothing behind: processes, mounts and files are in the lab's namespaces and end with them. Control groups
//! are the one thing that is outside; a guard removes them when `lab cluster up` has ended, in whatever way.

mod arguments;
mod cgroups;
mod configuration;
mod files;
mod handle;
mod images;
mod machine;
mod proxies;
mod requirements;
mod tools;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::arguments::{Line, control_plane, machine_command};
pub(crate) use self::cgroups::Guard;
pub(crate) use self::cgroups::{make as make_cgroups, remove_after_stdin, sweep, unique_name};
pub(crate) use self::files::{node_objects, write as write_files};
pub use self::handle::{Cluster, NAMESPACE, Options, web};
pub(crate) use self::images::write as write_images;
pub(crate) use self::machine::{Machine, be_first_process, hold};
pub use self::requirements::missing_requirements;
pub(crate) use self::tools::{helm, kubectl};
use crate::binaries::Binaries;
use crate::namespaces::LAB_FOLDER;

/// How kube-proxy leads Services to their endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyMode {
    /// Rules of iptables.
    #[default]
    Iptables,
    /// Rules of nftables.
    Nftables,
}

/// What the supervisor has to know to make a cluster of a lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The folder with the programs of Kubernetes.
    pub(crate) programs: PathBuf,
    /// The program `helm`.
    pub(crate) helm: PathBuf,
    /// How kube-proxy works.
    pub(crate) proxy: ProxyMode,
    /// The control group below which all pods are.
    pub(crate) cgroup: String,
    /// An archive with the image `ferrolb`; none: one is made of `binaries`.
    pub(crate) image: Option<PathBuf>,
    /// The programs that go into the image.
    pub(crate) binaries: Binaries,
    /// The folder with MetalLB's programs, when its images are to be on the nodes, too.
    pub(crate) metallb: Option<PathBuf>,
}

/// Everything that a cluster writes.
pub(crate) fn disk() -> PathBuf {
    PathBuf::from(LAB_FOLDER).join("cluster")
}

/// Certificates, kubeconfigs and what etcd keeps.
pub(crate) fn folder() -> PathBuf {
    disk().join("kubernetes")
}

/// The archives that every node imports.
pub(crate) fn image_folder() -> PathBuf {
    disk().join("images")
}

/// What the disk of a node would hold.
pub(crate) fn machine_folder(node: &str) -> PathBuf {
    disk().join("machines").join(node)
}

impl std::fmt::Display for ProxyMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        })
    }
}
