//! The long-running processes of a lab: started in their place, watched, told to end, started again.
//!
//! Each has a name, a place and a log. A process that ends without having been asked to is an event, not a restart:
//! who drives the lab decides.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::command::Runner;
use super::events::Events;
use crate::error::{Error, system};
use crate::namespaces::{LOG_FOLDER, netns};
use crate::protocol::{Event, ProcessState};

/// How long a process may take to end in an orderly way; the bound of a hang, far above any daemon's own deadline.
const END_DEADLINE: Duration = Duration::from_secs(30);
/// How long to give killed processes before looking whether they are gone.
const DEATH_POLL: Duration = Duration::from_millis(1);

/// How to run a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// Name of the process and of its log.
    pub(super) name: String,
    /// The host that it runs on.
    pub(super) place: String,
    /// Program and arguments.
    pub(super) command: Vec<String>,
}

/// Where a process is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// It runs.
    Running {
        /// Its process id in the lab.
        pid: u32,
    },
    /// It ended.
    Ended {
        /// How.
        status: ExitStatus,
    },
}

/// Whether the end of a process is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Runs,
    AskedToEnd,
}

#[derive(Debug)]
struct Entry {
    spec: Spec,
    phase: watch::Receiver<Phase>,
    fate: Fate,
    /// Stopped by SIGSTOP.
    paused: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Processes {
    runner: Runner,
    events: Arc<Events>,
    table: Arc<Mutex<BTreeMap<String, Entry>>>,
    /// One task per running process, which awaits its end.
    watchers: TaskTracker,
}

// === impl Processes ===

impl Processes {
    pub(super) fn new(runner: Runner, events: Arc<Events>) -> Self {
        Self { runner, events, table: Arc::default(), watchers: TaskTracker::new() }
    }

    /// Starts a process, or starts it again.
    ///
    /// # Errors
    /// [`Error::Refused`] when it runs already.
    pub(super) async fn start(&self, spec: Spec) -> Result<(), Error> {
        let name = spec.name.clone();
        if self.phase(&name).is_some_and(|phase| matches!(phase, Phase::Running { .. })) {
            return Err(Error::Refused { reason: format!("{name} runs already") });
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_path(&name))
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(system(format!("open the log of {name}")))?;
        let mut child = self
            .runner
            .command_in(&spec.place)
            .args(&spec.command)
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .spawn()
            .map_err(system(format!("start {name}")))?;
        let pid = child.id().unwrap_or_default();
        let (sender, phase) = watch::channel(Phase::Running { pid });
        self.table.lock().insert(name.clone(), Entry { spec, phase, fate: Fate::Runs, paused: false });
        self.events.emit(Event::Started { process: name.clone(), pid }).await;

        let (table, events) = (Arc::clone(&self.table), Arc::clone(&self.events));
        // Owns the child; waits for its end, which the kernel keeps for it.
        self.watchers.spawn(async move {
            let Ok(status) = child.wait().await else { return };
            let asked = table.lock().get(&name).is_some_and(|entry| entry.fate == Fate::AskedToEnd);
            sender.send_replace(Phase::Ended { status });
            events.emit(Event::Ended { process: name, status: status.to_string(), asked }).await;
        });
        Ok(())
    }

    /// Sends a signal that is meant to end a process, and waits until it has.
    pub(super) async fn end(&self, name: &str, signal: Signal) -> Result<ExitStatus, Error> {
        match self.expect_end(name) {
            Some(Phase::Running { pid }) => {
                send(pid, signal)?;
                // One that is paused hears of the signal when it goes on.
                send(pid, Signal::SIGCONT)?;
            }
            Some(Phase::Ended { .. }) => return Err(Error::Refused { reason: format!("{name} does not run") }),
            None => return Err(Error::Refused { reason: format!("there is no process {name}") }),
        }
        timeout(END_DEADLINE, self.ended(name))
            .await
            .map_err(|_elapsed| Error::TimedOut { what: format!("{name} ends after {signal}"), after: END_DEADLINE })?
    }

    /// Stops a running process where it is (SIGSTOP), or lets it go on (SIGCONT). Both may be done twice.
    pub(super) fn set_paused(&self, name: &str, paused: bool) -> Result<(), Error> {
        let mut table = self.table.lock();
        let Some(entry) = table.get_mut(name) else {
            return Err(Error::Refused { reason: format!("there is no process {name}") });
        };
        let Phase::Running { pid } = *entry.phase.borrow() else {
            return Err(Error::Refused { reason: format!("{name} does not run") });
        };
        send(pid, if paused { Signal::SIGSTOP } else { Signal::SIGCONT })?;
        entry.paused = paused;
        Ok(())
    }

