//! What a [`Lab`](super::Lab) can be made to suffer, and how it is mended.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Lab, unexpected};
use crate::binaries;
use crate::clock;
use crate::error::Error;
use crate::layout::Mac;
use crate::protocol::{Carrier, Reply, Request, Stopped};

// === impl Lab ===

impl Lab {
    /// Crashes a node: its link goes down at the switch, then every process in its namespace is killed.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn kill(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Kill { node: node.to_owned() })
    }

    /// Brings a node back from whatever was done to it: cable, link, drain, and the processes that ran on it. Its
    /// interface keeps the name and the hardware address that it has.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn heal(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Heal { node: node.to_owned() })
    }

    /// Brings everybody back, and ends partition and loss.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn heal_all(&self) -> Result<(), Error> {
        self.done(&Request::HealAll)
    }

    /// Sends SIGTERM to a node's speaker and waits for its end.
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not run.
    pub fn stop(&self, node: &str) -> Result<Stopped, Error> {
        let Reply::Stopped { stopped } = self.ask(&Request::Stop { node: node.to_owned() })? else {
            return Err(unexpected());
        };
        Ok(stopped)
    }

    /// Starts a node's speaker again.
    ///
    /// # Errors
    /// [`Error::Refused`] when it runs already.
    pub fn start(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Start { node: node.to_owned() })
    }

    /// Kills the controller (SIGKILL) and starts it again.
    ///
    /// # Errors
    /// [`Error::Refused`] in a lab without daemons.
    pub fn restart_controller(&self) -> Result<(), Error> {
        self.done(&Request::RestartController)
    }

    /// Drops every frame on a host's cable, in both directions, while its carrier stays: what a broken switch does.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host.
    pub fn cut(&self, host: &str) -> Result<(), Error> {
        self.done(&Request::Cut { node: host.to_owned() })
    }

    /// Ends [`Lab::cut`].
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host.
    pub fn uncut(&self, host: &str) -> Result<(), Error> {
        self.done(&Request::Uncut { node: host.to_owned() })
    }

    /// Drops every frame between hosts of different groups. Who is in none hears everybody; `switch` stands for the API
    /// server. No groups end it.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host, or stands twice.
    pub fn partition<S: AsRef<str>>(&self, groups: &[Vec<S>]) -> Result<(), Error> {
        let names = |group: &Vec<S>| group.iter().map(|name| name.as_ref().to_owned()).collect();
        self.done(&Request::Partition { groups: groups.iter().map(names).collect() })
    }

    /// Loses `percent` of all frames, each way between two hosts; or of those on the cable of `host`. 0 ends it.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host, and for more than 100 %.
    pub fn lose(&self, percent: u8, host: Option<&str>) -> Result<(), Error> {
        self.done(&Request::Loss { percent, node: host.map(str::to_owned) })
    }

    /// Stops a node's speaker where it is (SIGSTOP).
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not run.
    pub fn pause(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Pause { node: node.to_owned() })
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not run.
    pub fn resume(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Resume { node: node.to_owned() })
    }

    /// Stops a node's speaker for that long; returns when it goes on.
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not run.
    pub fn pause_for(&self, node: &str, duration: Duration) -> Result<(), Error> {
        self.pause(node)?;
        clock::pause(duration);
        self.resume(node)
    }

    /// Takes a host's carrier away, or gives it back.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no host.
    pub fn carrier(&self, host: &str, carrier: Carrier) -> Result<(), Error> {
        self.done(&Request::Carrier { node: host.to_owned(), carrier })
    }

    /// Gives a node's interface another name; it is down for that moment.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn rename(&self, node: &str, interface: &str) -> Result<(), Error> {
        self.done(&Request::Rename { node: node.to_owned(), interface: interface.to_owned() })
    }

    /// Gives a node's interface another hardware address, while it is up.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn change_mac(&self, node: &str, mac: Mac) -> Result<(), Error> {
        self.done(&Request::ChangeMac { node: node.to_owned(), mac })
    }

    /// Cordons a node and taints it with NoExecute.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn drain(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Drain { node: node.to_owned() })
    }

    /// Takes both back.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn undrain(&self, node: &str) -> Result<(), Error> {
        self.done(&Request::Undrain { node: node.to_owned() })
    }

    /// Stops and starts a node's speaker, and returns when it sees as many members again as before.
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not run; [`Error::TimedOut`] when it does not come back.
    pub fn restart(&self, node: &str) -> Result<(), Error> {
        let before = self.members(node);
        self.stop(node)?;
        self.start(node)?;
        self.wait_for(&format!("the speaker of {node} is a member again"), |lab| {
            lab.members(node).filter(|now| before.as_ref().is_none_or(|before| before.is_subset(now)))
        })
        .map(drop)
    }

    /// A rolling update: restarts one speaker after the other.
    ///
    /// # Errors
    /// As [`Lab::restart`].
    pub fn rolling(&self) -> Result<(), Error> {
        self.layout().nodes().try_for_each(|node| self.restart(&node.name))
    }

    /// The nodes that are alive by the word of a node's speaker; none while that does not answer.
    pub fn members(&self, node: &str) -> Option<BTreeSet<String>> {
        let output = self.ferrolb(node, &["members", "--output", "json"]).ok()?;
        let members: Vec<serde_json::Value> = serde_json::from_str(&output).ok()?;
        members.iter().map(|member| member.get("name")?.as_str().map(str::to_owned)).collect()
    }

    /// What `ferrolb` prints on a node, asking the speaker there.
    ///
    /// # Errors
    /// [`Error::Refused`] with what it complains about.
    pub fn ferrolb(&self, node: &str, arguments: &[&str]) -> Result<String, Error> {
        let program = binaries::ferrolb()?.to_string_lossy().into_owned();
        let socket = format!("/run/lab/{node}.sock");
        let mut command = vec![program.as_str()];
        command.extend_from_slice(arguments);
        command.extend_from_slice(&["--socket", &socket]);
        let output = self.exec(node, &command)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Refused { reason: format!("`ferrolb {}` on {node}: {reason}", arguments.join(" ")) });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
