//! The command line of `lab`.

mod answers;
mod chaos;
mod cluster;
mod faults;
mod internal;
mod probe;
mod status;
mod verbs;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use self::answers::AnswersArguments;
use self::chaos::ChaosArguments;
use self::cluster::ClusterVerb;
use self::faults::FaultVerb;
use self::internal::Internal;
use self::probe::ProbeArguments;
use crate::error::{Error, chain};
use crate::lab::Api;
use crate::layout::{Family, MAX_NODES, MAX_SERVICES, Router};
use crate::output::Form;
use crate::tour::Part;

/// Name of a lab that is given none.
const DEFAULT_NAME: &str = "lab";

/// Nodes, a client and a gateway as network namespaces, with real ferrolb processes in them.
#[derive(Debug, Parser)]
#[command(name = "lab", version, max_term_width = 120)]
struct Cli {
    /// Name of the lab; labs with different names run side by side. Default: `lab`, and `cluster` for a cluster.
    #[arg(long, global = true, env = "FERROLB_LAB", value_parser = lab_name)]
    name: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a lab and hold it; Ctrl-C ends it.
    Up(UpArguments),
    /// Show hosts, processes, services, who announces, and where the client sends.
    Status {
        /// Form of the output.
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    #[command(flatten)]
    Fault(FaultVerb),
    /// Choose the nodes that have endpoints of default/web; none for no endpoints at all.
    Endpoints {
        /// The nodes.
        nodes: Vec<String>,
    },
    /// Write a manifest into the lab's directory, or replace it; on an API server, apply it.
    Apply {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Its name in the directory, when not that of the file.
        #[arg(long = "as")]
        called: Option<String>,
    },
    /// Remove a manifest from the lab's directory; on an API server, delete its objects.
    Remove {
        /// Its name.
        manifest: String,
    },
    /// Run a command on a host (gateway, control, node-N, client) or in the switch.
    Exec {
        /// Where.
        place: String,
        /// What.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Run kubectl, in a lab with an API server.
    Kubectl {
        /// What kubectl is to do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Open a new TCP connection every few milliseconds from the client; report the longest time without success.
    Probe(ProbeArguments),
    /// Ask for an address by ARP or NDP and say who answers: every host that does, not only the first.
    Answers(AnswersArguments),
    /// Print what a process wrote.
    Logs {
        /// The process: controller, speaker-node-1, backend-node-1.
        process: String,
        /// Go on printing.
        #[arg(long, short)]
        follow: bool,
    },
    /// Print the events that the daemons wrote.
    Events {
        /// Go on printing.
        #[arg(long, short)]
        follow: bool,
    },
    /// End a lab.
    Down,
    /// A tour: assignment, owner, the owner's crash and the gap a client sees, return. Exits with 0 only if all held.
    Demo {
        /// Where the objects are: a directory of manifests, or a real API server.
        #[arg(long, value_enum, default_value_t)]
        api: Api,
    },
    /// Measure what clients see of crashes (keepalived's beside) and planned moves, how fast new addresses are announced, and
    /// what it takes to take over many.
    Bench(BenchArguments),
    /// Harm nodes at random and see after each fault, from outside, that exactly one node answers for each address, that
    /// clients are served, and that planned moves lose nothing. Exits with 0 only if all held.
    Chaos(ChaosArguments),
    /// Measure the controller on a real API server, beside a program that only patches. Exits with 0 only if all targets
    /// were met.
    Apibench(ApiBenchArguments),
    /// Judge every change of a Service while clients change them and controllers and API server are killed: is an address
    /// ever held twice, lost or changed without cause? Needs no lab, and no root. About an hour.
    Churn {
        /// Decides what happens; printed.
        #[arg(long, env = "SEED")]
        seed: Option<u64>,
        /// The few faults that a test has time for.
        #[arg(long)]
        short: bool,
    },
    /// A real Kubernetes cluster in namespaces: kubelets, containers, kube-proxy. The other verbs (exec, probe, logs,
    /// partition, ...) work there, too, with `--name`.
    Cluster {
        #[command(subcommand)]
        verb: ClusterVerb,
    },
    /// Say what this machine lacks to run a lab.
    Check,
    #[command(flatten)]
    Internal(Internal),
}

#[derive(Debug, Args)]
struct UpArguments {
    /// Number of nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
    nodes: u8,
    /// Address families of hosts, pods and the service default/web.
    #[arg(long, value_enum, default_value_t)]
    family: Family,
    /// A router that the nodes speak BGP with, and its daemon; given twice, there are two: tor-1, tor-2.
    #[arg(long = "router", value_enum, value_name = "DAEMON")]
    routers: Vec<Router>,
    /// Number of services: default/web, default/web-2, ..., all with the same endpoints.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SERVICES)))]
    services: u16,
    /// Gossip profile of the speakers; default: theirs.
    #[arg(long)]
    profile: Option<String>,
    /// Another flag of the speakers, for example --record=/run/lab/record/{node}; as often as wanted.
    #[arg(long = "speaker-flag", value_name = "FLAG")]
    speaker_flags: Vec<String>,
    /// Where the objects are: a directory of manifests, or a real API server.
    #[arg(long, value_enum, default_value_t)]
    api: Api,
    /// File with the values (configInline, pools, ...); default: one layer2 pool, 10.10.52.0/24, fd00:10:10::52:0/112.
    #[arg(long)]
    values: Option<PathBuf>,
    /// Start neither controller nor speakers.
    #[arg(long)]
    no_daemons: bool,
    /// Folder with ferrolb-controller, ferrolb-speaker and ferrolb; default: where `lab` is.
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// Driven by a program: events as JSON lines, ends with standard input; values `-` are a JSON string on its first
    /// line.
    #[arg(long, hide = true)]
    managed: bool,
}

#[derive(Debug, Args)]
struct BenchArguments {
    /// What to measure; default: everything.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "crashes,moves,announcement,takeover")]
    parts: Vec<Part>,
    /// How often the owner crashes.
    #[arg(long, default_value_t = 20)]
    crashes: usize,
    /// How often keepalived's owner does; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    keepalived: usize,
    /// How often the owner leaves on purpose.
    #[arg(long, default_value_t = 10)]
    moves: usize,
    /// Addresses that are assigned one after the other.
    #[arg(long, default_value_t = 50, value_parser = number())]
    samples: usize,
    /// Addresses that one node takes over.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SERVICES)))]
    services: u16,
    /// Gossip profile of the speakers; default: theirs.
    #[arg(long)]
    profile: Option<String>,
}

#[derive(Debug, Args)]
struct ApiBenchArguments {
    /// Services that wait at once.
    #[arg(long, default_value_t = 10_000, value_parser = number())]
    services: usize,
    /// Services that are created one after the other.
    #[arg(long, default_value_t = 500, value_parser = number())]
    samples: usize,
    /// The controller to measure; default: ferrolb-controller where `lab` is.
    #[arg(long, value_name = "PATH")]
    controller: Option<PathBuf>,
    /// Form of the figures.
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// The program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let default = if matches!(cli.verb, Verb::Cluster { .. }) { cluster::DEFAULT_NAME } else { DEFAULT_NAME };
    match verbs::run(cli.name.as_deref().unwrap_or(default), cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what went wrong. A reader that went away (`lab status | head`) is no news.
fn complain(error: &Error) {
    if let Error::System { source, .. } = error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return;
    }
    // When standard error is gone too, nobody is left to tell.
    writeln!(io::stderr().lock(), "lab: {}", chain(error)).ok();
}

/// As many Services as the API server has cluster IPs for.
fn number() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=60_000)
}

/// A name that can stand in a socket's address and on a command line.
fn lab_name(text: &str) -> Result<String, String> {
    let harmless = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if text.is_empty() || text.len() > 40 || text.starts_with('-') || !harmless {
        return Err("a name has 1 to 40 lower-case letters, digits and dashes".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_for_exec_keeps_its_own_flags() {
        let cli = Cli::parse_from(["lab", "exec", "client", "curl", "--name", "x", "-s", "http://10.10.52.0"]);
        assert_eq!(cli.name, None);
        assert!(
            matches!(cli.verb, Verb::Exec { command, .. } if command == ["curl", "--name", "x", "-s", "http://10.10.52.0"])
        );
    }

    #[test]
    fn the_name_may_stand_before_and_after_the_verb() {
        for line in [["lab", "--name", "two", "down"], ["lab", "down", "--name", "two"]] {
            assert_eq!(Cli::parse_from(line).name.as_deref(), Some("two"));
        }
        for wrong in ["", "-x", "Ä", "a b", "a/b"] {
            assert!(lab_name(wrong).is_err(), "{wrong}");
        }
    }
}
