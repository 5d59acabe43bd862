//! Decides whom to answer, what to announce when, and what the kernel shall let through. Reads no clock and owns no
//! socket: time comes in with every call, frames go out by [`Announcer::poll`].
//!
//! Per interface and family:
//!
//! ```text
//!            up                    Port(Open)
//!   Down ──────────> Opening ─────────────────> Open: answers, announces
//!    ^   Filter       ^  │                       │
//!    │                │  └── down: Close ──┐     │ Port(Closed): everything announced there starts anew
//!    │                └────────────────────┼─────┤ once it is open again
//!    └─────────────────────────────────────┴─────┘ down: Close
//! ```

mod agenda;
mod conflict;
mod detection;
mod emit;
mod frame;
mod io;
mod pacer;
mod places;
mod port;
mod receive;
mod reconcile;
mod schedule;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use pnet_base::MacAddr;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use self::io::{
    AddressInUse, Announcement, Claim, Config, Counters, Family, Heard, Input, InterfaceCounters, Output, PortEvent,
    Purpose, SendOutcome, Transmit, VipStatus,
};
pub use self::places::Places;

use self::port::{Port, State};
use crate::interface::{Gateway, Interface, Interfaces};

/// An address to announce and what happened to it.
#[derive(Debug)]
struct Vip {
    interfaces: Interfaces,
    reasserted: u32,
    fresh: bool,
    expected: bool,
    counters: Counters,
}

/// The machine that owns addresses on the link layer. See the module's description.
#[derive(Debug)]
pub struct Announcer {
    config: Config,
    rng: StdRng,
    ports: BTreeMap<u32, Port>,
    vips: BTreeMap<IpAddr, Vip>,
    watched: BTreeSet<IpAddr>,
    peers: BTreeSet<MacAddr>,
    gateways: BTreeMap<u32, Vec<Gateway>>,
    /// After a standstill, until what is announced was confirmed.
    silent: bool,
    outputs: VecDeque<Output>,
    revision: u64,
    activity: u64,
}

