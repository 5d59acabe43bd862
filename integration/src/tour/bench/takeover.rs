//! One node takes over everything that another one owned: when the first address is back, and when the last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{BenchOptions, millis, profile_name};
use crate::clock;
use crate::error::Error;
use crate::lab::{Lab, Options};
use crate::tour::screen::Screen;

/// A pool with room for as many services as a lab can have.
const VALUES: &str = "\
configInline:
  address-pools:
  - name: default
    protocol: layer2
    addresses:
    - 10.10.48.0/21
";

/// Measures and prints.
pub(super) fn measure(screen: &mut Screen, options: &BenchOptions) -> Result<(), Error> {
    let count = usize::from(options.services);
    screen.step(&format!("ferrolb, {} profile: one node takes over {count} addresses", profile_name(options)))?;
    screen.say("from the order to kill the owner of all to the first and the last gratuitous ARP of its successor,")?;
    screen.say("as the client receives them; two nodes")?;
    let lab = Lab::up(Options {
        nodes: 2,
        services: options.services,
        values: Some(VALUES.to_owned()),
        profile: options.profile.clone(),
        ..Options::default()
    })?;
    // Whoever is alone owns everything, and keeps it when the other one comes.
    lab.stop("node-2")?;
    let owns_all =
        |lab: &Lab, node: &str| Some(announced(lab).ok()?.get(node).copied() == Some(count)).filter(|all| *all);
    lab.wait_for("node-1 announces everything", |lab| owns_all(lab, "node-1"))?;
    lab.start("node-2")?;
    lab.wait_for("both are members", |lab| (lab.members("node-2")?.len() == 2).then_some(()))?;
    lab.endpoints_on(&["node-2"])?;
    lab.wait_for("node-1 still announces everything", |lab| owns_all(lab, "node-1"))?;
    for node in ["node-1", "node-2"] {
        screen.say(&format!("memory of the speaker of {node}: {} MB", resident(&lab, node)? / 1024))?;
    }

    let watch = lab.watch("client", false)?;
    let (successor, began) = (lab.mac_of("node-2"), clock::unix_nanoseconds());
    lab.kill("node-1")?;
    let seen = lab.wait_for("node-2 has announced everything", |_| {
        let mut first = BTreeMap::<IpAddr, u64>::new();
        for sighting in watch.seen() {
            if Some(sighting.mac) == successor && sighting.at_ns >= began {
                first.entry(sighting.address).or_insert(sighting.at_ns);
            }
        }
        (first.len() >= count).then_some(first)
    })?;
    let after = |at: Option<&u64>| Duration::from_nanos(at.map_or(0, |at| at.saturating_sub(began)));
    let (first, last) = (after(seen.values().min()), after(seen.values().max()));
    screen.say(&format!("first back after {}, last after {}", millis(first), millis(last)))?;
    screen.say(&format!("memory of the successor: {} MB", resident(&lab, "node-2")? / 1024))?;
    lab.down()
}

/// How many addresses each node's speaker says that it announces.
fn announced(lab: &Lab) -> Result<BTreeMap<String, usize>, Error> {
    let all = lab.announced()?.into_iter();
    Ok(all.map(|announced| (announced.node, announced.addresses.map_or(0, |addresses| addresses.len()))).collect())
}

/// The resident memory of a node's speaker in kilobytes.
fn resident(lab: &Lab, node: &str) -> Result<u64, Error> {
    let name = format!("speaker-{node}");
    let pid = lab.state()?.processes.into_iter().find(|process| process.name == name).and_then(|process| process.pid);
    let pid = pid.ok_or_else(|| Error::Refused { reason: format!("{name} does not run") })?;
    let status = lab.exec("switch", &["cat", &format!("/proc/{pid}/status")])?.stdout;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default())
}
