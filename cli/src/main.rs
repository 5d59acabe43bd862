//! `ferrolb`, also installable as `kubectl-ferrolb`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use ferrolb_cli::access::{Access, Asked, Place, Whom};
use ferrolb_cli::bgp::BgpCommand;
use ferrolb_cli::{
    Failure, Format, Output, OutputParser, Printer, ask, bgp, bundle, completions, convert, layer2, migrate, offline,
    pools, remote, replay,
};
use ferrolb_speaker::admin::DEFAULT_PATH;
use ferrolb_speaker::plan::Options;
use ferrolb_speaker::{PartitionPolicy, Strategy};

/// Where is my service announced, by whom, and why (not)?
#[derive(Debug, Parser)]
#[command(version, name = "ferrolb", propagate_version = true)]
struct Cli {
    /// How to print data [default: table]; with support-bundle, the file to write.
    #[arg(long, short, global = true, value_name = "FORMAT", value_parser = OutputParser)]
    output: Option<Output>,
    /// Namespace of the configuration objects and the speakers [default: the one that they are in].
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
    /// How the speakers are (of this node, or through the API server): services, members, interfaces.
    Status(Asked),
    /// Who is alive.
    Members(Asked),
    /// What is announced by ARP and NDP, and who else claims it.
    L2(Asked),
    /// BGP: sessions with routers, and the routes that they have been told.
    Bgp {
        #[command(subcommand)]
        command: BgpCommand,
        #[command(flatten)]
        asked: Asked,
    },
    /// Where a service is announced, by whom, and why (not).
    Explain {
        /// The service.
        #[arg(value_name = "NAMESPACE/NAME")]
        service: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// How full every pool is; of one pool, who holds which address.
    Pools {
        /// The pool [default: all of them].
        name: Option<String>,
        /// Where to read: `kube`, or `dir=PATH`.
        #[arg(long, env = "FERROLB_SOURCE", value_name = "kube|dir=PATH", default_value = "kube")]
        source: String,
        #[command(flatten)]
        access: Access,
    },
    /// Collect what a maintainer needs to find a fault into one file, with passwords, keys and tokens removed.
    ///
    /// What cannot be got is listed in the file with the reason.
    SupportBundle {
        /// Where to read: `kube`, or `dir=PATH`.
        #[arg(long, env = "FERROLB_SOURCE", value_name = "kube|dir=PATH", default_value = "kube")]
        source: String,
        #[command(flatten)]
        asked: Asked,
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
    /// Replace another load balancer, with no address changed.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Print the script that completes `ferrolb` in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    match run(name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when stderr is gone.
            drop(writeln!(std::io::stderr().lock(), "ferrolb: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

/// The command as it was called: kubectl runs `kubectl-ferrolb` for `kubectl ferrolb`.
fn command(name: &OsStr) -> (clap::Command, bool) {
    let kubectl = name.to_string_lossy().starts_with("kubectl-ferrolb");
    let command = Cli::command();
    (if kubectl { command.bin_name("kubectl ferrolb") } else { command }, kubectl)
}

fn run(name: &OsStr) -> Result<(), Failure> {
    if name == completions::KUBECTL_NAME {
        return completions::words(Cli::command(), std::env::args_os().skip(1));
    }
    let (mut command, kubectl) = command(name);
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let place = Place {
        socket: cli.socket.clone(),
        socket_said: !matches!(matches.value_source("socket"), None | Some(ValueSource::DefaultValue)),
        kubeconfig_said: was_typed(&matches, "kubeconfig"),
        namespace: cli.namespace.clone().filter(|_| was_typed(&matches, "namespace")),
        kubectl,
    };
    let Cli { output, namespace, command: chosen, .. } = cli;
    if let Command::SupportBundle { source, asked } = &chosen {
        let file = output.as_ref().map(|output| Path::new(&output.0));
        return bundle::support_bundle(source, asked, &place, file);
    }
    let format = match output {
        Some(output) => output.format(&mut command).unwrap_or_else(|error| error.exit()),
        None => Format::Table,
    };
    dispatch(chosen, namespace, &place, Printer::new(format))
}

/// Whether an argument of the command stands on the command line.
fn was_typed(matches: &ArgMatches, argument: &str) -> bool {
    let typed = |matches: &ArgMatches| {
        matches.ids().any(|id| id == argument) && matches.value_source(argument) == Some(ValueSource::CommandLine)
    };
    typed(matches) || matches.subcommand().is_some_and(|(_, below)| typed(below))
}

fn dispatch(command: Command, namespace: Option<String>, place: &Place, printer: Printer) -> Result<(), Failure> {
    let namespace = ferrolb_source::configured_namespace(namespace);
    match command {
        Command::Pools { name, source, access } => pools::pools(&source, &access, namespace, name.as_deref(), printer),
        Command::Status(asked) => match asked.whom(place) {
            Whom::Here => ask::status(&place.socket, printer),
            Whom::Cluster => remote::status(&asked, place, printer),
        },
        Command::Members(asked) => match asked.whom(place) {
            Whom::Here => ask::members(&place.socket, printer),
            Whom::Cluster => remote::members(&asked, place, printer),
        },
        Command::L2(asked) => match asked.whom(place) {
            Whom::Here => layer2::l2(&place.socket, printer),
            Whom::Cluster => remote::l2(&asked, place, printer),
        },
        Command::Bgp { command, asked } => match asked.whom(place) {
            Whom::Here => bgp::bgp(&place.socket, &command, printer),
            Whom::Cluster => remote::bgp(&asked, place, &command, printer),
        },
        Command::Explain { service, asked } => match asked.whom(place) {
            Whom::Here => ask::explain(&place.socket, &service, printer),
            Whom::Cluster => remote::explain(&asked, place, &service, printer),
        },
        Command::SupportBundle { source, asked } => bundle::support_bundle(&source, &asked, place, None),
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
        Command::Migrate(what) => migrate::migrate(&what, namespace.as_deref(), printer),
        Command::Completions { shell } => completions::script(shell, Cli::command()),
    }
}
