//! Layer 2 announcement: answers ARP and NDP for addresses this node owns, and tells the neighbourhood when an address changed
//! its owner.
//!
//! No address is ever configured on the node: the kernel stays silent about a VIP and this crate speaks for it.
//!
//! | layer | module | what it knows |
//! | --- | --- | --- |
//! | bytes | [`wire`], [`filter`] | ARP (RFC 826, RFC 5227, RFC 5944 §4.6) and NDP (RFC 4861) frames; classic BPF programs |
//! | decisions | [`Announcer`] | whom to answer, what to send when, what the kernel shall let through |
//! | edges | `driver` | an `AF_PACKET` socket per interface and family, on a thread of its own |
//!
//! The first two never read a clock, open a socket or draw an unseeded random number; they build without the feature
//! `driver`.

mod announcer;
mod conditions;
#[cfg(feature = "driver")]
pub mod driver;
pub mod filter;
mod interface;
pub mod wire;

pub use pnet_base::MacAddr;

pub use self::announcer::{
    AddressInUse, Announcement, Announcer, Claim, Config, Counters, Family, Heard, Input, InterfaceCounters, Output,
    Places, PortEvent, Purpose, SendOutcome, Transmit, VipStatus,
};
pub use self::conditions::{Condition, ConditionKind, conditions};
pub use self::interface::{Gateway, Interface, Interfaces};
