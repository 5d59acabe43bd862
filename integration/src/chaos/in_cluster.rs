//! A Kubernetes cluster as a target.
//!
//! Nodes, cables and speakers are harmed as those of a lab are. What a lab does to its own processes and files is done here
//! as an operator of the cluster would: pods are deleted, nodes cordoned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::fault::Fault;
use super::in_lab::{self, LabTarget};
use super::model::Vantage;
use super::starvation::Starvation;
use super::target::{Measurement, Target};
use crate::cluster::{Cluster, NAMESPACE};
use crate::error::Error;
use crate::lab::Probe;
use crate::probe::ProbeReport;

/// A cluster on which the chart is installed.
#[derive(Debug)]
pub struct ClusterTarget<'a> {
    cluster: &'a Cluster,
    /// What is the same as in a lab.
    lab: LabTarget<'a>,
    services: Vec<String>,
}

// === impl ClusterTarget ===

impl<'a> ClusterTarget<'a> {
    /// The kinds of faults that cannot be done to a cluster: its kubelets would mend what is paused or stopped, and the
    /// routes of its pods hang on names of interfaces.
    pub const WITHOUT: [&'static str; 4] = ["pause", "stop", "rename", "mac"];

    /// The cluster with these Services of its namespace `default`, each made by [`web`](crate::cluster::web).
    pub fn new(cluster: &'a Cluster, services: &[&str]) -> Self {
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        Self { cluster, lab: LabTarget::new(cluster.lab(), 0), services }
    }

    /// Deletes a node's speaker, which hands over first, and waits for the next one.
    fn replace_speaker(&self, node: &str) -> Result<(), Error> {
        let on_node = format!("--field-selector=spec.nodeName={node}");
        self.cluster.kubectl(&["delete", "pod", "--namespace", NAMESPACE, "--selector", SPEAKERS, &on_node])?;
        self.speaker_is_back(node)
    }

    /// Waits until a node's speaker is ready and others count it as a member.
    fn speaker_is_back(&self, node: &str) -> Result<(), Error> {
        self.cluster.wait_for(&format!("the speaker of {node} is back"), |cluster| {
            let pods = cluster.get(&["pods", "--namespace", NAMESPACE, "--selector", SPEAKERS]).ok()?;
            let pods = pods.pointer("/items")?.as_array()?;
            let here = pods.iter().any(|pod| {
                pod.pointer("/spec/nodeName").and_then(Value::as_str) == Some(node)
                    && pod.pointer("/metadata/deletionTimestamp").is_none()
                    && is_ready(pod)
            });
            let counted = cluster.members().ok()?.iter().any(|(by, members)| by != node && members.contains(node));
            (here && counted).then_some(())
        })
    }

    /// Kills all controllers, and waits for the next ones.
    fn replace_controllers(&self) -> Result<(), Error> {
        let selector = "app.kubernetes.io/component=controller";
        let at_once = ["--grace-period=0", "--force"];
        let delete = ["delete", "pod", "--namespace", NAMESPACE, "--selector", selector];
        self.cluster.kubectl(&[&delete[..], &at_once].concat())?;
        let wait = ["rollout", "status", "--namespace", NAMESPACE, "deployment/ferrolb-controller", "--timeout=2m"];
        self.cluster.kubectl(&wait).map(drop)
    }
}

/// A probe, and a look at the processes.
#[derive(Debug)]
pub struct Measured {
    probe: Probe,
    starvation: Starvation,
}

impl Measurement for Measured {
    fn wait_until_steady(&self, steady: Duration) -> Result<(), Error> {
        self.probe.wait_until_steady(steady)
    }

    fn finish(self) -> Result<(ProbeReport, Duration), Error> {
        Ok((self.probe.finish()?, self.starvation.finish()))
    }
}

const SPEAKERS: &str = "app.kubernetes.io/component=speaker";

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let field = |name: &str| condition.get(name).and_then(Value::as_str);
        field("type") == Some("Ready") && field("status") == Some("True")
    })
}

impl Target for ClusterTarget<'_> {
    type Measurement = Measured;

    fn nodes(&self) -> Vec<String> {
        self.lab.nodes()
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, Error> {
        let of_each = self.services.iter().map(|service| self.cluster.addresses("default", service));
        Ok(of_each.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn serve_from(&self, nodes: &[String]) -> Result<(), Error> {
        self.cluster.serve_from(&self.services, nodes)
    }

    fn inject(&self, fault: &Fault) -> Result<(), Error> {
        match fault {
            Fault::Stall(node, time) => {
                self.cluster.signal_speaker(node, "STOP")?;
                crate::clock::pause(*time);
                self.cluster.signal_speaker(node, "CONT")
            }
            Fault::Crash(node) => self.cluster.signal_speaker(node, "KILL"),
            Fault::Restart(node) => self.replace_speaker(node),
            Fault::Rolling(nodes) => nodes.iter().try_for_each(|node| self.replace_speaker(node)),
            Fault::Drain(node) => self.cluster.kubectl(&["cordon", node]).map(drop),
            Fault::Undrain(node) => self.cluster.kubectl(&["uncordon", node]).map(drop),
            Fault::Heal(node) => {
                self.lab.inject(fault)?;
                self.cluster.kubectl(&["uncordon", node])?;
                self.speaker_is_back(node)?;
                // An address does not wait for kube-proxy; whoever counts connections does.
                self.cluster.proxies_follow(&self.services)
            }
            Fault::RestartController => self.replace_controllers(),
            Fault::Kill(_)
            | Fault::Cut(_)
            | Fault::Unplug(_)
            | Fault::Flap(_)
            | Fault::Partition(..)
            | Fault::Reunite
            | Fault::Lose(_)
            | Fault::LoseNothing => self.lab.inject(fault),
            Fault::Pause(_) | Fault::Stop(_) | Fault::Rename(..) | Fault::ChangeMac(..) => {
                let kinds = Self::WITHOUT.join(",");
                Err(Error::Refused { reason: format!("{fault}: not on a cluster; leave out {kinds}") })
            }
        }
    }

    fn answerers(&self, from: Vantage, addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, Error> {
        self.lab.answerers(from, addresses)
    }

    fn measure(&self, address: IpAddr) -> Result<Measured, Error> {
        let starvation = Starvation::watch(self.cluster.lab().state()?.init_pid)?;
        Ok(Measured { probe: self.lab.measure(address)?, starvation })
    }

    fn evidence(&self) -> String {
        let mut text = String::new();
        writeln!(text, "members: {:?}", self.cluster.members()).ok();
        let lines = format!("--tail={}", in_lab::LOG_LINES);
        let logs = ["logs", "--namespace", NAMESPACE, "--selector", SPEAKERS, "--prefix", &lines];
        text.push_str(&self.cluster.kubectl(&logs).unwrap_or_default());
        in_lab::history(self.cluster.lab(), &mut text);
        text
    }
}
