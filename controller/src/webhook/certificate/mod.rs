//! The certificate of the webhooks and the authority that signs it, kept in a Secret that all replicas share.
//!
//! ```text
//!            Secret ──decide──> Keep    serve it, inject the authority
//!              ^                Renew   the authority signs a new certificate ──┐
//!              │                Create  a new authority and certificate ────────┤
//!              └────────────────── guarded write <──────────────────────────────┘
//! ```
//!
//! Whoever writes first has written for all: a lost race ends with reading what the winner wrote.

pub mod authority;
mod cluster;
pub mod decision;
pub mod inject;
mod keeper;

pub use decision::{Decision, Names, Reason, Stored, decide};
pub use keeper::Keeper;
