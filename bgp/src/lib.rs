//! BGP-4 (RFC 4271): messages (`wire`), one peer's session (`session`), what each peer is told and has told (`rib`), and
//! the sockets (`driver`); and messages for people (`dissect`).
//!
//! `wire`, `session` and `rib` are pure: time and randomness are passed in, bytes and outputs are returned.

#[cfg(feature = "dissect")]
pub mod dissect;
#[cfg(feature = "driver")]
pub mod driver;
pub mod rib;
pub mod session;
pub mod wire;
