//! `ferrolb bgp`: sessions and routes, asked of the speaker of a node.

use std::path::Path;

use clap::{Args, Subcommand};
use ferrolb_speaker::admin::{Bgp, BgpFamily, BgpListener, BgpPeer, BgpRoute, Direction, Question};
use serde::de::DeserializeOwned;

use crate::ask::ask;
use crate::output::{Failure, Printer, table};

/// What is asked of BGP.
#[derive(Debug, Clone, Subcommand)]
pub enum BgpCommand {
    /// Every session in a line.
    Summary,
    /// Everything about the sessions, or about one.
    Peers {
        /// Name of the BGPPeer [default: all].
        name: Option<String>,
    },
    /// The routes that peers have been told, or tell.
    Routes(RoutesArgs),
}

/// Which routes.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct RoutesArgs {
    /// What this peer has been told (Adj-RIB-Out).
    #[arg(long, value_name = "PEER")]
    pub advertised: Option<String>,
    /// What this peer tells (Adj-RIB-In); empty while nothing is imported.
    #[arg(long, value_name = "PEER")]
    pub received: Option<String>,
}

/// The words of the command, for a speaker that is asked elsewhere.
pub fn words(command: &BgpCommand) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    match command {
        BgpCommand::Summary => owned(&["bgp", "summary"]),
        BgpCommand::Peers { name } => owned(&["bgp", "peers"]).into_iter().chain(name.clone()).collect(),
        BgpCommand::Routes(RoutesArgs { advertised, received }) => {
            let flag = |flag: &str, peer: &Option<String>| peer.as_ref().map(|peer| format!("--{flag}={peer}"));
            let flags = [flag("advertised", advertised), flag("received", received)];
            owned(&["bgp", "routes"]).into_iter().chain(flags.into_iter().flatten()).collect()
        }
    }
}

/// Asks the speaker of this node.
///
/// # Errors
/// It does not answer, or has no such peer.
pub fn bgp(socket: &Path, command: &BgpCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        BgpCommand::Summary => {
            let bgp: Bgp = answer(socket, &Question::Bgp)?;
            printer.print(&bgp, |printer| summary(&bgp, printer))
        }
        BgpCommand::Peers { name } => {
            let mut bgp: Bgp = answer(socket, &Question::Bgp)?;
            if let Some(name) = name {
                let known: Vec<String> = bgp.peers.iter().map(|peer| peer.name.clone()).collect();
                bgp.peers.retain(|peer| peer.name == *name);
                if bgp.peers.is_empty() {
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return Err(Failure::BadInput(format!("this node has no BGP peer {name:?}; it has: {known}")));
                }
            }
            printer.print(&bgp.peers, |printer| {
                bgp.peers.iter().map(|peer| details(peer, printer)).collect::<Vec<_>>().join("\n")
            })
        }
        BgpCommand::Routes(RoutesArgs { advertised, received }) => {
            let (peer, direction) = match (advertised, received) {
                (Some(peer), _) => (peer, Direction::Advertised),
                (None, Some(peer)) => (peer, Direction::Received),
                (None, None) => return Err(Failure::BadInput("say --advertised PEER or --received PEER".to_owned())),
            };
            let routes: Vec<BgpRoute> = answer(socket, &Question::BgpRoutes { peer: peer.clone(), direction })?;
            printer.print(&routes, |_| routes_table(&routes))
        }
    }
}

fn answer<T: DeserializeOwned>(socket: &Path, question: &Question) -> Result<T, Failure> {
    serde_json::from_value(ask(socket, question)?).map_err(|error| Failure::Failed(error.to_string()))
}

const ESTABLISHED: &str = "Established";

/// What [`summary_cells`] are: the columns that routers have.
pub(crate) const SUMMARY_HEADINGS: [&str; 11] =
    ["PEER", "NEIGHBOR", "AS", "MSGRCVD", "MSGSENT", "STATE", "SINCE", "PFXRCD", "PFXSNT", "BFD", "WHY NOT"];