impl Announcer {
    /// Knows no interface and announces nothing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            rng: StdRng::seed_from_u64(config.seed),
            ports: BTreeMap::new(),
            vips: BTreeMap::new(),
            watched: BTreeSet::new(),
            peers: BTreeSet::new(),
            gateways: BTreeMap::new(),
            silent: false,
            outputs: VecDeque::new(),
            revision: 0,
            activity: 0,
        }
    }

    /// Takes `input` into account; [`poll`](Self::poll) has the consequences.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Interfaces(interfaces) => self.interfaces(now, interfaces),
            Input::Announce(announcements) => self.announce(announcements),
            Input::Watch(watched) => self.watched = watched,
            Input::Peers(peers) => return self.peers = peers,
            Input::Gateways(gateways) => return self.gateways(gateways),
            Input::Frame { index, bytes } => return self.frame(now, index, bytes),
            Input::Port { index, family, event } => self.port(index, family, event),
            Input::Stalled => self.stalled(),
            Input::Confirmed => self.confirmed(),
            Input::Sent { index, vip, purpose, outcome } => return self.sent(now, index, vip, purpose, outcome),
        }
        self.reconcile(now);
        self.handle_deadline(now);
    }

    /// Sends what is due. Calling it early is harmless.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.emit(now);
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do; `None` = not before the next input.
    pub fn next_deadline(&self) -> Option<Instant> {
        let of = |port: &Port| {
            let Port { schedule, detection, defences, pace, .. } = port;
            [schedule.next_deadline(pace), detection.next_deadline(pace), defences.next_deadline()]
        };
        self.ports.values().flat_map(of).flatten().min()
    }

    /// What to do next, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How every announced address really is.
    pub fn status(&self) -> BTreeMap<IpAddr, VipStatus> {
        let mut status: BTreeMap<IpAddr, VipStatus> = self
            .vips
            .iter()
            .filter(|(_, state)| !state.expected)
            .map(|(vip, state)| (*vip, VipStatus { interfaces: Places::default(), counters: state.counters }))
            .collect();
        for port in self.ports.values() {
            let name: Arc<str> = port.interface.name.as_str().into();
            for (vip, since) in port.schedule.announced() {
                if let Some(status) = status.get_mut(&vip) {
                    status.interfaces.add(Arc::clone(&name), since);
                }
            }
        }
        status
    }

    /// The addresses that strangers hold.
    pub fn in_use(&self) -> Vec<AddressInUse> {
        let of = |port: &Port| {
            let in_use = |(vip, mac)| AddressInUse { vip, mac, interface: port.interface.name.clone() };
            port.detection.in_use().map(in_use).collect::<Vec<_>>()
        };
        self.ports.values().flat_map(of).collect()
    }

    /// What happened on each interface, by index.
    pub fn interface_counters(&self) -> BTreeMap<u32, InterfaceCounters> {
        self.ports.iter().map(|(index, port)| (*index, port.counters)).collect()
    }

    /// Changes whenever [`status`](Self::status) does in more than its counters, or [`in_use`](Self::in_use) does.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Changes whenever a counter does.
    pub fn activity(&self) -> u64 {
        self.activity
    }

    /// Whether `vip` is announced on interface `index` at present.
    pub fn announces(&self, index: u32, vip: IpAddr) -> bool {
        self.ports.get(&index).is_some_and(|port| port.schedule.contains(vip))
    }

    /// Whether a frame that could not be sent at once is still meant.
    pub fn is_current(&self, transmit: &Transmit) -> bool {
        let Transmit { index, vip, purpose, .. } = transmit;
        match purpose {
            Purpose::Probe => self.ports.get(index).is_some_and(|port| port.detection.is_looking(*vip)),
            Purpose::Answer | Purpose::Announce | Purpose::Reply | Purpose::Gateway | Purpose::Defence => {
                self.announces(*index, *vip)
            }
        }
    }

    // === inputs ===

    fn interfaces(&mut self, now: Instant, interfaces: Vec<Interface>) {
        let interfaces: BTreeMap<u32, Interface> =
            interfaces.into_iter().map(|interface| (interface.index, interface)).collect();
        let Self { ports, outputs, revision, .. } = self;
        ports.retain(|&index, port| {
            let keep = interfaces.contains_key(&index);
            let open = Family::BOTH.into_iter().filter(|family| !keep && port.side(*family).state != State::Down);
            outputs.extend(open.map(|family| Output::Close { index, family }));
            keep
        });
        for (index, interface) in interfaces {
            let port = ports.entry(index).or_insert_with(|| Port::new(interface.clone(), &self.config));
            if port.interface.mac != interface.mac {
                port.schedule.restart(now);
            }
            port.interface = interface;
        }
        *revision += 1;
    }

    fn announce(&mut self, announcements: Vec<Announcement>) {
        let mut wanted: BTreeMap<IpAddr, Announcement> = BTreeMap::new();
        for announcement in announcements {
            match wanted.get_mut(&announcement.vip) {
                Some(known) => {
                    known.interfaces.merge(announcement.interfaces);
                    known.reasserted = known.reasserted.wrapping_add(announcement.reasserted);
                    // Who knows of an owner knows better.
                    known.fresh &= announcement.fresh;
                    known.expected &= announcement.expected;
                }
                None => drop(wanted.insert(announcement.vip, announcement)),
            }
        }
        let known = self.vips.len();
        self.vips.retain(|vip, _| wanted.contains_key(vip));
        let mut changed = self.vips.len() != known;
        for (vip, Announcement { interfaces, reasserted, fresh, expected, .. }) in wanted {
            let state = self.vips.entry(vip).or_insert_with(|| {
                changed = true;
                Vip { interfaces: Interfaces::All, reasserted, fresh, expected, counters: Counters::default() }
            });
            changed |= state.expected != expected;
            (state.interfaces, state.reasserted, state.fresh, state.expected) =
                (interfaces, reasserted, fresh, expected);
        }
        self.revision += u64::from(changed);
    }

    fn gateways(&mut self, gateways: Vec<Gateway>) {
        self.gateways.clear();
        for gateway in gateways.into_iter().collect::<BTreeSet<_>>() {
            self.gateways.entry(gateway.index).or_default().push(gateway);
        }
    }

    fn port(&mut self, index: u32, family: Family, event: PortEvent) {
        let Some(port) = self.ports.get_mut(&index) else { return };
        let side = port.side_mut(family);
        match (event, side.state) {
            (_, State::Down) | (PortEvent::Open, State::Open) => {}
            (PortEvent::Open, State::Opening) => side.state = State::Open,
            (PortEvent::Closed, State::Opening | State::Open) => {
                side.state = State::Opening;
                self.revision += u64::from(port.silence(|vip| Family::of(vip) != family));
            }
            (PortEvent::FilterRefused, State::Opening | State::Open) => side.shrink_filter(),
        }
    }

    fn stalled(&mut self) {
        self.silent = true;
        self.revision += 1;
        for port in self.ports.values_mut() {
            port.silence(|_| false);
        }
    }

    fn confirmed(&mut self) {
        self.silent = false;
        self.revision += 1;
    }

    fn sent(&mut self, now: Instant, index: u32, vip: IpAddr, purpose: Purpose, outcome: SendOutcome) {
        self.activity += 1;
        if let Some(state) = self.vips.get_mut(&vip) {
            state.counters.count(purpose, outcome);
        }
        if (purpose, outcome) == (Purpose::Announce, SendOutcome::Sent)
            && self.ports.get_mut(&index).is_some_and(|port| port.schedule.confirm(now, vip))
        {
            self.revision += 1;
        }
    }
}

#[cfg(test)]
mod tests;
