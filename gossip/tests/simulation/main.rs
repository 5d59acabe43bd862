//! Many machines on a simulated network.

mod claims;
mod facts;
mod membership;
mod network;
mod recorded;
mod seal;
