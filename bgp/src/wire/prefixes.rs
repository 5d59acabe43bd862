//! Prefixes as they stand in UPDATE messages (RFC 4271 section 4.3, RFC 4760 section 5, RFC 7911 section 3): a length in
//! bits, as many octets as that needs, and before it the path identifier where that was negotiated.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Family;
use super::cursor::Cursor;

/// Prefixes of an UPDATE with their path identifiers (0 without ADD-PATH), checked when the message was read. Host bits
/// are masked: what follows the prefix in its last octet means nothing (RFC 4271 section 4.3).
#[derive(Debug, Clone, Copy)]
pub struct Prefixes<'a> {
    family: Family,
    path_ids: bool,
    cursor: Cursor<'a>,
}

// === impl Prefixes ===

impl<'a> Prefixes<'a> {
    /// The prefixes of a field; `None` if one of them is longer than an address or than what is left (RFC 7606 section
    /// 5.3), which ends the session: nobody knows then what was meant.
    pub(super) fn checked(family: Family, path_ids: bool, field: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(field);
        let widest = widest(family);
        while !cursor.is_empty() {
            if path_ids {
                cursor.u32()?;
            }
            let bits = cursor.u8()?;
            if bits > widest {
                return None;
            }
            cursor.take(octets(bits))?;
        }
        Some(Self { family, path_ids, cursor: Cursor::new(field) })
    }

    pub(super) fn none(family: Family) -> Self {
        Self { family, path_ids: false, cursor: Cursor::new(&[]) }
    }

    /// Of which family they are.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether there are none left.
    pub fn is_empty(&self) -> bool {
        self.cursor.is_empty()
    }
}

#[expect(clippy::copy_iterator, reason = "it is two words and a half, and is read from more than once")]
impl Iterator for Prefixes<'_> {
    type Item = (IpNet, u32);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let path_id = if self.path_ids { self.cursor.u32()? } else { 0 };
        let bits = self.cursor.u8()?;
        let significant = self.cursor.take(octets(bits))?;
        let prefix = match self.family {
            Family::Ipv4 => {
                let address = u32::from_be_bytes(padded(significant)?);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(address & mask), bits).ok()?)
            }
            Family::Ipv6 => {
                let address = u128::from_be_bytes(padded(significant)?);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(address & mask), bits).ok()?)
            }
        };
        Some((prefix, path_id))
    }
}

/// Bits of an address.
fn widest(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}

/// Octets that hold so many bits.
pub(super) fn octets(bits: u8) -> usize {
    usize::from(bits.div_ceil(8))
}

/// The octets with zeros behind them.
fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(all)
}
