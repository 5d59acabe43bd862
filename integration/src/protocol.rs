//! What is said between a lab and those who drive it: one JSON object a line.
//!
//! * Control socket (abstract unix socket, in the network namespace of whoever started the lab): one connection, one
//!   [`Request`], one [`Reply`].
//! * Between `lab up` and its supervisor: [`Setup`] in, [`Event`]s out. `lab up --managed` hands the events on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::binaries::Binaries;
use crate::cluster;
use crate::layout::{Family, Host, Layout, Mac, Router};

/// What `lab up` tells its supervisor, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Name of the lab.
    pub(crate) name: String,
    /// Number of nodes.
    pub(crate) nodes: u8,
    /// Address families of hosts, pods and the first service.
    pub(crate) family: Family,
    /// The routers that the nodes speak BGP with.
    pub(crate) routers: Vec<Router>,
    /// Number of services.
    pub(crate) services: u16,
    /// Gossip profile of the speakers; none for their default.
    pub(crate) profile: Option<String>,
    /// More flags of the speakers, where `{node}` stands for the node's name.
    pub(crate) speaker_flags: Vec<String>,
    /// Text of `values.yaml`.
    pub(crate) values: String,
    /// The folder with etcd, kube-apiserver and kubectl; none for a lab on a directory of manifests.
    pub(crate) kubernetes: Option<PathBuf>,
    /// A whole Kubernetes on the hosts; none for a lab with daemons of its own.
    pub(crate) cluster: Option<cluster::Setup>,
    /// The binary `lab`.
    pub(crate) lab: PathBuf,
    /// The daemons to run; none for a lab without them.
    pub(crate) binaries: Option<Binaries>,
    /// Process id of `lab up`.
    pub(crate) holder_pid: u32,
}

/// A wish of somebody outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Everything there is to know.
    State,
    /// Write a manifest.
    Apply { name: String, text: String },
    /// Remove a manifest.
    Remove { name: String },
    /// Read a file of the manifest directory.
    Read { path: String },
    /// Read what a process wrote.
    Logs { name: String },
    /// Choose the nodes that have ready endpoints of the default service.
    EndpointsOn { nodes: Vec<String> },
    /// Crash a node.
    Kill { node: String },
    /// Mend everything that was done to a node.
    Heal { node: String },
    /// Mend everything that was done to anybody.
    HealAll,
    /// Drop every frame on a host's cable, both ways, while its carrier stays.
    Cut { node: String },
    /// Let them through again.
    Uncut { node: String },
    /// Drop every frame between hosts of different groups; no groups: none.
    Partition { groups: Vec<Vec<String>> },
    /// Lose that share of frames, of all or of those on one host's cable.
    Loss { percent: u8, node: Option<String> },
    /// SIGSTOP to a node's speaker.
    Pause { node: String },
    /// SIGCONT to it.
    Resume { node: String },
    /// Take a host's carrier away or give it back.
    Carrier { node: String, carrier: Carrier },
    /// Rename a node's interface.
    Rename { node: String, interface: String },
    /// Change the hardware address of a node's interface.
    ChangeMac { node: String, mac: Mac },
    /// Cordon a node and taint it with NoExecute.
    Drain { node: String },
    /// Take both back.
    Undrain { node: String },
    /// End a node's speaker in an orderly way.
    Stop { node: String },
    /// Start a node's speaker again.
    Start { node: String },
    /// Kill the controller and start it again.
    RestartController,
    /// The client's neighbour entry for an address.
    ClientArp { address: IpAddr },
    /// Who answers ARP for an address.
    Owner { address: IpAddr },
    /// What every node's speaker says that it announces.
    Announced,
    /// End the lab.
    Down,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// Done; there is nothing to say.
    Done,
    /// To [`Request::State`].
    State { state: Box<State> },
    /// Contents of a file; none when it is not there.
    Text { text: Option<String> },
    /// To [`Request::ClientArp`] and [`Request::Owner`].
    Mac { mac: Option<Mac> },
    /// To [`Request::Announced`].
    Announced { announced: Vec<Announced> },
    /// To [`Request::Stop`].
    Stopped { stopped: Stopped },
    /// It was not done.
    Refused { reason: String },
}

