//! What goes into an [`Announcer`](super::Announcer) and what comes out.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use pnet_base::MacAddr;

use super::places::Places;
use crate::filter::BpfInstruction;
use crate::interface::{Gateway, Interface, Interfaces};

/// What does not change while an announcer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Mean time between two refreshes of an announcement once its burst is over, each ±10 %; zero = none. Default 60 s,
    /// well below the 300 s after which a switch forgets a station (IEEE 802.1Q §8.8.3). With more than 1,500 addresses
    /// on an interface the pace of 50 frames a second stretches it.
    pub refresh: Duration,
    /// Seeds the jitter; any number that differs from node to node. Default 0.
    pub seed: u64,
    /// Announce a [fresh](Announcement::fresh) address although a stranger answers for it. It is reported all the same.
    /// Default false.
    pub announce_in_use: bool,
    /// How long this process may stand still before others may have taken its addresses over: the time in which the
    /// membership protocol declares a silent node dead. Whoever drives the announcer looks at the clock; after a longer
    /// standstill it forgets what waited to be answered and is silent until ownership is confirmed. Default `None`: never.
    pub stall_tolerance: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(60), seed: 0, announce_in_use: false, stall_tolerance: None }
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
    /// An address in use by a stranger is looked at again at once.
    pub reasserted: u32,
    /// Whether nobody of this cluster is known to have held it: it is asked for before it is announced, and announced a
    /// millisecond later unless somebody answers who is no peer (see [`AddressInUse`]). A change means nothing for an
    /// address that is announced already.
    pub fresh: bool,
    /// It is not to be announced yet, but most likely at once: a [fresh](Self::fresh) one is asked for already, so that
    /// the millisecond may be over by then.
    pub expected: bool,
}

impl Announcement {
    /// Announces `vip` on every interface, as one that was held before.
    pub fn everywhere(vip: IpAddr) -> Self {
        Self { vip, interfaces: Interfaces::All, reasserted: 0, fresh: false, expected: false }
    }
}

/// Which protocol speaks for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// ARP.
    Ipv4,
    /// NDP.
    Ipv6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// That of `address`.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
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
    /// The process stood still for longer than [`Config::stall_tolerance`]: what is announced may have another owner by
    /// now. Nothing is announced or answered until [`Input::Confirmed`].
    Stalled,
    /// What is announced was found to be owned still, after a standstill: everything is announced anew.
    Confirmed,
    /// A frame was received on interface `index`.
    Frame {
        /// Where.
        index: u32,
        /// From its Ethernet header on.
        bytes: &'a [u8],
    },
    /// The driver's report on a socket of interface `index`.
    Port {
        /// Which interface.
        index: u32,
        /// Which of its sockets.
        family: Family,
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

/// What can happen to a socket.
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
    /// Attach this filter to the family's socket of the interface, opening one if there is none, and report with
    /// [`Input::Port`].
    Filter {
        /// Which interface.
        index: u32,
        /// Which of its sockets.
        family: Family,
        /// The program.
        program: Vec<BpfInstruction>,
    },
    /// Be a member of exactly these groups on the interface, for the network card and for switches that forward groups
    /// only to members (RFC 4541 §3); no report.
    Groups {
        /// Which interface.
        index: u32,
        /// Solicited-node groups.
        groups: BTreeSet<Ipv6Addr>,
    },
    /// Close the family's socket of the interface and leave its groups; no report.
    Close {
        /// Which interface.
        index: u32,
        /// Which of its sockets.
        family: Family,
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
    /// A round's first frame: a gratuitous request, or an unsolicited advertisement.
    Announce,
    /// A round's gratuitous reply, for IPv4.
    Reply,
    /// A round's request to a gateway for IPv4, its advertisement to one for IPv6.
    Gateway,
    /// One gratuitous request or unsolicited advertisement against a foreign claim (RFC 5227 §2.4).
    Defence,
    /// The question whether a stranger holds the address.
    Probe,
}

/// The form in which somebody claims an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// An ARP request, or another operation, from the address.
    ArpRequest,
    /// An ARP reply from the address.
    ArpReply,
    /// A Neighbor Advertisement of the address.
    Advertisement,
}

/// A stranger answers for an address that was to be announced for the first time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("address {vip} is in use by {mac} on interface {interface}")]
pub struct AddressInUse {
    /// The address.
    pub vip: IpAddr,
    /// Who answered last.
    pub mac: MacAddr,
    /// Name of the interface he was heard on.
    pub interface: String,
}

/// Somebody claims an announced or watched address, from a hardware address that is none of ours.
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
    /// In which form.
    pub claim: Claim,
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
    /// Gratuitous frames the kernel took: two per round and interface for IPv4, one for IPv6, one per defence.
    pub gratuitous_sent: u64,
    /// Requests and advertisements to gateways the kernel took.
    pub gateway_sent: u64,
    /// Frames that could not be sent.
    pub dropped: u64,
    /// Packets by which somebody else claimed it on an interface where it is announced.
    pub conflicts: u64,
    /// Defences the kernel took, at most one per interface in 10 s. Also counted as gratuitous.
    pub defences_sent: u64,
    /// Questions whether a stranger holds it that the kernel took.
    pub probes_sent: u64,
}

impl Counters {
    /// Counts a frame.
    pub(super) fn count(&mut self, purpose: Purpose, outcome: SendOutcome) {
        let counter = match (outcome, purpose) {
            (SendOutcome::Dropped, _) => &mut self.dropped,
            (SendOutcome::Sent, Purpose::Answer) => &mut self.responses_sent,
            (SendOutcome::Sent, Purpose::Announce | Purpose::Reply | Purpose::Defence) => &mut self.gratuitous_sent,
            (SendOutcome::Sent, Purpose::Gateway) => &mut self.gateway_sent,
            (SendOutcome::Sent, Purpose::Probe) => &mut self.probes_sent,
        };
        *counter += 1;
        self.defences_sent += u64::from((purpose, outcome) == (Purpose::Defence, SendOutcome::Sent));
    }
}

/// What happened on one interface since it was first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Frames the filter let through.
    pub frames_received: u64,
    /// Those that broke a rule of ARP or NDP.
    pub malformed: u64,
    /// Those that asked for nothing we announce there and claimed nothing we watch, or were our own.
    pub ignored: u64,
}

/// How an announced address really is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VipStatus {
    /// Names of the interfaces on which it is answered for and its first gratuitous frame has been sent, and since when.
    pub interfaces: Places,
    /// What happened.
    pub counters: Counters,
}
