//! AS numbers of four octets on sessions that have two (RFC 6793).

use ferrolb_bgp::wire::{Aggregator, AsPath, AsSegment, Attributes, Family, Packer, Parameters, SegmentKind, Template};

use crate::support::{attribute, next_hop, one_update, parameters, prefix, routes, update, written};

/// Two octets, from another AS or from within.
fn narrow(external: bool) -> Parameters {
    Parameters { four_octet_as: false, external, ..parameters() }
}

fn path(segments: &[(SegmentKind, &[u32])]) -> AsPath {
    AsPath(segments.iter().map(|(kind, asns)| AsSegment { kind: *kind, asns: asns.to_vec() }).collect())
}

use SegmentKind::{ConfedSequence, Sequence, Set};

fn sent(attributes: &Attributes, parameters: &Parameters) -> Vec<u8> {
    let template = Template::new(attributes, Family::Ipv4, parameters).unwrap();
    written(|out| Packer::announce(&template, parameters, out).push(&prefix("198.51.100.0/24"), 0))
}

#[test]
fn a_long_number_goes_through_a_peer_that_knows_short_ones() {
    let routed = Attributes {
        as_path: path(&[(Sequence, &[64_500, 4_200_000_001, 64_501]), (Set, &[65_536, 7])]),
        aggregator: Some(Aggregator { asn: 4_200_000_001, router_id: "192.0.2.9".parse().unwrap() }),
        ..Attributes::new(next_hop("192.0.2.1"))
    };
    let bytes = sent(&routed, &narrow(true));
    assert_eq!(routes(&bytes, &narrow(true)).0, [((prefix("198.51.100.0/24"), 0), routed)]);
    let parameters = narrow(true);
    let update = one_update(&bytes, &parameters);
    let value = |code| update.raw_attributes().find(|attribute| attribute.code == code).unwrap().value;
    assert_eq!(value(2), [2, 3, 0xfb, 0xf4, 0x5b, 0xa0, 0xfb, 0xf5, 1, 2, 0x5b, 0xa0, 0, 7]);
    assert_eq!(value(7), [0x5b, 0xa0, 192, 0, 2, 9]);
    assert_eq!(value(18), [0xfa, 0x56, 0xea, 1, 192, 0, 2, 9]);
}

#[test]
fn without_a_long_number_nothing_is_added() {
    let routed = Attributes {
        as_path: path(&[(Sequence, &[64_500, 65_535])]),
        aggregator: Some(Aggregator { asn: 64_500, router_id: "192.0.2.9".parse().unwrap() }),
        ..Attributes::new(next_hop("192.0.2.1"))
    };
    let bytes = sent(&routed, &narrow(true));
    let parameters = narrow(true);
    let codes: Vec<u8> = one_update(&bytes, &parameters).raw_attributes().map(|attribute| attribute.code).collect();
    assert_eq!(codes, [1, 2, 3, 7]);
    // Nor with one on a session that can carry it.
    let long = Attributes { as_path: path(&[(Sequence, &[4_200_000_001])]), ..routed };
    let parameters = crate::support::parameters();
    let bytes = sent(&long, &parameters);
    let codes: Vec<u8> = one_update(&bytes, &parameters).raw_attributes().map(|attribute| attribute.code).collect();
    assert_eq!(codes, [1, 2, 3, 7]);
}

#[test]
fn a_path_of_more_than_255_is_cut_into_segments() {
    let asns: Vec<u32> = (1..=600).collect();
    let routed = Attributes { as_path: path(&[(Sequence, &asns)]), ..Attributes::new(next_hop("192.0.2.1")) };
    for parameters in [parameters(), narrow(true)] {
        let (announced, _) = routes(&sent(&routed, &parameters), &parameters).clone();
        let read = &announced[0].1.as_path;
        assert_eq!(read.0.iter().map(|segment| segment.asns.len()).collect::<Vec<_>>(), [255, 255, 90]);
        assert_eq!(read.hops(), 600);
    }
}

