//! Framing (RFC 4271 section 4.1) and the five messages.
//!
//! A message that is too long, too short for its type, of an unknown type or without the marker ends the session with
//! the NOTIFICATION of RFC 4271 section 6.1; so the stream never has to be searched for where the next one begins.

use super::cursor::Cursor;
use super::notification::{Notification, header};
use super::{Open, Parameters, RouteRefresh, Update};

/// Octets of the header: marker, length, type.
pub const HEADER_LEN: usize = 19;

/// Longest message unless both sides can do more (RFC 4271 section 4.1). OPEN and KEEPALIVE never exceed it (RFC 8654
/// section 4).
pub const MAX_MESSAGE: usize = 4096;

/// Longest message with the extended message capability (RFC 8654).
pub const MAX_EXTENDED_MESSAGE: usize = 65_535;

/// Message types.
pub(super) mod kind {
    pub(in crate::wire) const OPEN: u8 = 1;
    pub(in crate::wire) const UPDATE: u8 = 2;
    pub(in crate::wire) const NOTIFICATION: u8 = 3;
    pub(in crate::wire) const KEEPALIVE: u8 = 4;
    pub(in crate::wire) const ROUTE_REFRESH: u8 = 5;
}

/// A message of a peer. An UPDATE borrows from the bytes it was read from.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "UPDATE is what comes by the thousand, and a box would be an allocation")]
pub enum Message<'a> {
    /// Type 1.
    Open(Open),
    /// Type 2, with everything of RFC 7606 already applied.
    Update(Update<'a>),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    KeepAlive,
    /// Type 5.
    RouteRefresh(RouteRefresh),
}

/// Reads the first message of what was received, and how many octets it takes; `None` while it is not complete.
///
/// Nothing is allocated for an UPDATE without errors. Before the negotiation `parameters` are [`Parameters::default`].
///
/// # Errors
///
/// The NOTIFICATION to end the session with; the bytes after it must not be read.
pub fn decode<'a>(received: &'a [u8], parameters: &Parameters) -> Result<Option<(Message<'a>, usize)>, Notification> {
    let mut cursor = Cursor::new(received);
    let (Some(marker), Some(length), Some(kind)) = (cursor.array(), cursor.u16(), cursor.u8()) else { return Ok(None) };
    if u128::from_be_bytes(marker) != u128::MAX {
        return Err(Notification::header(header::NOT_SYNCHRONIZED, &[]));
    }
    let (shortest, longest) = match kind {
        kind::OPEN => (29, MAX_MESSAGE),
        kind::UPDATE => (23, MAX_EXTENDED_MESSAGE),
        kind::NOTIFICATION => (21, MAX_EXTENDED_MESSAGE),
        kind::KEEPALIVE => (HEADER_LEN, HEADER_LEN),
        // RFC 7313 section 5 has a code of its own for a ROUTE-REFRESH that is too short, and of a message of unknown type
        // its type is what is wrong, unless its length is absurd.
        _ => (HEADER_LEN, MAX_EXTENDED_MESSAGE),
    };
    let octets = usize::from(length);
    if octets < shortest || octets > longest.min(parameters.max_receive) {
        return Err(Notification::header(header::BAD_LENGTH, &length.to_be_bytes()));
    }
    let body = match kind {
        kind::OPEN..=kind::ROUTE_REFRESH => cursor.take(octets - HEADER_LEN),
        _ => return Err(Notification::header(header::BAD_TYPE, &[kind])),
    };
    let Some(body) = body else { return Ok(None) };
    let message = match kind {
        kind::OPEN => Message::Open(Open::decode(body)?),
        kind::UPDATE => Message::Update(Update::decode(body, parameters)?),
        kind::NOTIFICATION => Message::Notification(Notification::decode(body)),
        kind::ROUTE_REFRESH => {
            Message::RouteRefresh(RouteRefresh::decode(received.get(..octets).unwrap_or(body), body)?)
        }
        _ => Message::KeepAlive,
    };
    Ok(Some((message, octets)))
}
