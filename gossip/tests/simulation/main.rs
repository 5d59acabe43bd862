//! Many machines on a simulated network.

mod claims;
mod membership;
mod network;
mod seal;
