//! The handle to a lab, for tests, demonstrations and the verbs of the command line.
//!
//! It is synchronous: who drives a lab does one thing after the other. What runs by itself (the lab, a [`Probe`]) is a
//! process of its own.

mod faults;
mod hold;
mod observe;
mod probe;
mod routes;

use std::net::IpAddr;
use std::process::{Command, Output};
use std::time::Duration;

use self::hold::Holder;
pub(crate) use self::hold::default_values;
pub use self::hold::{Api, Daemons, Options};
pub use self::observe::Watch;
pub use self::probe::Probe;
use crate::binaries;
use crate::client;
use crate::clock;
use crate::error::{Error, system};
use crate::layout::{Family, Layout, Mac};
use crate::protocol::{Announced, Event, Reply, Request, State};

/// How long [`Lab::wait_for`] waits. Generous: it bounds a hang, not a figure.
const WAIT_DEADLINE: Duration = Duration::from_secs(30);
/// How often it looks.
const WAIT_POLL: Duration = Duration::from_millis(10);

/// A running lab. Dropping a lab that this process started takes it down.
#[derive(Debug)]
pub struct Lab {
    name: String,
    layout: Layout,
    holder: Option<Holder>,
}

// === impl Lab ===

impl Lab {
    /// Starts a lab and returns when all its processes have been started.
    ///
    /// # Errors
    /// [`Error::Ended`] with the reason; [`missing_requirements`](crate::missing_requirements) says beforehand what the
    /// machine lacks.
    pub fn up(options: Options) -> Result<Self, Error> {
        let (name, holder, layout) = Holder::start(options)?;
        Ok(Self { name, layout, holder: Some(holder) })
    }

    /// Starts a lab that has more than daemons: `more` are the arguments of `lab --name NAME`, managed.
    pub(crate) fn up_with(more: &[String], echo: bool) -> Result<Self, Error> {
        let name = hold::unique_name();
        let mut command = Command::new(binaries::lab()?);
        command.args(["--name", &name]).args(more);
        let (holder, layout) = Holder::start_command(&mut command, None, echo)?;
        Ok(Self { name, layout, holder: Some(holder) })
    }

    /// The lab of that name, which somebody else holds (`cargo lab up`); dropping the handle leaves it alone.
    ///
    /// # Errors
    /// [`Error::NotUp`] when there is none.
    pub fn attach(name: &str) -> Result<Self, Error> {
        let mut lab = Self { name: name.to_owned(), layout: Layout::new(0, Family::default()), holder: None };
        let state = lab.state()?;
        lab.layout = Layout::of(state.family, state.hosts.into_iter().map(|state| state.host).collect());
        Ok(lab)
    }

    /// Takes the lab down and returns when nothing of it is left.
    ///
    /// # Errors
    /// When it cannot be reached; it is gone then too.
    pub fn down(mut self) -> Result<(), Error> {
        if let Some(holder) = self.holder.take() {
            return holder.end();
        }
        let holder = self.state()?.holder_pid;
        self.done(&Request::Down)?;
        self.wait_for("the lab is gone", |_| has_ended(holder).then_some(()))
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who is in its network.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Everything about the lab at this moment.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn state(&self) -> Result<State, Error> {
        let Reply::State { state } = self.ask(&Request::State)? else { return Err(unexpected()) };
        Ok(*state)
    }

    // --- manifests ---

    /// Writes or replaces the manifest `name` (`pools.yaml`; sub-folders are allowed): readers see the old text or the
    /// new one. On an API server its objects are applied one after the other, and those that only the old text had are
    /// deleted; values become resources first.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that leads out of the directory; on an API server, for what that refuses: the
    /// objects before the one that is named were applied then.
    pub fn apply(&self, name: &str, yaml: &str) -> Result<(), Error> {
        self.done(&Request::Apply { name: name.to_owned(), text: yaml.to_owned() })
    }

    /// Removes the manifest `name`.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.done(&Request::Remove { name: name.to_owned() })
    }

    /// The text of a file of the manifest directory (`status/services/default/web.yaml`); none while it is not there.
    /// On an API server, `status/PLURAL/NAMESPACE/NAME.yaml` is the whole object as it is there.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that leads out of the directory.
    pub fn read(&self, name: &str) -> Result<Option<String>, Error> {
        self.text(&Request::Read { path: name.to_owned() })
    }

    /// Makes the endpoints of the services that the lab started with those of `nodes`, and returns when every node's rules lead there. At the start
    /// every node has one.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is no node.
    pub fn endpoints_on<S: AsRef<str>>(&self, nodes: &[S]) -> Result<(), Error> {
        self.done(&Request::EndpointsOn { nodes: nodes.iter().map(|node| node.as_ref().to_owned()).collect() })
    }

