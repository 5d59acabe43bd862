//! The lab as a target.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::fault::Fault;
use super::model::Vantage;
use super::target::{Measurement, Target};
use crate::error::Error;
use crate::lab::{Lab, Probe};
use crate::probe::{ProbeOptions, ProbeReport};
use crate::protocol::Carrier;

/// Longer than any fault takes to be seen through.
const LONGEST: Duration = Duration::from_secs(120);
/// Between two connections: as many as a client has source ports for.
const EVERY: Duration = Duration::from_millis(4);
/// For how long a cable is out that is put in again.
const FLAP: Duration = Duration::from_millis(100);
/// Lines of each log that are shown when something went wrong.
pub(super) const LOG_LINES: usize = 40;

/// A lab whose services are all of its default ones.
#[derive(Debug)]
pub struct LabTarget<'a> {
    lab: &'a Lab,
    services: usize,
}

// === impl LabTarget ===

impl<'a> LabTarget<'a> {
    /// The lab with so many services ([`Options::services`](crate::Options::services)).
    pub fn new(lab: &'a Lab, services: u16) -> Self {
        Self { lab, services: usize::from(services) }
    }

    fn crash_speaker(&self, node: &str) -> Result<(), Error> {
        let name = format!("speaker-{node}");
        let state = self.lab.state()?;
        let pid = state.processes.into_iter().find(|process| process.name == name).and_then(|process| process.pid);
        let Some(pid) = pid else { return Err(Error::Refused { reason: format!("{name} does not run") }) };
        self.lab.exec("switch", &["sh", "-c", &format!("kill -9 {pid}")])?;
        // It is refused until the lab has seen the end.
        self.lab.wait_for("the lab saw it end", |lab| lab.start(node).ok())
    }

    fn flap(&self, node: &str) -> Result<(), Error> {
        self.lab.carrier(node, Carrier::Down)?;
        crate::clock::pause(FLAP);
        self.lab.carrier(node, Carrier::Up)
    }
}

impl Target for LabTarget<'_> {
    type Measurement = Probe;

    fn nodes(&self) -> Vec<String> {
        self.lab.layout().nodes().map(|node| node.name.clone()).collect()
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, Error> {
        let per_service = self.lab.layout().gateways().len();
        self.lab.wait_for("every service has its addresses", |lab| {
            let services = lab.state().ok()?.services;
            let complete = services.len() == self.services && services.iter().all(|s| s.addresses.len() == per_service);
            complete.then(|| services.into_iter().flat_map(|service| service.addresses).collect())
        })
    }

    fn serve_from(&self, nodes: &[String]) -> Result<(), Error> {
        self.lab.endpoints_on(nodes)
    }

    fn inject(&self, fault: &Fault) -> Result<(), Error> {
        let lab = self.lab;
        match fault {
            Fault::Kill(node) => lab.kill(node),
            Fault::Cut(node) => lab.cut(node),
            Fault::Unplug(node) => lab.carrier(node, Carrier::Down),
            Fault::Flap(node) => self.flap(node),
            Fault::Pause(node) => lab.pause(node),
            Fault::Stall(node, time) => lab.pause_for(node, *time),
            Fault::Crash(node) => self.crash_speaker(node),
            Fault::Stop(node) => lab.stop(node).map(drop),
            Fault::Restart(node) => lab.restart(node),
            Fault::Rolling(nodes) => nodes.iter().try_for_each(|node| lab.restart(node)),
            Fault::Drain(node) => lab.drain(node),
            Fault::Undrain(node) => lab.undrain(node),
            Fault::Rename(node, name) => lab.rename(node, name),
            Fault::ChangeMac(node, mac) => lab.change_mac(node, *mac),
            Fault::Partition(ours, theirs) => {
                let part = |nodes: &BTreeSet<String>, host: &str| -> Vec<String> {
                    nodes.iter().cloned().chain([host.to_owned()]).collect()
                };
                lab.partition(&[part(ours, "client"), part(theirs, "gateway")])
            }
            Fault::Reunite => lab.partition::<&str>(&[]),
            Fault::Lose(percent) => lab.lose(*percent, None),
            Fault::LoseNothing => lab.lose(0, None),
            Fault::Heal(node) => lab.heal(node),
            Fault::RestartController => lab.restart_controller(),
        }
    }

    fn answerers(&self, from: Vantage, addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, Error> {
        self.lab.answerers(&from.to_string(), addresses)
    }

    fn measure(&self, address: IpAddr) -> Result<Probe, Error> {
        let target = SocketAddr::new(address, 80);
        self.lab.probe(&ProbeOptions { duration: LONGEST, every: EVERY, ..ProbeOptions::new(target) })
    }

    fn evidence(&self) -> String {
        let mut text = String::new();
        for node in self.nodes() {
            let members = self.lab.members(&node).map(|members| members.into_iter().collect::<Vec<_>>().join(", "));
            let members = members.unwrap_or_else(|| "does not answer".to_owned());
            writeln!(text, "{node}: members {members}").ok();
            let log = self.lab.logs(&format!("speaker-{node}")).ok().flatten().unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
                writeln!(text, "    {line}").ok();
            }
        }
        history(self.lab, &mut text);
        text
    }
}

/// Adds what the lab did last.
pub(super) fn history(lab: &Lab, text: &mut String) {
    for event in lab.history().iter().rev().take(LOG_LINES).rev() {
        writeln!(text, "lab: {event}").ok();
    }
}

impl Measurement for Probe {
    fn wait_until_steady(&self, steady: Duration) -> Result<(), Error> {
        Self::wait_until_steady(self, steady)
    }

    fn finish(self) -> Result<(ProbeReport, Duration), Error> {
        // The lab's own processes are as many as a machine's: nobody has to wait.
        Ok((Self::finish(self)?, Duration::ZERO))
    }
}
