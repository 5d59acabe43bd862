//! The list of path attributes: one after the other, and what each must look like (RFC 7606 section 7 and the documents of
//! newer attributes).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::code::{self, flag};
use super::flaw::{AttributeError, Disposition, Flaw};
use crate::wire::cursor::Cursor;

/// An attribute as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// Its flags.
    pub flags: u8,
    /// Its code.
    pub code: u8,
    /// Its value.
    pub value: &'a [u8],
    /// All of it.
    pub octets: &'a [u8],
}

/// Walks through a list of attributes. After an error there is nothing more.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a>(Cursor<'a>);

/// What an attribute is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) four_octet_as: bool,
    pub(super) external: bool,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    pub(super) fn new(attributes: &'a [u8]) -> Self {
        Self(Cursor::new(attributes))
    }

    /// What is left of the list.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    fn step(&mut self) -> Option<RawAttribute<'a>> {
        let all = self.0.rest();
        let (flags, code) = (self.0.u8()?, self.0.u8()?);
        let length = if flags & flag::EXTENDED_LENGTH == 0 { self.0.u8()?.into() } else { self.0.u16()?.into() };
        let value = self.0.take(length)?;
        let octets = all.get(..all.len() - self.0.len())?;
        Some(RawAttribute { flags, code, value, octets })
    }
}

impl<'a> Iterator for Walk<'a> {
    /// An attribute, or what does not make up one.
    type Item = Result<RawAttribute<'a>, &'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let attribute = self.step();
        if attribute.is_none() {
            self.0 = Cursor::new(&[]);
        }
        Some(attribute.ok_or(rest))
    }
}

/// Says whether an attribute may stay, and what follows if not. MP_REACH_NLRI and MP_UNREACH_NLRI are looked into
/// elsewhere; of them only the flags are judged here.
#[inline]
pub(super) fn check(attribute: &RawAttribute<'_>, context: Context) -> Result<(), AttributeError> {
    let verdict = match flags(attribute) {
        Ok(()) => value(attribute, context),
        Err(verdict) => Err(verdict),
    };
    verdict.map_err(|(disposition, flaw)| AttributeError { attribute: attribute.code, flaw, disposition })
}

type Verdict = Result<(), (Disposition, Flaw)>;

/// RFC 7606 section 3c; Partial is 0 where the attribute is not optional and transitive (RFC 4271 section 4.3).
fn flags(attribute: &RawAttribute<'_>) -> Verdict {
    const KIND: u8 = flag::OPTIONAL | flag::TRANSITIVE;
    let RawAttribute { flags, code, .. } = *attribute;
    let partial_is_wrong = flags & flag::PARTIAL != 0 && flags & KIND != KIND;
    let Some(right) = code::flags(code) else {
        return match (flags & flag::OPTIONAL, partial_is_wrong) {
            (0, _) => Err((Disposition::TreatAsWithdraw, Flaw::UnknownWellKnown)),
            // Nobody passes it on, so whether somebody did not know it says nothing about the route.
            (_, true) => Err((Disposition::Discard, Flaw::Flags(flags))),
            (_, false) => Ok(()),
        };
    };
    if flags & KIND == right && !partial_is_wrong {
        return Ok(());
    }
    let disposition = match code {
        // Where the prefixes are is not known for certain any more.
        code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Disposition::Reset,
        // RFC 7311 section 4, RFC 9552 section 6.3.2, RFC 8669 section 6.
        code::AIGP | code::LINK_STATE | code::PREFIX_SID => Disposition::Discard,
        _ => Disposition::TreatAsWithdraw,
    };
    Err((disposition, Flaw::Flags(flags)))
}

#[inline]
fn value(attribute: &RawAttribute<'_>, context: Context) -> Verdict {
    use Disposition::{Discard, TreatAsWithdraw};
    let RawAttribute { code, value, .. } = *attribute;
    let length = Flaw::Length(value.len());
    match code {
        code::ORIGIN => match *value {
            [0..=2] => Ok(()),
            [other] => Err((TreatAsWithdraw, Flaw::Origin(other))),
            _ => Err((TreatAsWithdraw, length)),
        },
        code::AS_PATH => {
            as_path(value, context.four_octet_as, context.external).map_err(|flaw| (TreatAsWithdraw, flaw))
        }
        code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST if context.external => {
            Err((Discard, Flaw::Internal))
        }
        code::NEXT_HOP | code::MED | code::LOCAL_PREF | code::ORIGINATOR_ID => exactly(4, value, TreatAsWithdraw),
        code::ATOMIC_AGGREGATE => exactly(0, value, Discard),
        code::AGGREGATOR => aggregator(value, context.four_octet_as),
        code::COMMUNITIES | code::CLUSTER_LIST => some(4, value),
        code::EXTENDED_COMMUNITIES => some(8, value),
        code::LARGE_COMMUNITIES => some(12, value),
        code::IPV6_EXTENDED_COMMUNITIES => some(20, value),
        code::AS4_PATH | code::AS4_AGGREGATOR if context.four_octet_as => Err((Discard, Flaw::FourOctetAs)),
        // RFC 6793 section 6: a malformed one is discarded, whatever RFC 7606 says of AS_PATH. Segments of a confederation
        // are left out later.
        code::AS4_PATH => as_path(value, true, false).map_err(|flaw| (Discard, flaw)),
        code::AS4_AGGREGATOR => aggregator(value, true),
        code::ONLY_TO_CUSTOMER => match *value {
            [0, 0, 0, 0] => Err((TreatAsWithdraw, Flaw::AsZero)),
            [_, _, _, _] => Ok(()),
            _ => Err((TreatAsWithdraw, length)),
        },
        // RFC 7311 section 3: of a session that is not enabled for it, it is dropped. RFC 9552 is for another family.
        code::AIGP | code::LINK_STATE => Err((Discard, Flaw::Unused)),
        code::PMSI_TUNNEL => pmsi_tunnel(value).map_err(|flaw| (TreatAsWithdraw, flaw)),
        code::TUNNEL_ENCAPSULATION => tunnels(value).ok_or((TreatAsWithdraw, Flaw::Inside)),
        code::PREFIX_SID => prefix_sid(value).ok_or((Discard, Flaw::Inside)),
        _ => Ok(()),
    }
}

