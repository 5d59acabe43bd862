//! `lab cluster`: a real Kubernetes cluster in namespaces.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::chaos;
use super::verbs::exec;
use crate::cluster::{self, ProxyMode, helm, kubectl};
use crate::error::Error;
use crate::holder::{self, Audience, ClusterUp, UpOptions};
use crate::lab::{Api, Lab};
use crate::layout::{Family, Router, SWITCH};
use crate::output::print;
use crate::tour;

/// Name of a cluster that is given none.
pub(super) const DEFAULT_NAME: &str = "cluster";
/// Most nodes: each is a kubelet, a containerd and a kube-proxy on this machine.
const MAX_NODES: i64 = 9;

#[derive(Debug, Subcommand)]
pub(super) enum ClusterVerb {
    /// Start a cluster and hold it; Ctrl-C ends it.
    Up(ClusterUpArguments),
    /// Run kubectl.
    Kubectl {
        /// What kubectl is to do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Run helm.
    Helm {
        /// What helm is to do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Crash a node, or `control`: link down, every process and pod on it killed.
    Crash {
        /// The node.
        node: String,
    },
    /// Start it again, with what its disk holds.
    Restore {
        /// The node.
        node: String,
    },
    /// Drop every frame on a host's cable, both ways, while its carrier stays.
    Cut {
        /// The host.
        host: String,
    },
    /// Let them through again.
    Heal {
        /// The host.
        host: String,
    },
    /// End a cluster, and remove what one that was killed has left.
    Down,
    /// A tour: installation by helm, an address, the owner's crash, an upgrade under load, removal. Exits with 0 only if all
    /// held.
    Demo {
        /// How kube-proxy works.
        #[arg(long, value_enum, default_value_t)]
        proxy: ProxyMode,
        /// Archive with the image of ferrolb; default: made of the binaries where `lab` is.
        #[arg(long)]
        image: Option<PathBuf>,
    },
    /// Faults at random on a cluster of its own, and after each: does everything hold, seen from outside?
    Chaos {
        /// Decides what happens; printed.
        #[arg(long, env = "SEED")]
        seed: Option<u64>,
        /// Number of faults.
        #[arg(long, default_value_t = 100)]
        faults: usize,
    },
    /// Measure on a cluster of its own: gaps at crashes, updates under load, memory and processor time with many Services.
    Bench {
        /// How kube-proxy works.
        #[arg(long, value_enum, default_value_t)]
        proxy: ProxyMode,
        /// Archive with the image of ferrolb; default: made of the binaries where `lab` is.
        #[arg(long)]
        image: Option<PathBuf>,
        /// How often the owner crashes.
        #[arg(long, default_value_t = 10)]
        crashes: usize,
        /// Number of Services.
        #[arg(long, default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4_000))]
        services: usize,
    },
    /// Say what this machine lacks to run a cluster.
    Check,
}

#[derive(Debug, Args)]
pub(super) struct ClusterUpArguments {
    /// Number of nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=MAX_NODES))]
    nodes: u8,
    /// How kube-proxy works.
    #[arg(long, value_enum, default_value_t)]
    proxy: ProxyMode,
    /// Address families of nodes, pods and Services.
    #[arg(long, value_enum, default_value_t)]
    family: Family,
    /// A router that the nodes speak BGP with, and its daemon; given twice, there are two: tor-1, tor-2.
    #[arg(long = "router", value_enum, value_name = "DAEMON")]
    routers: Vec<Router>,
    /// Archive with the image of ferrolb, as `make image` writes it; default: made of the binaries where `lab` is.
    #[arg(long)]
    image: Option<PathBuf>,
    /// Put MetalLB's images on the nodes, too: `metallb-controller:test` and `metallb-speaker:test`.
    #[arg(long)]
    metallb: bool,
    /// Folder with ferrolb-controller, ferrolb-speaker and ferrolb; default: where `lab` is.
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// Driven by a program: events as JSON lines, ends with standard input.
    #[arg(long, hide = true)]
    managed: bool,
}

/// Does it to the cluster called `name`; the exit code.
pub(super) fn run(name: &str, verb: ClusterVerb) -> Result<u8, Error> {
    match verb {
        ClusterVerb::Up(arguments) => return up(name, arguments),
        ClusterVerb::Kubectl { arguments } => {
            return tool(name, &kubectl(), arguments);
        }
        ClusterVerb::Helm { arguments } => {
            return tool(name, &helm(), arguments);
        }
        ClusterVerb::Crash { node } => Lab::attach(name)?.kill(&node)?,
        ClusterVerb::Restore { node } => Lab::attach(name)?.heal(&node)?,
        ClusterVerb::Cut { host } => Lab::attach(name)?.cut(&host)?,
        ClusterVerb::Heal { host } => Lab::attach(name)?.uncut(&host)?,
        ClusterVerb::Down => {
            let attached = Lab::attach(name);
            let swept = cluster::sweep(name);
            match attached {
                Err(Error::NotUp { .. }) if swept > 0 => {
                    print("removed the control groups of a cluster that was killed\n")?;
                }
                attached => attached?.down()?,
            }
        }
        ClusterVerb::Demo { proxy, image } => return Ok(u8::from(!tour::cluster_demo(proxy, image)?)),
        ClusterVerb::Chaos { seed, faults } => return chaos::on_cluster(seed, faults),
        ClusterVerb::Bench { proxy, image, crashes, services } => {
            let options = tour::ClusterBench { proxy, image, crashes, services };
            return Ok(u8::from(!tour::cluster_bench(&options)?));
        }
        ClusterVerb::Check => return check(),
    }
    Ok(0)
}

fn up(name: &str, arguments: ClusterUpArguments) -> Result<u8, Error> {
    let ClusterUpArguments { nodes, proxy, family, routers, image, metallb, binaries, managed } = arguments;
    holder::up(&UpOptions {
        name: name.to_owned(),
        nodes,
        family,
        routers,
        services: 1,
        profile: None,
        speaker_flags: Vec::new(),
        values: String::new(),
        api: Api::Directory,
        with_daemons: false,
        binaries,
        audience: if managed { Audience::Program } else { Audience::Person },
        cluster: Some(ClusterUp { proxy, image, metallb }),
    })
}

fn tool(name: &str, command: &[String], arguments: Vec<String>) -> Result<u8, Error> {
    if Lab::attach(name)?.state()?.api_server.is_none() {
        return Err(Error::Refused { reason: format!("{name} is no cluster: start one with `cargo lab cluster up`") });
    }
    let command: Vec<String> = command.iter().cloned().chain(arguments).collect();
    exec(name, SWITCH, &command)
}

fn check() -> Result<u8, Error> {
    let missing = cluster::missing_requirements();
    for what in &missing {
        print(&format!("{what}\n"))?;
    }
    if missing.is_empty() {
        print("a cluster can run here\n")?;
    }
    Ok(u8::from(!missing.is_empty()))
}
