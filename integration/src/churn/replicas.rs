//! Two controllers, of which one holds the Lease, and what befalls them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::watcher;
use kube::{Api, Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};

use super::NAMESPACE;
use super::error::Error;
use crate::apiserver::{ControlPlane, Process};
use crate::binaries::{self, Binaries};

/// A Lease is taken over 15 s after its holder died; a busy machine may need longer.
const TAKE_OVER: Duration = Duration::from_secs(90);
/// A controller ends within this after SIGTERM.
const END: Duration = Duration::from_secs(30);
/// Before a watch that broke is opened again.
const AGAIN: Duration = Duration::from_millis(100);
const LEASE: &str = "ferrolb-controller";
/// Names of the pods that they think they are.
const PODS: [&str; 2] = ["controller-a", "controller-b"];

pub(super) struct Replicas {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    leases: Api<Lease>,
    running: [Option<Process>; 2],
}

// === impl Replicas ===

impl Replicas {
    /// Both start.
    pub(super) async fn start(cluster: &ControlPlane) -> Result<Self, Error> {
        let lab = binaries::lab()?;
        let program = Binaries::in_folder(lab.parent().unwrap_or(&lab))?.controller;
        let arguments = vec![
            "--port=0".to_owned(),
            "--health-probe-port=0".to_owned(),
            "--webhook-mode=disabled".to_owned(),
            format!("--namespace={NAMESPACE}"),
            format!("--kubeconfig={}", cluster.admin_kubeconfig().display()),
        ];
        let client: Client = cluster.client().await?;
        let folder = cluster.folder().to_owned();
        let leases = Api::namespaced(client, NAMESPACE);
        let mut replicas = Self { program, arguments, folder, leases, running: [None, None] };
        replicas.start_missing()?;
        Ok(replicas)
    }

    /// Starts whoever does not run.
    pub(super) fn start_missing(&mut self) -> Result<(), Error> {
        for (pod, place) in PODS.into_iter().zip(&mut self.running) {
            if place.is_none() {
                let mut arguments = self.arguments.clone();
                // The same pod as before: it goes on with a Lease that it has.
                arguments.push(format!("--pod-name={pod}"));
                *place = Some(Process::start(pod, &self.program, &arguments, &[], &self.folder)?);
            }
        }
        Ok(())
    }

    /// Kills the holder of the Lease with SIGKILL.
    pub(super) async fn kill_holder(&mut self) -> Result<(), Error> {
        if let Some(holder) = self.holder(|_| true).await? {
            holder.kill()?;
        }
        Ok(())
    }

    /// Kills the holder of the Lease and waits until the other one has taken it over.
    pub(super) async fn take_over(&mut self) -> Result<(), Error> {
        self.kill_holder().await?;
        self.other_takes_over().await
    }

    /// Ends the holder of the Lease with SIGTERM and waits until the other one has taken it over.
    pub(super) async fn hand_over(&mut self) -> Result<(), Error> {
        if let Some(holder) = self.holder(|_| true).await? {
            holder.terminate(END).await?;
        }
        self.other_takes_over().await
    }

    /// Stops the holder of the Lease where it stands, until the other one has taken the Lease over; then it goes on.
    pub(super) async fn freeze(&mut self) -> Result<(), Error> {
        let Some(holder) = self.holder(|_| true).await? else { return Ok(()) };
        let pid = Pid::from_raw(i32::try_from(holder.pid()).unwrap_or_default());
        let signal = |signal| {
            kill(pid, signal).map_err(|source| crate::apiserver::Error::System {
                what: format!("send {signal} to a controller"),
                source: source.into(),
            })
        };
        signal(Signal::SIGSTOP)?;
        let taken_over = self.other_takes_over().await;
        signal(Signal::SIGCONT)?;
        taken_over?;
        if let Some(place) = self.running.iter_mut().find(|place| place.is_none()) {
            *place = Some(holder);
        }
        Ok(())
    }

    async fn other_takes_over(&mut self) -> Result<(), Error> {
        let running = self.running.each_ref().map(Option::is_some);
        let alive = move |index: usize| running.get(index).copied().unwrap_or_default();
        match self.holder(alive).await? {
            Some(holder) => {
                if let Some(place) = self.running.iter_mut().zip(running).find(|(_, was)| *was).map(|(place, _)| place)
                {
                    *place = Some(holder);
                }
                Ok(())
            }
            None => Err(self.nobody_in_charge()),
        }
    }

    /// Waits until one of `wanted` holds the Lease, and takes it out of those that run.
    async fn holder(&mut self, wanted: impl Fn(usize) -> bool) -> Result<Option<Process>, Error> {
        let held = async {
            let mut events = std::pin::pin!(watcher::watch_object(self.leases.clone(), LEASE));
            while let Some(event) = events.next().await {
                // An API server that has just come back may end a watch; the next one begins by itself.
                if event.is_err() {
                    sleep(AGAIN).await;
                }
                let holder = event.ok().flatten().and_then(|lease| lease.spec?.holder_identity);
                let index = PODS.iter().position(|pod| Some(*pod) == holder.as_deref());
                if let Some(index) = index.filter(|index| wanted(*index)) {
                    return Some(index);
                }
            }
            None
        };
        let index = timeout(TAKE_OVER, held).await.map_err(|_elapsed| self.nobody_in_charge())?;
        Ok(index.and_then(|index| self.running.get_mut(index)?.take()))
    }

    fn nobody_in_charge(&self) -> Error {
        let logs: Vec<String> = self.running.iter().flatten().map(Process::log_tail).collect();
        Error::NobodyInCharge { after: TAKE_OVER, logs: logs.join("\n\n") }
    }

    /// Lines of their logs that speak of one of `words`.
    pub(super) fn log_lines(&self, words: &[String]) -> String {
        let mut found = Vec::new();
        for pod in PODS {
            let text = fs::read(self.folder.join(format!("{pod}.log"))).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let concerned =
                |line: &&str| line.contains("in charge") || words.iter().any(|word| line.contains(word.as_str()));
            found.extend(text.lines().filter(concerned).map(|line| format!("  {pod}: {line}")));
        }
        found.join("\n")
    }
}
