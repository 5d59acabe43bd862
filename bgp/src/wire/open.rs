//! OPEN (RFC 4271 section 4.2; parameters over 255 octets by RFC 9072).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::encode::message;
use super::message::kind;
use super::notification::{Notification, open};
use super::{AS_TRANS, Capability, EncodeError, MAX_MESSAGE};

/// The only version there is.
const VERSION: u8 = 4;

/// Parameter type: capabilities (RFC 5492).
const CAPABILITIES: u8 = 2;

/// Stands for a parameter type, and for a length, where lengths have two octets (RFC 9072 section 2).
const EXTENDED: u8 = 255;

/// Octets of the message up to its parameters.
const FIXED_LEN: usize = 29;

/// What a speaker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// AS number: that of capability 65 where given, else the two octets of the header.
    pub asn: u32,
    /// Hold Time in seconds: 0, or 3 and more.
    pub hold_time: u16,
    /// BGP Identifier (RFC 6286: any but 0).
    pub router_id: Ipv4Addr,
    /// Capabilities in the order in which they came.
    pub capabilities: Vec<Capability>,
}

// === impl Open ===

impl Open {
    /// Reads the body of a message, and checks what can be checked without knowing the peer (RFC 4271 section 6.2).
    pub(super) fn decode(body: &[u8]) -> Result<Self, Notification> {
        let malformed = || Notification::open(open::UNSPECIFIC, &[]);
        let mut cursor = Cursor::new(body);
        let version = cursor.u8().ok_or_else(malformed)?;
        if version != VERSION {
            return Err(Notification::open(open::VERSION, &u16::from(VERSION).to_be_bytes()));
        }
        let my_as = cursor.u16().ok_or_else(malformed)?;
        let hold_time = cursor.u16().ok_or_else(malformed)?;
        let router_id = Ipv4Addr::from(cursor.array().ok_or_else(malformed)?);
        let capabilities = parameters(cursor)?;
        let four_octets = capabilities
            .iter()
            .find_map(|capability| if let Capability::FourOctetAs(asn) = capability { Some(*asn) } else { None });
        let asn = four_octets.unwrap_or(my_as.into());
        // RFC 7607 section 2, for either field.
        if asn == 0 || my_as == 0 {
            return Err(Notification::open(open::PEER_AS, &[]));
        }
        if hold_time == 1 || hold_time == 2 {
            return Err(Notification::open(open::HOLD_TIME, &[]));
        }
        // RFC 6286 section 2.2.
        if router_id.is_unspecified() {
            return Err(Notification::open(open::IDENTIFIER, &[]));
        }
        Ok(Self { asn, hold_time, router_id, capabilities })
    }

    /// Writes the message: all capabilities in one parameter, by RFC 9072 where they are longer than 253 octets.
    ///
    /// # Errors
    ///
    /// Too many capabilities for one message; nothing is written then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut capabilities = BytesMut::new();
        for capability in &self.capabilities {
            capability.encode(&mut capabilities)?;
        }
        let length = capabilities.len();
        // Type 255, a length, the type of the parameter and its length.
        if length > MAX_MESSAGE - FIXED_LEN - 6 {
            return Err(EncodeError::OpenTooLong { octets: length });
        }
        message(out, kind::OPEN, |out| {
            out.put_u8(VERSION);
            out.put_u16(u16::try_from(self.asn).unwrap_or(AS_TRANS_OCTETS));
            out.put_u16(self.hold_time);
            out.put_slice(&self.router_id.octets());
            match (u8::try_from(length), u8::try_from(length + 2), u16::try_from(length)) {
                (Ok(0), ..) => out.put_u8(0),
                (Ok(short), Ok(all), _) => out.put_slice(&[all, CAPABILITIES, short]),
                (_, _, long) => {
                    let long = long.unwrap_or(u16::MAX);
                    out.put_slice(&[EXTENDED, EXTENDED]);
                    out.put_u16(long.saturating_add(3));
                    out.put_u8(CAPABILITIES);
                    out.put_u16(long);
                }
            }
            out.put_slice(&capabilities);
        });
        Ok(())
    }
}

/// AS_TRANS in two octets.
const AS_TRANS_OCTETS: u16 = 23_456;
const _: () = assert!(AS_TRANS == 23_456);

/// Optional parameters, whose length must be that of what follows.
fn parameters(mut cursor: Cursor<'_>) -> Result<Vec<Capability>, Notification> {
    let malformed = || Notification::open(open::UNSPECIFIC, &[]);
    let short = cursor.u8().ok_or_else(malformed)?;
    // RFC 9072 section 2: the type tells, not the length, which a receiver must not rely on.
    let extended = short != 0 && cursor.rest().first() == Some(&EXTENDED);
    let length = if extended {
        cursor.u8().ok_or_else(malformed)?;
        usize::from(cursor.u16().ok_or_else(malformed)?)
    } else {
        short.into()
    };
    if cursor.len() != length {
        return Err(malformed());
    }
    let mut capabilities = Vec::new();
    while let Some(kind) = cursor.u8() {
        let length = if extended { cursor.u16().map(usize::from) } else { cursor.u8().map(usize::from) };
        let value = length.and_then(|length| cursor.take(length)).ok_or_else(malformed)?;
        if kind != CAPABILITIES {
            return Err(Notification::open(open::PARAMETER, &[]));
        }
        let mut value = Cursor::new(value);
        while !value.is_empty() {
            capabilities.push(Capability::decode(&mut value).ok_or_else(malformed)?);
        }
    }
    Ok(capabilities)
}
