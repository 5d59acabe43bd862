//! What a [`Lab`](super::Lab) looks like from its LAN: who answers for an address, and what is announced when.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::Lab;
use crate::binaries;
use crate::error::{Error, system};
use crate::observer::{Answer, Sighting};

/// How long [`Lab::answerers`] collects answers. A node answers within a few milliseconds; the rest is for a busy machine
/// and for questions that get lost.
const ANSWERS: Duration = Duration::from_millis(250);

/// Listens to announcements, from the moment that it was made. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    process: Child,
    /// Closing it ends the process.
    stdin: Option<ChildStdin>,
    seen: Arc<Mutex<Vec<Sighting>>>,
    listener: Option<JoinHandle<()>>,
}

// === impl Lab ===

impl Lab {
    /// Asks for addresses by ARP or NDP on the LAN of the host `from`, as a stranger there, and collects every answer
    /// within `duration`. No neighbour table is touched.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host, or when its interface is away.
    pub fn answers(
        &self,
        from: &str,
        addresses: &[IpAddr],
        duration: Duration,
    ) -> Result<BTreeMap<IpAddr, Vec<Answer>>, Error> {
        let program = binaries::lab()?.to_string_lossy().into_owned();
        // A number of its own for everyone who may ask at the same time.
        let number = match from {
            "client" => "200",
            "gateway" => "201",
            _ => "202",
        };
        let duration = format!("{}us", duration.as_micros());
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut command = vec![program.as_str(), "ask-here", "--number", number, "--for", &duration];
        command.extend(addresses.iter().map(String::as_str));
        let output = self.exec(from, &command)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Refused { reason });
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The hosts that answer for each of `addresses` when `from` asks; a hardware address that nobody of the lab has
    /// stands for itself.
    ///
    /// # Errors
    /// As [`Lab::answers`].
    pub fn answerers(&self, from: &str, addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, Error> {
        let mut hosts = BTreeMap::<IpAddr, BTreeSet<String>>::new();
        for (address, answers) in self.answers(from, addresses, ANSWERS)? {
            let of_address = hosts.entry(address).or_default();
            for answer in answers {
                of_address.insert(self.host_with(answer.mac)?.unwrap_or_else(|| answer.mac.to_string()));
            }
        }
        Ok(hosts)
    }

    /// Listens to announcements on the LAN of the host `from`: gratuitous ARP, or unsolicited neighbor advertisements
    /// with `v6`. It hears what comes after this returned.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn watch(&self, from: &str, v6: bool) -> Result<Watch, Error> {
        let program = binaries::lab()?.to_string_lossy().into_owned();
        let mut words = vec![program.as_str(), "watch-here"];
        words.extend(v6.then_some("--v6"));
        let mut command = self.command(from, &words)?;
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(system("start a watch"))?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let mut watch = Watch { process, stdin, seen: Arc::default(), listener: None };
        let Some(stdout) = stdout else { return Err(Error::Ended { reason: "the watch has no output".to_owned() }) };
        let mut lines = BufReader::new(stdout);
        let mut ready = String::new();
        lines.read_line(&mut ready).map_err(system("hear from the watch"))?;
        if ready.is_empty() {
            return Err(Error::Ended { reason: "the watch did not begin".to_owned() });
        }
        let seen = Arc::clone(&watch.seen);
        let listener = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                // A line that cannot be read is from another build.
                seen.lock().extend(serde_json::from_str::<Sighting>(&line));
            }
        });
        watch.listener = Some(listener.map_err(system("start the thread that hears the watch"))?);
        Ok(watch)
    }
}

// === impl Watch ===

impl Watch {
    /// What it saw so far, in the order of its coming.
    pub fn seen(&self) -> Vec<Sighting> {
        self.seen.lock().clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stdin = None;
        // Already over is as good as killed; either way it is collected.
        self.process.kill().ok();
        self.process.wait().ok();
        if let Some(listener) = self.listener.take() {
            listener.join().ok();
        }
    }
}
