//! What people and metrics see of a peer.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{DownReason, Session};

/// States of RFC 4271 section 8.2.2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Stopped, or waiting after a failure before it tries again.
    #[default]
    Idle,
    /// Dialling.
    Connect,
    /// Waiting for the peer to connect, or for the next time to dial.
    Active,
    /// Waiting for the peer's OPEN.
    OpenSent,
    /// Waiting for the peer's KEEPALIVE.
    OpenConfirm,
    /// The session is up.
    Established,
}

/// What is to be seen of a peer.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Option<Instant>,
    /// How often it was established.
    pub established: u64,
    /// How often in a row it failed; a session of a minute or more that ends counts as the first.
    pub failures: u32,
    /// When it dials next, if it waits.
    pub next_attempt: Option<Instant>,
    /// What went wrong last; it stays when the session is up again.
    pub last_error: Option<LastError>,
    /// Messages.
    pub counters: Counters,
    /// What was agreed on, while it is up.
    pub session: Option<Arc<Session>>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: Instant,
    /// What.
    pub reason: DownReason,
}

/// Messages since the peer exists. UPDATE is counted where it is written and read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// OPEN sent.
    pub opens_sent: u64,
    /// OPEN received.
    pub opens_received: u64,
    /// KEEPALIVE sent.
    pub keepalives_sent: u64,
    /// KEEPALIVE received.
    pub keepalives_received: u64,
    /// NOTIFICATION sent.
    pub notifications_sent: u64,
    /// NOTIFICATION received.
    pub notifications_received: u64,
    /// ROUTE-REFRESH sent by the session: requests. Begin and end markers are written by the RIB.
    pub route_refresh_sent: u64,
    /// ROUTE-REFRESH received, of any kind.
    pub route_refresh_received: u64,
    /// UPDATE received while the session was up.
    pub updates_received: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Collisions of two connections that were decided.
    pub collisions: u64,
}

// === impl State ===

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}
