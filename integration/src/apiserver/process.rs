//! Processes that die with the test process, however that ends.
//!
//! The kernel kills a child with its parent when the child asks for it (`PR_SET_PDEATHSIG`, prctl(2)), but "parent" is
//! the thread that started it, and a test's thread ends with the test. So one thread, which lives as long as the
//! process, starts them all; and the hidden verb `lab tethered` asks before it becomes the program.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use super::error::{Error, system};
use crate::binaries;

/// How much of a log an error shows.
const TAIL_LINES: usize = 40;
/// Between two looks at whether a process has ended.
const END_POLL: Duration = Duration::from_millis(10);

/// A program that runs until it is told to end, or the test process ends. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    /// Starts `program` with `arguments` and, beside the inherited ones, the variables of `environment`, in
    /// `folder`. What it writes is appended to `NAME.log` there.
    ///
    /// # Errors
    /// [`Error::Missing`] without the binary `lab`, [`Error::System`] when it cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(system(format!("open the log of {name}")))?;
        let mut command = Command::new(binaries::lab()?);
        command
            .args(["tethered", "--parent"])
            .arg(std::process::id().to_string())
            .arg("--")
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.0)
            .stderr(file.1);
        let child = on_keeper(command).map_err(system(format!("start {name}")))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines that it wrote.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(system(format!("look after {}", self.name)))
    }

    /// Fails if it has ended.
    pub(super) fn must_run(&mut self) -> Result<(), Error> {
        match self.ended()? {
            Some(status) => Err(Error::Ended { name: self.name.clone(), status, log: self.log_tail() }),
            None => Ok(()),
        }
    }

    /// SIGKILL, and its end awaited.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel refuses.
    pub fn kill(mut self) -> Result<ExitStatus, Error> {
        self.child.kill().and_then(|()| self.child.wait()).map_err(system(format!("kill {}", self.name)))
    }

    /// SIGTERM, and its end awaited for at most `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it runs on; it is killed then.
    pub async fn terminate(mut self, deadline: Duration) -> Result<ExitStatus, Error> {
        let pid = i32::try_from(self.pid()).map_err(|error| system("name a process")(io::Error::other(error)))?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(system(format!("send SIGTERM to {}", self.name)))?;
        let ended = tokio::time::timeout(deadline, async {
            loop {
                if let Some(status) = self.ended()? {
                    return Ok(status);
                }
                tokio::time::sleep(END_POLL).await;
            }
        });
        match ended.await {
            Ok(ended) => ended,
            Err(_elapsed) => Err(Error::TimedOut {
                what: format!("{} ends after SIGTERM", self.name),
                after: deadline,
                last: "it runs".to_owned(),
                log: self.log_tail(),
            }),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; then there is nobody to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

struct Order {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

/// Starts a command on the thread that lives as long as the process.
fn on_keeper(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<SyncSender<Order>> = OnceLock::new();
    // Capacities: a caller waits for its answer, so one place each is enough.
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = sync_channel(1);
        std::thread::spawn(move || keep(&inbox));
        orders
    });
    let (answer, started) = sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes is gone");
    keeper.send(Order { command, answer }).map_err(|_order| gone())?;
    started.recv().map_err(|_closed| gone())?
}

fn keep(inbox: &Receiver<Order>) {
    for mut order in inbox {
        // The caller waits for it.
        order.answer.send(order.command.spawn()).ok();
    }
}

/// The hidden verb `tethered`: asks to die with the parent, then becomes `command`. Returns only when that fails.
pub(crate) fn become_tethered(parent: u32, command: &[OsString]) -> Result<u8, crate::Error> {
    set_pdeathsig(Signal::SIGKILL).map_err(crate::error::system("ask to die with the parent"))?;
    // The parent may have died before it was asked for; then somebody else is the parent now.
    if u32::try_from(getppid().as_raw()) != Ok(parent) {
        return Ok(1);
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(crate::Error::Refused { reason: "no command given".to_owned() });
    };
    let error = Command::new(program).args(arguments).exec();
    Err(crate::error::system(format!("run {}", program.to_string_lossy()))(error))
}
