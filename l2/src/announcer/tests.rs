//! The announcer in virtual time.

mod answers;
mod detection;
mod ndp;
mod ports;
mod scale;
mod stall;
mod timing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use pnet_base::MacAddr;

use super::frame::Frame;
use super::*;
use crate::filter::BpfInstruction;
use crate::wire::arp::{self, ArpFrame, Operation};
use crate::wire::ndp::NdpFrame;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const ETH0: u32 = 2;
pub(super) const ETH1: u32 = 3;
pub(super) const CLIENT_MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xcc);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(super) const SEED: u64 = 42;

/// The `n`th address of a pool.
pub(super) fn vip(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xc633_6400 + n)) // 198.51.100.0 and on
}

/// The `n`th address of a pool of the other family.
pub(super) fn vip6(n: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n))
}

pub(super) fn link_local(index: u32) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::try_from(index).expect("a small index"))
}

pub(super) fn mac(index: u32) -> MacAddr {
    MacAddr(2, 0, 0, 0, 0, u8::try_from(index).expect("a small index"))
}

pub(super) fn interface(index: u32) -> Interface {
    Interface {
        name: format!("eth{}", index - ETH0),
        index,
        mac: mac(index),
        up: true,
        link_local: Some(link_local(index)),
    }
}

pub(super) fn everywhere(vip: IpAddr) -> Announcement {
    Announcement::everywhere(vip)
}

/// A frame that was sent, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) index: u32,
    pub(super) vip: IpAddr,
    pub(super) purpose: Purpose,
    pub(super) frame: Frame,
}

impl Event {
    pub(super) fn arp(&self) -> ArpFrame {
        let Frame::Arp(frame) = self.frame else { panic!("{self:?} is no ARP") };
        frame
    }

    pub(super) fn ndp(&self) -> NdpFrame {
        let Frame::Ndp(frame) = self.frame else { panic!("{self:?} is no NDP") };
        frame
    }
}

/// An announcer with a driver that opens every socket and sends every frame at once.
pub(super) struct Bench {
    pub(super) announcer: Announcer,
    start: Instant,
    now: Instant,
    open: BTreeSet<(u32, Family)>,
    pub(super) groups: BTreeMap<u32, BTreeSet<Ipv6Addr>>,
    pub(super) sent: Vec<Event>,
    pub(super) heard: Vec<Heard>,
    pub(super) filters: BTreeMap<(u32, Family), Vec<BpfInstruction>>,
    /// Interfaces whose sockets cannot be opened.
    pub(super) broken: BTreeSet<u32>,
    /// Longest program the kernel takes.
    pub(super) filter_memory: usize,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
    pub(super) fn new(config: Config) -> Self {
        let start = Instant::now();
        Self {
            announcer: Announcer::new(config),
            start,
            now: start,
            open: BTreeSet::new(),
            groups: BTreeMap::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            filters: BTreeMap::new(),
            broken: BTreeSet::new(),
            filter_memory: usize::MAX,
        }
    }

    /// One that announces `vips` on eth0 from time zero on.
    pub(super) fn announcing(vips: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut bench = Self::new(Config { refresh: Duration::ZERO, seed: SEED, ..Config::default() });
        bench.handle(Input::Interfaces(vec![interface(ETH0)]));
        bench.announce(vips);
        bench
    }

    pub(super) fn announce(&mut self, vips: impl IntoIterator<Item = IpAddr>) {
        self.handle(Input::Announce(vips.into_iter().map(everywhere).collect()));
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.announcer.handle(self.now, input);
        self.settle();
    }

    pub(super) fn frame(&mut self, index: u32, frame: &ArpFrame) {
        self.handle(Input::Frame { index, bytes: &frame.encode() });
    }

    /// Passes time until `at`, stopping at every deadline.
    pub(super) fn run_until(&mut self, at: Duration) {
        let end = self.start + at;
        while let Some(deadline) = self.announcer.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let (sent, revision) = (self.sent.len(), self.announcer.revision());
            self.announcer.handle_deadline(self.now);
            self.settle();
            let useful = self.sent.len() > sent || self.announcer.revision() > revision;
            assert!(useful, "a deadline at {:?} for nothing (seed {SEED})", self.elapsed());
        }
        self.now = self.now.max(end);
    }

    fn settle(&mut self) {
        while let Some(output) = self.announcer.poll() {
            match output {
                Output::Filter { index, family, program } => {
                    let event = if self.broken.contains(&index) {
                        PortEvent::Closed
                    } else if program.len() > self.filter_memory {
                        PortEvent::FilterRefused
                    } else {
                        self.filters.insert((index, family), program);
                        self.open.insert((index, family));
                        PortEvent::Open
                    };
                    self.announcer.handle(self.now, Input::Port { index, family, event });
                }
                Output::Close { index, family } => {
                    assert!(self.open.remove(&(index, family)), "{index} was open");
                    self.filters.remove(&(index, family));
                    if family == Family::Ipv6 {
                        self.groups.remove(&index);
                    }
                }
                Output::Groups { index, groups } => drop(self.groups.insert(index, groups)),
                Output::Heard(heard) => self.heard.push(heard),
                Output::Send(Transmit { index, vip, purpose, frame }) => {
                    assert!(self.open.contains(&(index, Family::of(vip))), "interface {index} is open");
                    let frame = Frame::parse(&frame).expect("what is sent is well-formed");
                    self.sent.push(Event { at: self.elapsed(), index, vip, purpose, frame });
                    let outcome = SendOutcome::Sent;
                    self.announcer.handle(self.now, Input::Sent { index, vip, purpose, outcome });
                }
            }
        }
    }

    /// When frames of `purpose` were sent for `vip`, in milliseconds.
    pub(super) fn times(&self, vip: IpAddr, purpose: Purpose) -> Vec<u128> {
        let of = self.sent.iter().filter(|event| event.vip == vip && event.purpose == purpose);
        of.map(|event| event.at.as_millis()).collect()
    }

    /// The same for every address.
    pub(super) fn all_times(&self, purpose: Purpose) -> BTreeMap<IpAddr, Vec<u128>> {
        let mut times: BTreeMap<IpAddr, Vec<u128>> = BTreeMap::new();
        for event in self.sent.iter().filter(|event| event.purpose == purpose) {
            times.entry(event.vip).or_default().push(event.at.as_millis());
        }
        times
    }

    /// Forgets what was sent so far.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn status(&self, vip: IpAddr) -> VipStatus {
        self.announcer.status().remove(&vip).unwrap_or_default()
    }
}

/// A question from the client.
pub(super) fn question(target: IpAddr) -> ArpFrame {
    ArpFrame { operation: Operation::Request, ..claim(CLIENT_MAC, CLIENT.into(), target) }
}

/// A broadcast reply from `mac` that says that it holds `sender`.
pub(super) fn claim(mac: MacAddr, sender: IpAddr, target: IpAddr) -> ArpFrame {
    let (IpAddr::V4(sender_ip), IpAddr::V4(target_ip)) = (sender, target) else { panic!("IPv4 only") };
    ArpFrame {
        source: mac,
        destination: MacAddr::broadcast(),
        operation: Operation::Reply,
        sender_mac: mac,
        sender_ip,
        target_mac: MacAddr::zero(),
        target_ip,
    }
}