    /// The events that the daemons wrote (`status/events.jsonl`), the oldest first; on an API server in the same form.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a line that is no JSON.
    pub fn events(&self) -> Result<Vec<serde_json::Value>, Error> {
        let text = self.read("status/events.jsonl")?.unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).map_err(Error::from)).collect()
    }

    // --- what can be seen ---

    /// The first address of a service, from its status; none while it has none.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn service_address(&self, service: &str) -> Result<Option<IpAddr>, Error> {
        Ok(self.service_addresses(service)?.first().copied())
    }

    /// All addresses of a service, in the order of its status.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn service_addresses(&self, service: &str) -> Result<Vec<IpAddr>, Error> {
        let service = self.state()?.services.into_iter().find(|state| state.name == service);
        Ok(service.map(|service| service.addresses).unwrap_or_default())
    }

    /// The client's neighbour entry for `address`, as it is.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn client_arp(&self, address: IpAddr) -> Result<Option<Mac>, Error> {
        self.mac(&Request::ClientArp { address })
    }

    /// The node that answers ARP or NDP for `address` now. The gateway asks afresh, so the client's entry is not touched.
    /// None when nobody answers within 1.5 s, or no node does.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn owner(&self, address: IpAddr) -> Result<Option<String>, Error> {
        match self.mac(&Request::Owner { address })? {
            None => Ok(None),
            Some(mac) => self.host_with(mac),
        }
    }

    /// The host that has that hardware address, now or at the start of the lab.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn host_with(&self, mac: Mac) -> Result<Option<String>, Error> {
        if let Some(host) = self.layout.by_mac(mac) {
            return Ok(Some(host.name.clone()));
        }
        let has = self.state()?.hosts.into_iter().find(|state| state.host.mac == mac);
        Ok(has.map(|state| state.host.name))
    }

    /// The nodes whose speakers say that they announce `address`.
    ///
    /// # Errors
    /// When the lab cannot be reached. A speaker that does not answer is not among them.
    pub fn announcers(&self, address: IpAddr) -> Result<Vec<String>, Error> {
        let announces = |announced: &Announced| announced.addresses.as_ref().is_ok_and(|all| all.contains(&address));
        Ok(self.announced()?.into_iter().filter(announces).map(|announced| announced.node).collect())
    }

    /// The hardware address that a host had at the start.
    pub fn mac_of(&self, host: &str) -> Option<Mac> {
        self.layout.host(host).map(|host| host.mac)
    }

    /// What a process (`controller`, `speaker-node-1`, `backend-node-1`) wrote; none when there is no such process.
    ///
    /// # Errors
    /// When the lab cannot be reached.
    pub fn logs(&self, process: &str) -> Result<Option<String>, Error> {
        self.text(&Request::Logs { name: process.to_owned() })
    }

    /// What happened in the lab since its start: processes, faults, addresses. Empty for a lab that was attached to.
    pub fn history(&self) -> Vec<Event> {
        self.holder.as_ref().map(Holder::history).unwrap_or_default()
    }

    /// Runs a command in a place of the lab (a host, or `switch`) to its end.
    ///
    /// # Errors
    /// When it could not be started. A command that fails is no error here: look at its status.
    pub fn exec(&self, place: &str, command: &[&str]) -> Result<Output, Error> {
        let line = || format!("run `{}` in {place}", command.join(" "));
        self.command(place, command)?.output().map_err(system(line()))
    }

    /// The same as a [`Command`] to be started by the caller. Killing that process kills the command in the lab.
    ///
    /// # Errors
    /// [`Error::Missing`] when the binary `lab` is gone.
    pub fn command(&self, place: &str, command: &[&str]) -> Result<Command, Error> {
        let mut process = Command::new(binaries::lab()?);
        process.args(["--name", &self.name, "exec", place, "--"]).args(command);
        Ok(process)
    }

    /// Looks again and again until `condition` is met, and returns what it found.
    ///
    /// # Errors
    /// [`Error::TimedOut`] naming `what` after 30 s.
    pub fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> Result<T, Error> {
        clock::until(what, WAIT_DEADLINE, WAIT_POLL, || condition(self))
    }

    /// What the speakers say that they announce.
    pub(crate) fn announced(&self) -> Result<Vec<Announced>, Error> {
        let Reply::Announced { announced } = self.ask(&Request::Announced)? else { return Err(unexpected()) };
        Ok(announced)
    }

    fn ask(&self, request: &Request) -> Result<Reply, Error> {
        client::ask(&self.name, request)
    }

    fn done(&self, request: &Request) -> Result<(), Error> {
        let Reply::Done = self.ask(request)? else { return Err(unexpected()) };
        Ok(())
    }

    fn text(&self, request: &Request) -> Result<Option<String>, Error> {
        let Reply::Text { text } = self.ask(request)? else { return Err(unexpected()) };
        Ok(text)
    }

    fn mac(&self, request: &Request) -> Result<Option<Mac>, Error> {
        let Reply::Mac { mac } = self.ask(request)? else { return Err(unexpected()) };
        Ok(mac)
    }
}

/// An answer that does not belong to the question: the lab was started by another build.
fn unexpected() -> Error {
    Error::Refused { reason: "the lab answers another question: was it started by another build?".to_owned() }
}

/// Whether a process is gone, or waits only for its parent to collect it. One that is ending has given its memory and
/// files back before it is; that is not enough.
fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_or(true, |status| status.lines().any(|line| line.starts_with("State:") && line.contains(['Z', 'X'])))
}
