//! What holds for any attributes, any session and any set of routes.

use std::collections::BTreeSet;

use bytes::BytesMut;
use ferrolb_bgp::wire::{
    AddPath, Aggregator, AsPath, AsSegment, Attributes, Community, ExtendedCommunity, Family, LargeCommunity, Message,
    NextHop, Origin, Packer, Parameters, PerFamily, SegmentKind, Template, UnknownAttribute, decode,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::support::{Path, messages, routes};

fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1..65_536_u32, 65_536..=u32::MAX]
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let segment = (any::<bool>(), vec(asn(), 1..6))
        .prop_map(|(set, asns)| AsSegment { kind: if set { SegmentKind::Set } else { SegmentKind::Sequence }, asns });
    // Two sequences side by side are one that was cut; they come back joined where AS4_PATH is merged.
    vec(segment, 0..3)
        .prop_filter("one form", |path| {
            path.windows(2).all(|pair| pair.iter().any(|segment| segment.kind == SegmentKind::Set))
        })
        .prop_map(AsPath)
}

fn sorted<T: Ord + std::fmt::Debug>(entry: impl Strategy<Value = T>, most: usize) -> impl Strategy<Value = Vec<T>> {
    btree_set(entry, 0..most).prop_map(|set| set.into_iter().collect())
}

prop_compose! {
    fn attributes(next_hop: NextHop)(
        origin in prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)],
        as_path in as_path(),
        (med, local_pref, atomic_aggregate, otc) in
            (option::of(any::<u32>()), option::of(any::<u32>()), any::<bool>(), option::of(1..=u32::MAX)),
        aggregator in option::of((asn(), any::<[u8; 4]>())),
        communities in sorted(any::<u32>().prop_map(Community), 90),
        originator_id in option::of(any::<[u8; 4]>()),
        cluster_list in vec(any::<[u8; 4]>(), 0..4),
        extended_communities in sorted(any::<[u8; 8]>().prop_map(ExtendedCommunity), 4),
        large_communities in sorted(
            any::<(u32, u32, u32)>().prop_map(|(global, local1, local2)| LargeCommunity { global, local1, local2 }), 4),
        unknown in proptest::collection::btree_map(50..=255_u8, vec(any::<u8>(), 0..300), 0..3),
    ) -> Attributes {
        Attributes {
            origin, as_path, next_hop, med, local_pref, atomic_aggregate,
            aggregator: aggregator.map(|(asn, id)| Aggregator { asn, router_id: id.into() }),
            communities,
            originator_id: originator_id.map(Into::into),
            cluster_list: cluster_list.into_iter().map(Into::into).collect(),
            extended_communities, large_communities, otc,
            unknown: unknown.into_iter().map(|(code, value)| UnknownAttribute { flags: 0xe0, code, value }).collect(),
        }
    }
}

prop_compose! {
    fn session()(
        four_octet_as in any::<bool>(),
        external in any::<bool>(),
        long in any::<bool>(),
        paths in any::<(bool, bool)>(),
    ) -> Parameters {
        let both = |negotiated| AddPath { receive: negotiated, send: negotiated };
        Parameters {
            four_octet_as,
            external,
            max_send: if long { 65_535 } else { 4096 },
            max_receive: if long { 65_535 } else { 4096 },
            families: PerFamily { ipv4: true, ipv6: true },
            add_path: PerFamily { ipv4: both(paths.0), ipv6: both(paths.1) },
            extended_next_hop: PerFamily { ipv4: true, ipv6: false },
        }
    }
}

/// Prefixes with few different lengths of octets, so that messages end anywhere.
fn paths(family: Family, path_ids: bool) -> impl Strategy<Value = BTreeSet<Path>> {
    let prefix = (any::<u128>(), any::<u8>()).prop_map(move |(address, bits)| match family {
        Family::Ipv4 => {
            let address = u32::try_from(address >> 96).unwrap();
            IpNet::V4(Ipv4Net::new(address.into(), bits % 33).unwrap().trunc())
        }
        Family::Ipv6 => IpNet::V6(Ipv6Net::new(address.into(), bits % 129).unwrap().trunc()),
    });
    btree_set((prefix, if path_ids { any::<u32>().boxed() } else { Just(0).boxed() }), 0..1500)
}

