//! NOTIFICATION (RFC 4271 sections 4.5 and 6, and the registry of its codes): what is written and read, and how it reads to
//! people.

mod codes;
mod text;

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use super::cursor::Cursor;
use super::encode::message;
use super::message::{HEADER_LEN, kind};
use super::{Family, MAX_MESSAGE};

pub use codes::{cease, code, header, open, refresh, state_machine, update};
pub use text::Communication;

/// Longest data of a NOTIFICATION that is sent: it stays within a message that every peer can read.
const MAX_DATA: usize = MAX_MESSAGE - HEADER_LEN - 2;

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

    /// Administrative Shutdown or Reset with a text for the people of the other side, cut at 255 octets (RFC 9003 section 2).
    pub fn cease_with(subcode: u8, communication: &str) -> Self {
        let end = (0..=communication.len().min(255)).rev().find(|&at| communication.is_char_boundary(at));
        let text = communication.get(..end.unwrap_or(0)).unwrap_or_default();
        match u8::try_from(text.len()) {
            Ok(length @ 1..) => Self::new(code::CEASE, subcode, &[&[length], text.as_bytes()].concat()),
            _ => Self::cease(subcode),
        }
    }

    /// More prefixes of a family than are allowed, and how many are (RFC 4486 section 4).
    pub fn max_prefixes(family: Family, limit: u32) -> Self {
        let raw = family.raw();
        let mut data = SmallVec::new();
        data.extend(raw.afi.to_be_bytes());
        data.push(raw.safi);
        data.extend(limit.to_be_bytes());
        Self { code: code::CEASE, subcode: cease::MAX_PREFIXES, data }
    }

    /// The same as a Hard Reset: it ends graceful restart as well, and says inside what for (RFC 8538 section 3.1).
    #[must_use]
    pub fn hard_reset(&self) -> Self {
        Self::new(code::CEASE, cease::HARD_RESET, &[&[self.code, self.subcode], &*self.data].concat())
    }

    /// Whether it is a Hard Reset.
    pub fn is_hard_reset(&self) -> bool {
        (self.code, self.subcode) == (code::CEASE, cease::HARD_RESET)
    }

    /// What a Hard Reset is for; `None` of others, and of one that does not say it.
    pub fn inner(&self) -> Option<Self> {
        match &*self.data {
            [code, subcode, data @ ..] if self.is_hard_reset() => Some(Self::new(*code, *subcode, data)),
            _ => None,
        }
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
