//! Probes started through a [`Lab`]: `lab probe` as a child process in the client's namespace.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Lab;
use crate::binaries;
use crate::error::{Error, system};
use crate::probe::{Answers, ProbeLine, ProbeOptions, ProbeReport, Progress};

/// How often a probe says how it stands.
const PROGRESS: Duration = Duration::from_millis(50);
/// For how long successes must have come without a break before an outage counts as over.
const STEADY: Duration = Duration::from_secs(1);
/// A break: this long without a success.
const BREAK: Duration = Duration::from_millis(100);
/// How long [`Lab::gap`] waits for the first success, and for steadiness after the fault.
const PATIENCE: Duration = Duration::from_secs(40);

/// A probe at work. Dropping it ends it.
#[derive(Debug)]
pub struct Probe {
    process: Child,
    /// Closing it ends the run early.
    stdin: Option<ChildStdin>,
    /// What it said so far; a thread of its own listens, so that the probe never waits for its reader.
    heard: Arc<(Mutex<Heard>, Condvar)>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    running: bool,
    latest: Option<Progress>,
    /// How many [`Progress`]es came.
    count: u64,
    report: Option<ProbeReport>,
    over: bool,
}

// === impl Lab ===

impl Lab {
    /// Starts a probe on the client.
    ///
    /// # Errors
    /// [`Error::Refused`] when the run needs more source ports than there are.
    pub fn probe(&self, options: &ProbeOptions) -> Result<Probe, Error> {
        let mut command = std::process::Command::new(binaries::lab()?);
        command
            .args(["--name", self.name(), "probe", &options.target.to_string(), "--managed", "--output", "json"])
            .args(["--for", &text(options.duration), "--every", &text(options.every)])
            .args(["--timeout", &text(options.timeout), "--progress", &text(PROGRESS)]);
        if options.answers == Answers::Counted {
            command.arg("--answers");
        }
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(system("start the probe"))?;
        let stdin = process.stdin.take();
        let Some(stdout) = process.stdout.take() else {
            return Err(Error::Ended { reason: "the probe has no output".to_owned() });
        };
        let mut probe = Probe { process, stdin, heard: Arc::default(), listener: None };
        let heard = Arc::clone(&probe.heard);
        let listener = std::thread::Builder::new().name("probe".to_owned());
        let listener = listener.spawn(move || listen(BufReader::new(stdout), &heard));
        probe.listener = Some(listener.map_err(system("start the thread that hears the probe"))?);
        Ok(probe)
    }

    /// How long `target` is out of reach when `fault` is done: starts a probe, waits until it succeeds, does the fault,
    /// waits until successes have come steadily for a second, and returns what the probe saw.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when nothing succeeds before the fault, or not steadily within 40 s after it; what `fault`
    /// returns.
    pub fn gap(
        &self,
        target: SocketAddr,
        fault: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<ProbeReport, Error> {
        let probe = self.probe(&ProbeOptions { duration: PATIENCE * 2, ..ProbeOptions::new(target) })?;
        probe.wait_until_steady(Duration::from_millis(200))?;
        fault(self)?;
        probe.wait_until_steady(STEADY)?;
        probe.finish()
    }
}

// === impl Probe ===

impl Probe {
    /// Waits until the probe says that its first connection succeeded.
    ///
    /// # Errors
    /// [`Error::Ended`] when the run was over before.
    pub fn wait_until_running(&self) -> Result<(), Error> {
        self.hear(|heard| heard.running.then_some(()))
    }

    /// How the run stands: waits for the probe's next word, which comes within 50 ms.
    ///
    /// # Errors
    /// [`Error::Ended`] when the run is over.
    pub fn progress(&self) -> Result<Progress, Error> {
        let before = self.heard.0.lock().count;
        self.hear(|heard| heard.latest.clone().filter(|_| heard.count > before))
    }

    /// Waits until connections have succeeded for as long as `steady`, counted from now, without a break of more than
    /// 100 ms.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after 40 s of the probe's time.
    pub fn wait_until_steady(&self, steady: Duration) -> Result<(), Error> {
        let mut first = None;
        let mut since = None;
        loop {
            let now = self.progress()?;
            let start = *first.get_or_insert(now.at);
            if now.silent > BREAK || now.successes == 0 {
                since = None;
            } else if now.at.saturating_sub(*since.get_or_insert(now.at)) >= steady {
                return Ok(());
            }
            if now.at.saturating_sub(start) > PATIENCE {
                return Err(Error::TimedOut { what: "connections succeed steadily".to_owned(), after: PATIENCE });
            }
        }
    }

    /// Ends the run now and returns what it found.
    ///
    /// # Errors
    /// [`Error::Ended`] when the probe gave no report.
    pub fn finish(mut self) -> Result<ProbeReport, Error> {
        self.stdin = None;
        self.report()
    }

    /// Waits for the run's own end and returns what it found.
    ///
    /// # Errors
    /// [`Error::Ended`] when the probe gave no report.
    pub fn wait(mut self) -> Result<ProbeReport, Error> {
        self.report()
    }

    fn report(&mut self) -> Result<ProbeReport, Error> {
        self.hear(|heard| heard.report.take())
    }

    /// Waits until `find` finds something in what was heard.
    fn hear<T>(&self, mut find: impl FnMut(&mut Heard) -> Option<T>) -> Result<T, Error> {
        let (heard, news) = &*self.heard;
        let mut heard = heard.lock();
        loop {
            if let Some(found) = find(&mut heard) {
                return Ok(found);
            }
            if heard.over {
                return Err(Error::Ended { reason: "the probe's run is over".to_owned() });
            }
            news.wait(&mut heard);
        }
    }
}

/// Listens to a probe until its end.
fn listen(lines: BufReader<ChildStdout>, heard: &(Mutex<Heard>, Condvar)) {
    let (heard, news) = heard;
    for line in lines.lines().map_while(Result::ok) {
        // A line that cannot be read is from another build; without a report the run counts as failed.
        let Ok(line) = serde_json::from_str(&line) else { continue };
        let mut heard = heard.lock();
        match line {
            ProbeLine::Running { .. } => heard.running = true,
            ProbeLine::Progress(progress) => {
                heard.latest = Some(progress);
                heard.count += 1;
            }
            ProbeLine::Report(report) => heard.report = Some(report),
        }
        news.notify_all();
    }
    heard.lock().over = true;
    news.notify_all();
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Already over is as good as killed; either way it is collected.
        self.process.kill().ok();
        self.process.wait().ok();
        if let Some(listener) = self.listener.take() {
            listener.join().ok();
        }
    }
}

/// As the command line wants it.
fn text(duration: Duration) -> String {
    format!("{}us", duration.as_micros())
}
