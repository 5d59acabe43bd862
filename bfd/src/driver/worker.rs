//! The loop: look at the clock, read everything, do what is due, publish what came of it, wait.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use rand::RngExt as _;
use tokio::sync::watch;

use super::demux;
use super::error::Problem;
use super::handle::Desired;
use super::journal::{Entry, Journal};
use super::observed::{Observed, Rejections, SessionStatus};
use super::peer::{Parameters, Peer};
use super::receiver::{Buffers, Channel, Receiver};
use super::running::{Running, Surroundings};
use crate::session::{Input, Session};
use crate::wire::State;

/// Datagrams read from one socket per turn: more than its buffer holds, so that all that had come before is read.
const DRAIN: usize = 4096;

/// How often counters are published, and what is wrong is tried again.
const TICK: Duration = Duration::from_secs(1);

/// How long peers are told that we stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// Where packets go to and come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) single_hop: u16,
    pub(super) multihop: u16,
}

impl Ports {
    fn of(self, multihop: bool) -> u16 {
        if multihop { self.multihop } else { self.single_hop }
    }
}

/// Owns everything. Ends when told to, or when the handle is gone.
pub(super) struct Worker {
    clock: Box<dyn Fn() -> Instant + Send>,
    ports: Ports,
    waker: Arc<EventFd>,
    desired: watch::Receiver<Desired>,
    observed: watch::Sender<Arc<Observed>>,
    journal: Journal,
    /// By discriminator.
    running: BTreeMap<u32, Running>,
    receivers: BTreeMap<Channel, Result<Receiver, Arc<Problem>>>,
    buffers: Buffers,
    rejected: Rejections,
    pub(super) realtime: bool,
    stalls: u64,
    /// Until when the rest of the sessions may say good-bye.
    stopping: Option<Instant>,
    planned: Option<Instant>,
    ticked: Instant,
    published: Instant,
    changed: bool,
}

impl Worker {
    pub(super) fn new(
        clock: Box<dyn Fn() -> Instant + Send>,
        ports: Ports,
        waker: Arc<EventFd>,
        desired: watch::Receiver<Desired>,
        observed: watch::Sender<Arc<Observed>>,
        journal: Journal,
    ) -> Self {
        let now = clock();
        Self {
            clock,
            ports,
            waker,
            desired,
            observed,
            journal,
            running: BTreeMap::new(),
            receivers: BTreeMap::new(),
            buffers: Buffers::new(),
            rejected: Rejections::default(),
            realtime: false,
            stalls: 0,
            stopping: None,
            planned: None,
            ticked: now,
            published: now,
            changed: true,
        }
    }

    pub(super) fn run(mut self) {
        while self.turn() {
            self.wait();
        }
        // Seen last, so that whoever waits for the end finds everything closed.
        let Self { desired, observed, receivers, running, .. } = self;
        drop((receivers, running));
        observed.send_replace(Arc::default());
        drop(desired);
    }

    /// One turn. False once all is over.
    pub(super) fn turn(&mut self) -> bool {
        // What is judged is judged as of this moment: whatever came before it is read below.
        let now = (self.clock)();
        self.note_stall(now);
        self.apply(now);
        self.tick(now);
        self.receive();
        for running in self.running.values_mut() {
            running.session.handle_deadline(now);
        }
        self.act();
        self.publish(now);
        self.stopping.is_none_or(|until| now < until && !self.running.is_empty())
    }

    fn wait(&mut self) {
        self.planned = self.next_deadline();
        let now = (self.clock)();
        let timeout = self.planned.map(|at| TimeSpec::from(at.saturating_duration_since(now)));
        let mut waiting = Vec::with_capacity(1 + self.receivers.len());
        waiting.push(PollFd::new(self.waker.as_fd(), PollFlags::POLLIN));
        let open = self.receivers.values().filter_map(|receiver| receiver.as_ref().ok());
        waiting.extend(open.map(|receiver| PollFd::new(receiver.as_fd(), PollFlags::POLLIN)));
        // An error is a signal, or passes; in both cases the turn does no harm.
        let _interrupted = ppoll(&mut waiting, timeout, None);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.running.values().filter_map(|running| running.session.next_deadline()).min();
        let broken = self.receivers.values().any(Result::is_err) || self.running.values().any(Running::may_move);
        let tick = broken.then(|| self.ticked + TICK);
        [sessions, tick, self.stopping].into_iter().flatten().min()
    }

    fn note_stall(&mut self, now: Instant) {
        let Some(late) = self.planned.take().map(|planned| now.saturating_duration_since(planned)) else { return };
        let up = self.running.values().filter(|running| running.session.state() == State::Up);
        if up.map(|running| running.session.detection_time()).min().is_some_and(|shortest| shortest <= late) {
            self.stalls += 1;
            self.changed = true;
            self.journal.note(Entry::Stalled { late });
        }
    }

