//! Writing messages into a caller's buffer.
//!
//! UPDATEs are made of a [`Template`], the attributes of routes as they stand on the wire of one session, and a
//! [`Packer`], which puts as many prefixes behind it as a message takes and begins the next. Neither allocates for a
//! prefix.

mod attributes;
mod packer;
mod template;

use bytes::{BufMut, BytesMut};
use thiserror::Error;

pub use packer::Packer;
pub use template::Template;

use super::Family;
use super::message::{HEADER_LEN, kind};

/// What cannot be put into a message. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A capability has a length of one octet.
    #[error("capability {code}: {octets} octets do not fit into 255")]
    CapabilityTooLong {
        /// Its code.
        code: u8,
        /// How long it is.
        octets: usize,
    },
    /// All of an OPEN must fit into 4,096 octets.
    #[error("capabilities of {octets} octets do not fit into an OPEN")]
    OpenTooLong {
        /// How long they are.
        octets: usize,
    },
    /// The attributes leave no room for a prefix.
    #[error("attributes of {octets} octets leave no room for a prefix in a message of {longest}")]
    AttributesTooLong {
        /// How long they are.
        octets: usize,
        /// The longest message of the session.
        longest: usize,
    },
    /// The session cannot carry routes of the family with such a next hop (RFC 8950 was not negotiated, or there is no such
    /// encoding at all).
    #[error("next hop {next_hop} cannot be sent for {family} on this session")]
    NextHop {
        /// The family of the routes.
        family: Family,
        /// Their next hop.
        next_hop: std::net::IpAddr,
    },
}

/// Writes a KEEPALIVE.
pub fn encode_keepalive(out: &mut BytesMut) {
    message(out, kind::KEEPALIVE, |_| {});
}

/// Writes End-of-RIB of a family (RFC 4724 section 2).
pub fn encode_end_of_rib(family: Family, out: &mut BytesMut) {
    message(out, kind::UPDATE, |out| {
        out.put_u16(0);
        match family {
            Family::Ipv4 => out.put_u16(0),
            Family::Ipv6 => out.put_slice(&[0, 6, 0x80, 15, 3, 0, 2, 1]),
        }
    });
}

/// Writes a message of a kind with what `body` writes.
pub(super) fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_bytes(0xff, 16);
    out.put_slice(&[0, 0, kind]);
    body(out);
    let length = out.len() - start;
    debug_assert!(length >= HEADER_LEN);
    patch_u16(out, start + 16, length);
}

/// Writes a length where room was left for it.
fn patch_u16(out: &mut BytesMut, at: usize, length: usize) {
    // What is written here was kept within 65,535 octets by its caller.
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
