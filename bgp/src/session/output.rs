//! What a peer's machine wants done, and what it tells.

use std::fmt;
use std::sync::Arc;

use super::{BfdFailure, ConnectionId, Session, State, Stop};
use crate::rib::Keep;
use crate::wire::{Family, Notification, Open, PerFamily, RouteRefresh};

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Dial; answer with `Connected` or `ConnectFailed`.
    Connect {
        /// Name of the new connection.
        connection: ConnectionId,
    },
    /// Write a message. It goes before routes that wait, at the next message boundary.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        message: Message,
    },
    /// The connection is no more: nothing that comes from it matters. An attempt to dial that is under way is given up.
    Close {
        /// Which.
        connection: ConnectionId,
        /// How.
        how: CloseHow,
    },
    /// The session is up: read and write with its parameters from here on.
    Established {
        /// Where.
        connection: ConnectionId,
        /// What was agreed on.
        session: Arc<Session>,
    },
    /// The session is down. A `Close` of its connection came before.
    Down {
        /// Where it was.
        connection: ConnectionId,
        /// Why.
        reason: DownReason,
        /// What becomes of the routes that were learned.
        keep: PerFamily<Keep>,
    },
    /// The peer's ROUTE-REFRESH is for the RIB.
    Refresh {
        /// Of which family.
        family: Family,
        /// What.
        refresh: Refresh,
    },
    /// The state of the peer is another one.
    State {
        /// Which it was.
        from: State,
        /// Which it is.
        to: State,
    },
    /// For the log. What repeats itself is left out here already.
    Log(Event),
}

/// A message other than UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Type 1.
    Open(Open),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    Keepalive,
    /// Type 5.
    RouteRefresh(RouteRefresh),
}

/// How a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseHow {
    /// In order, when what was sent is written (give it a second).
    Flush,
    /// At once: the peer does not read.
    Abort,
}

/// What a ROUTE-REFRESH asks of the RIB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Tell all routes again ([`Rib::refresh`](crate::rib::Rib::refresh)).
    Asked,
    /// The peer begins to tell all routes again ([`Rib::refresh_begins`](crate::rib::Rib::refresh_begins)).
    Begins,
    /// It has told them ([`Rib::refresh_ends`](crate::rib::Rib::refresh_ends)).
    Ends,
}

/// Why a session ended, or an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// TCP did not come up.
    ConnectFailed(String),
    /// TCP was closed or broke.
    Closed(Option<String>),
    /// The peer sent this.
    Received(Notification),
    /// This was sent, because of what the peer sent or is.
    Sent(Notification),
    /// The peer was not heard for the hold time (4/0 was sent).
    HoldTimer,
    /// The peer took nothing for the send hold time (8/0 was sent).
    SendHoldTimer,
    /// BFD said so (6/10).
    Bfd(BfdFailure),
    /// It was asked for.
    Stopped(Stop),
    /// The configuration changed in something that is said in OPEN (6/6).
    Configuration,
    /// The peer told more prefixes than allowed (6/1).
    PrefixLimit(Family),
    /// The peer began a new session while this one seemed up, as after its restart (RFC 4724 section 5).
    Replaced,
}

/// Something that an operator wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An attempt failed. Equal ones in a row are told once, and again from time to time.
    Failed {
        /// Why.
        reason: DownReason,
        /// How many equal ones were not told since the last time.
        suppressed: u32,
    },
    /// A connection was refused since the peer is stopped or does not accept any.
    Refused {
        /// How many were not told since the last time.
        suppressed: u32,
    },
}

// === impl DownReason ===

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed(error) => write!(f, "cannot connect: {error}"),
            Self::Closed(None) => f.write_str("the peer closed the connection"),
            Self::Closed(Some(error)) => write!(f, "the connection broke: {error}"),
            Self::Received(notification) => write!(f, "the peer sent NOTIFICATION {notification}"),
            Self::Sent(notification) => write!(f, "sent NOTIFICATION {notification}"),
            Self::HoldTimer => f.write_str("hold timer expired: the peer was not heard"),
            Self::SendHoldTimer => f.write_str("send hold timer expired: the peer does not read"),
            Self::Bfd(BfdFailure { control_plane_independent: true }) => f.write_str("BFD is down"),
            Self::Bfd(BfdFailure { control_plane_independent: false }) => {
                f.write_str("BFD is down, which may be a restart of the peer")
            }
            Self::Stopped(stop) => write!(f, "{stop}"),
            Self::Configuration => f.write_str("the configuration has changed"),
            Self::PrefixLimit(Family::Ipv4) => f.write_str("the peer tells more IPv4 prefixes than allowed"),
            Self::PrefixLimit(Family::Ipv6) => f.write_str("the peer tells more IPv6 prefixes than allowed"),
            Self::Replaced => f.write_str("the peer has restarted and began a new session"),
        }
    }
}
