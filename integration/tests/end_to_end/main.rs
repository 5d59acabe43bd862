//! The main job with the real daemons: values in, a client reaches the address, things break, the client reaches it again.
//!
//! Needs the workspace's binaries (`cargo build --workspace`), `ip`, `nft`, `curl` and root or user namespaces; without
//! the latter the tests say so and pass.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bgp;
#[cfg(test)]
mod common;
#[cfg(test)]
mod controller;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod process;
#[cfg(test)]
mod record;