fn exactly(octets: usize, value: &[u8], otherwise: Disposition) -> Verdict {
    if value.len() == octets { Ok(()) } else { Err((otherwise, Flaw::Length(value.len()))) }
}

/// One or more entries of so many octets (RFC 7606 section 7.8 and others).
fn some(octets: usize, value: &[u8]) -> Verdict {
    if !value.is_empty() && value.len().is_multiple_of(octets) {
        Ok(())
    } else {
        Err((Disposition::TreatAsWithdraw, Flaw::Length(value.len())))
    }
}

/// RFC 7606 section 7.7, RFC 7607 section 2.
fn aggregator(value: &[u8], four_octet_as: bool) -> Verdict {
    let flaw = match (value, four_octet_as) {
        ([0, 0, _, _, _, _], false) | ([0, 0, 0, 0, _, _, _, _], true) => Flaw::AsZero,
        ([_, _, _, _, _, _], false) | ([_, _, _, _, _, _, _, _], true) => return Ok(()),
        _ => Flaw::Length(value.len()),
    };
    Err((Disposition::Discard, flaw))
}

/// RFC 7606 section 7.2, RFC 7607 section 2, RFC 5065 section 5.
///
/// Deviation: AS_SETs are accepted, unlike RFC 9774 section 3 wants it: routers that aggregate still send them, and
/// whether such a route is used is a matter of import.
fn as_path(value: &[u8], four_octet_as: bool, external: bool) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(value);
    while let Some(kind) = cursor.u8() {
        match kind {
            3 | 4 if external => return Err(Flaw::Confederation),
            1..=4 => {}
            other => return Err(Flaw::SegmentKind(other)),
        }
        let count = cursor.u8().ok_or(Flaw::SegmentOverrun)?;
        if count == 0 {
            return Err(Flaw::EmptySegment);
        }
        let width = if four_octet_as { 4 } else { 2 };
        let asns = cursor.take(usize::from(count) * width).ok_or(Flaw::SegmentOverrun)?;
        let zero = if four_octet_as {
            asns.chunks_exact(4).any(|asn| *asn == [0; 4])
        } else {
            asns.chunks_exact(2).any(|asn| *asn == [0; 2])
        };
        if zero {
            return Err(Flaw::AsZero);
        }
    }
    Ok(())
}

/// RFC 6514 section 5: flags, type, label and, for ingress replication, one address.
fn pmsi_tunnel(value: &[u8]) -> Result<(), Flaw> {
    const INGRESS_REPLICATION: u8 = 6;
    match *value {
        [_, INGRESS_REPLICATION, _, _, _, ref endpoint @ ..] if !matches!(endpoint.len(), 4 | 16) => Err(Flaw::Inside),
        [_, _, _, _, _, ..] => Ok(()),
        _ => Err(Flaw::Length(value.len())),
    }
}

/// RFC 9012 section 2: tunnels, each with its sub-TLVs; those from 128 on have a length of two octets.
fn tunnels(value: &[u8]) -> Option<()> {
    let mut tunnels = Cursor::new(value);
    while !tunnels.is_empty() {
        tunnels.u16()?;
        let length = tunnels.u16()?;
        let mut inside = Cursor::new(tunnels.take(length.into())?);
        while let Some(kind) = inside.u8() {
            let length = if kind < 128 { inside.u8()?.into() } else { inside.u16()? };
            inside.take(length.into())?;
        }
    }
    Some(())
}

/// RFC 8669 section 3: TLVs; a Label-Index has seven octets.
fn prefix_sid(value: &[u8]) -> Option<()> {
    const LABEL_INDEX: u8 = 1;
    let mut tlvs = Cursor::new(value);
    while let Some(kind) = tlvs.u8() {
        let length = tlvs.u16()?;
        let inside = tlvs.take(length.into())?;
        if kind == LABEL_INDEX && inside.len() != 7 {
            return None;
        }
    }
    Some(())
}

/// Whether packets can be sent to an address of IPv4: not to "this" network, a loopback, a group or everybody (RFC 4271
/// section 6.3).
pub(super) fn is_host_v4(address: Ipv4Addr) -> bool {
    !(address.octets().first() == Some(&0) || address.is_loopback() || address.is_multicast() || address.is_broadcast())
}

/// The same for IPv6.
pub(super) fn is_host_v6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
}
