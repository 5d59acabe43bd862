//! The verbs with which `lab` starts itself; not for the keyboard.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use super::answers::{self, AskHere};
use super::probe::{self, ProbeArguments};
use crate::cluster::{self, Machine};
use crate::error::Error;
use crate::namespaces::{self, Orphaned};
use crate::{apiserver, backend, requirements, supervisor};

#[derive(Debug, Subcommand)]
pub(super) enum Internal {
    /// Try to make the namespaces of a lab.
    #[command(hide = true)]
    TryNamespaces,
    /// Make the namespaces of a lab and hold them.
    #[command(hide = true)]
    Cradle,
    /// Be pid 1 of a lab.
    #[command(hide = true)]
    Init,
    /// Supervise a lab.
    #[command(hide = true)]
    Supervise {
        /// Process id of pid 1, as seen from outside.
        #[arg(long)]
        init_pid: u32,
    },
    /// Become a command in a place of the lab that this process is in.
    #[command(hide = true)]
    Inside {
        #[arg(long)]
        place: String,
        #[arg(long)]
        die_with_parent: bool,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Answer HTTP requests with a name.
    #[command(hide = true)]
    Backend {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        answer: String,
    },
    /// Probe from where this process is.
    #[command(hide = true)]
    ProbeHere(ProbeArguments),
    /// Ask who has addresses from where this process is.
    #[command(hide = true)]
    AskHere(AskHere),
    /// Listen to announcements where this process is, until standard input ends.
    #[command(hide = true)]
    WatchHere {
        #[arg(long)]
        v6: bool,
    },
    /// Become a command that is killed when the thread that started this process ends.
    #[command(hide = true)]
    Tethered {
        /// The process that starts this one.
        #[arg(long)]
        parent: u32,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Make the namespaces of a cluster's node and hold them.
    #[command(hide = true)]
    Machine(Machine),
    /// Be pid 1 of a cluster's node.
    #[command(hide = true)]
    FirstProcess(Machine),
    /// Hold the namespaces of a pod.
    #[command(hide = true)]
    HoldPod,
    /// Remove the control groups of a cluster when standard input ends.
    #[command(hide = true)]
    RemoveCgroups { name: String },
    /// Remove a temporary folder of ours when standard input ends.
    #[command(hide = true)]
    RemoveAfter { folder: PathBuf },
}

impl Internal {
    pub(super) fn run(self) -> Result<u8, Error> {
        match self {
            Self::TryNamespaces => Ok(requirements::try_namespaces()),
            Self::Cradle => namespaces::cradle(),
            Self::Init => namespaces::init(),
            Self::Supervise { init_pid } => supervisor::supervise(init_pid),
            Self::Inside { place, die_with_parent, command } => {
                let orphaned = if die_with_parent { Orphaned::Dies } else { Orphaned::Stays };
                namespaces::inside(&place, orphaned, &command)
            }
            Self::Backend { listen, answer } => backend::serve(listen, &answer),
            Self::ProbeHere(arguments) => probe::here(&arguments),
            Self::AskHere(arguments) => answers::ask_here(&arguments),
            Self::WatchHere { v6 } => answers::watch_here(v6),
            Self::Tethered { parent, command } => apiserver::become_tethered(parent, &command),
            Self::Machine(machine) => cluster::hold(&machine),
            Self::FirstProcess(machine) => cluster::be_first_process(&machine),
            Self::HoldPod => backend::hold_pod(),
            Self::RemoveCgroups { name } => cluster::remove_after_stdin(&name),
            Self::RemoveAfter { folder } => apiserver::remove_after_stdin(&folder),
        }
    }
}
