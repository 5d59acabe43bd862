//! What is really so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::error::Problem;
use super::peer::Peer;
use crate::session::Status;

/// A picture of the driver.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Every session that shall be. Found by a `&Peer`.
    pub sessions: BTreeMap<Arc<Peer>, SessionStatus>,
    /// Packets that belong to no session, or should not.
    pub rejected: Rejections,
    /// Whether the thread has real-time priority.
    pub realtime: bool,
    /// How often the thread woke up so late that the shortest detection time had passed meanwhile.
    pub stalls: u64,
    /// Messages that the log has lost because it did not keep up.
    pub unlogged: u64,
}

/// How a session stands.
#[derive(Debug, Clone)]
pub struct SessionStatus {
    /// As the protocol sees it.
    pub status: Status,
    /// Why nothing can be sent or received at present.
    pub problem: Option<Arc<Problem>>,
}

/// Datagrams that were thrown away, by reason; counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejections {
    /// No valid control packet (RFC 5880 section 6.8.6); see [`Invalid`](crate::wire::Invalid).
    pub invalid: u64,
    /// With authentication, which we do not have.
    pub authentication: u64,
    /// From nobody we have a session with.
    pub unknown_peer: u64,
    /// With a discriminator of no session; for instance just after a restart of this process.
    pub unknown_discriminator: u64,
    /// With the discriminator of a session, but not from its peer, interface or to its address.
    pub mismatched: u64,
    /// With a TTL or hop limit that shows that they come from too far away.
    pub ttl: u64,
}
