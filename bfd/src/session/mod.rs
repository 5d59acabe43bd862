//! One neighbour (RFC 5880 section 6): states, poll sequences, when to send, when it is down.
//!
//! Pure: packets and times go in, packets and changes come out. The discriminator and the seed are given by whoever
//! owns the session; which packet belongs to it is decided outside, too.

mod io;
mod timing;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use self::io::{Config, Counters, DownCause, Input, Negotiated, Output, Status};
use self::timing::Timing;
use crate::wire::{Diagnostic, Packet, State};

/// Packets that a change of state may add to the periodic ones within [`WINDOW`]: the way to Up and back. More can only be
/// the doing of a peer that plays with us.
const EXTRA: u8 = 4;
const WINDOW: Duration = Duration::from_secs(1);

/// What the last packet said about the other end; as RFC 5880 section 6.8.1 initialises it if there was none.
#[derive(Debug, Clone, Copy)]
struct Remote {
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    demand: bool,
    control_plane_independent: bool,
    multiplier: u8,
    desired_min_tx: u32,
    required_min_rx: u32,
    required_min_echo_rx: u32,
}

impl Remote {
    fn unknown() -> Self {
        Self {
            discriminator: 0,
            state: State::Down,
            diagnostic: Diagnostic::None,
            demand: false,
            control_plane_independent: false,
            multiplier: 0,
            desired_min_tx: 0,
            required_min_rx: 1,
            required_min_echo_rx: 0,
        }
    }

    fn of(packet: &Packet) -> Self {
        Self {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            demand: packet.demand,
            control_plane_independent: packet.control_plane_independent,
            multiplier: packet.detect_multiplier,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            required_min_echo_rx: packet.required_min_echo_rx,
        }
    }
}

/// The next periodic packet.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    /// Sent later than this it counts as late.
    late: Instant,
}

/// A session with one neighbour.
#[derive(Debug)]
pub struct Session {
    config: Config,
    discriminator: u32,
    rng: StdRng,
    state: State,
    since: Instant,
    diagnostic: Diagnostic,
    cause: Option<DownCause>,
    remote: Remote,
    timing: Timing,
    sent: Option<Instant>,
    due: Option<Due>,
    /// When the last packet came. `None`: none came, or the detection time has passed since.
    heard: Option<Instant>,
    /// Until when AdminDown is told.
    telling: Option<Instant>,
    extra: (Option<Instant>, u8),
    counters: Counters,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session that begins in Down, and with its first packet unless it is passive. `discriminator` must be unique
    /// among the sessions of this system and not zero; `seed` makes the jitter.
    pub fn new(now: Instant, config: Config, discriminator: u32, seed: u64) -> Self {
        let mut session = Self {
            config,
            discriminator,
            rng: StdRng::seed_from_u64(seed),
            state: State::Down,
            since: now,
            diagnostic: Diagnostic::None,
            cause: None,
            remote: Remote::unknown(),
            timing: Timing::new(config.intervals()),
            sent: None,
            due: None,
            heard: None,
            telling: None,
            extra: (None, 0),
            counters: Counters::default(),
            outputs: VecDeque::new(),
        };
        session.plan(now);
        session
    }