/// Whether a cable is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// It is: the interface has a carrier.
    Up,
    /// It is not.
    Down,
}

/// How a process ended that was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Its exit status, in words.
    pub status: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Time from the signal to its end.
    pub took: Duration,
}

/// Everything there is to know about a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Name of the lab.
    pub name: String,
    /// Process id of `lab up`, which holds the lab.
    pub holder_pid: u32,
    /// Process id of the lab's first process, as seen from outside; its namespaces are the lab's.
    pub init_pid: u32,
    /// Address families of hosts, pods and the first service.
    #[serde(default)]
    pub family: Family,
    /// The hosts.
    pub hosts: Vec<HostState>,
    /// The processes that the lab runs, in order of their names.
    pub processes: Vec<ProcessState>,
    /// Where the API server listens, in a lab that has one.
    #[serde(default)]
    pub api_server: Option<SocketAddr>,
    /// The services of type LoadBalancer.
    pub services: Vec<ServiceState>,
}

/// A host and whether it is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    /// The host, with the hardware address that it has now.
    pub host: Host,
    /// Whether its port at the switch is up.
    pub link_up: bool,
    /// What was done to it and not mended yet, in words: `cut off`, `drained`, `loses 5 %`.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// A process that the lab runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessState {
    /// `speaker-node-1`, `backend-node-1`, `controller`.
    pub name: String,
    /// The host that it runs on.
    pub place: String,
    /// Process id inside the lab; none when it does not run.
    pub pid: Option<u32>,
    /// `running`, `paused`, or how it ended.
    pub phase: String,
}

/// A service of type LoadBalancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// `namespace/name`.
    pub name: String,
    /// Its addresses, as its status says.
    pub addresses: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Its ready endpoints.
    pub endpoints: Vec<SocketAddr>,
}

/// What a node's speaker says that it announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announced {
    pub(crate) node: String,
    /// The addresses, or why nothing is known.
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// Something happened in a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A step of the start began.
    Progress {
        /// What is being done.
        text: String,
    },
    /// The lab is up: every process was started.
    Ready {
        /// Its hosts.
        layout: Layout,
    },
    /// A process was started.
    Started {
        /// Name of the process.
        process: String,
        /// Its process id inside the lab.
        pid: u32,
    },
    /// A process ended.
    Ended {
        /// Name of the process.
        process: String,
        /// Exit code or signal, in words.
        status: String,
        /// Whether somebody asked for it.
        asked: bool,
    },
    /// The addresses of a service changed.
    Addresses {
        /// `namespace/name`.
        service: String,
        /// Its addresses now.
        addresses: Vec<IpAddr>,
    },
    /// A fault was made or mended.
    Fault {
        /// What was done.
        text: String,
    },
    /// Something is not as it should be; the lab goes on.
    Warning {
        /// What.
        text: String,
    },
    /// The lab cannot go on.
    Failed {
        /// Why.
        reason: String,
    },
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Progress { text } | Self::Fault { text } => f.write_str(text),
            Self::Ready { layout } => write!(f, "ready: {} nodes", layout.nodes().count()),
            Self::Started { process, pid } => write!(f, "{process} started (pid {pid})"),
            Self::Ended { process, status, asked: true } => write!(f, "{process} ended ({status})"),
            Self::Ended { process, status, asked: false } => {
                write!(f, "{process} DIED ({status}): see `cargo lab logs {process}`")
            }
            Self::Addresses { service, addresses } if addresses.is_empty() => {
                write!(f, "service {service} has no address")
            }
            Self::Addresses { service, addresses } => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "service {service} has {}", addresses.join(", "))
            }
            Self::Warning { text } => write!(f, "warning: {text}"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_events_survive_their_line() {
        let request = Request::Apply { name: "web.yaml".to_owned(), text: "a: |\n  b\n".to_owned() };
        let line = serde_json::to_string(&request).unwrap();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);

        let event = Event::Ready { layout: Layout::new(2, Family::Dual) };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn a_death_nobody_asked_for_says_where_to_look() {
        let died =
            Event::Ended { process: "speaker-node-1".to_owned(), status: "exit status: 1".to_owned(), asked: false };
        assert!(died.to_string().contains("logs speaker-node-1"), "{died}");
    }
}
