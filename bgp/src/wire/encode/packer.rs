//! As many prefixes as a message takes.

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

use super::patch_u16;
use super::template::{LONGEST_PREFIX, Template, UPDATE_FIXED};
use crate::wire::message::{HEADER_LEN, kind};
use crate::wire::{Family, Parameters};

/// How much room is made at a time: what most messages with a prefix or two need.
const STEP: usize = 256;

/// MP_UNREACH_NLRI up to its prefixes.
const UNREACH_HEADER: [u8; 7] = [0x90, 15, 0, 0, 0, 2, 1];

/// Writes UPDATEs with what they announce, or what they withdraw, one prefix after the other.
///
/// A message is complete when it is full or when the packer is dropped or finished. Prefixes of another family than its own
/// are left out.
#[derive(Debug)]
pub struct Packer<'a> {
    out: &'a mut BytesMut,
    what: What<'a>,
    family: Family,
    path_ids: bool,
    longest: usize,
    /// The message that is not complete yet.
    open: Option<Open>,
    /// Where its next prefix goes.
    at: usize,
    /// Where its prefixes must end; 0 between messages, so that nothing fits.
    limit: usize,
    messages: usize,
}

#[derive(Debug, Clone, Copy)]
enum What<'a> {
    Announce(&'a Template),
    Withdraw,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    start: usize,
    /// Where its prefixes begin.
    prefixes: usize,
}

// === impl Packer ===

impl<'a> Packer<'a> {
    /// For routes with the attributes of a template made with the same parameters.
    pub fn announce(template: &'a Template, parameters: &Parameters, out: &'a mut BytesMut) -> Self {
        Self::new(What::Announce(template), template.family, parameters, out)
    }

    /// For prefixes to be withdrawn. Those of IPv4 go into the field of RFC 4271, whatever their next hop was.
    pub fn withdraw(family: Family, parameters: &Parameters, out: &'a mut BytesMut) -> Self {
        Self::new(What::Withdraw, family, parameters, out)
    }

    fn new(what: What<'a>, family: Family, parameters: &Parameters, out: &'a mut BytesMut) -> Self {
        let path_ids = parameters.add_path.get(family).send;
        Self { out, what, family, path_ids, longest: parameters.max_send, open: None, at: 0, limit: 0, messages: 0 }
    }

    /// Adds a prefix. Its host bits are not sent, nor is the path identifier unless ADD-PATH was negotiated.
    #[inline]
    pub fn push(&mut self, prefix: &IpNet, path_id: u32) {
        let mut octets = [0_u8; LONGEST_PREFIX + 3];
        let length = match (prefix, self.family) {
            (IpNet::V4(prefix), Family::Ipv4) => {
                let address = u32::from(prefix.addr()) & u32::from(prefix.netmask());
                write(&mut octets, self.path_ids.then_some(path_id), prefix.prefix_len(), &address.to_be_bytes())
            }
            (IpNet::V6(prefix), Family::Ipv6) => {
                let address = u128::from(prefix.addr()) & u128::from(prefix.netmask());
                write(&mut octets, self.path_ids.then_some(path_id), prefix.prefix_len(), &address.to_be_bytes())
            }
            _ => return,
        };
        if self.at + length > self.limit {
            self.begin();
        }
        if self.at + octets.len() > self.out.len() {
            self.grow();
        }
        if let Some(place) = self.out.get_mut(self.at..self.at + octets.len()) {
            place.copy_from_slice(&octets);
        }
        self.at += length;
    }

    /// Makes room for more prefixes: as much again as the message has.
    #[cold]
    fn grow(&mut self) {
        let start = self.open.map_or(self.at, |open| open.start);
        let target = (self.at - start).saturating_mul(2).max(STEP);
        self.out.resize(start + target, 0);
    }

    /// Whether a prefix goes into the message that is open, rather than into the next one.
    #[inline]
    pub fn fits(&self, prefix: &IpNet) -> bool {
        let length = if self.path_ids { 5 } else { 1 } + usize::from(prefix.prefix_len().div_ceil(8));
        self.at + length <= self.limit
    }

    /// Completes the last message. Says how many were written.
    pub fn finish(mut self) -> usize {
        self.close();
        self.messages
    }

    /// How many octets the buffer holds, with those of the message that is not complete yet.
    pub fn written(&self) -> usize {
        self.open.map_or(self.out.len(), |_| self.at)
    }

    fn begin(&mut self) {
        self.close();
        let start = self.out.len();
        self.out.reserve(STEP);
        self.out.put_bytes(0xff, 16);
        self.out.put_slice(&[0, 0, kind::UPDATE, 0, 0]);
        let behind = match self.what {
            What::Withdraw if self.family == Family::Ipv4 => 2,
            What::Withdraw => {
                self.out.put_slice(&[0, 0]);
                self.out.put_slice(&UNREACH_HEADER);
                0
            }
            What::Announce(template) => {
                self.out.put_slice(&[0, 0]);
                if template.reach.is_empty() {
                    self.out.put_slice(&template.rest);
                    0
                } else {
                    // First of all attributes (RFC 7606 section 5.1).
                    self.out.put_slice(&[0x90, 14, 0, 0]);
                    self.out.put_slice(&template.reach);
                    template.rest.len()
                }
            }
        };
        let at = self.out.len();
        self.open = Some(Open { start, prefixes: at });
        (self.at, self.limit) = (at, start + self.longest - behind);
    }

    fn close(&mut self) {
        let Some(Open { start, prefixes }) = self.open.take() else { return };
        let at = std::mem::take(&mut self.at);
        self.limit = 0;
        self.out.truncate(at);
        // Lengths of withdrawn routes and of attributes, and behind an MP attribute's header its own.
        let (withdrawn, attributes) = (start + HEADER_LEN, start + HEADER_LEN + 2);
        let in_field = match self.what {
            What::Withdraw if self.family == Family::Ipv4 => {
                patch_u16(self.out, withdrawn, at - prefixes);
                self.out.put_u16(0);
                true
            }
            What::Announce(template) if template.reach.is_empty() => {
                patch_u16(self.out, attributes, template.rest.len());
                true
            }
            What::Announce(_) | What::Withdraw => false,
        };
        if !in_field {
            patch_u16(self.out, start + UPDATE_FIXED + 2, at - (start + UPDATE_FIXED + 4));
            if let What::Announce(template) = self.what {
                self.out.put_slice(&template.rest);
            }
            patch_u16(self.out, attributes, self.out.len() - (start + UPDATE_FIXED));
        }
        patch_u16(self.out, start + 16, self.out.len() - start);
        self.messages += 1;
    }
}

impl Drop for Packer<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

impl Extend<(IpNet, u32)> for Packer<'_> {
    fn extend<T: IntoIterator<Item = (IpNet, u32)>>(&mut self, prefixes: T) {
        for (prefix, path_id) in prefixes {
            self.push(&prefix, path_id);
        }
    }
}

/// Puts a prefix at the front; says how many octets of it count.
#[inline]
fn write<const N: usize>(
    out: &mut [u8; LONGEST_PREFIX + 3],
    path_id: Option<u32>,
    bits: u8,
    address: &[u8; N],
) -> usize {
    let before = if let Some(path_id) = path_id {
        if let Some(place) = out.first_chunk_mut() {
            *place = path_id.to_be_bytes();
        }
        4
    } else {
        0
    };
    if let Some((first, rest)) = out.get_mut(before..).and_then(<[u8]>::split_first_mut) {
        *first = bits;
        if let Some(place) = rest.first_chunk_mut() {
            *place = *address;
        }
    }
    before + 1 + usize::from(bits.div_ceil(8))
}