fn hop(family: Family) -> impl Strategy<Value = NextHop> {
    let v6 = any::<u128>().prop_map(|any| std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) | (any >> 32)));
    let link_local = any::<u16>().prop_map(|last| std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last));
    let foreign = prop_oneof![
        v6.clone().prop_map(|address| NextHop::Address(address.into())),
        (v6, link_local).prop_map(|(global, link_local)| NextHop::LinkLocal { global, link_local }),
    ];
    let own = (1..127_u8, any::<[u8; 3]>())
        .prop_map(|(first, [a, b, c])| NextHop::Address(std::net::Ipv4Addr::new(first, a, b, c).into()));
    match family {
        Family::Ipv4 => prop_oneof![own, foreign].boxed(),
        Family::Ipv6 => foreign.boxed(),
    }
}

/// What arrives of attributes that are sent.
fn arriving(mut attributes: Attributes, parameters: &Parameters) -> Attributes {
    if parameters.external {
        attributes.local_pref = None;
        attributes.originator_id = None;
        attributes.cluster_list.clear();
    }
    attributes
}

fn case() -> impl Strategy<Value = (Family, Parameters, Attributes, BTreeSet<Path>)> {
    (prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)], session()).prop_flat_map(|(family, parameters)| {
        let path_ids = parameters.add_path.get(family).send;
        let attributes = hop(family).prop_flat_map(attributes);
        (Just(family), Just(parameters), attributes, paths(family, path_ids))
    })
}

/// RFC 7606 section 3c: attributes that a code is known for have rules of their own.
fn has_rules(code: u8) -> bool {
    ferrolb_bgp::wire::attribute_code::name(code).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_announced_arrives_whatever_was_agreed_on((family, parameters, attributes, paths) in case()) {
        prop_assume!(attributes.unknown.iter().all(|unknown| !has_rules(unknown.code)));
        let template = Template::new(&attributes, family, &parameters).unwrap();
        let mut out = BytesMut::new();
        let mut packer = Packer::announce(&template, &parameters, &mut out);
        packer.extend(paths.iter().copied());
        let count = packer.finish();
        let all = messages(&out, &parameters);
        prop_assert_eq!(all.len(), count);
        for message in &all {
            let Message::Update(update) = message else { panic!() };
            let codes: Vec<u8> = update.raw_attributes().map(|attribute| attribute.code).collect();
            prop_assert!(codes.iter().skip(1).all(|code| *code != 14), "MP_REACH_NLRI is first");
            prop_assert!(codes.iter().skip(usize::from(codes[0] == 14)).is_sorted(), "the others are in order");
        }
        let (announced, withdrawn) = routes(&out, &parameters);
        prop_assert!(withdrawn.is_empty());
        prop_assert!(announced.iter().map(|(path, _)| path).eq(&paths), "no route is lost, doubled or moved");
        let arriving = arriving(attributes, &parameters);
        prop_assert!(announced.iter().all(|(_, attributes)| *attributes == arriving));
    }

    #[test]
    fn what_is_withdrawn_arrives_in_messages_that_are_full((family, parameters, _, paths) in case()) {
        let mut out = BytesMut::new();
        Packer::withdraw(family, &parameters, &mut out).extend(paths.iter().copied());
        let (announced, withdrawn) = routes(&out, &parameters);
        prop_assert!(announced.is_empty());
        prop_assert!(withdrawn.iter().eq(&paths));
        let mut rest = &out[..];
        while let Some((_, length)) = decode(rest, &parameters).unwrap() {
            prop_assert!(length <= parameters.max_send);
            rest = &rest[length..];
            prop_assert!(rest.is_empty() || length + 21 > parameters.max_send, "{length} octets and more to come");
        }
    }

    #[test]
    fn octets_of_any_kind_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..200), parameters in session()) {
        let framed: Vec<u8> = crate::support::framed(bytes.first().copied().unwrap_or(0) % 6, &bytes);
        for bytes in [bytes, framed] {
            if let Ok(Some((_, length))) = decode(&bytes, &parameters) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
