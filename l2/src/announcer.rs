//! Decides whom to answer, what to announce when, and what the kernel shall let through. Reads no clock and owns no
//! socket: time comes in with every call, frames go out by [`Announcer::poll`].
//!
//! Per interface:
//!
//! ```text
//!            up                    Port(Open)
//!   Down ──────────> Opening ─────────────────> Open: answers, announces
//!    ^   Filter       ^  │                       │
//!    │                │  └── down: Close ──┐     │ Port(Closed): everything announced there starts anew
//!    │                └────────────────────┼─────┤ once it is open again
//!    └─────────────────────────────────────┴─────┘ down: Close
//! ```

mod conflict;
mod io;
mod pacer;
mod port;
mod responder;
mod schedule;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use pnet_base::MacAddr;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use self::io::{
    Announcement, Config, Counters, Heard, Input, InterfaceCounters, Output, PortEvent, Purpose, SendOutcome, Transmit,
    VipStatus,
};

use self::conflict::{DEFEND_DELAY, Defence};
use self::port::{Filtered, Port, State};
use self::schedule::Due;
use crate::filter::Range;
use crate::interface::{Gateway, Interface, Interfaces};
use crate::wire::arp::{self, ArpFrame};

/// An address to announce and what happened to it.
#[derive(Debug)]
struct Vip {
    interfaces: Interfaces,
    reasserted: u32,
    counters: Counters,
    defence: Defence,
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
    /// Defences that are due, by interface and address.
    defences: BTreeMap<(u32, IpAddr), Instant>,
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
            defences: BTreeMap::new(),
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
            Input::Port { index, event } => self.port(index, event),
            Input::Sent { index, vip, purpose, outcome } => return self.sent(now, index, vip, purpose, outcome),
        }
        self.reconcile(now);
        self.handle_deadline(now);
    }

    /// Sends what is due. Calling it early is harmless.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.defend(now);
        let Self { ports, gateways, outputs, rng, .. } = self;
        for (index, port) in ports.iter_mut().filter(|(_, port)| port.state == State::Open) {
            let gateways = gateways.get(index).map_or(&[][..], Vec::as_slice);
            let frames = u32::try_from(gateways.len()).unwrap_or(u32::MAX).saturating_add(2);
            while let Some((vip, due)) = port.schedule.next(now, frames, rng) {
                let IpAddr::V4(address) = vip else { continue };
                let frames = round(port.interface.mac, address, due, gateways);
                outputs.extend(frames.map(|(purpose, frame)| send(*index, vip, purpose, &frame)));
            }
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do; `None` = not before the next input.
    pub fn next_deadline(&self) -> Option<Instant> {
        let open = self.ports.values().filter(|port| port.state == State::Open);
        open.filter_map(|port| port.schedule.next_deadline()).chain(self.defences.values().copied()).min()
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
            .map(|(vip, state)| (*vip, VipStatus { interfaces: BTreeMap::new(), counters: state.counters }))
            .collect();
        for port in self.ports.values() {
            for (vip, since) in port.schedule.announced() {
                if let Some(status) = status.get_mut(&vip) {
                    status.interfaces.insert(port.interface.name.clone(), since);
                }
            }
        }
        status
    }

    /// What happened on each interface, by index.
    pub fn interface_counters(&self) -> BTreeMap<u32, InterfaceCounters> {
        self.ports.iter().map(|(index, port)| (*index, port.counters)).collect()
    }

    /// Changes whenever [`status`](Self::status) does in more than its counters.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Changes whenever a counter does.
    pub fn activity(&self) -> u64 {
        self.activity
    }

    /// Whether `vip` is announced on interface `index` at present, so that a frame for it may still be sent.
    pub fn announces(&self, index: u32, vip: IpAddr) -> bool {
        self.ports.get(&index).is_some_and(|port| port.schedule.contains(vip))
    }

    // === inputs ===

    fn interfaces(&mut self, now: Instant, interfaces: Vec<Interface>) {
        let interfaces: BTreeMap<u32, Interface> =
            interfaces.into_iter().map(|interface| (interface.index, interface)).collect();
        let Self { ports, outputs, revision, .. } = self;
        ports.retain(|index, port| {
            let keep = interfaces.contains_key(index);
            if !keep && port.state != State::Down {
                outputs.push_back(Output::Close { index: *index });
            }
            keep
        });
        for (index, interface) in interfaces {
            let port = ports.entry(index).or_insert_with(|| Port::new(interface.clone(), self.config.refresh));
            if port.interface.mac != interface.mac {
                port.schedule.restart(now);
            }
            port.interface = interface;
            match (port.interface.up, port.state) {
                (true, State::Down) => {
                    port.state = State::Opening;
                    port.forget_filter();
                }
                (false, State::Opening | State::Open) => {
                    port.state = State::Down;
                    port.schedule.clear();
                    outputs.push_back(Output::Close { index });
                }
                (true, State::Opening | State::Open) | (false, State::Down) => {}
            }
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
                }
                None => drop(wanted.insert(announcement.vip, announcement)),
            }
        }
        let known = self.vips.len();
        self.vips.retain(|vip, _| wanted.contains_key(vip));
        let mut changed = self.vips.len() != known;
        for (vip, Announcement { interfaces, reasserted, .. }) in wanted {
            let state = self.vips.entry(vip).or_insert_with(|| {
                changed = true;
                Vip {
                    interfaces: Interfaces::All,
                    reasserted,
                    counters: Counters::default(),
                    defence: Defence::default(),
                }
            });
            state.interfaces = interfaces;
            state.reasserted = reasserted;
        }
        self.revision += u64::from(changed);
    }

    fn gateways(&mut self, gateways: Vec<Gateway>) {
        self.gateways.clear();
        for gateway in gateways.into_iter().collect::<BTreeSet<_>>() {
            self.gateways.entry(gateway.index).or_default().push(gateway);
        }
    }

    fn port(&mut self, index: u32, event: PortEvent) {
        let Some(port) = self.ports.get_mut(&index) else { return };
        match (event, port.state) {
            (_, State::Down) | (PortEvent::Open, State::Open) => {}
            (PortEvent::Open, State::Opening) => port.state = State::Open,
            (PortEvent::Closed, State::Opening | State::Open) => {
                port.state = State::Opening;
                self.revision += u64::from(port.schedule.clear());
            }
            (PortEvent::FilterRefused, State::Opening | State::Open) => {
                port.shrink_filter();
            }
        }
    }

    fn sent(&mut self, now: Instant, index: u32, vip: IpAddr, purpose: Purpose, outcome: SendOutcome) {
        self.activity += 1;
        if let Some(state) = self.vips.get_mut(&vip) {
            let counters = &mut state.counters;
            let counter = match (outcome, purpose) {
                (SendOutcome::Dropped, _) => &mut counters.dropped,
                (SendOutcome::Sent, Purpose::Answer) => &mut counters.responses_sent,
                (SendOutcome::Sent, Purpose::Request | Purpose::Reply | Purpose::Defence) => {
                    &mut counters.gratuitous_sent
                }
                (SendOutcome::Sent, Purpose::Gateway) => &mut counters.gateway_sent,
            };
            *counter += 1;
        }
        if (purpose, outcome) == (Purpose::Request, SendOutcome::Sent)
            && self.ports.get_mut(&index).is_some_and(|port| port.schedule.confirm(now, vip))
        {
            self.revision += 1;
        }
    }

    fn frame(&mut self, now: Instant, index: u32, bytes: &[u8]) {
        self.activity += 1;
        let ours = |mac: MacAddr| self.ports.values().any(|port| port.interface.mac == mac);
        let parsed = ArpFrame::parse(bytes);
        let own = parsed.is_ok_and(|frame| ours(frame.sender_mac) || ours(frame.source));
        let Some(port) = self.ports.get_mut(&index) else { return };
        port.counters.frames_received += 1;
        let frame = match parsed {
            Err(_) => return port.counters.malformed += 1,
            Ok(_) if own || port.state != State::Open => return port.counters.ignored += 1,
            Ok(frame) => frame,
        };
        let relevance = responder::judge(&frame, port.interface.mac);
        let mut used = false;
        let claimed = IpAddr::V4(frame.sender_ip);
        if relevance.claims && (self.vips.contains_key(&claimed) || self.watched.contains(&claimed)) {
            used = true;
            let announced = port.schedule.contains(claimed);
            let mut defended = false;
            if announced && let Some(vip) = self.vips.get_mut(&claimed) {
                vip.counters.conflicts += 1;
                defended = !self.peers.contains(&frame.sender_mac) && vip.defence.permit(now);
            }
            if defended {
                self.defences.insert((index, claimed), now + DEFEND_DELAY);
            }
            self.outputs.push_back(Output::Heard(Heard {
                vip: claimed,
                mac: frame.sender_mac,
                index,
                interface: port.interface.name.clone(),
                operation: frame.operation,
                announced,
                defended,
            }));
        }
        let asked = IpAddr::V4(frame.target_ip);
        if relevance.asks && port.schedule.contains(asked) {
            used = true;
            if let Some(vip) = self.vips.get_mut(&asked) {
                vip.counters.requests_received += 1;
            }
            self.outputs.push_back(send(index, asked, Purpose::Answer, &arp::answer(&frame, port.interface.mac)));
        }
        port.counters.ignored += u64::from(!used);
    }

    // === consequences ===

    /// Defends what is still announced when its defence is due.
    fn defend(&mut self, now: Instant) {
        let Self { defences, ports, outputs, .. } = self;
        defences.retain(|(index, vip), due| {
            if *due > now {
                return true;
            }
            let port = ports.get(index).filter(|port| port.schedule.contains(*vip));
            if let (Some(port), IpAddr::V4(address)) = (port, *vip) {
                let announcement = arp::announce_request(port.interface.mac, address);
                outputs.push_back(send(*index, *vip, Purpose::Defence, &announcement));
            }
            false
        });
    }

    /// Brings filters and schedules in line with interfaces and addresses; filters first, so that what is announced can
    /// also be answered.
    fn reconcile(&mut self, now: Instant) {
        let senders =
            Range::exact(v4(self.vips.keys()).collect::<BTreeSet<_>>().union(&v4(&self.watched).collect()).copied());
        for (index, port) in &mut self.ports {
            if port.state == State::Down {
                continue;
            }
            let wanted: BTreeMap<IpAddr, u32> = self
                .vips
                .iter()
                .filter(|(vip, state)| vip.is_ipv4() && state.interfaces.contains(&port.interface.name))
                .map(|(vip, state)| (*vip, state.reasserted))
                .collect();
            let targets = Range::exact(v4(wanted.keys()));
            if let Some(program) = port.filter(Filtered { targets, senders: senders.clone() }) {
                self.outputs.push_back(Output::Filter { index: *index, program });
            }
            if port.state == State::Open && port.schedule.assign(now, &wanted) {
                self.revision += 1;
            }
        }
    }
}

/// The IPv4 ones, in order.
fn v4<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> impl Iterator<Item = Ipv4Addr> {
    addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

/// The frames that are due for `vip`.
fn round(mac: MacAddr, vip: Ipv4Addr, due: Due, gateways: &[Gateway]) -> impl Iterator<Item = (Purpose, ArpFrame)> {
    let (request, rest) = match due {
        Due::FirstRequest => (true, false),
        Due::FirstReply => (false, true),
        Due::Round => (true, true),
    };
    let request = request.then(|| (Purpose::Request, arp::announce_request(mac, vip)));
    let reply = rest.then(|| (Purpose::Reply, arp::announce_reply(mac, vip)));
    let gateways = if rest { gateways } else { &[] };
    let gateways = gateways
        .iter()
        .map(move |gateway| (Purpose::Gateway, arp::gateway_request(mac, vip, gateway.address, gateway.mac)));
    request.into_iter().chain(reply).chain(gateways)
}

fn send(index: u32, vip: IpAddr, purpose: Purpose, frame: &ArpFrame) -> Output {
    Output::Send(Transmit { index, vip, purpose, frame: frame.encode() })
}

#[cfg(test)]
mod tests;
