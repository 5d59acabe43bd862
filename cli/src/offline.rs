//! `validate` and `plan`: what can be said of a directory without asking anybody.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ferrolb_config::{Community, Config, Problem, parse};
use ferrolb_source::{Cluster, SourceError, directory};
use ferrolb_speaker::plan::{Attributes, Options, Verdict, first_election};
use ferrolb_speaker::{NodePlan, Snapshot};
use ipnet::IpNet;
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
    services: &'a [Verdict],
    routes: Vec<Route<'a>>,
}

/// What one peer is told of one prefix.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Route<'a> {
    peer: &'a str,
    prefix: &'a IpNet,
    communities: &'a BTreeSet<Community>,
    /// 0 where nothing is said.
    local_pref: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_path_prepend: Option<u8>,
}

// === impl Route ===

impl<'a> Route<'a> {
    fn new(peer: &'a str, prefix: &'a IpNet, attributes: &'a Attributes) -> Self {
        Self {
            peer,
            prefix,
            communities: &attributes.communities,
            local_pref: attributes.local_pref.unwrap_or(0),
            as_path_prepend: Some(attributes.as_path_prepend).filter(|times| *times > 0),
        }
    }

    fn row(&self) -> Vec<String> {
        let said = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let communities: Vec<String> = self.communities.iter().map(ToString::to_string).collect();
        vec![
            self.peer.to_owned(),
            self.prefix.to_string(),
            said((!communities.is_empty()).then(|| communities.join(" "))),
            said((self.local_pref > 0).then(|| self.local_pref.to_string())),
            said(self.as_path_prepend.map(|times| times.to_string())),
        ]
    }
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
    let (_, NodePlan { verdicts, bgp, .. }) = first_election(snapshot);
    for contradiction in &bgp.contradictions {
        remark(format_args!("{contradiction}"));
    }
    let routes = bgp.routes().map(|(peer, prefix, attributes)| Route::new(peer, prefix, attributes)).collect();
    let planned = Planned { node, services: &verdicts, routes };
    printer.print(&planned, |printer| {
        let row = |verdict: &Verdict| {
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
        let services = table(&["SERVICE", "ADDRESS", "PROTOCOL", "ANNOUNCE", "REASON"], &rows);
        if planned.routes.is_empty() {
            return services;
        }
        let rows: Vec<_> = planned.routes.iter().map(Route::row).collect();
        let routes = table(&["PEER", "PREFIX", "COMMUNITIES", "LOCAL PREF", "PREPEND"], &rows);
        format!("{services}\n{routes}")
    })
}
