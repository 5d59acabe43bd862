//! `validate` and `plan`: what can be said of a directory without asking anybody.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ferrolb_config::{Config, Problem, parse};
use ferrolb_source::{Cluster, SourceError, directory};
use ferrolb_speaker::plan::{Options, first_election};
use ferrolb_speaker::{NodePlan, Snapshot};
use serde::Serialize;

use crate::output::{Failure, Printer, remark, table};

/// Reads a directory; the path is an argument here, so what is wrong with it is said of the argument.
fn load(path: &Path, namespace: Option<&str>) -> Result<Cluster, Failure> {
    let unfit = |why: &dyn fmt::Display| {
        Failure::BadInput(format!("PATH must be a directory of manifests: {}: {why}", path.display()))
    };
    let metadata = fs::metadata(path).map_err(|error| unfit(&error))?;
    if !metadata.is_dir() {
        return Err(unfit(&"this is no directory"));
    }
    directory::load(path, namespace)
        .map_err(|error| if let SourceError::Directory(_, reason) = &error { unfit(reason) } else { unfit(&error) })
}

/// Checks everything that was read.
fn check(cluster: &Cluster) -> Result<Config, Failure> {
    let parsed = parse(&cluster.resources);
    let problems: Vec<Problem> = cluster.problems.iter().chain(&parsed.problems).cloned().collect();
    if problems.is_empty() { Ok(parsed.config) } else { Err(Failure::Refused(problems)) }
}

/// Checks a directory; prints the problems as a list (empty: none), and what was left out on stderr.
///
/// # Errors
/// [`Failure::Refused`] where there are problems, after they are printed.
pub fn validate(path: &Path, namespace: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let cluster = load(path, namespace)?;
    for skipped in &cluster.skipped {
        remark(format_args!("left out: {skipped}"));
    }
    let result = check(&cluster);
    let problems = match &result {
        Err(Failure::Refused(problems)) => problems.as_slice(),
        Ok(_) | Err(Failure::BadInput(_) | Failure::Failed(_)) => &[],
    };
    printer.print(&problems, |printer| match &result {
        Ok(config) => format!("{}: {}\n", printer.mark(true, "valid"), counts(config, &cluster)),
        Err(_) => String::new(),
    })?;
    result.map(drop)
}

/// How much there is of what; kinds for BGP only where there is one.
fn counts(config: &Config, cluster: &Cluster) -> String {
    let always = [
        (config.pools.len(), "pools"),
        (config.l2_advertisements.len(), "L2 advertisements"),
        (cluster.services.len(), "services"),
        (cluster.nodes.len(), "nodes"),
    ];
    let bgp = [
        (config.peers.len(), "BGP peers"),
        (config.bgp_advertisements.len(), "BGP advertisements"),
        (config.communities.len(), "communities"),
        (config.bfd_profiles.len(), "BFD profiles"),
    ];
    let bgp = bgp.into_iter().filter(|(count, _)| *count > 0);
    always.into_iter().chain(bgp).map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Planned<'a> {
    node: &'a str,
    services: &'a [ferrolb_speaker::plan::Verdict],
    routes: [(); 0],
}

/// What a node's speaker would announce if `members` (default: every Node object) were alive and had just begun. With
/// neither nobody is alive, so nothing is announced.
///
/// # Errors
/// The directory cannot be read, or its configuration is refused.
pub fn plan(
    path: &Path,
    namespace: Option<&str>,
    node: &str,
    members: Option<&[String]>,
    options: Options,
    printer: Printer,
) -> Result<(), Failure> {
    let cluster = load(path, namespace)?;
    let config = check(&cluster)?;
    let members: Vec<_> = match members {
        Some(members) => members.iter().map(|name| name.as_str().into()).collect(),
        None => cluster.nodes.keys().map(|name| name.as_str().into()).collect(),
    };
    if members.is_empty() {
        remark(format_args!("{node} announces nothing: there are no Node objects; say with --members who is alive"));
    }
    let snapshot = Snapshot::offline(node.into(), options, Arc::new(config), Arc::new(cluster), &members);
    let (_, NodePlan { verdicts, .. }) = first_election(snapshot);
    printer.print(&Planned { node, services: &verdicts, routes: [] }, |printer| {
        let row = |verdict: &ferrolb_speaker::plan::Verdict| {
            let announce = printer.mark(verdict.announce, if verdict.announce { "yes" } else { "no" });
            vec![
                verdict.service.clone(),
                verdict.address.to_string(),
                verdict.protocol.to_owned(),
                announce,
                verdict.reason.to_string(),
            ]
        };
        let rows: Vec<_> = verdicts.iter().map(row).collect();
        table(&["SERVICE", "ADDRESS", "PROTOCOL", "ANNOUNCE", "REASON"], &rows)
    })
}