    /// Whether the process `name` was stopped by [`Processes::set_paused`].
    pub(super) fn is_paused(&self, name: &str) -> bool {
        self.table.lock().get(name).is_some_and(|entry| entry.paused)
    }

    /// Kills everything in the network namespace of `place`, whoever started it, and waits for the end of what the lab
    /// itself runs there.
    pub(super) async fn kill_all_in(&self, place: &str) -> Result<(), Error> {
        let names: Vec<String> = self.in_place(place).into_iter().map(|spec| spec.name).collect();
        for name in &names {
            self.expect_end(name);
        }
        let namespace = fs::metadata(netns(place)).map_err(system(format!("look at the namespace of {place}")))?;
        // A process may fork between the look and the signal: until nobody is left.
        while kill_members(&namespace) > 0 {
            tokio::time::sleep(DEATH_POLL).await;
        }
        for name in &names {
            self.ended(name).await?;
        }
        Ok(())
    }

    /// How the processes of `place` were started.
    pub(super) fn in_place(&self, place: &str) -> Vec<Spec> {
        self.table.lock().values().filter(|entry| entry.spec.place == place).map(|entry| entry.spec.clone()).collect()
    }

    /// How the process `name` was started.
    pub(super) fn spec(&self, name: &str) -> Option<Spec> {
        self.table.lock().get(name).map(|entry| entry.spec.clone())
    }

    /// Where the process `name` is in its life.
    pub(super) fn phase(&self, name: &str) -> Option<Phase> {
        self.table.lock().get(name).map(|entry| entry.phase.borrow().clone())
    }

    /// All of them, for display.
    pub(super) fn states(&self) -> Vec<ProcessState> {
        let table = self.table.lock();
        let state = |entry: &Entry| {
            let (pid, phase) = match &*entry.phase.borrow() {
                Phase::Running { pid } if entry.paused => (Some(*pid), "paused".to_owned()),
                Phase::Running { pid } => (Some(*pid), "running".to_owned()),
                Phase::Ended { status } => (None, format!("ended ({status})")),
            };
            ProcessState { name: entry.spec.name.clone(), place: entry.spec.place.clone(), pid, phase }
        };
        table.values().map(state).collect()
    }

    /// What a process wrote; none when there is no such process.
    pub(super) fn log(&self, name: &str) -> Result<Option<String>, Error> {
        if self.spec(name).is_none() {
            return Ok(None);
        }
        read_log(name).map(Some)
    }

    fn expect_end(&self, name: &str) -> Option<Phase> {
        let mut table = self.table.lock();
        let entry = table.get_mut(name)?;
        entry.fate = Fate::AskedToEnd;
        Some(entry.phase.borrow().clone())
    }

    async fn ended(&self, name: &str) -> Result<ExitStatus, Error> {
        let phase = self.table.lock().get(name).map(|entry| entry.phase.clone());
        let gone = || Error::Refused { reason: format!("{name} cannot be watched any more") };
        let mut phase = phase.ok_or_else(gone)?;
        let ended = phase.wait_for(|phase| matches!(phase, Phase::Ended { .. })).await;
        match ended.map_err(|_closed| gone())?.clone() {
            Phase::Ended { status } => Ok(status),
            Phase::Running { .. } => Err(gone()),
        }
    }
}

/// What the process `name` wrote.
pub(super) fn read_log(name: &str) -> Result<String, Error> {
    let bytes = fs::read(log_path(name)).map_err(system(format!("read the log of {name}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn log_path(name: &str) -> PathBuf {
    Path::new(LOG_FOLDER).join(format!("{name}.log"))
}

/// Sends SIGKILL to every process in a network namespace; how many are there still, dead ones not counted.
fn kill_members(namespace: &fs::Metadata) -> usize {
    use std::os::unix::fs::MetadataExt;
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let mut alive = 0;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that has ended, reaped or not, has no namespace any more.
        let Ok(its) = fs::metadata(process.path().join("ns/net")) else { continue };
        if (its.dev(), its.ino()) == (namespace.dev(), namespace.ino()) && send(pid, Signal::SIGKILL).is_ok() {
            alive += 1;
        }
    }
    alive
}

fn send(pid: u32, signal: Signal) -> Result<(), Error> {
    let pid = i32::try_from(pid).map_err(|error| system("signal a process")(io::Error::other(error)))?;
    kill(Pid::from_raw(pid), signal).map_err(system(format!("signal process {pid}")))
}
