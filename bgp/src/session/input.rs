//! What a peer's machine is told.

use std::fmt;
use std::sync::Arc;

use super::{Config, ConnectionId, Endpoints, Message};
use crate::wire::{Family, Notification};

/// Something that happened. What belongs to a connection that is no more is ignored.
#[derive(Debug, Clone)]
pub enum Input {
    /// The peer shall be up. Again after a stop; harmless when it is started.
    Start,
    /// The session shall end, for this reason.
    Stop(Stop),
    /// Another configuration. The session ends only where [`Config::change`] says so.
    Configure(Arc<Config>),
    /// TCP is up for an [`Output::Connect`](super::Output::Connect).
    Connected {
        /// Which.
        connection: ConnectionId,
        /// Its addresses.
        endpoints: Endpoints,
    },
    /// TCP did not come up for it.
    ConnectFailed {
        /// Which.
        connection: ConnectionId,
        /// Why, for people.
        error: String,
    },
    /// The peer connected.
    Accepted {
        /// From [`Peer::next_connection`](super::Peer::next_connection).
        connection: ConnectionId,
        /// Its addresses.
        endpoints: Endpoints,
    },
    /// A message other than UPDATE came.
    Message {
        /// Where.
        connection: ConnectionId,
        /// What.
        message: Message,
    },
    /// An UPDATE came. Give it to the RIB only if the session is still up afterwards ([`Peer::is_established`](super::Peer::is_established)).
    Update {
        /// Where.
        connection: ConnectionId,
    },
    /// Something came that ends the session with this NOTIFICATION.
    Malformed {
        /// Where.
        connection: ConnectionId,
        /// What to answer.
        notification: Notification,
    },
    /// TCP is down, or was closed by the peer.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// The error, if it was not closed in order.
        error: Option<String>,
    },
    /// Bytes wait that the socket does not take (RFC 9687).
    Pending {
        /// Which.
        connection: ConnectionId,
    },
    /// The socket took bytes.
    Progress {
        /// Which.
        connection: ConnectionId,
        /// Others still wait.
        pending: bool,
    },
    /// The BFD session of the peer went from up to down (not: administratively down).
    BfdDown(BfdFailure),
    /// The BFD session of the peer is up: a good time to try again.
    BfdUp,
    /// The peer tells more prefixes than allowed ([`TooManyPrefixes`](crate::rib::TooManyPrefixes)).
    PrefixLimit {
        /// In which family.
        family: Family,
        /// How many are allowed.
        max: u32,
    },
    /// Ask the peer to tell its routes again. Ignored where it cannot ([`Session::route_refresh`](super::Session::route_refresh)).
    Refresh {
        /// Of which family.
        family: Family,
    },
}

/// Why a session shall end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// This process ends and another one will take over. With graceful restart the connection is closed without a word, so
    /// that the peer keeps the routes; otherwise Cease 6/2 with the text.
    Shutdown {
        /// For the peer's people (RFC 9003).
        text: String,
    },
    /// A person disabled the peer: Cease 6/2 with the text.
    Disabled {
        /// For the peer's people (RFC 9003).
        text: String,
    },
    /// The node leaves: as `Disabled`, and the peer shall not keep the routes (Hard Reset 6/9 where it knows that).
    Drained {
        /// For the peer's people (RFC 9003).
        text: String,
    },
    /// The peer was deleted from the configuration: Cease 6/3, as Hard Reset where the peer knows that.
    Deleted,
    /// A person asked for a new session: Cease 6/4 with the text. The peer stays started.
    Reset {
        /// For the peer's people (RFC 9003).
        text: String,
    },
    /// Something outside [`Config`] changed that needs a new connection (a password, an address): Cease 6/6. The peer stays
    /// started.
    Reconfigured,
}

/// How the BFD session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BfdFailure {
    /// The peer's C bit: its BFD does not share the fate of its control plane (RFC 5880 section 4.1). Then the path is dead and
    /// graceful restart does not apply (RFC 5882 section 4.3).
    pub control_plane_independent: bool,
}

// === impl Stop ===

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = match self {
            Self::Shutdown { text } => ("this speaker ends", text.as_str()),
            Self::Disabled { text } => ("the peer was disabled", text.as_str()),
            Self::Drained { text } => ("the node is drained", text.as_str()),
            Self::Deleted => ("the peer was deleted from the configuration", ""),
            Self::Reset { text } => ("a reset was asked for", text.as_str()),
            Self::Reconfigured => ("the configuration of its connection has changed", ""),
        };
        if text.is_empty() { f.write_str(what) } else { write!(f, "{what}: \"{text}\"") }
    }
}
