//! `ferrolb`, also installable as `kubectl-ferrolb`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ferrolb_cli::{Failure, Format, Printer, ask, convert, layer2, offline, pools, replay};
use ferrolb_speaker::admin::DEFAULT_PATH;
use ferrolb_speaker::plan::Options;
use ferrolb_speaker::{PartitionPolicy, Strategy};

/// Where is my service announced, by whom, and why (not)?
#[derive(Debug, Parser)]
#[command(version, name = "ferrolb", propagate_version = true)]
struct Cli {
    /// How to print data.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Namespace of the configuration objects [default: the one that they all name].
    #[arg(long, short, global = true, env = "FERROLB_NAMESPACE")]
    namespace: Option<String>,
    /// Admin socket of the speaker to ask.
    #[arg(long, global = true, env = "FERROLB_ADMIN_SOCKET", default_value = DEFAULT_PATH)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How this node's speaker is: services, members, interfaces.
    Status,
    /// Who is alive.
    Members,
    /// What this node announces by ARP and NDP, and who else claims it.
    L2,
    /// Where a service is announced, by whom, and why (not).
    Explain {
        /// The service.
        #[arg(value_name = "NAMESPACE/NAME")]
        service: String,
    },
    /// How full every pool is; of one pool, who holds which address.
    Pools {
        /// The pool [default: all of them].
        name: Option<String>,
        /// Where to read: `kube`, or `dir=PATH`.
        #[arg(long, env = "FERROLB_SOURCE", value_name = "kube|dir=PATH", default_value = "kube")]
        source: String,
        /// The API server's kubeconfig [default: KUBECONFIG, ~/.kube/config or the pod's service account].
        #[arg(long, env = "FERROLB_KUBECONFIG", value_name = "PATH")]
        kubeconfig: Option<PathBuf>,
    },
    /// Check a directory of manifests: 0 all well, 2 with the problems.
    Validate {
        /// The directory.
        path: PathBuf,
    },
    /// What a node's speaker would announce from a directory of manifests.
    Plan {
        /// The directory.
        path: PathBuf,
        /// The node.
        #[arg(long)]
        node: String,
        /// The nodes that are alive [default: every Node object].
        #[arg(long, value_delimiter = ',')]
        members: Option<Vec<String>>,
        /// How the owner of an address is chosen: balanced or metallb.
        #[arg(long, default_value_t = Strategy::Balanced)]
        strategy: Strategy,
        /// What is announced where not all nodes are among the members: available or quorum.
        #[arg(long, default_value_t = PartitionPolicy::Available)]
        partition_policy: PartitionPolicy,
        /// Services of this loadBalancerClass only [default: those without one].
        #[arg(long, default_value = "", hide_default_value = true)]
        lb_class: String,
        /// Announce also from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers.
        #[arg(long)]
        ignore_exclude_lb: bool,
    },
    /// Play back what a speaker recorded with --record: 1 where this build decides otherwise.
    Replay {
        /// The folder with the record.
        path: PathBuf,
        /// Only what follows differently, and what is missing.
        #[arg(long)]
        differences: bool,
    },
    /// Turn legacy values, configInline or the ConfigMap `config` into resources.
    Convert {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when stderr is gone.
            drop(writeln!(std::io::stderr().lock(), "ferrolb: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

fn run(Cli { output, namespace, socket, command }: Cli) -> Result<(), Failure> {
    let printer = Printer::new(output);
    let namespace = ferrolb_source::configured_namespace(namespace);
    match command {
        Command::Pools { name, source, kubeconfig } => {
            pools::pools(&source, kubeconfig.as_deref(), namespace, name.as_deref(), printer)
        }
        Command::Status => ask::status(&socket, printer),
        Command::Members => ask::members(&socket, printer),
        Command::L2 => layer2::l2(&socket, printer),
        Command::Explain { service } => ask::explain(&socket, &service, printer),
        Command::Validate { path } => offline::validate(&path, namespace.as_deref(), printer),
        Command::Plan { path, node, members, strategy, partition_policy, lb_class, ignore_exclude_lb } => {
            let class = Some(lb_class).filter(|class| !class.is_empty());
            let options = Options {
                class,
                ignore_exclude_label: ignore_exclude_lb,
                strategy,
                partition_policy,
                ..Options::default()
            };
            offline::plan(&path, namespace.as_deref(), &node, members.as_deref(), options, printer)
        }
        Command::Replay { path, differences } => replay::replay(&path, differences, printer),
        Command::Convert { file } => convert::convert(&file, namespace.as_deref(), printer),
    }
}
