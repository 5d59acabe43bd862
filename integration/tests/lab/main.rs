//! The lab itself: network, backends, kube-proxy's rules, faults, probe, daemons, and that nothing is left.
//!
//! Needs `ip`, `nft`, `curl` and root or user namespaces; without those the tests say so and pass.

#[cfg(test)]
mod cables;
#[cfg(test)]
mod common;
#[cfg(test)]
mod daemons;
#[cfg(test)]
mod families;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod kube;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod network;
#[cfg(test)]
mod proxy;
