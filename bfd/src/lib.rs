//! BFD: whether a neighbour still forwards, found out within milliseconds (RFC 5880, 5881, 5883).
//!
//! | layer | module | what it knows |
//! | --- | --- | --- |
//! | bytes | [`wire`] | the control packet of 24 bytes, strict |
//! | decisions | [`session`] | one neighbour: states, poll sequences, when to send, when it is down |
//! | edges | `driver` | sockets, clock, a real-time thread, which packet belongs to which session |
//!
//! The first two never read a clock, open a socket or draw an unseeded random number; they build without the feature
//! `driver`.
//!
//! Asynchronous mode only. A peer that goes into Demand mode is obeyed. Authentication and the Echo function are not
//! offered: a packet with authentication is refused, and the peer is told that echo packets are not looped back.

#[cfg(feature = "driver")]
pub mod driver;
pub mod session;
pub mod wire;

pub use self::session::{Config, Counters, DownCause, Input, Negotiated, Output, Session, Status};
pub use self::wire::{Diagnostic, State};