/// What is read of two paths and two aggregators.
fn merged(path2: &[u8], path4: &[u8], aggregator: Option<&[u8]>, aggregator4: Option<&[u8]>) -> Attributes {
    let mut list = [
        attribute(0x40, 1, &[0]),
        attribute(0x40, 2, path2),
        attribute(0x40, 3, &[192, 0, 2, 1]),
        attribute(0xc0, 17, path4),
    ]
    .concat();
    list.extend(aggregator.map(|value| attribute(0xc0, 7, value)).unwrap_or_default());
    list.extend(aggregator4.map(|value| attribute(0xc0, 18, value)).unwrap_or_default());
    let bytes = update(&[], &list, &[8, 10]);
    let parameters = narrow(false);
    let update = one_update(&bytes, &parameters);
    update.attributes(update.announced().next().unwrap().next_hop)
}

#[test]
fn what_came_last_leads_and_the_rest_is_known_better() {
    let long = &[2, 2, 0, 1, 0, 0, 0, 1, 0, 1];
    let cases: [(&[u8], &[u8], AsPath); 7] = [
        (&[2, 3, 0, 7, 0x5b, 0xa0, 0x5b, 0xa0], long, path(&[(Sequence, &[7, 65_536, 65_537])])),
        (&[2, 2, 0x5b, 0xa0, 0x5b, 0xa0], long, path(&[(Sequence, &[65_536, 65_537])])),
        // Shorter than what it should be a part of: out of date.
        (&[2, 1, 0x5b, 0xa0], long, path(&[(Sequence, &[23_456])])),
        // A set counts as one, whatever is in it.
        (
            &[1, 2, 0, 8, 0, 9, 2, 2, 0x5b, 0xa0, 0x5b, 0xa0],
            long,
            path(&[(Set, &[8, 9]), (Sequence, &[65_536, 65_537])]),
        ),
        // Segments of a confederation count nothing and stay in front.
        (
            &[3, 1, 0, 5, 2, 2, 0x5b, 0xa0, 0x5b, 0xa0],
            long,
            path(&[(ConfedSequence, &[5]), (Sequence, &[65_536, 65_537])]),
        ),
        // In AS4_PATH they have no business.
        (&[2, 1, 0x5b, 0xa0], &[3, 1, 0, 1, 0, 0, 2, 1, 0, 1, 0, 1], path(&[(Sequence, &[65_537])])),
        // A malformed one is as good as none.
        (&[2, 1, 0x5b, 0xa0], &[2, 0], path(&[(Sequence, &[23_456])])),
    ];
    for (path2, path4, expected) in cases {
        assert_eq!(merged(path2, path4, None, None).as_path, expected, "{path2:?} {path4:?}");
    }
}

#[test]
fn an_aggregator_of_two_octets_makes_both_out_of_date() {
    let (path2, path4) = (&[2, 1, 0x5b, 0xa0], &[2, 1, 0, 1, 0, 0]);
    let wide: &[u8] = &[0, 1, 0, 0, 192, 0, 2, 9];
    let aggregator = |asn| Some(Aggregator { asn, router_id: "192.0.2.9".parse().unwrap() });
    let newer = merged(path2, path4, Some(&[0, 7, 192, 0, 2, 9]), Some(wide));
    assert_eq!((newer.as_path, newer.aggregator), (path(&[(Sequence, &[23_456])]), aggregator(7)));
    let trans = merged(path2, path4, Some(&[0x5b, 0xa0, 192, 0, 2, 9]), Some(wide));
    assert_eq!((trans.as_path, trans.aggregator), (path(&[(Sequence, &[65_536])]), aggregator(65_536)));
    let alone = merged(path2, path4, None, Some(wide));
    assert_eq!((alone.as_path, alone.aggregator), (path(&[(Sequence, &[65_536])]), None));
    let unaccompanied = merged(path2, path4, Some(&[0, 7, 192, 0, 2, 9]), None);
    assert_eq!((unaccompanied.as_path, unaccompanied.aggregator), (path(&[(Sequence, &[65_536])]), aggregator(7)));
}