    /// Takes an input. `now` may be later than that of the next [`handle_deadline`](Self::handle_deadline): whoever reads
    /// a socket looks at the clock before it is empty.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Received(packet) => self.receive(now, packet),
            Input::Configured(config) => self.configure(now, config),
            Input::Disable => self.disable(now),
            Input::Enable => self.enable(now),
        }
    }

    /// Does what is due. Everything that arrived before `now` must have been handed in: silence is judged by it.
    pub fn handle_deadline(&mut self, now: Instant) {
        if self.expires().is_some_and(|at| at <= now) {
            self.expire(now);
        }
        if self.telling.is_some_and(|until| until <= now) {
            self.telling = None;
            self.due = None;
        }
        if let Some(due) = self.due
            && due.at <= now
        {
            if self.state == State::Up && due.late < now {
                self.counters.late += 1;
            }
            self.transmit(now);
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.due.map(|due| due.at), self.expires(), self.telling].into_iter().flatten().min()
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Our number for the session.
    pub fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// Whether the session is disabled and has nothing more to say: the peer has answered, knows nothing of us, or its
    /// detection time is over.
    pub fn is_over(&self) -> bool {
        self.state == State::AdminDown && self.telling.is_none()
    }

    /// All there is to know.
    pub fn status(&self) -> Status {
        let known = self.remote.discriminator != 0;
        Status {
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            cause: self.cause,
            remote_state: known.then_some(self.remote.state),
            remote_diagnostic: self.remote.diagnostic,
            remote_control_plane_independent: self.remote.control_plane_independent,
            discriminator: self.discriminator,
            remote_discriminator: self.remote.discriminator,
            negotiated: known.then(|| Negotiated {
                transmit_interval: micros(self.interval()),
                receive_interval: micros(self.receive_interval()),
                detection_time: self.detection_time(),
                remote_transmit_interval: micros(self.remote.desired_min_tx),
                remote_receive_interval: micros(self.remote.required_min_rx),
                remote_echo_receive_interval: micros(self.remote.required_min_echo_rx),
                remote_detect_multiplier: self.remote.multiplier,
                polling: self.timing.is_polling(),
            }),
            counters: self.counters,
        }
    }

    /// RFC 5880 section 6.8.6, from where the session is found.
    fn receive(&mut self, now: Instant, packet: &Packet) {
        if packet.your_discriminator != 0 && packet.your_discriminator != self.discriminator {
            return;
        }
        self.counters.received += 1;
        if self.state == State::AdminDown {
            // What counts is only whether it knows.
            if matches!(packet.state, State::Down | State::AdminDown) {
                self.telling = None;
                self.due = None;
            }
            return;
        }
        let interval = self.interval();
        self.remote = Remote::of(packet);
        self.heard = Some(now);
        if packet.is_final {
            self.timing.answered();
        }
        let before = self.state;
        match (self.state, packet.state) {
            (State::Up | State::Init, State::AdminDown) => {
                self.enter(now, State::Down, Diagnostic::NeighborSignaledDown, Some(DownCause::NeighborAdminDown));
            }
            (State::Up, State::Down) => {
                self.enter(now, State::Down, Diagnostic::NeighborSignaledDown, Some(DownCause::NeighborSignaled));
            }
            (State::Down, State::Down) => self.enter(now, State::Init, self.diagnostic, None),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(now, State::Up, Diagnostic::None, None);
            }
            (State::AdminDown, _)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => {}
        }
        if packet.poll {
            // At once, whatever the interval (RFC 5880 section 6.5). It tells a change of state as well.
            self.send(true);
        } else if self.state != before {
            self.tell(now);
        }
        // RFC 5880 section 6.8.3: a faster rate that the peer asks for holds at once, not after the next packet.
        if self.interval() < interval || self.due.is_none() || !self.is_periodic() {
            self.plan(now);
        }
    }

    fn configure(&mut self, now: Instant, config: Config) {
        if self.config == config {
            return;
        }
        self.config = config;
        self.timing.want(config.intervals(), self.state == State::Up);
        self.plan(now);
    }

    /// AdminDown is told until the peer has confirmed it, or for its detection time (RFC 5880 section 6.8.16).
    fn disable(&mut self, now: Instant) {
        if self.state == State::AdminDown {
            return;
        }
        let known = self.remote.discriminator != 0 && self.remote.required_min_rx != 0;
        let remote_detection = micros(self.interval()) * u32::from(self.config.detect_multiplier);
        // Deviation: section 6.8.3 wants no more than a packet a second from now on. The few that are left follow each other
        // as before, so that the loss of one does not make the peer believe in a failure.
        self.enter(now, State::AdminDown, Diagnostic::AdministrativelyDown, Some(DownCause::Disabled));
        self.heard = None;
        self.due = None;
        if known {
            self.telling = Some(now + remote_detection);
            self.transmit(now);
        }
    }

    fn enable(&mut self, now: Instant) {
        if self.state != State::AdminDown {
            return;
        }
        self.telling = None;
        self.remote = Remote::unknown();
        self.timing = Timing::new(self.config.intervals());
        self.due = None;
        self.enter(now, State::Down, Diagnostic::None, None);
        self.plan(now);
    }

    /// RFC 5880 section 6.8.4, and 6.8.1 for what is forgotten.
    fn expire(&mut self, now: Instant) {
        self.heard = None;
        let independent = self.remote.control_plane_independent;
        // The C bit stays: it says what the failure means (RFC 5882 section 4.3).
        self.remote = Remote { control_plane_independent: independent, ..Remote::unknown() };
        if matches!(self.state, State::Init | State::Up) {
            let cause = Some(DownCause::DetectionTimeExpired);
            self.enter(now, State::Down, Diagnostic::DetectionTimeExpired, cause);
            self.tell(now);
        }
        self.plan(now);
    }

    fn enter(&mut self, now: Instant, state: State, diagnostic: Diagnostic, cause: Option<DownCause>) {
        let from = std::mem::replace(&mut self.state, state);
        self.since = now;
        self.diagnostic = diagnostic;
        if state == State::Up {
            self.counters.ups += 1;
            self.timing.fast();
        } else if from == State::Up {
            self.cause = cause;
            // What was due was due at another pace.
            self.due = None;
            self.counters.downs += 1;
            self.counters.failures += u64::from(cause.is_some_and(DownCause::is_failure));
            if state != State::AdminDown {
                self.timing.slow();
            }
        }
        self.outputs.push_back(Output::Changed { from, to: state, diagnostic });
    }

    /// Whether packets go out unasked (RFC 5880 section 6.8.7).
    fn is_periodic(&self) -> bool {
        let remote = &self.remote;
        let obeyed = remote.demand && self.state == State::Up && remote.state == State::Up;
        remote.required_min_rx != 0
            && (self.state != State::AdminDown || self.telling.is_some())
            && !(self.config.passive && remote.discriminator == 0)
            && (!obeyed || self.timing.is_polling())
    }

    /// Sends what has changed without waiting for its turn (RFC 5880 section 6.8.7), with measure.
    fn tell(&mut self, now: Instant) {
        let (start, used) = self.extra;
        let fresh = start.is_none_or(|start| now.saturating_duration_since(start) >= WINDOW);
        let (start, used) = if fresh { (Some(now), 0) } else { (start, used) };
        if self.is_periodic() && used < EXTRA {
            self.extra = (start, used + 1);
            self.transmit(now);
        }
    }

    /// A periodic packet, and when the next one is due.
    fn transmit(&mut self, now: Instant) {
        self.due = None;
        if self.is_periodic() {
            self.send(false);
            self.sent = Some(now);
        }
        self.plan(now);
    }

    /// Plans the next periodic packet; one that is planned already can only be drawn nearer.
    fn plan(&mut self, now: Instant) {
        if !self.is_periodic() {
            self.due = None;
            return;
        }
        let interval = self.interval();
        // RFC 5880 section 6.8.7: shortened by up to 25 %, with the multiplier 1 by at least 10 %.
        let most = if self.config.detect_multiplier == 1 { 900 } else { 1000 };
        let jittered = u64::from(interval) * self.rng.random_range(750..=most) / 1000;
        let at = self.sent.map_or(now, |sent| (sent + Duration::from_micros(jittered)).max(now));
        if self.due.is_none_or(|due| at < due.at) {
            self.due = Some(Due { at, late: at + micros(interval / 4) });
        }
    }

    fn send(&mut self, is_final: bool) {
        let told = self.timing.told();
        let packet = Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: !is_final && self.timing.poll(),
            is_final,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: self.config.detect_multiplier.max(1),
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: told.tx,
            required_min_rx: told.rx,
            required_min_echo_rx: 0,
        };
        self.counters.sent += 1;
        self.outputs.push_back(Output::Send(packet.encode()));
    }

    /// Microseconds between our packets before jitter (RFC 5880 section 6.8.2).
    fn interval(&self) -> u32 {
        self.timing.tx().max(self.remote.required_min_rx)
    }

    fn receive_interval(&self) -> u32 {
        self.timing.rx().max(self.remote.desired_min_tx)
    }

    /// After how much silence the peer is down: its multiplier times the slower of what it would send and what we take (RFC
    /// 5880 section 6.8.4). Zero while nothing is heard.
    pub fn detection_time(&self) -> Duration {
        micros(self.receive_interval()) * u32::from(self.remote.multiplier)
    }

    fn expires(&self) -> Option<Instant> {
        self.heard.map(|heard| heard + self.detection_time())
    }
}

fn micros(micros: u32) -> Duration {
    Duration::from_micros(micros.into())
}
