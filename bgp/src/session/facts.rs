//! What two speakers agreed on: constant while the session is up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ConnectionId;
use crate::rib;
use crate::wire::{Open, Parameters, PerFamily, Role};

/// Addresses of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// The own one.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

/// A session that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an agreement of its own")]
pub struct Session {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its addresses.
    pub endpoints: Endpoints,
    /// What reading and writing depend on.
    pub parameters: Arc<Parameters>,
    /// The own OPEN.
    pub sent: Arc<Open>,
    /// The peer's OPEN.
    pub received: Arc<Open>,
    /// AS number of this router, which differs from that of the own OPEN where a local AS is configured.
    pub router_asn: u32,
    /// Own role towards the peer as configured, whether or not the peer said one; external peers only (RFC 9234).
    pub role: Option<Role>,
    /// The smaller of both hold times; zero: none.
    pub hold_time: Duration,
    /// The peer answers requests for its routes (RFC 2918).
    pub route_refresh: bool,
    /// Both know where such an answer begins and ends (RFC 7313).
    pub enhanced_refresh: bool,
    /// The peer keeps the own routes when this speaker restarts (RFC 4724), by family.
    pub peer_helps: PerFamily<bool>,
    /// How the peer's routes are kept when it restarts, by family; none: they are not.
    pub restart: PerFamily<Option<Restart>>,
    /// Both take NOTIFICATION and hold timer for a restart, and know Hard Reset (RFC 8538).
    pub notification_restart: bool,
    /// The peer said that it has restarted (R bit).
    pub peer_restarted: bool,
    /// Families whose stale routes wait for the peer's End-of-RIB; stale routes of others go now (F bit, RFC 4724 section 4.2).
    pub keeps_stale: PerFamily<bool>,
    /// Name of the peer as it says.
    pub peer_host: Option<String>,
}

/// How long the routes of a peer are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// As stale (RFC 4724).
    pub restart_time: Duration,
    /// After that as long-lived stale (RFC 9494).
    pub long_lived: Duration,
}

// === impl Session ===

impl Session {
    /// What the RIB wants to know; `addresses` are those that may be named as own next hop.
    pub fn for_rib(&self, addresses: rib::Addresses) -> rib::Session {
        rib::Session {
            parameters: Parameters::clone(&self.parameters),
            enhanced_refresh: self.enhanced_refresh,
            asn: self.sent.asn,
            router_asn: self.router_asn,
            router_id: self.sent.router_id,
            peer_asn: self.received.asn,
            peer_router_id: self.received.router_id,
            peer_address: self.endpoints.remote.ip(),
            role: self.role,
            addresses,
            keeps_stale: self.keeps_stale,
        }
    }
}
