//! `lab chaos`: flags, and what is printed.

use std::time::Duration;

use clap::Args;

use crate::chaos::{self, LabTarget, Limit, Plan};
use crate::error::Error;
use crate::lab::{Api, Lab, Options};
use crate::layout::{Family, MAX_NODES};
use crate::output::print;

/// Faults of the version that a test has time for.
const SHORT: usize = 10;
/// Faults when nothing else is said.
const USUAL: usize = 100;

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
    let report =
        chaos::run(&target, &Plan { seed, limit: arguments.limit(), without }, |line| print(&format!("{line}\n")))?;
    print(&format!("\n{report}\n"))?;
    if let Some(violation) = &report.violation {
        print(&format!("VIOLATED: {violation}\nSEED={seed} does the same again\n"))?;
    }
    lab.down()?;
    Ok(u8::from(report.violation.is_some()))
}