    /// Makes the sessions those that shall be.
    fn apply(&mut self, now: Instant) {
        // Read before the state is, so that no change is missed.
        let _empty = self.waker.read();
        if self.stopping.is_some() {
            return;
        }
        match self.desired.has_changed() {
            Ok(false) => return,
            Ok(true) => {}
            Err(_gone) => return self.stop(now),
        }
        let Desired { sessions, stop } = self.desired.borrow_and_update().clone();
        if stop {
            return self.stop(now);
        }
        self.changed = true;
        let mut missing: BTreeMap<&Peer, &Parameters> = sessions.iter().collect();
        for running in self.running.values_mut() {
            match missing.remove(&*running.peer) {
                Some(parameters) => running.configure(now, *parameters),
                None => running.leave(now),
            }
        }
        for (peer, parameters) in missing {
            let discriminator = self.fresh_discriminator();
            let session = Session::new(now, parameters.session, discriminator, rand::rng().random());
            let running = Running::new(peer.clone(), *parameters, session);
            if !self.receivers.contains_key(&running.channel) {
                self.open(running.channel.clone());
            }
            self.running.insert(discriminator, running);
        }
    }

    fn stop(&mut self, now: Instant) {
        self.stopping = Some(now + FAREWELL);
        self.running.values_mut().for_each(|running| running.leave(now));
        self.changed = true;
    }

    /// Unique here and hard to guess. That the peer's differs is nowhere assumed.
    fn fresh_discriminator(&self) -> u32 {
        loop {
            let candidate = rand::rng().random_range(1..=u32::MAX);
            if !self.running.contains_key(&candidate) {
                return candidate;
            }
        }
    }

    fn open(&mut self, channel: Channel) {
        let receiver = Receiver::open(&channel, self.ports.of(channel.multihop)).map_err(Arc::new);
        self.receivers.insert(channel, receiver);
    }

    /// Tries again what is wrong, and closes what nobody needs.
    fn tick(&mut self, now: Instant) {
        if now < self.ticked + TICK {
            return;
        }
        self.ticked = now;
        let needed: BTreeSet<&Channel> = self.running.values().map(|running| &running.channel).collect();
        self.receivers.retain(|channel, _| needed.contains(channel));
        let closed: Vec<Channel> =
            self.receivers.iter().filter(|(_, receiver)| receiver.is_err()).map(|(key, _)| key.clone()).collect();
        for channel in closed {
            self.open(channel);
        }
        self.running.values_mut().filter(|running| running.may_move()).for_each(Running::look);
    }

    fn receive(&mut self) {
        let mut broken = Vec::new();
        for (channel, receiver) in &self.receivers {
            let Ok(receiver) = receiver else { continue };
            for _ in 0..DRAIN {
                let (bytes, arrival) = match receiver.receive(channel, &mut self.buffers) {
                    Ok(Some(datagram)) => datagram,
                    Ok(None) => break,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(_) => {
                        broken.push(channel.clone());
                        break;
                    }
                };
                let all = self.running.iter().map(|(number, running)| (*number, running));
                match demux::find(bytes, &arrival, |number| self.running.get(&number), all) {
                    Ok((number, packet)) => {
                        // Not the time of the turn: this thread may have stood still since.
                        let now = (self.clock)();
                        if let Some(running) = self.running.get_mut(&number) {
                            running.session.handle(now, Input::Received(&packet));
                        }
                    }
                    Err(reject) => self.rejected.count(reject),
                }
            }
        }
        for channel in broken {
            self.open(channel);
        }
    }

    /// Does what the sessions say, and forgets those that are over.
    fn act(&mut self) {
        let mut taken: BTreeSet<u16> = BTreeSet::new();
        if self.running.values().any(|running| running.source_port().is_none()) {
            taken = self.running.values().filter_map(Running::source_port).collect();
        }
        for running in self.running.values_mut() {
            let deaf = match self.receivers.get(&running.channel) {
                Some(Err(problem)) => Some(problem),
                Some(Ok(_)) | None => None,
            };
            let port = self.ports.of(running.channel.multihop);
            let mut around = Surroundings { port, taken: &taken, deaf, journal: &mut self.journal };
            self.changed |= running.act(&mut around);
            taken.extend(running.source_port());
        }
        self.running.retain(|_, running| !(running.leaving && running.session.is_over()));
    }

    /// Changes at once, counters every second.
    fn publish(&mut self, now: Instant) {
        let due = now >= self.published + TICK && !self.running.is_empty();
        if !self.changed && !due {
            return;
        }
        self.changed = false;
        self.published = now;
        let wanted = self.running.values().filter(|running| !running.leaving);
        let sessions = wanted.map(|running| {
            let (status, problem) = (running.session.status(), running.problem.clone());
            (Arc::clone(&running.peer), SessionStatus { status, problem })
        });
        self.observed.send_replace(Arc::new(Observed {
            sessions: sessions.collect(),
            rejected: self.rejected,
            realtime: self.realtime,
            stalls: self.stalls,
            unlogged: self.journal.lost,
        }));
    }
}
