//! `lab chaos`: flags, and what is printed.

use std::time::Duration;

use clap::Args;

use crate::chaos::{self, ClusterTarget, LabTarget, Limit, Plan, Target};
use crate::cluster::{self, Cluster};
use crate::error::Error;
use crate::lab::{Api, Lab, Options};
use crate::layout::{Family, MAX_NODES};
use crate::output::print;

/// Faults of the version that a test has time for.
const SHORT: usize = 10;
/// Faults when nothing else is said.
const USUAL: usize = 100;
/// The Services of a cluster, and where their addresses come from.
const SERVICES: [&str; 2] = ["web", "shop"];
const POOL: &str = "\
configInline:
  address-pools:
  - {name: default, protocol: layer2, addresses: [10.10.52.0/24, fd00:10:10::52:0/112]}
";

#[derive(Debug, Args)]
pub(super) struct ChaosArguments {
    /// Decides what happens; printed.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// Number of faults.
    #[arg(long, conflicts_with_all = ["minutes", "short"])]
    faults: Option<usize>,
    /// Go on for that long.
    #[arg(long, conflicts_with = "short")]
    minutes: Option<u64>,
    /// The few faults that a test has time for.
    #[arg(long)]
    short: bool,
    /// Kinds of faults to leave out: `drain,loss`. Another sequence is drawn then.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    without: Vec<String>,
    /// Number of nodes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=i64::from(MAX_NODES)))]
    nodes: u8,
    /// Number of services.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    services: u16,
    /// Address families.
    #[arg(long, value_enum, default_value_t)]
    family: Family,
    /// Gossip profile of the speakers; default: theirs.
    #[arg(long)]
    profile: Option<String>,
    /// Where the objects are: a directory of manifests, or a real API server.
    #[arg(long, value_enum, default_value_t)]
    api: Api,
}

impl ChaosArguments {
    fn limit(&self) -> Limit {
        match (self.faults, self.minutes) {
            (Some(count), _) => Limit::Faults(count),
            (None, Some(minutes)) => Limit::Time(Duration::from_secs(minutes.saturating_mul(60))),
            (None, None) if self.short => Limit::Faults(SHORT),
            (None, None) => Limit::Faults(USUAL),
        }
    }
}

/// Runs in a lab of its own; the exit code.
pub(super) fn run(arguments: &ChaosArguments) -> Result<u8, Error> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    print(&format!("SEED={seed}\n"))?;
    let lab = Lab::up(Options {
        nodes: arguments.nodes,
        services: arguments.services,
        family: arguments.family,
        profile: arguments.profile.clone(),
        api: arguments.api,
        ..Options::default()
    })?;
    let target = LabTarget::new(&lab, arguments.services);
    let without = arguments.without.iter().cloned().collect();
    let code = harm(&target, &Plan { seed, limit: arguments.limit(), without })?;
    lab.down()?;
    Ok(code)
}

/// Runs on a cluster of its own, with the chart installed and two Services; the exit code.
pub(super) fn on_cluster(seed: Option<u64>, faults: usize) -> Result<u8, Error> {
    let seed = seed.unwrap_or_else(rand::random);
    print(&format!("SEED={seed}\n"))?;
    let cluster = Cluster::up(&cluster::Options { family: Family::Dual, echo: true, ..cluster::Options::default() })?;
    cluster.install(POOL, &[])?;
    for service in SERVICES {
        cluster.apply(&cluster::web(service, "", "  ipFamilyPolicy: RequireDualStack\n"))?;
    }
    let without = ClusterTarget::WITHOUT.map(str::to_owned).into();
    let code = harm(&ClusterTarget::new(&cluster, &SERVICES), &Plan { seed, limit: Limit::Faults(faults), without })?;
    cluster.down()?;
    Ok(code)
}

/// Does it and prints what came of it; the exit code.
fn harm(target: &impl Target, plan: &Plan) -> Result<u8, Error> {
    let report = chaos::run(target, plan, |line| print(&format!("{line}\n")))?;
    print(&format!("\n{report}\n"))?;
    if let Some(violation) = &report.violation {
        print(&format!("VIOLATED: {violation}\nSEED={} does the same again\n", plan.seed))?;
    }
    Ok(u8::from(report.violation.is_some()))
}
