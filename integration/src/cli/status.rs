//! `lab status`: what a person wants to see at a glance.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::error::Error;
use crate::lab::Lab;
use crate::layout::Mac;
use crate::output::{Form, print, table};
use crate::protocol::{HostState, ServiceState, State};

/// Everything that is shown.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    state: State,
    /// For every address of a service.
    addresses: BTreeMap<IpAddr, Seen>,
    /// Speakers that could not be asked, and why.
    silent_speakers: BTreeMap<String, String>,
}

/// How an address is seen.
#[derive(Debug, Default, Serialize)]
struct Seen {
    /// Nodes whose speakers say that they announce it.
    announced_by: Vec<String>,
    /// The client's neighbour entry.
    client_arp: Option<Mac>,
}

/// Prints the status of the lab called `name`.
pub(super) fn show(name: &str, form: Form) -> Result<u8, Error> {
    let lab = Lab::attach(name)?;
    let shown = look(&lab)?;
    match form {
        Form::Json => print(&(serde_json::to_string_pretty(&shown)? + "\n"))?,
        Form::Table => print(&text(&shown))?,
    }
    Ok(0)
}

fn look(lab: &Lab) -> Result<Shown, Error> {
    let state = lab.state()?;
    let mut addresses = BTreeMap::<IpAddr, Seen>::new();
    for address in state.services.iter().flat_map(|service| &service.addresses) {
        addresses.entry(*address).or_default().client_arp = lab.client_arp(*address)?;
    }
    let mut silent_speakers = BTreeMap::new();
    for announced in lab.announced()? {
        match announced.addresses {
            Err(reason) => drop(silent_speakers.insert(announced.node, reason)),
            Ok(announces) => {
                for address in announces {
                    addresses.entry(address).or_default().announced_by.push(announced.node.clone());
                }
            }
        }
    }
    Ok(Shown { state, addresses, silent_speakers })
}

fn text(shown: &Shown) -> String {
    let mut text = hosts(&shown.state);
    text.push('\n');
    text.push_str(&services(shown));
    if let Some(address) = shown.state.api_server {
        text.push_str(&["API server at ", &address.to_string(), ": `cargo lab kubectl` asks it\n"].concat());
    }
    for (node, reason) in &shown.silent_speakers {
        let first_line = reason.lines().next().unwrap_or_default();
        text.push_str(&["the speaker of ", node, " does not say what it announces: ", first_line, "\n"].concat());
    }
    text
}

fn hosts(state: &State) -> String {
    let mut rows = vec![row(["HOST", "ADDRESS", "MAC", "LINK", "PROCESSES"])];
    for host in &state.hosts {
        let processes = state.processes.iter().filter(|process| process.place == host.host.name);
        let processes: Vec<String> = processes
            .map(|process| match process.pid {
                Some(pid) => format!("{} ({pid})", process.name),
                None => format!("{} {}", process.name, process.phase.to_uppercase()),
            })
            .collect();
        rows.push(vec![
            host.host.name.clone(),
            host.host.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            host.host.mac.to_string(),
            link(host),
            processes.join(", "),
        ]);
    }
    table(&rows)
}

/// Whether the cable is in, and what else is wrong with the host.
fn link(host: &HostState) -> String {
    let mut words = vec![if host.link_up { "up" } else { "DOWN" }.to_owned()];
    words.extend(host.faults.iter().map(|fault| fault.to_uppercase()));
    words.join(", ")
}

fn services(shown: &Shown) -> String {
    let mut rows = vec![row(["SERVICE", "ADDRESS", "PORTS", "ENDPOINTS", "ANNOUNCED BY", "CLIENT SENDS TO"])];
    for service in &shown.state.services {
        if service.addresses.is_empty() {
            rows.push(service_row(service, "none yet".to_owned(), String::new(), String::new()));
        }
        for address in &service.addresses {
            let Some(seen) = shown.addresses.get(address) else { continue };
            let sends_to = match seen.client_arp {
                None => "nobody yet".to_owned(),
                Some(mac) => match shown.state.hosts.iter().find(|state| state.host.mac == mac) {
                    Some(state) => format!("{} ({mac})", state.host.name),
                    None => mac.to_string(),
                },
            };
            rows.push(service_row(service, address.to_string(), seen.announced_by.join(", "), sends_to));
        }
    }
    table(&rows)
}

fn service_row(service: &ServiceState, address: String, announced_by: String, sends_to: String) -> Vec<String> {
    let ports: Vec<String> = service.ports.iter().map(ToString::to_string).collect();
    vec![
        service.name.clone(),
        address,
        ports.join(","),
        service.endpoints.len().to_string(),
        if announced_by.is_empty() { "nobody".to_owned() } else { announced_by },
        sends_to,
    ]
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}
