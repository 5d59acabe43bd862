//! From the list of a message to [`Attributes`]: the first of each kind, without those that are malformed.

use std::net::Ipv4Addr;

use super::as4;
use super::attribute::{Context, Walk, check};
use super::code::{self, flag};
use crate::wire::cursor::Cursor;
use crate::wire::{
    Aggregator, AsPath, AsSegment, Attributes, Community, ExtendedCommunity, LargeCommunity, NextHop, Origin,
    SegmentKind, UnknownAttribute,
};

/// The attributes of a list with this next hop.
pub(super) fn collect(list: &[u8], context: Context, next_hop: NextHop) -> Attributes {
    let mut attributes = Attributes::new(next_hop);
    let mut seen = [0_u128; 2];
    let mut as4_path = None;
    let mut as4_aggregator = None;
    for attribute in Walk::new(list).map_while(Result::ok) {
        let code = attribute.code;
        let [low, high] = &mut seen;
        let (half, bit) = (if code < 128 { low } else { high }, 1_u128 << (code % 128));
        if *half & bit != 0 {
            continue;
        }
        *half |= bit;
        if check(&attribute, context).is_err() {
            continue;
        }
        let mut value = Cursor::new(attribute.value);
        match code {
            code::ORIGIN => {
                attributes.origin = match value.u8() {
                    Some(0) => Origin::Igp,
                    Some(1) => Origin::Egp,
                    _ => Origin::Incomplete,
                }
            }
            code::AS_PATH => attributes.as_path = as_path(value, context.four_octet_as),
            code::MED => attributes.med = value.u32(),
            code::LOCAL_PREF => attributes.local_pref = value.u32(),
            code::ATOMIC_AGGREGATE => attributes.atomic_aggregate = true,
            code::AGGREGATOR => attributes.aggregator = aggregator(value, context.four_octet_as),
            code::COMMUNITIES => attributes.communities = sorted(value, |value| value.u32().map(Community)),
            code::ORIGINATOR_ID => attributes.originator_id = value.array().map(Ipv4Addr::from),
            code::CLUSTER_LIST => attributes.cluster_list = list_of(value, |value| value.array().map(Ipv4Addr::from)),
            code::EXTENDED_COMMUNITIES => {
                attributes.extended_communities = sorted(value, |value| value.array().map(ExtendedCommunity));
            }
            code::LARGE_COMMUNITIES => {
                attributes.large_communities = sorted(value, |value| {
                    Some(LargeCommunity { global: value.u32()?, local1: value.u32()?, local2: value.u32()? })
                });
            }
            code::ONLY_TO_CUSTOMER => attributes.otc = value.u32(),
            code::AS4_PATH => as4_path = Some(as_path(value, true)),
            code::AS4_AGGREGATOR => as4_aggregator = aggregator(value, true),
            code::NEXT_HOP | code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => {}
            _ if attribute.flags & flag::TRANSITIVE != 0 => attributes.unknown.push(UnknownAttribute {
                // The length's width is a matter of the message.
                flags: attribute.flags & (flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL),
                code,
                value: attribute.value.to_vec(),
            }),
            // RFC 4271 section 5: optional, not transitive and unknown: ignored.
            _ => {}
        }
    }
    attributes.unknown.sort_by_key(|attribute| attribute.code);
    as4::merge(&mut attributes, as4_path, as4_aggregator);
    attributes
}

fn as_path(mut value: Cursor<'_>, four_octet_as: bool) -> AsPath {
    let mut segments = Vec::new();
    while let Some(kind) = value.u8() {
        let kind = match kind {
            1 => SegmentKind::Set,
            2 => SegmentKind::Sequence,
            3 => SegmentKind::ConfedSequence,
            _ => SegmentKind::ConfedSet,
        };
        let count = value.u8().unwrap_or(0);
        let mut asns = Vec::with_capacity(count.into());
        for _ in 0..count {
            asns.extend(if four_octet_as { value.u32() } else { value.u16().map(u32::from) });
        }
        segments.push(AsSegment { kind, asns });
    }
    AsPath(segments)
}

fn aggregator(mut value: Cursor<'_>, four_octet_as: bool) -> Option<Aggregator> {
    let asn = if four_octet_as { value.u32()? } else { value.u16()?.into() };
    Some(Aggregator { asn, router_id: Ipv4Addr::from(value.array()?) })
}

fn list_of<'a, T>(mut value: Cursor<'a>, mut entry: impl FnMut(&mut Cursor<'a>) -> Option<T>) -> Vec<T> {
    std::iter::from_fn(|| entry(&mut value)).collect()
}

fn sorted<'a, T: Ord>(value: Cursor<'a>, entry: impl FnMut(&mut Cursor<'a>) -> Option<T>) -> Vec<T> {
    let mut all = list_of(value, entry);
    all.sort_unstable();
    all.dedup();
    all
}
