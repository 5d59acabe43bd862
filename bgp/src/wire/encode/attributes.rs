//! Attributes as they are sent on a session: in ascending order (RFC 4271 section 5), without those that do not leave an AS.

use bytes::{BufMut, BytesMut};

use crate::wire::attribute_code::{self as code, flag};
use crate::wire::{AS_TRANS, Aggregator, AsPath, Attributes, NextHop, Origin, Parameters, SegmentKind};

/// ASes in one segment: its count has one octet.
const MAX_SEGMENT: usize = 255;

/// Writes all but MP_REACH_NLRI. NEXT_HOP is written where `next_hop` is given.
pub(super) fn encode(attributes: &Attributes, next_hop: Option<NextHop>, parameters: &Parameters, out: &mut BytesMut) {
    let internal = !parameters.external;
    put(
        out,
        code::ORIGIN,
        &[match attributes.origin {
            Origin::Igp => 0,
            Origin::Egp => 1,
            Origin::Incomplete => 2,
        }],
    );
    let path =
        if parameters.four_octet_as { as_path::<4>(&attributes.as_path) } else { as_path::<2>(&attributes.as_path) };
    put(out, code::AS_PATH, &path);
    if let Some(NextHop::Address(std::net::IpAddr::V4(address))) = next_hop {
        put(out, code::NEXT_HOP, &address.octets());
    }
    if let Some(med) = attributes.med {
        put(out, code::MED, &med.to_be_bytes());
    }
    if let Some(local_pref) = attributes.local_pref.filter(|_| internal) {
        put(out, code::LOCAL_PREF, &local_pref.to_be_bytes());
    }
    if attributes.atomic_aggregate {
        put(out, code::ATOMIC_AGGREGATE, &[]);
    }
    if let Some(aggregator) = &attributes.aggregator {
        if parameters.four_octet_as {
            put(out, code::AGGREGATOR, &wide(*aggregator));
        } else {
            let [_, _, high, low] = two_octets(aggregator.asn).to_be_bytes();
            let [a, b, c, d] = aggregator.router_id.octets();
            put(out, code::AGGREGATOR, &[high, low, a, b, c, d]);
        }
    }
    put_list(out, code::COMMUNITIES, &attributes.communities, |community, out| out.put_u32(community.0));
    if internal {
        if let Some(originator) = attributes.originator_id {
            put(out, code::ORIGINATOR_ID, &originator.octets());
        }
        put_list(out, code::CLUSTER_LIST, &attributes.cluster_list, |id, out| out.put_slice(&id.octets()));
    }
    put_list(out, code::EXTENDED_COMMUNITIES, &attributes.extended_communities, |community, out| {
        out.put_slice(&community.0);
    });
    if !parameters.four_octet_as {
        as4(attributes, out);
    }
    let mut unknown = attributes.unknown.iter().filter(|attribute| attribute.flags & flag::TRANSITIVE != 0).peekable();
    let mut put_unknown_below = |limit: u16, out: &mut BytesMut| {
        while let Some(attribute) = unknown.next_if(|attribute| u16::from(attribute.code) < limit) {
            // RFC 4271 section 5: whoever passes on what it does not know says so.
            put_flagged(out, flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL, attribute.code, &attribute.value);
        }
    };
    put_unknown_below(code::LARGE_COMMUNITIES.into(), out);
    put_list(out, code::LARGE_COMMUNITIES, &attributes.large_communities, |community, out| {
        out.put_u32(community.global);
        out.put_u32(community.local1);
        out.put_u32(community.local2);
    });
    put_unknown_below(code::ONLY_TO_CUSTOMER.into(), out);
    if let Some(otc) = attributes.otc {
        put(out, code::ONLY_TO_CUSTOMER, &otc.to_be_bytes());
    }
    put_unknown_below(256, out);
}

/// RFC 6793 section 4.2.2: what a speaker with two octets cannot see goes along in attributes of its own, and only if there
/// is something to see. Segments of a confederation stay out.
fn as4(attributes: &Attributes, out: &mut BytesMut) {
    let hidden = |asn: u32| u16::try_from(asn).is_err();
    if attributes.as_path.0.iter().flat_map(|segment| &segment.asns).any(|asn| hidden(*asn)) {
        let mut path = attributes.as_path.clone();
        path.0.retain(|segment| matches!(segment.kind, SegmentKind::Set | SegmentKind::Sequence));
        if !path.0.is_empty() {
            put(out, code::AS4_PATH, &as_path::<4>(&path));
        }
    }
    if let Some(aggregator) = attributes.aggregator.filter(|aggregator| hidden(aggregator.asn)) {
        put(out, code::AS4_AGGREGATOR, &wide(aggregator));
    }
}

/// The number, or AS_TRANS in its place.
fn two_octets(asn: u32) -> u32 {
    if u16::try_from(asn).is_ok() { asn } else { AS_TRANS }
}

fn wide(aggregator: Aggregator) -> [u8; 8] {
    (u64::from(aggregator.asn) << 32 | u64::from(aggregator.router_id.to_bits())).to_be_bytes()
}

/// The path with numbers of two or four octets; a sequence that is too long is cut into several (RFC 4271 section 5.1.2).
fn as_path<const WIDTH: usize>(path: &AsPath) -> Vec<u8> {
    let mut value = Vec::new();
    for segment in &path.0 {
        for part in segment.asns.chunks(MAX_SEGMENT) {
            value.push(segment.kind.to_wire());
            value.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            for asn in part {
                let asn = if WIDTH == 2 { two_octets(*asn) } else { *asn };
                value.extend(asn.to_be_bytes().iter().skip(4 - WIDTH));
            }
        }
    }
    value
}

fn put_list<T>(out: &mut BytesMut, code: u8, entries: &[T], mut entry: impl FnMut(&T, &mut BytesMut)) {
    if entries.is_empty() {
        return;
    }
    let mut value = BytesMut::new();
    for one in entries {
        entry(one, &mut value);
    }
    put(out, code, &value);
}

/// Writes an attribute with the flags of the registry.
fn put(out: &mut BytesMut, code: u8, value: &[u8]) {
    put_flagged(out, code::flags(code).unwrap_or(flag::OPTIONAL | flag::TRANSITIVE), code, value);
}

fn put_flagged(out: &mut BytesMut, flags: u8, code: u8, value: &[u8]) {
    if let Ok(short) = u8::try_from(value.len()) {
        out.put_slice(&[flags, code, short]);
    } else {
        out.put_slice(&[flags | flag::EXTENDED_LENGTH, code]);
        // Longer ones are refused with the whole list.
        out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    }
    out.put_slice(value);
}
