//! Short commands that the supervisor runs: `ip`, `nft`, `ferrolb`, in a place of the lab or in the switch.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::{Error, system};

/// None of these commands takes more than a few milliseconds; one that hangs must not hang the lab.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs commands.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    lab: PathBuf,
}

impl Runner {
    pub(super) fn new(lab: &Path) -> Self {
        Self { lab: lab.to_owned() }
    }

    /// A command that runs in the network namespace of `place`.
    pub(super) fn command_in(&self, place: &str) -> Command {
        let mut command = Command::new(&self.lab);
        command.args(["inside", "--place", place, "--"]);
        command
    }

    /// `ip -batch`: the lines of `script` in the network namespace of `place`.
    pub(super) async fn ip_batch(&self, place: &str, script: &str) -> Result<(), Error> {
        let mut command = Command::new("ip");
        command.args(["-n", place, "-batch", "-"]);
        run(&mut command, Some(script)).await.map(drop)
    }

    /// `ip -json` in the network namespace of `place`.
    pub(super) async fn ip_json(&self, place: &str, arguments: &[&str]) -> Result<serde_json::Value, Error> {
        let mut command = Command::new("ip");
        command.args(["-n", place, "-json"]).args(arguments);
        let text = run(&mut command, None).await?;
        // `ip` prints nothing at all where there is nothing to show.
        if text.trim().is_empty() { Ok(serde_json::Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }

    /// Loads nftables rules in the network namespace of `place`, all of them or none. On a node of its own that would not
    /// take the processor from those whose answers are measured: so it yields to them here.
    pub(super) async fn nft(&self, place: &str, rules: &str) -> Result<(), Error> {
        let mut command = self.command_in(place);
        command.args(["nice", "-n", "5", "nft", "-f", "-"]);
        run(&mut command, Some(rules)).await.map(drop)
    }
}

/// Runs a command to its end and returns what it printed.
pub(super) async fn run(command: &mut Command, input: Option<&str>) -> Result<String, Error> {
    let line = command_line(command);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(system(format!("run `{line}`")))?;
    let stdin = child.stdin.take();
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that does not read its input to the end says why by its exit status.
            stdin.write_all(input.as_bytes()).await.ok();
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = timeout(DEADLINE, both)
        .await
        .map_err(|_elapsed| Error::TimedOut { what: format!("`{line}` ends"), after: DEADLINE })?
        .map_err(system(format!("run `{line}`")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(Error::Command { command: line, message })
}

fn command_line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
