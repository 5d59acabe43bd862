//! The bytes round the ciphertext.
//!
//! ```text
//! version 1 | key id 2 | session 16 | counter 6 | ciphertext | tag 16
//! ```
//!
//! All numbers are big-endian. Authenticated but not sent: destination (16 bytes of IPv6 or IPv4-mapped address, 2 bytes
//! of port) and cluster id. The plaintext is `boot stamp 6 | kind 1 | body`; stamps are milliseconds since the Unix
//! epoch.

use std::net::{IpAddr, SocketAddr};

use super::crypto::{NONCE_LEN, TAG_LEN};

/// Version of the envelope.
pub(crate) const VERSION: u8 = 1;

/// Length of the header in bytes.
pub(crate) const HEADER_LEN: usize = 1 + 2 + SESSION_LEN + COUNTER_LEN;

/// Length of stamp and kind in front of each body, in bytes.
pub(crate) const PREFIX_LEN: usize = STAMP_LEN + 1;

/// Largest datagram in bytes: what the minimum MTU of IPv6 carries (RFC 8200 section 5) without fragmentation, less 40
/// bytes of IPv6 and 8 bytes of UDP header.
pub(crate) const MAX_DATAGRAM: usize = 1280 - 40 - 8;

/// Longest body of a message in bytes.
pub(crate) const MAX_BODY: usize = MAX_DATAGRAM - HEADER_LEN - PREFIX_LEN - TAG_LEN;

/// Largest counter; a session ends there (after 8 900 years at 1 000 datagrams a second).
pub(crate) const MAX_COUNTER: u64 = (1 << (8 * COUNTER_LEN)) - 1;

const SESSION_LEN: usize = 16;
const COUNTER_LEN: usize = 6;
const STAMP_LEN: usize = 6;

/// What stands in clear in front of each datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key_id: [u8; 2],
    pub(crate) session: [u8; SESSION_LEN],
    pub(crate) counter: u64,
}

/// Takes a datagram apart; `None` when its length or version is not ours.
pub(crate) fn split(datagram: &[u8]) -> Option<(Header, &[u8])> {
    if datagram.len() > MAX_DATAGRAM || datagram.len() < HEADER_LEN + PREFIX_LEN + TAG_LEN {
        return None;
    }
    let (&version, rest) = datagram.split_first()?;
    let (&key_id, rest) = rest.split_first_chunk()?;
    let (&session, rest) = rest.split_first_chunk()?;
    let (counter, sealed) = rest.split_first_chunk()?;
    (version == VERSION).then_some((Header { key_id, session, counter: read_u48(*counter) }, sealed))
}

/// What a datagram authenticates beside its plaintext.
pub(crate) fn associated_data(header: &Header, destination: SocketAddr, cluster_id: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(HEADER_LEN + 18 + cluster_id.len());
    header.write(&mut data);
    let ip = match destination.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    data.extend_from_slice(&ip.octets());
    data.extend_from_slice(&destination.port().to_be_bytes());
    data.extend_from_slice(cluster_id);
    data
}

/// Takes a plaintext apart into boot stamp, kind and body.
pub(crate) fn split_plaintext(plaintext: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (stamp, rest) = plaintext.split_first_chunk()?;
    let (&kind, body) = rest.split_first()?;
    Some((read_u48(*stamp), kind, body))
}

/// Writes the lower 48 bits.
pub(crate) fn write_u48(value: u64, out: &mut Vec<u8>) {
    let [_, _, bytes @ ..] = value.to_be_bytes();
    out.extend_from_slice(&bytes);
}

fn read_u48(bytes: [u8; 6]) -> u64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

// === impl Header ===

impl Header {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.key_id);
        out.extend_from_slice(&self.session);
        write_u48(self.counter, out);
    }

    /// The counter as a nonce: unique within the session, and the key is the session's alone.
    pub(crate) fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        for (to, byte) in nonce.iter_mut().rev().zip(self.counter.to_le_bytes()) {
            *to = byte;
        }
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header { key_id: [1, 2], session: [3; 16], counter: 0x0102_0304_0506 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len(), HEADER_LEN);
        bytes.extend_from_slice(&[9; PREFIX_LEN + TAG_LEN]);
        assert_eq!(split(&bytes), Some((header, [9; PREFIX_LEN + TAG_LEN].as_slice())));
    }

    #[test]
    fn other_versions_and_lengths_are_refused() {
        let mut bytes = vec![0; HEADER_LEN + PREFIX_LEN + TAG_LEN];
        assert_eq!(split(&bytes), None, "version 0");
        bytes[0] = VERSION;
        assert!(split(&bytes).is_some());
        assert_eq!(split(&bytes[..bytes.len() - 1]), None, "too short");
        bytes.resize(MAX_DATAGRAM, 0);
        assert!(split(&bytes).is_some());
        bytes.push(0);
        assert_eq!(split(&bytes), None, "too long");
    }

    #[test]
    fn the_envelope_costs_41_bytes_and_the_prefix_7() {
        assert_eq!(HEADER_LEN + TAG_LEN, 41);
        assert_eq!(MAX_BODY, 1184);
    }
}
