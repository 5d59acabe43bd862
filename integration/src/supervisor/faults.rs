//! What can be done to a running lab, node by node: crash, pause, stop and start; cut its cable, take its carrier, its
//! interface's name or hardware address; drain it. And how each is mended.
//!
//! One at a time: two faults never interleave. What is done is remembered until it is mended.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;

use super::cables::Cables;
use super::processes::Phase;
use super::{Supervisor, daemons, defaults, kubernetes, neighbours, topology};
use crate::clock;
use crate::error::Error;
use crate::layout::{Host, INTERFACE, Mac, SWITCH};
use crate::protocol::{Carrier, Stopped};

/// What was done and not mended yet, but for processes: those say themselves.
#[derive(Debug, Default)]
pub(super) struct Made {
    cables: Cables,
    drained: BTreeSet<String>,
    /// Interfaces that are not called `eth0` any more.
    interfaces: BTreeMap<String, String>,
    /// Hardware addresses that are not those of the layout any more.
    macs: BTreeMap<String, Mac>,
}

// === impl Made ===

impl Made {
    /// What was done to a host, in words.
    pub(super) fn at(&self, host: &str) -> Vec<String> {
        let mut words = self.cables.at(host);
        words.extend(self.drained.contains(host).then(|| "drained".to_owned()));
        words.extend(self.interfaces.get(host).map(|name| format!("interface {name}")));
        words
    }

    /// The host with the hardware address that it has now.
    pub(super) fn host(&self, host: &Host) -> Host {
        let mac = self.macs.get(&host.name).copied().unwrap_or(host.mac);
        Host { mac, ..host.clone() }
    }

    fn interface(&self, host: &str) -> &str {
        self.interfaces.get(host).map_or(INTERFACE, String::as_str)
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Crashes a node: its port at the switch goes down, then everything on it is killed. In this order, so that
    /// nothing of the dying processes (a TCP reset, a farewell) gets out.
    pub(super) async fn kill_node(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.machine(node)?;
        self.plug(node, Carrier::Down).await?;
        self.processes.kill_all_in(node).await?;
        self.events.fault(format!("{node} crashed: link down, processes killed")).await;
        Ok(())
    }

    /// Brings a node back from whatever was done to it: cable, link, drain, and every process that ran on it. Its
    /// interface keeps name and hardware address.
    pub(super) async fn heal_node(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        let host = self.machine(node)?;
        self.mend(&[host]).await?;
        self.events.fault(format!("{node} is back: link up, processes run")).await;
        Ok(())
    }

    /// Brings everybody back.
    pub(super) async fn heal_all(&self) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.change_cables(|cables| *cables = Cables::default()).await?;
        let hosts: Vec<&Host> = self.layout.hosts().iter().collect();
        self.mend(&hosts).await?;
        self.events.fault("everything is mended".to_owned()).await;
        Ok(())
    }

