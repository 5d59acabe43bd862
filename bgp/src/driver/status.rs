//! What the owner of a driver sees of it.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Remote;
use crate::rib::{self, PeerName};
use crate::session;

/// Everything at one moment. A new one is made when something changed: at once after a pause, otherwise ten times a second.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Each configured peer.
    pub peers: BTreeMap<PeerName, PeerStatus>,
    /// Where peers may connect to; empty while no peer may.
    pub listeners: Vec<ListenerStatus>,
    /// Routers on the interfaces of unnumbered peers.
    pub neighbors: BTreeMap<String, NeighborStatus>,
    /// Connections from addresses that are no peer's; they were closed at once.
    pub unknown_sources: u64,
    /// Connections of peers that came faster than they could be looked at; they were closed.
    pub overflowed: u64,
}

/// One peer.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Who it is.
    pub remote: Remote,
    /// The session.
    pub session: session::Summary,
    /// Its routes.
    pub routes: rib::Summary,
    /// Octets that its connections took and gave so far.
    pub octets: Octets,
    /// Malformed attributes in its UPDATEs.
    pub malformed: Malformed,
    /// Why nothing can be done for it at present, if so.
    pub problem: Option<Problem>,
}

/// Octets of BGP messages, since the peer is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Octets {
    /// Written.
    pub sent: u64,
    /// Read.
    pub received: u64,
}

/// Malformed attributes by what became of them (RFC 7606), since the peer is configured. Those that end a session are seen in its
/// last error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Malformed {
    /// The routes of their UPDATE counted as withdrawn.
    pub withdrawn: u64,
    /// The attribute alone was left out.
    pub discarded: u64,
}

/// What keeps a peer from being tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The session's configuration is not possible; the peer is down.
    #[error(transparent)]
    Config(#[from] session::ConfigError),
    /// The interface of the peer is not there, is down, or has no link-local address.
    #[error("interface {interface} is not there, is down, or has no link-local address")]
    Interface {
        /// Its name.
        interface: String,
    },
    /// No router has advertised itself on the interface of an unnumbered peer yet.
    #[error("no router has advertised itself on interface {interface} yet")]
    NoNeighbor {
        /// Its name.
        interface: String,
    },
    /// Another peer of the same address has another password. The kernel takes one for an address: connections from there are
    /// taken with that of the other peer.
    #[error("peer {other} of the same address has another password, with which connections from there are taken")]
    PasswordConflict {
        /// Its name.
        other: PeerName,
    },
}

/// A socket that listens.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    /// The device that it is bound to, if any.
    pub device: Option<String>,
    /// Its port.
    pub port: u16,
    /// Why it could not be opened, if so; it is tried again. Sessions with peers that are dialled are not concerned.
    pub error: Option<Arc<io::Error>>,
    /// Peers whose key the kernel did not take: they cannot connect.
    pub key_errors: BTreeMap<IpNet, Arc<io::Error>>,
}

/// The neighbourhood of an interface with an unnumbered peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeighborStatus {
    /// The own link-local address; none: the interface cannot be used.
    pub own: Option<Ipv6Addr>,
    /// That of the router there, once it advertised itself.
    pub neighbor: Option<Ipv6Addr>,
}
