//! What can be done to a running lab: crash and heal a node, stop and start its speaker, replace the controller.
//!
//! One at a time: two faults never interleave.

use nix::sys::signal::Signal;

use super::processes::Phase;
use super::{Supervisor, daemons};
use crate::clock;
use crate::error::Error;
use crate::layout::SWITCH;
use crate::protocol::Stopped;

impl Supervisor {
    /// Crashes a node: its port at the switch goes down, then everything on it is killed. In this order, so that
    /// nothing of the dying processes (a TCP reset, a farewell) gets out.
    pub(super) async fn kill_node(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.faults.lock().await;
        self.node(node)?;
        self.runner.ip_batch(SWITCH, &format!("link set {node} down\n")).await?;
        self.processes.kill_all_in(node).await?;
        self.events.fault(format!("{node} crashed: link down, processes killed")).await;
        Ok(())
    }

    /// Brings a crashed node back: the link, and every process that ran on it.
    pub(super) async fn heal_node(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.faults.lock().await;
        self.node(node)?;
        // Nothing is remembered through a crash.
        self.runner.ip_batch(node, "neigh flush all\n").await?;
        self.runner.ip_batch(SWITCH, &format!("link set {node} up\n")).await?;
        for spec in self.processes.in_place(node) {
            if !matches!(self.processes.phase(&spec.name), Some(Phase::Running { .. })) {
                self.processes.start(spec).await?;
            }
        }
        self.events.fault(format!("{node} is back: link up, processes started")).await;
        Ok(())
    }

    /// Asks a node's speaker to end (SIGTERM) and waits until it has.
    pub(super) async fn stop_speaker(&self, node: &str) -> Result<Stopped, Error> {
        let _one_at_a_time = self.faults.lock().await;
        self.node(node)?;
        let began = clock::now();
        let status = self.processes.end(&daemons::speaker_name(node), Signal::SIGTERM).await?;
        let stopped = Stopped { status: status.to_string(), code: status.code(), took: began.elapsed() };
        self.events.fault(format!("speaker of {node} stopped after {:?}", stopped.took)).await;
        Ok(stopped)
    }

    /// Starts a node's speaker again.
    pub(super) async fn start_speaker(&self, node: &str) -> Result<(), Error> {
        let _one_at_a_time = self.faults.lock().await;
        self.node(node)?;
        self.start_again(&daemons::speaker_name(node)).await
    }

    /// Kills the controller with SIGKILL, when it runs, and starts it again.
    pub(super) async fn restart_controller(&self) -> Result<(), Error> {
        let _one_at_a_time = self.faults.lock().await;
        if let Some(Phase::Running { .. }) = self.processes.phase(daemons::CONTROLLER) {
            self.processes.end(daemons::CONTROLLER, Signal::SIGKILL).await?;
        }
        self.start_again(daemons::CONTROLLER).await
    }

    async fn start_again(&self, name: &str) -> Result<(), Error> {
        let spec = self.processes.spec(name);
        let spec = spec.ok_or_else(|| Error::Refused { reason: format!("this lab runs no {name}") })?;
        self.processes.start(spec).await
    }

    fn node(&self, name: &str) -> Result<(), Error> {
        match self.layout.node(name) {
            Some(_) => Ok(()),
            None => Err(Error::Refused { reason: format!("there is no node {name}") }),
        }
    }
}