    /// Asks a node's speaker to end (SIGTERM) and waits until it has.
    pub(super) async fn stop_speaker(&self, node: &str) -> Result<Stopped, Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.node(node)?;
        let began = clock::now();
        let status = self.processes.end(&daemons::speaker_name(node), Signal::SIGTERM).await?;
        let stopped = Stopped { status: status.to_string(), code: status.code(), took: began.elapsed() };
        self.events.fault(format!("speaker of {node} stopped after {:?}", stopped.took)).await;
        Ok(stopped)
    }

    /// Starts a node's speaker again.
    pub(super) async fn start_speaker(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.node(node)?;
        self.start_again(&daemons::speaker_name(node)).await
    }

    /// Kills the controller with SIGKILL, when it runs, and starts it again.
    pub(super) async fn restart_controller(&self) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        if let Some(Phase::Running { .. }) = self.processes.phase(daemons::CONTROLLER) {
            self.processes.end(daemons::CONTROLLER, Signal::SIGKILL).await?;
        }
        self.start_again(daemons::CONTROLLER).await
    }

    /// Stops a node's speaker where it is, or lets it go on.
    pub(super) async fn pause_speaker(&self, node: &str, paused: bool) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.node(node)?;
        self.processes.set_paused(&daemons::speaker_name(node), paused)?;
        let what = if paused { "is paused" } else { "goes on" };
        self.events.fault(format!("speaker of {node} {what}")).await;
        Ok(())
    }

    /// Drops every frame on a host's cable, or lets them through again.
    pub(super) async fn cut(&self, host: &str, cut: bool) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.host(host)?;
        let change = |cables: &mut Cables| {
            if cut {
                cables.cut.insert(host.to_owned());
            } else {
                cables.cut.remove(host);
            }
        };
        self.change_cables(change).await?;
        let what = if cut { "is cut off: its frames are dropped" } else { "is connected again" };
        self.events.fault(format!("{host} {what}")).await;
        Ok(())
    }

    /// Keeps hosts of different groups apart.
    pub(super) async fn partition(&self, groups: Vec<Vec<String>>) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        let mut seen = BTreeSet::new();
        for name in groups.iter().flatten() {
            if name != SWITCH {
                self.host(name)?;
            }
            if !seen.insert(name) {
                return Err(Error::Refused { reason: format!("{name} is named twice") });
            }
        }
        let text = groups.iter().map(|group| group.join(",")).collect::<Vec<_>>().join(" | ");
        let groups: Vec<BTreeSet<String>> = groups.into_iter().map(|group| group.into_iter().collect()).collect();
        self.change_cables(|cables| cables.groups = groups).await?;
        let text = if text.is_empty() { "the partition is over".to_owned() } else { format!("partition: {text}") };
        self.events.fault(text).await;
        Ok(())
    }

    /// Loses a share of all frames, or of those on one host's cable.
    pub(super) async fn lose(&self, percent: u8, host: Option<&str>) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        if percent > 100 {
            return Err(Error::Refused { reason: format!("{percent} % is more than all") });
        }
        if let Some(host) = host {
            self.host(host)?;
        }
        let change = |cables: &mut Cables| match host {
            None => cables.loss = percent,
            Some(host) if percent == 0 => drop(cables.loss_at.remove(host)),
            Some(host) => drop(cables.loss_at.insert(host.to_owned(), percent)),
        };
        self.change_cables(change).await?;
        let place = host.map(|host| format!(" at {host}")).unwrap_or_default();
        self.events.fault(format!("{percent} % of frames are lost{place}")).await;
        Ok(())
    }

    /// Unplugs a host's cable, or plugs it in again.
    pub(super) async fn carrier(&self, host: &str, carrier: Carrier) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        let host = self.host(host)?;
        self.plug(&host.name, carrier).await?;
        if carrier == Carrier::Up {
            self.set_up(host).await?;
        }
        let what = if carrier == Carrier::Up { "has its carrier back" } else { "has lost its carrier" };
        self.events.fault(format!("{} {what}", host.name)).await;
        Ok(())
    }

    /// Gives a node's interface another name. As on any machine it is down for that moment.
    pub(super) async fn rename(&self, node: &str, interface: &str) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        let host = self.node(node)?;
        let before = self.made.lock().interface(node).to_owned();
        self.runner.ip_batch(node, &format!("link set {before} down\nlink set {before} name {interface}\n")).await?;
        self.made.lock().interfaces.insert(node.to_owned(), interface.to_owned());
        self.set_up(host).await?;
        self.events.fault(format!("{before} of {node} is called {interface} now")).await;
        Ok(())
    }

    /// Gives a node's interface another hardware address.
    pub(super) async fn change_mac(&self, node: &str, mac: Mac) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        let host = self.node(node)?;
        let interface = self.made.lock().interface(node).to_owned();
        self.runner.ip_batch(node, &format!("link set dev {interface} address {mac}\n")).await?;
        self.made.lock().macs.insert(node.to_owned(), mac);
        // Of its own addresses the kernel tells others in one frame, which may get lost like any other.
        for other in self.layout.hosts().iter().filter(|other| other.name != node) {
            let theirs = self.made.lock().interface(&other.name).to_owned();
            for address in &host.addresses {
                neighbours::forget(&self.runner, &other.name, &theirs, *address).await;
            }
        }
        self.events.fault(format!("{interface} of {node} has the address {mac} now")).await;
        Ok(())
    }

    /// Cordons a node and taints it with NoExecute, or takes both back.
    pub(super) async fn drain(&self, node: &str, drained: bool) -> Result<(), Error> {
        let _one_at_a_time = self.one_fault.lock().await;
        self.needs_own_objects()?;
        self.node(node)?;
        let mut wanted = self.made.lock().drained.clone();
        let changed = if drained { wanted.insert(node.to_owned()) } else { wanted.remove(node) };
        if changed {
            self.tell_drained(wanted).await?;
            let what = if drained { "is drained" } else { "is in use again" };
            self.events.fault(format!("{node} {what}")).await;
        }
        Ok(())
    }

    async fn tell_drained(&self, drained: BTreeSet<String>) -> Result<(), Error> {
        let (name, text) = defaults::nodes(&self.layout, &drained);
        self.ground.apply(name, &text).await?;
        self.made.lock().drained = drained;
        Ok(())
    }

    async fn change_cables(&self, change: impl FnOnce(&mut Cables)) -> Result<(), Error> {
        let mut wanted = self.made.lock().cables.clone();
        change(&mut wanted);
        self.runner.nft(SWITCH, &wanted.rules()).await?;
        self.made.lock().cables = wanted;
        Ok(())
    }

    async fn mend(&self, hosts: &[&Host]) -> Result<(), Error> {
        self.change_cables(|cables| hosts.iter().for_each(|host| cables.mend(&host.name))).await?;
        let mut drained = self.made.lock().drained.clone();
        let before = drained.len();
        drained.retain(|name| hosts.iter().all(|host| host.name != *name));
        if drained.len() != before {
            self.tell_drained(drained).await?;
        }
        for host in hosts {
            let running = |name: &str| matches!(self.processes.phase(name), Some(Phase::Running { .. }));
            let specs = self.processes.in_place(&host.name);
            // Nothing is remembered through a crash.
            if specs.iter().any(|spec| !running(&spec.name)) {
                self.runner.ip_batch(&host.name, "neigh flush all\n").await?;
            }
            self.plug(&host.name, Carrier::Up).await?;
            self.set_up(host).await?;
            for spec in specs {
                if !running(&spec.name) {
                    self.processes.start(spec).await?;
                } else if self.processes.is_paused(&spec.name) {
                    self.processes.set_paused(&spec.name, false)?;
                }
            }
        }
        Ok(())
    }

    async fn plug(&self, host: &str, carrier: Carrier) -> Result<(), Error> {
        let state = if carrier == Carrier::Up { "up" } else { "down" };
        self.runner.ip_batch(SWITCH, &format!("link set {host} {state}\n")).await
    }

    /// Addresses and routes, after the interface or its carrier was away.
    async fn set_up(&self, host: &Host) -> Result<(), Error> {
        let interface = self.made.lock().interface(&host.name).to_owned();
        self.runner.ip_batch(&host.name, &topology::host_script(host, &self.layout, &interface)).await
    }

    async fn start_again(&self, name: &str) -> Result<(), Error> {
        let spec = self.processes.spec(name);
        let spec = spec.ok_or_else(|| Error::Refused { reason: format!("this lab runs no {name}") })?;
        self.processes.start(spec).await
    }

    fn node(&self, name: &str) -> Result<&Host, Error> {
        self.layout.node(name).ok_or_else(|| Error::Refused { reason: format!("there is no node {name}") })
    }

    /// A node; in a cluster also the host of the control plane.
    fn machine(&self, name: &str) -> Result<&Host, Error> {
        if self.setup.cluster.is_some() && name == kubernetes::CONTROL { self.host(name) } else { self.node(name) }
    }

    fn host(&self, name: &str) -> Result<&Host, Error> {
        self.layout.host(name).ok_or_else(|| Error::Refused { reason: format!("there is no host {name}") })
    }
}
