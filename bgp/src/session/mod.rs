//! Decisions about the session with one peer: the finite state machine of RFC 4271 section 8 with its two possible
//! connections, what is said in OPEN and made of the peer's, and what becomes of routes when the session ends.
//!
//! ```text
//!            Start                 TCP up: send OPEN         OPEN good: send KEEPALIVE       KEEPALIVE
//!   Idle ------------> Connect ----------------------> OpenSent ------------------> OpenConfirm ----------> Established
//!    ^                  |   ^                             |                              |                       |
//!    |    TCP failed    v   | time to try again           |                              |                       |
//!    |                 Active  (listens, if it may)       |                              |                       |
//!    +-- NOTIFICATION sent or received, TCP closed, a timer over: back, and another try after a pause -----------+
//! ```
//!
//! A peer that dials and listens can have two connections, each with a state of its own; that of the peer is the more advanced
//! one. RFC 4271 section 6.8 leaves one of them.
//!
//! [`Peer`] is pure: time is passed in, randomness comes from a seed, and what is to be done comes out of [`Peer::poll`]. It
//! handles all messages but the contents of UPDATE, which go from the driver to the RIB; here they only prove that the peer
//! lives.

mod admin;
mod collision;
#[cfg(test)]
mod collision_tests;
mod config;
mod connection;
mod damping;
mod facts;
mod fsm;
mod graceful;
mod input;
mod negotiate;
mod notify;
mod open;
#[cfg(test)]
mod order_tests;
mod output;
mod peer;
mod refresh;
mod summary;
#[cfg(test)]
mod testing;
mod timers;

pub use config::{
    AsField, Change, Config, ConfigError, FamilyConfig, GracefulRestart, LongLived, Mode, RemoteAs, Retry,
};
pub use facts::{Endpoints, Restart, Session};
pub use input::{BfdFailure, Input, Stop};
pub use notify::shutdown_text;
pub use output::{CloseHow, DownReason, Event, Message, Output, Refresh};
pub use peer::{ConnectionId, Peer};
pub use summary::{Counters, LastError, State, Summary};