/// A session in a line.
pub(crate) fn summary_cells(peer: &BgpPeer, printer: Printer) -> Vec<String> {
    let up = peer.state == ESTABLISHED;
    let sum = |count: fn(&BgpFamily) -> usize| peer.families.iter().map(count).sum::<usize>().to_string();
    let (sent, received) = peer.messages;
    vec![
        peer.name.clone(),
        peer.remote.clone(),
        asn(peer),
        received.to_string(),
        sent.to_string(),
        printer.mark(up, &peer.state),
        or_dash(peer.since.clone()),
        sum(|family| family.received),
        sum(|family| family.sent),
        peer.bfd.as_ref().map_or_else(|| "-".to_owned(), |bfd| printer.mark(bfd.state == "Up", &bfd.state)),
        if up { "-".to_owned() } else { or_dash(peer.problem.clone().or_else(|| peer.last_error.clone())) },
    ]
}

fn summary(bgp: &Bgp, printer: Printer) -> String {
    if bgp.peers.is_empty() {
        return format!("{}: no BGP peer is configured for this node\n", bgp.node);
    }
    let rows: Vec<_> = bgp.peers.iter().map(|peer| summary_cells(peer, printer)).collect();
    table(&SUMMARY_HEADINGS, &rows) + &deaf(bgp)
}

/// What is wrong with the sockets that should listen.
pub(crate) fn deaf(bgp: &Bgp) -> String {
    let complaint = |listener: &BgpListener| {
        let error = listener.error.as_ref()?;
        Some(format!("\n{}: port {} cannot be listened on: {error}\n", bgp.node, listener.port))
    };
    bgp.listeners.iter().filter_map(complaint).collect()
}

fn asn(peer: &BgpPeer) -> String {
    peer.asn.map_or_else(|| "external".to_owned(), |asn| asn.to_string())
}

fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

pub(crate) fn details(peer: &BgpPeer, printer: Printer) -> String {
    let mut text = format!(
        "{} at {}, AS {} (own AS {})\n  state         {} since {}, established {} times\n",
        peer.name,
        peer.remote,
        asn(peer),
        peer.local_asn,
        printer.mark(peer.state == ESTABLISHED, &peer.state),
        or_dash(peer.since.clone()),
        peer.established,
    );
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text = std::mem::take(&mut text) + &format!("  {name:<13} {value}\n");
        }
    };
    line("problem", peer.problem.clone());
    let at = peer.last_error_at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
    line("last error", peer.last_error.as_ref().map(|error| format!("{error}{at}")));
    if let Some(session) = &peer.session {
        line("connection", Some(format!("{} - {}", session.local, session.remote)));
        let host = session.host.as_ref().map(|host| format!(" ({host})")).unwrap_or_default();
        line("router id", Some(format!("{}, peer {}{host}", session.router_id, session.peer_router_id)));
        line("hold time", Some(format!("{} s", session.hold_time)));
        line("agreed on", Some(session.capabilities.join(", ")));
    }
    for family in &peer.families {
        let unsent = family.unsent.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let counts =
            format!("{} of {} prefixes sent, {} received{unsent}", family.sent, family.desired, family.received);
        line(&family.family, Some(counts));
    }
    if let Some(bfd) = &peer.bfd {
        let detection = bfd.detection_ms.map(|ms| format!(", detection time {ms} ms")).unwrap_or_default();
        let why = bfd.problem.as_ref().or(bfd.cause.as_ref()).map(|why| format!(": {why}")).unwrap_or_default();
        line("BFD", Some(format!("{} since {}{detection}{why}", bfd.state, bfd.since)));
    }
    text
}

/// What [`route_cells`] are.
pub(crate) const ROUTE_HEADINGS: [&str; 7] =
    ["NETWORK", "NEXT HOP", "METRIC", "LOCPRF", "PATH", "COMMUNITIES", "REMARKS"];

/// A route in a line.
pub(crate) fn route_cells(route: &BgpRoute) -> Vec<String> {
    let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let path_id = if route.path_id == 0 { String::new() } else { format!(" path {}", route.path_id) };
    vec![
        format!("{}{path_id}", route.prefix),
        route.next_hop.clone(),
        number(route.med),
        number(route.local_pref),
        format!("{} {}", route.as_path, route.origin.get(..1).unwrap_or_default()).trim().to_owned(),
        or_dash(Some(route.communities.join(" "))),
        or_dash(Some(route.remarks.join(", "))),
    ]
}

fn routes_table(routes: &[BgpRoute]) -> String {
    if routes.is_empty() {
        return "no routes\n".to_owned();
    }
    let rows: Vec<_> = routes.iter().map(route_cells).collect();
    table(&ROUTE_HEADINGS, &rows)
}
