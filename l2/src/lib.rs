//! Layer 2 announcement: answers ARP for addresses this node owns, and tells the neighbourhood when an address changed
//! its owner.
//!
//! No address is ever configured on the node: the kernel stays silent about a VIP and this crate speaks for it.
//!
//! | layer | module | what it knows |
//! | --- | --- | --- |
//! | bytes | [`wire`], [`filter`] | ARP frames (RFC 826, RFC 5227, RFC 5944 §4.6); classic BPF programs |
//! | decisions | [`Announcer`] | whom to answer, what to send when, what the kernel shall let through |
//! | edges | `driver` | one `AF_PACKET` socket per interface, on a thread of its own |
//!
//! The first two never read a clock, open a socket or draw an unseeded random number; they build without the feature
//! `driver`.
//!
//! IPv6 addresses are accepted everywhere an [`IpAddr`](std::net::IpAddr) is, and are not announced: this version speaks
//! ARP only. [`Announcer::status`] shows them on no interface.

mod announcer;
#[cfg(feature = "driver")]
pub mod driver;
pub mod filter;
mod interface;
pub mod wire;

pub use pnet_base::MacAddr;

pub use self::announcer::{
    Announcement, Announcer, Config, Counters, Heard, Input, InterfaceCounters, Output, PortEvent, Purpose,
    SendOutcome, Transmit, VipStatus,
};
pub use self::interface::{Gateway, Interface, Interfaces};
