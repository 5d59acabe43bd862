//! A session with its socket.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use nix::net::if_::if_nametoindex;

use super::demux::Candidate;
use super::error::Problem;
use super::journal::{Entry, Journal};
use super::peer::{Parameters, Peer};
use super::receiver::Channel;
use super::sender::Sender;
use super::system;
use crate::session::{Input, Output, Session};
use crate::wire::{LEN, State};

/// A session that shall be, or that says good-bye.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) peer: Arc<Peer>,
    pub(super) channel: Channel,
    pub(super) session: Session,
    pub(super) problem: Option<Arc<Problem>>,
    /// Whether the problem is that nothing can be received.
    deaf: bool,
    /// It is to go once its end has been told.
    pub(super) leaving: bool,
    parameters: Parameters,
    interface: Option<u32>,
    sender: Option<Sender>,
}

/// What a session needs of its surroundings in order to act.
pub(super) struct Surroundings<'a> {
    pub(super) port: u16,
    pub(super) taken: &'a BTreeSet<u16>,
    /// Why nothing can be received. Then nothing is sent: there may be another daemon with a session of its own.
    pub(super) deaf: Option<&'a Arc<Problem>>,
    pub(super) journal: &'a mut Journal,
}

impl Running {
    pub(super) fn new(peer: Peer, parameters: Parameters, session: Session) -> Self {
        let channel = Channel::of(&peer);
        let mut running = Self {
            peer: Arc::new(peer),
            channel,
            session,
            problem: None,
            deaf: false,
            leaving: false,
            parameters,
            interface: None,
            sender: None,
        };
        running.look();
        running
    }

    pub(super) fn configure(&mut self, now: Instant, parameters: Parameters) {
        self.parameters = parameters;
        self.session.handle(now, Input::Configured(parameters.session));
        if self.leaving {
            self.leaving = false;
            self.session.handle(now, Input::Enable);
        }
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.leaving = true;
        self.session.handle(now, Input::Disable);
    }

    /// Whether the interface is worth a look now and then: it may come, or be another one of the same name.
    pub(super) fn may_move(&self) -> bool {
        self.peer.interface.is_some() && self.session.state() != State::Up
    }

    /// Finds the interface.
    pub(super) fn look(&mut self) {
        let index = self.peer.interface.as_deref().and_then(|name| if_nametoindex(name).ok());
        if index != self.interface {
            self.interface = index;
            self.sender = None;
        }
    }

    pub(super) fn source_port(&self) -> Option<u16> {
        self.sender.as_ref().map(|sender| sender.port)
    }

    /// Does what the session says. Tells whether anything changed that others want to know.
    pub(super) fn act(&mut self, around: &mut Surroundings<'_>) -> bool {
        // Told without waiting for a packet to send: a passive session has none.
        let was_deaf = std::mem::replace(&mut self.deaf, around.deaf.is_some());
        let mut changed = match around.deaf {
            Some(problem) => self.report(Some(Arc::clone(problem)), around.journal),
            None => was_deaf && self.report(None, around.journal),
        };
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(_) if self.deaf => {}
                Output::Send(packet) => {
                    let problem = self.send(&packet, around).err().map(Arc::new);
                    changed |= self.report(problem, around.journal);
                }
                Output::Changed { from, .. } => {
                    changed = true;
                    let (peer, status) = (Arc::clone(&self.peer), Box::new(self.session.status()));
                    around.journal.note(Entry::Changed { peer, from, status });
                }
            }
        }
        changed
    }

    /// Takes down what is wrong now. Tells whether that is news.
    fn report(&mut self, problem: Option<Arc<Problem>>, journal: &mut Journal) -> bool {
        match (&self.problem, &problem) {
            (None, None) => return false,
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) || old.same_as(new) => return false,
            (_, Some(new)) => {
                journal.note(Entry::Problem { peer: Arc::clone(&self.peer), problem: Arc::clone(new) });
            }
            (Some(_), None) => journal.note(Entry::Solved { peer: Arc::clone(&self.peer) }),
        }
        self.problem = problem;
        true
    }

    fn send(&mut self, packet: &[u8; LEN], around: &Surroundings<'_>) -> Result<(), Problem> {
        if self.sender.is_none() {
            self.check()?;
            let start = self.session.discriminator();
            self.sender = Some(Sender::open(&self.peer, around.port, self.interface, around.taken, start)?);
        }
        let sent = self.sender.as_ref().map_or(Ok(false), |sender| sender.send(packet));
        sent.map(drop).map_err(|source| {
            self.sender = None;
            Problem::Socket { operation: "send BFD", source }
        })
    }

    /// What no socket could make good.
    fn check(&self) -> Result<(), Problem> {
        let Peer { address, source, interface, .. } = &*self.peer;
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        if source.is_some_and(|source| source.is_ipv4() != address.is_ipv4()) {
            return Err(Problem::Misconfigured("the source address and the peer's are of different families"));
        }
        match interface {
            None if link_local => Err(Problem::Misconfigured("a link-local peer needs the interface it is at")),
            Some(name) if self.interface.is_none() => {
                let source = system(nix::Error::ENODEV);
                Err(Problem::NoInterface { interface: name.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

impl Candidate for Running {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn interface(&self) -> Option<u32> {
        self.interface
    }
}
