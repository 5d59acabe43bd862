//! What goes into an [`Announcer`](super::Announcer) and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;

use crate::filter::BpfInstruction;
use crate::interface::{Gateway, Interface, Interfaces};
use crate::wire::arp::Operation;

/// What does not change while an announcer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Mean time between two refreshes of an announcement once its burst is over, each ±10 %; zero = none. Default 60 s,
    /// well below the 300 s after which a switch forgets a station (IEEE 802.1Q §8.8.3). With more than 1,500 addresses
    /// on an interface the pace of 50 frames a second stretches it.
    pub refresh: Duration,
    /// Seeds the jitter; any number that differs from node to node. Default 0.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(60), seed: 0 }
    }
}

/// An address this node shall answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub vip: IpAddr,
    /// Where it is announced.
    pub interfaces: Interfaces,
    /// A change of this number, whatever its value, restarts the burst although nothing else changed: for instance when
    /// a partition healed and others may have announced the address meanwhile.
    pub reasserted: u32,
}

/// What an announcer is told. Everything but frames and the two reports of the driver is a full state: saying the same
/// again changes nothing, what is no longer said is withdrawn.
#[derive(Debug)]
pub enum Input<'a> {
    /// The interfaces that may announce. An interface that comes up, or has a new hardware address or index, gets a new
    /// burst for everything announced on it.
    Interfaces(Vec<Interface>),
    /// The addresses to announce; several entries for one address are united. Losing an address is silent: from now on
    /// it is not answered for.
    Announce(Vec<Announcement>),
    /// Addresses to listen for without owning them.
    Watch(BTreeSet<IpAddr>),
    /// Hardware addresses of the other announcers of this cluster. What they say is reported like anything else, but
    /// never defended against: who yields is decided elsewhere.
    Peers(BTreeSet<MacAddr>),
    /// Routers that are told in person.
    Gateways(Vec<Gateway>),
    /// A frame was received on interface `index`.
    Frame {
        /// Where.
        index: u32,
        /// From its Ethernet header on.
        bytes: &'a [u8],
    },
    /// The driver's report on the socket of interface `index`.
    Port {
        /// Which.
        index: u32,
        /// What happened to it.
        event: PortEvent,
    },
    /// The driver's report on a frame it was told to send.
    Sent {
        /// From [`Transmit::index`].
        index: u32,
        /// From [`Transmit::vip`].
        vip: IpAddr,
        /// From [`Transmit::purpose`].
        purpose: Purpose,
        /// What became of it.
        outcome: SendOutcome,
    },
}

/// What can happen to the socket of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortEvent {
    /// It is bound and its filter attached: frames can be sent and received from now on.
    Open,
    /// It failed. Nothing is announced there until it is open again, then everything anew.
    Closed,
    /// The kernel has not enough memory for the filter; the previous one, if any, is still in place. A smaller one
    /// follows unless it was the smallest.
    FilterRefused,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The kernel took it.
    Sent,
    /// It did not, or it was too late.
    Dropped,
}

/// What an announcer wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a frame.
    Send(Transmit),
    /// Attach this filter to the socket of the interface, opening one if there is none, and report with
    /// [`Input::Port`].
    Filter {
        /// Which interface.
        index: u32,
        /// The program.
        program: Vec<BpfInstruction>,
    },
    /// Close the socket of the interface; no report.
    Close {
        /// Which interface.
        index: u32,
    },
    /// Somebody else speaks for an address that is announced or watched.
    Heard(Heard),
}

/// A frame to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// On which interface.
    pub index: u32,
    /// For which address.
    pub vip: IpAddr,
    /// Why.
    pub purpose: Purpose,
    /// From its Ethernet header on.
    pub frame: Vec<u8>,
}

/// Why a frame is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Somebody asked.
    Answer,
    /// A round's gratuitous request, the first of its frames.
    Request,
    /// A round's gratuitous reply.
    Reply,
    /// A round's request to a gateway.
    Gateway,
    /// One gratuitous request against a foreign claim (RFC 5227 §2.4).
    Defence,
}

/// An ARP packet whose sender claims an announced or watched address, from a hardware address that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The address claimed.
    pub vip: IpAddr,
    /// Who claims it.
    pub mac: MacAddr,
    /// Index of the interface it was heard on.
    pub index: u32,
    /// Its name.
    pub interface: String,
    /// Whether it was a request or a reply.
    pub operation: Operation,
    /// Whether this node announces the address on that interface too: a conflict, unless one of the two is about to
    /// yield.
    pub announced: bool,
    /// Whether a defending announcement follows in a moment, unless the address is given up before.
    pub defended: bool,
}

/// What happened for one address since it was announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions for it, probes included.
    pub requests_received: u64,
    /// Answers the kernel took.
    pub responses_sent: u64,
    /// Gratuitous frames the kernel took: two per round and interface, one per defence.
    pub gratuitous_sent: u64,
    /// Requests to gateways the kernel took.
    pub gateway_sent: u64,
    /// Frames that could not be sent.
    pub dropped: u64,
    /// Packets by which somebody else claimed it on an interface where it is announced.
    pub conflicts: u64,
}

/// What happened on one interface since it was first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Frames the filter let through.
    pub frames_received: u64,
    /// Those that were no ARP packet.
    pub malformed: u64,
    /// Those that asked for nothing we announce there and claimed nothing we watch, or were our own.
    pub ignored: u64,
}

/// How an announced address really is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VipStatus {
    /// Names of the interfaces on which it is answered for and its first gratuitous frame has been sent, and since when.
    pub interfaces: BTreeMap<String, Instant>,
    /// What happened.
    pub counters: Counters,
}
