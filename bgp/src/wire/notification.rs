//! NOTIFICATION (RFC 4271 sections 4.5 and 6, and the registry of its codes).

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use super::MAX_MESSAGE;
use super::cursor::Cursor;
use super::encode::message;
use super::message::{HEADER_LEN, kind};

/// Longest data of a NOTIFICATION that is sent: it stays within a message that every peer can read.
const MAX_DATA: usize = MAX_MESSAGE - HEADER_LEN - 2;

/// Error codes.
pub mod code {
    /// Message Header Error.
    pub const HEADER: u8 = 1;
    /// OPEN Message Error.
    pub const OPEN: u8 = 2;
    /// UPDATE Message Error.
    pub const UPDATE: u8 = 3;
    /// Hold Timer Expired.
    pub const HOLD_TIMER: u8 = 4;
    /// Finite State Machine Error.
    pub const STATE_MACHINE: u8 = 5;
    /// Cease.
    pub const CEASE: u8 = 6;
    /// ROUTE-REFRESH Message Error (RFC 7313).
    pub const ROUTE_REFRESH: u8 = 7;
    /// Send Hold Timer Expired (RFC 9687).
    pub const SEND_HOLD_TIMER: u8 = 8;
}

/// Subcodes of a Message Header Error.
pub mod header {
    /// Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// Bad Message Length.
    pub const BAD_LENGTH: u8 = 2;
    /// Bad Message Type.
    pub const BAD_TYPE: u8 = 3;
}

/// Subcodes of an OPEN Message Error.
pub mod open {
    /// Unspecific; also malformed parameters.
    pub const UNSPECIFIC: u8 = 0;
    /// Unsupported Version Number.
    pub const VERSION: u8 = 1;
    /// Bad Peer AS.
    pub const PEER_AS: u8 = 2;
    /// Bad BGP Identifier.
    pub const IDENTIFIER: u8 = 3;
    /// Unsupported Optional Parameter.
    pub const PARAMETER: u8 = 4;
    /// Unacceptable Hold Time.
    pub const HOLD_TIME: u8 = 6;
    /// Unsupported Capability (RFC 5492).
    pub const CAPABILITY: u8 = 7;
    /// Role Mismatch (RFC 9234).
    pub const ROLE: u8 = 11;
}

/// Subcodes of an UPDATE Message Error.
pub mod update {
    /// Malformed Attribute List.
    pub const ATTRIBUTE_LIST: u8 = 1;
    /// Unrecognized Well-known Attribute.
    pub const UNRECOGNIZED: u8 = 2;
    /// Missing Well-known Attribute.
    pub const MISSING: u8 = 3;
    /// Attribute Flags Error.
    pub const FLAGS: u8 = 4;
    /// Attribute Length Error.
    pub const LENGTH: u8 = 5;
    /// Invalid ORIGIN Attribute.
    pub const ORIGIN: u8 = 6;
    /// Invalid NEXT_HOP Attribute.
    pub const NEXT_HOP: u8 = 8;
    /// Optional Attribute Error.
    pub const OPTIONAL: u8 = 9;
    /// Invalid Network Field.
    pub const NETWORK: u8 = 10;
    /// Malformed AS_PATH.
    pub const AS_PATH: u8 = 11;
}

/// Subcodes of a Finite State Machine Error: the state in which a message came that it does not expect (RFC 6608).
pub mod state_machine {
    /// Unspecified Error.
    pub const UNSPECIFIED: u8 = 0;
    /// Receive Unexpected Message in OpenSent State.
    pub const OPEN_SENT: u8 = 1;
    /// Receive Unexpected Message in OpenConfirm State.
    pub const OPEN_CONFIRM: u8 = 2;
    /// Receive Unexpected Message in Established State.
    pub const ESTABLISHED: u8 = 3;
}

/// Subcodes of Cease (RFC 4486, RFC 8538, RFC 9384).
pub mod cease {
    /// Maximum Number of Prefixes Reached.
    pub const MAX_PREFIXES: u8 = 1;
    /// Administrative Shutdown.
    pub const SHUTDOWN: u8 = 2;
    /// Peer De-configured.
    pub const DECONFIGURED: u8 = 3;
    /// Administrative Reset.
    pub const RESET: u8 = 4;
    /// Connection Rejected.
    pub const REJECTED: u8 = 5;
    /// Other Configuration Change.
    pub const CONFIGURATION: u8 = 6;
    /// Connection Collision Resolution.
    pub const COLLISION: u8 = 7;
    /// Out of Resources.
    pub const RESOURCES: u8 = 8;
    /// Hard Reset.
    pub const HARD_RESET: u8 = 9;
    /// BFD Down.
    pub const BFD_DOWN: u8 = 10;
}

/// Subcodes of a ROUTE-REFRESH Message Error.
pub mod refresh {
    /// Invalid Message Length.
    pub const BAD_LENGTH: u8 = 1;
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// What belongs to it.
    pub data: SmallVec<[u8; 16]>,
}

// === impl Notification ===

impl Notification {
    /// Any NOTIFICATION; data that does not fit into a message of 4,096 octets is cut.
    pub fn new(code: u8, subcode: u8, data: &[u8]) -> Self {
        Self { code, subcode, data: SmallVec::from_slice(data.get(..MAX_DATA).unwrap_or(data)) }
    }

    /// Message Header Error (RFC 4271 section 6.1).
    pub fn header(subcode: u8, data: &[u8]) -> Self {
        Self::new(code::HEADER, subcode, data)
    }

    /// OPEN Message Error (RFC 4271 section 6.2).
    pub fn open(subcode: u8, data: &[u8]) -> Self {
        Self::new(code::OPEN, subcode, data)
    }

    /// UPDATE Message Error (RFC 4271 section 6.3).
    pub fn update(subcode: u8, data: &[u8]) -> Self {
        Self::new(code::UPDATE, subcode, data)
    }

    /// Hold Timer Expired (RFC 4271 section 6.5).
    pub fn hold_timer_expired() -> Self {
        Self::new(code::HOLD_TIMER, 0, &[])
    }

    /// Send Hold Timer Expired (RFC 9687).
    pub fn send_hold_timer_expired() -> Self {
        Self::new(code::SEND_HOLD_TIMER, 0, &[])
    }

    /// Finite State Machine Error; the subcode is of [`state_machine`].
    pub fn state_machine(subcode: u8) -> Self {
        Self::new(code::STATE_MACHINE, subcode, &[])
    }

    /// Cease without data; the subcode is of [`cease`].
    pub fn cease(subcode: u8) -> Self {
        Self::new(code::CEASE, subcode, &[])
    }

    /// Reads the body of a message, which has its two octets at least.
    pub(super) fn decode(body: &[u8]) -> Self {
        let mut cursor = Cursor::new(body);
        let (code, subcode) = (cursor.u8().unwrap_or(0), cursor.u8().unwrap_or(0));
        Self { code, subcode, data: SmallVec::from_slice(cursor.rest()) }
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut BytesMut) {
        message(out, kind::NOTIFICATION, |out| {
            out.put_u8(self.code);
            out.put_u8(self.subcode);
            out.put_slice(self.data.get(..MAX_DATA).unwrap_or(&self.data));
        });
    }
}
