//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use bytes::{BufMut, BytesMut};

use super::RawFamily;
use super::cursor::Cursor;
use super::encode::message;
use super::message::kind;
use super::notification::{Notification, code, refresh};

/// A message of type 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family it is about.
    pub family: RawFamily,
    /// What it means.
    pub kind: RefreshKind,
}

/// Message subtype (RFC 7313 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshKind {
    /// 0: send the routes again.
    Request,
    /// 1: the routes follow.
    Begin,
    /// 2: those were all.
    End,
    /// Anything else, which is ignored (RFC 7313 section 5).
    Unknown(u8),
}

// === impl RouteRefresh ===

impl RouteRefresh {
    /// Reads the body of a message; the whole message is what a NOTIFICATION about its length carries (RFC 7313 section
    /// 5). A request may be longer than its four octets (RFC 5291); what follows them is not read.
    pub(super) fn decode(message: &[u8], body: &[u8]) -> Result<Self, Notification> {
        let bad_length = || Notification::new(code::ROUTE_REFRESH, refresh::BAD_LENGTH, message);
        let mut cursor = Cursor::new(body);
        let (Some(afi), Some(subtype), Some(safi)) = (cursor.u16(), cursor.u8(), cursor.u8()) else {
            return Err(bad_length());
        };
        let kind = RefreshKind::from(subtype);
        if matches!(kind, RefreshKind::Begin | RefreshKind::End) && !cursor.is_empty() {
            return Err(bad_length());
        }
        Ok(Self { family: RawFamily { afi, safi }, kind })
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut BytesMut) {
        message(out, kind::ROUTE_REFRESH, |out| {
            out.put_u16(self.family.afi);
            out.put_u8(self.kind.into());
            out.put_u8(self.family.safi);
        });
    }
}

// === impl RefreshKind ===

impl From<u8> for RefreshKind {
    fn from(subtype: u8) -> Self {
        match subtype {
            0 => Self::Request,
            1 => Self::Begin,
            2 => Self::End,
            other => Self::Unknown(other),
        }
    }
}

impl From<RefreshKind> for u8 {
    fn from(kind: RefreshKind) -> Self {
        match kind {
            RefreshKind::Request => 0,
            RefreshKind::Begin => 1,
            RefreshKind::End => 2,
            RefreshKind::Unknown(other) => other,
        }
    }
}
