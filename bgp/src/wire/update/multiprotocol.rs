//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 sections 3 and 4, next hops by RFC 2545 and RFC 8950).

use std::net::{IpAddr, Ipv6Addr};

use super::attribute::{is_host_v4, is_host_v6};
use super::flaw::{Disposition, Flaw};
use crate::wire::cursor::Cursor;
use crate::wire::prefixes::Prefixes;
use crate::wire::{Family, NextHop, Parameters, RawFamily};

/// MP_REACH_NLRI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    /// Its routes; none if the family was not negotiated.
    pub(super) routes: Option<(NextHop, Prefixes<'a>)>,
    /// Whether there are prefixes at all, of whatever family.
    pub(super) reaches: bool,
    /// A next hop that cannot be one: the prefixes count as withdrawn.
    pub(super) flaw: Option<Flaw>,
    pub(super) family: RawFamily,
}

/// MP_UNREACH_NLRI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unreach<'a> {
    pub(super) family: RawFamily,
    /// None if the family was not negotiated.
    pub(super) prefixes: Option<Prefixes<'a>>,
    /// Nothing is withdrawn: End-of-RIB (RFC 4724 section 2).
    pub(super) empty: bool,
}

/// The family, if routes of it are taken.
fn negotiated(raw: RawFamily, parameters: &Parameters) -> Option<Family> {
    raw.known().filter(|&family| *parameters.families.get(family))
}

// === impl Reach ===

impl<'a> Reach<'a> {
    pub(super) fn read(value: &'a [u8], parameters: &Parameters) -> Result<Self, (Disposition, Flaw)> {
        let reset = |flaw| (Disposition::Reset, flaw);
        let mut cursor = Cursor::new(value);
        let too_short = reset(Flaw::Length(value.len()));
        let (Some(afi), Some(safi), Some(length)) = (cursor.u16(), cursor.u8(), cursor.u8()) else {
            return Err(too_short);
        };
        let family = RawFamily { afi, safi };
        // The octet behind the next hop is reserved, and ignored.
        let (Some(next_hop), Some(_reserved)) = (cursor.take(length.into()), cursor.u8()) else {
            return Err(too_short);
        };
        let field = cursor.rest();
        let reaches = !field.is_empty();
        let Some(family_known) = family.known() else { return Ok(Self { routes: None, reaches, flaw: None, family }) };
        let wrong_length = reset(Flaw::NextHopLength(length));
        let next_hop = read_next_hop(next_hop).ok_or(wrong_length)?;
        if family_known == Family::Ipv6 && matches!(next_hop, NextHop::Address(IpAddr::V4(_))) {
            return Err(wrong_length);
        }
        let path_ids = parameters.add_path.get(family_known).receive;
        let prefixes = Prefixes::checked(family_known, path_ids, field).ok_or(reset(Flaw::Prefixes))?;
        let foreign = family_known == Family::Ipv4 && !matches!(next_hop, NextHop::Address(IpAddr::V4(_)));
        let usable = is_usable(&next_hop) && (!foreign || parameters.extended_next_hop.ipv4);
        let routes = negotiated(family, parameters).map(|_| (next_hop, prefixes));
        Ok(Self { routes, reaches, flaw: (!usable).then_some(Flaw::NextHop), family })
    }
}

/// RFC 4760 section 3, RFC 2545 section 3, RFC 8950 section 3.
fn read_next_hop(octets: &[u8]) -> Option<NextHop> {
    let mut cursor = Cursor::new(octets);
    let mut v6 = || cursor.array::<16>().map(Ipv6Addr::from);
    match octets.len() {
        4 => cursor.array::<4>().map(|octets| NextHop::Address(IpAddr::from(octets))),
        16 => v6().map(|address| NextHop::Address(IpAddr::V6(address))),
        32 => {
            let (global, link_local) = (v6()?, v6()?);
            if link_local.is_unicast_link_local() {
                return Some(NextHop::LinkLocal { global, link_local });
            }
            // Something other than a link-local address is no help; the global one is.
            Some(NextHop::Address(IpAddr::V6(global)))
        }
        _ => None,
    }
}

fn is_usable(next_hop: &NextHop) -> bool {
    match *next_hop {
        NextHop::Address(IpAddr::V4(address)) => is_host_v4(address),
        NextHop::Address(IpAddr::V6(address)) => is_host_v6(address),
        NextHop::LinkLocal { global, .. } => global.is_unspecified() || is_host_v6(global),
    }
}

// === impl Unreach ===

impl<'a> Unreach<'a> {
    pub(super) fn read(value: &'a [u8], parameters: &Parameters) -> Result<Self, (Disposition, Flaw)> {
        let reset = |flaw| (Disposition::Reset, flaw);
        let mut cursor = Cursor::new(value);
        let (Some(afi), Some(safi)) = (cursor.u16(), cursor.u8()) else {
            return Err(reset(Flaw::Length(value.len())));
        };
        let family = RawFamily { afi, safi };
        let field = cursor.rest();
        let empty = field.is_empty();
        let Some(known) = family.known() else { return Ok(Self { family, prefixes: None, empty }) };
        let path_ids = parameters.add_path.get(known).receive;
        let prefixes = Prefixes::checked(known, path_ids, field).ok_or(reset(Flaw::Prefixes))?;
        Ok(Self { family, prefixes: negotiated(family, parameters).map(|_| prefixes), empty })
    }
}
