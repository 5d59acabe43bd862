//! What all UPDATEs with the same attributes have in common.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};

use super::{EncodeError, attributes};
use crate::wire::message::HEADER_LEN;
use crate::wire::{Attributes, Family, NextHop, Parameters};

/// Octets of the longest prefix on the wire: path identifier, length, address of IPv6.
pub(super) const LONGEST_PREFIX: usize = 4 + 1 + 16;

/// Header, and the lengths of withdrawn routes and attributes.
pub(super) const UPDATE_FIXED: usize = HEADER_LEN + 4;

/// Attributes of routes of one family, encoded for one session or for all with the same [`Parameters`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    pub(super) family: Family,
    /// MP_REACH_NLRI from its AFI up to its prefixes; empty where they stand in the NLRI field.
    pub(super) reach: Vec<u8>,
    /// The other attributes.
    pub(super) rest: Vec<u8>,
}

// === impl Template ===

impl Template {
    /// Encodes the attributes for routes of the family.
    ///
    /// IPv4 routes with a next hop of IPv4 go into the NLRI field, all others into MP_REACH_NLRI. LOCAL_PREF,
    /// ORIGINATOR_ID and CLUSTER_LIST are left out for an external peer; AS_PATH and NEXT_HOP are sent as they are given. A
    /// peer with two-octet AS numbers gets AS_TRANS, AS4_PATH and AS4_AGGREGATOR (RFC 6793 section 4.2.2).
    ///
    /// # Errors
    ///
    /// A next hop that the session cannot carry, or more attributes than a message holds.
    pub fn new(attributes: &Attributes, family: Family, parameters: &Parameters) -> Result<Self, EncodeError> {
        let next_hop = attributes.next_hop;
        let mut reach = Vec::new();
        let mut in_field = None;
        match (family, next_hop) {
            (Family::Ipv4, NextHop::Address(IpAddr::V4(_))) => in_field = Some(next_hop),
            (Family::Ipv6, NextHop::Address(address @ IpAddr::V4(_))) => {
                return Err(EncodeError::NextHop { family, next_hop: address });
            }
            (_, NextHop::Address(address @ IpAddr::V6(global))) => {
                carries(family, address, parameters)?;
                begin(&mut reach, family, 16);
                reach.extend(global.octets());
                reach.push(0);
            }
            (_, NextHop::LinkLocal { global, link_local }) => {
                carries(family, IpAddr::V6(link_local), parameters)?;
                begin(&mut reach, family, 32);
                reach.extend(global.octets());
                reach.extend(link_local.octets());
                reach.push(0);
            }
        }
        let mut rest = BytesMut::new();
        attributes::encode(attributes, in_field, parameters, &mut rest);
        let octets = rest.len() + if reach.is_empty() { 0 } else { 4 + reach.len() };
        let longest = parameters.max_send;
        if UPDATE_FIXED + octets + LONGEST_PREFIX > longest {
            return Err(EncodeError::AttributesTooLong { octets, longest });
        }
        Ok(Self { family, reach, rest: rest.into() })
    }

    /// The family of the routes it is for.
    pub fn family(&self) -> Family {
        self.family
    }
}

/// IPv4 routes have a next hop of IPv6 only by agreement.
fn carries(family: Family, next_hop: IpAddr, parameters: &Parameters) -> Result<(), EncodeError> {
    if family == Family::Ipv4 && !parameters.extended_next_hop.ipv4 {
        return Err(EncodeError::NextHop { family, next_hop });
    }
    Ok(())
}

fn begin(reach: &mut Vec<u8>, family: Family, next_hop_length: u8) {
    let raw = family.raw();
    reach.put_u16(raw.afi);
    reach.extend([raw.safi, next_hop_length]);
}
