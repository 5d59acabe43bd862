//! RFC 7606 and what newer documents say of their attributes: one case a clause, from outside and from within an AS.
//!
//! Where other implementations decide otherwise, the reason for ours stands at the case.

use ferrolb_bgp::wire::{AttributeError, Disposition, Flaw, Parameters, notification};

use crate::support::{attribute, internal, one_update, parameters, prefix, refused, update};

/// What becomes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is there, with all attributes.
    Accepted,
    /// It is there, without the attribute.
    Discarded,
    /// It is withdrawn.
    Withdrawn,
    /// The session ends with this subcode of UPDATE Message Error.
    Reset(u8),
}

use Outcome::{Accepted, Discarded, Reset, Withdrawn};

/// Section, what is sent (flags, code, value), what becomes of it from another AS, and from the own one.
type Case = (&'static str, (u8, u8, &'static [u8]), Outcome, Outcome);

/// A next hop of IPv6 with AFI and SAFI, the reserved octet and a prefix behind it.
macro_rules! reach {
    ($length:literal, [$($hop:literal),*]) => {
        &[0, 2, 1, $length, $($hop,)* 0, 32, 0x20, 1, 0x0d, 0xb8]
    };
}

const CASES: &[Case] = &[
    // Flags: Optional and Transitive as the attribute's document says, Partial only with both.
    ("3c origin, optional", (0xc0, 1, &[0]), Withdrawn, Withdrawn),
    ("3c origin, not transitive", (0x00, 1, &[0]), Withdrawn, Withdrawn),
    ("3c origin, partial", (0x60, 1, &[0]), Withdrawn, Withdrawn),
    ("3c path, optional", (0xc0, 2, &[2, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("3c path, partial", (0x60, 2, &[2, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("3c next hop, optional", (0xc0, 3, &[192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c next hop, partial", (0x60, 3, &[192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c med, transitive", (0xc0, 4, &[0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("3c med, partial", (0xa0, 4, &[0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("3c med, well-known", (0x40, 4, &[0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("3c preference, optional", (0xc0, 5, &[0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("3c atomic aggregate, optional", (0xc0, 6, &[]), Withdrawn, Withdrawn),
    ("3c aggregator, not transitive", (0x80, 7, &[0, 0, 0xfd, 0xe9, 192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c communities, not transitive", (0x80, 8, &[0, 1, 0, 1]), Withdrawn, Withdrawn),
    ("3c communities, partial", (0xe0, 8, &[0, 1, 0, 1]), Accepted, Accepted),
    ("3c originator, transitive", (0xc0, 9, &[192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c clusters, transitive", (0xc0, 10, &[192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c extended communities, not transitive", (0x80, 16, &[0, 2, 0, 1, 0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("3c AS4_PATH, not transitive", (0x80, 17, &[2, 1, 0, 1, 0, 1]), Withdrawn, Withdrawn),
    ("3c tunnel of multicast, not transitive", (0x80, 22, &[0, 6, 0, 0, 0, 192, 0, 2, 1]), Withdrawn, Withdrawn),
    ("3c encapsulation, not transitive", (0x80, 23, &[0, 7, 0, 0]), Withdrawn, Withdrawn),
    ("3c IPv6 communities, not transitive", (0x80, 25, &[0; 20]), Withdrawn, Withdrawn),
    ("3c large communities, not transitive", (0x80, 32, &[1; 12]), Withdrawn, Withdrawn),
    ("3c only to customer, not transitive", (0x80, 35, &[0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("RFC 7311 4: AIGP, transitive", (0xc0, 26, &[1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1]), Discarded, Discarded),
    ("RFC 9552 6.3.2: link state, transitive", (0xc0, 29, &[4, 0, 0, 1, 0]), Discarded, Discarded),
    ("RFC 8669 6: prefix SID, not transitive", (0x80, 40, &[1, 0, 7, 0, 0, 0, 0, 0, 0, 1]), Discarded, Discarded),
    (
        "3c routes, transitive",
        (0xc0, 14, reach!(16, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        Reset(4),
        Reset(4),
    ),
    ("3c withdrawals, partial", (0xa0, 15, &[0, 2, 1, 0]), Reset(4), Reset(4)),
    // 7.1 to 7.10.
    ("7.1 no octet", (0x40, 1, &[]), Withdrawn, Withdrawn),
    ("7.1 two octets", (0x40, 1, &[0, 0]), Withdrawn, Withdrawn),
    ("7.1 no such origin", (0x40, 1, &[3]), Withdrawn, Withdrawn),
    ("7.1 no such origin", (0x40, 1, &[255]), Withdrawn, Withdrawn),
    ("7.1 incomplete", (0x40, 1, &[2]), Accepted, Accepted),
    ("7.2 no such segment", (0x40, 2, &[0, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("7.2 no such segment", (0x40, 2, &[5, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("7.2 empty segment", (0x40, 2, &[2, 0]), Withdrawn, Withdrawn),
    ("7.2 empty segment behind another", (0x40, 2, &[2, 1, 0, 0, 0xfd, 0xe9, 1, 0]), Withdrawn, Withdrawn),
    ("7.2 overrun", (0x40, 2, &[2, 255, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("7.2 half an AS", (0x40, 2, &[2, 1, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("7.2 one octet left", (0x40, 2, &[2, 1, 0, 0, 0xfd, 0xe9, 2]), Withdrawn, Withdrawn),
    ("7.2 empty path", (0x40, 2, &[]), Accepted, Accepted),
    ("7.2 set", (0x40, 2, &[2, 1, 0, 0, 0xfd, 0xe9, 1, 1, 0, 0, 0, 7]), Accepted, Accepted),
    ("RFC 7607 2: AS 0 in a path", (0x40, 2, &[2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0, 0]), Withdrawn, Withdrawn),
    ("RFC 5065 5: confederation", (0x40, 2, &[3, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Accepted),
    ("RFC 5065 5: confederation", (0x40, 2, &[4, 1, 0, 0, 0xfd, 0xe9]), Withdrawn, Accepted),
    ("7.3 three octets", (0x40, 3, &[192, 0, 2]), Withdrawn, Withdrawn),
    ("7.3 sixteen octets", (0x40, 3, &[0x20; 16]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: this network", (0x40, 3, &[0, 0, 0, 0]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: loopback", (0x40, 3, &[127, 0, 0, 1]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: a group", (0x40, 3, &[224, 0, 0, 1]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: everybody", (0x40, 3, &[255, 255, 255, 255]), Withdrawn, Withdrawn),
    ("7.4 no octet", (0x80, 4, &[]), Withdrawn, Withdrawn),
    ("7.4 three octets", (0x80, 4, &[0, 0, 0]), Withdrawn, Withdrawn),
    ("7.4 five octets", (0x80, 4, &[0, 0, 0, 0, 1]), Withdrawn, Withdrawn),
    ("7.5 from outside whatever it is", (0x40, 5, &[0, 0, 0, 1]), Discarded, Accepted),
    ("7.5 no octet", (0x40, 5, &[]), Discarded, Withdrawn),
    ("7.5 three octets", (0x40, 5, &[0, 0, 0]), Discarded, Withdrawn),
    ("7.5 five octets", (0x40, 5, &[0, 0, 0, 0, 1]), Discarded, Withdrawn),
    ("7.6 an octet", (0x40, 6, &[0]), Discarded, Discarded),
    ("7.6 none", (0x40, 6, &[]), Accepted, Accepted),
    ("7.7 five octets", (0xc0, 7, &[0, 0, 0xfd, 0xe9, 192]), Discarded, Discarded),
    ("7.7 six octets where AS numbers have four", (0xc0, 7, &[0xfd, 0xe9, 192, 0, 2, 1]), Discarded, Discarded),
    ("7.7 nine octets", (0xc0, 7, &[0, 0, 0xfd, 0xe9, 192, 0, 2, 1, 0]), Discarded, Discarded),
    ("RFC 7607 2: AS 0 as aggregator", (0xc0, 7, &[0, 0, 0, 0, 192, 0, 2, 1]), Discarded, Discarded),
    ("7.8 none", (0xc0, 8, &[]), Withdrawn, Withdrawn),
    ("7.8 five octets", (0xc0, 8, &[0, 1, 0, 1, 0]), Withdrawn, Withdrawn),
    ("7.9 from outside whatever it is", (0x80, 9, &[192, 0, 2, 1]), Discarded, Accepted),
    ("7.9 three octets", (0x80, 9, &[192, 0, 2]), Discarded, Withdrawn),
    ("7.9 five octets", (0x80, 9, &[192, 0, 2, 1, 0]), Discarded, Withdrawn),
    ("7.10 from outside whatever it is", (0x80, 10, &[192, 0, 2, 1]), Discarded, Accepted),
    ("7.10 none", (0x80, 10, &[]), Discarded, Withdrawn),
    ("7.10 five octets", (0x80, 10, &[192, 0, 2, 1, 0]), Discarded, Withdrawn),
    // 7.11 and 5.3. Others tell the peer of a malformed list (3/1); RFC 4760 section 7 names Optional Attribute Error (3/9).
    ("7.11 three octets", (0x80, 14, &[0, 2, 1]), Reset(5), Reset(5)),
    ("7.11 no next hop is so long", (0x80, 14, reach!(9, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 1])), Reset(9), Reset(9)),
    ("7.11 next hop of IPv4 for IPv6", (0x80, 14, reach!(4, [192, 0, 2, 1])), Reset(9), Reset(9)),
    (
        "7.11 next hop of a VPN",
        (0x80, 14, reach!(24, [0, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        Reset(9),
        Reset(9),
    ),
    ("7.11 next hop overrun", (0x80, 14, &[0, 2, 1, 64, 0x20, 1, 0xd, 0xb8, 0]), Reset(5), Reset(5)),
    ("7.11 no reserved octet", (0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1]), Reset(5), Reset(5)),
    ("5.3 prefix too long", (0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1, 0, 33, 1, 2, 3, 4, 5]), Reset(9), Reset(9)),
    ("5.3 prefix cut off", (0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1, 0, 32, 1, 2, 3]), Reset(9), Reset(9)),
    ("5.3 withdrawn prefix too long", (0x80, 15, &[0, 2, 1, 129, 0]), Reset(9), Reset(9)),
    ("5.3 withdrawn prefix cut off", (0x80, 15, &[0, 2, 1, 64, 0x20, 1, 0xd, 0xb8]), Reset(9), Reset(9)),
    ("7.12 two octets", (0x80, 15, &[0, 2]), Reset(5), Reset(5)),
    (
        "7.11 next hop unspecified",
        (0x80, 14, reach!(16, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        Withdrawn,
        Withdrawn,
    ),
    (
        "7.11 next hop loopback",
        (0x80, 14, reach!(16, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        Withdrawn,
        Withdrawn,
    ),
    (
        "7.11 next hop a group",
        (0x80, 14, reach!(16, [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        Withdrawn,
        Withdrawn,
    ),
    ("7.11 next hop of IPv4 a group", (0x80, 14, &[0, 1, 1, 4, 224, 0, 0, 1, 0, 8, 10]), Withdrawn, Withdrawn),
    (
        "RFC 8950 not agreed upon",
        (0x80, 14, &[0, 1, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8, 10]),
        Withdrawn,
        Withdrawn,
    ),
    (
        "RFC 4760 3: the reserved octet means nothing",
        (0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1, 255, 8, 10]),
        Accepted,
        Accepted,
    ),
    // 7.14 and later attributes.
    ("7.14 none", (0xc0, 16, &[]), Withdrawn, Withdrawn),
    ("7.14 nine octets", (0xc0, 16, &[0, 2, 0, 1, 0, 0, 0, 1, 0]), Withdrawn, Withdrawn),
    ("7.15 none", (0xc0, 25, &[]), Withdrawn, Withdrawn),
    ("7.15 21 octets", (0xc0, 25, &[0; 21]), Withdrawn, Withdrawn),
    ("RFC 8092 6: none", (0xc0, 32, &[]), Withdrawn, Withdrawn),
    ("RFC 8092 6: thirteen octets", (0xc0, 32, &[1; 13]), Withdrawn, Withdrawn),
    ("RFC 9234 5: three octets", (0xc0, 35, &[0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("RFC 9234 5: five octets", (0xc0, 35, &[0, 0, 0, 0xfd, 0xe9]), Withdrawn, Withdrawn),
    ("RFC 7607: AS 0 only to customer", (0xc0, 35, &[0, 0, 0, 0]), Withdrawn, Withdrawn),
    // Others withdraw the route for the second; RFC 6793 sections 4.1 and 6 want both discarded.
    ("RFC 6793 4.1: AS4_PATH among those who need none", (0xc0, 17, &[2, 1, 0, 1, 0, 1]), Discarded, Discarded),
    ("RFC 6793 4.1: AS4_PATH, no such segment", (0xc0, 17, &[0, 1, 0, 1, 0, 1]), Discarded, Discarded),
    ("RFC 6793 4.1: AS4_AGGREGATOR", (0xc0, 18, &[0, 1, 0, 1, 192, 0, 2, 1]), Discarded, Discarded),
    ("RFC 6793 4.1: AS4_AGGREGATOR too short", (0xc0, 18, &[0, 1, 0, 1, 192, 0, 2]), Discarded, Discarded),
    ("RFC 6514 5: four octets", (0xc0, 22, &[0, 6, 0, 0]), Withdrawn, Withdrawn),
    ("RFC 6514 5: an endpoint of five octets", (0xc0, 22, &[0, 6, 0, 0, 0, 192, 0, 2, 1, 0]), Withdrawn, Withdrawn),
    // Others refuse types above 7; the registry has 8 to 11 (RFC 7524, RFC 8556 and later).
    ("RFC 7524: a newer type", (0xc0, 22, &[0, 8, 0, 0, 0, 192, 0, 2, 1]), Accepted, Accepted),
    ("RFC 9012 2: three octets", (0xc0, 23, &[0, 7, 0]), Withdrawn, Withdrawn),
    ("RFC 9012 2: tunnel overrun", (0xc0, 23, &[0, 7, 0, 4, 1]), Withdrawn, Withdrawn),
    ("RFC 9012 2: sub-TLV overrun", (0xc0, 23, &[0, 7, 0, 4, 1, 0xff, 0, 0]), Withdrawn, Withdrawn),
    ("RFC 9012 2: sub-TLV of two octets' length", (0xc0, 23, &[0, 7, 0, 4, 128, 0, 1, 0]), Accepted, Accepted),
    ("RFC 7311 3: not enabled", (0x80, 26, &[1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1]), Discarded, Discarded),
    ("RFC 7311 3: none", (0x80, 26, &[]), Discarded, Discarded),
    ("RFC 9552: another family's", (0x80, 29, &[4, 0, 0, 0xff, 0]), Discarded, Discarded),
    ("RFC 8669 6: TLV overrun", (0xc0, 40, &[1, 0, 0xff, 0, 0, 0]), Discarded, Discarded),
    ("RFC 8669 6: TLV cut off", (0xc0, 40, &[1, 0]), Discarded, Discarded),
    ("RFC 8669 3.1: label index", (0xc0, 40, &[1, 0, 0]), Discarded, Discarded),
    ("RFC 8669: right", (0xc0, 40, &[1, 0, 7, 0, 0, 0, 0, 0, 0, 1]), Accepted, Accepted),
    // Unknown ones, with every combination of flags.
    ("RFC 4271 5: unknown, optional, not transitive", (0x80, 253, &[1]), Accepted, Accepted),
    ("RFC 4271 5: unknown, optional, transitive", (0xc0, 253, &[1]), Accepted, Accepted),
    ("RFC 4271 5: unknown, optional, transitive, partial", (0xe0, 253, &[1]), Accepted, Accepted),
    ("RFC 4271 4.3: unknown, optional, not transitive, partial", (0xa0, 253, &[1]), Discarded, Discarded),
    ("RFC 4271 6.3: unknown, well-known", (0x40, 253, &[1]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: unknown, well-known, not transitive", (0x00, 253, &[1]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: unknown, well-known, partial", (0x60, 253, &[1]), Withdrawn, Withdrawn),
    ("RFC 4271 6.3: unknown, well-known, not transitive, partial", (0x20, 253, &[1]), Withdrawn, Withdrawn),
    ("the attribute of 2023", (0xe0, 28, &[]), Accepted, Accepted),
    ("RFC 4271 4.3: the lower four bits mean nothing", (0x4f & 0xef, 1, &[0]), Accepted, Accepted),
];

/// Attributes that nothing is wrong with, without those of a code.
fn good(parameters: &Parameters, without: u8) -> Vec<u8> {
    let mut all = vec![
        attribute(0x40, 1, &[0]),
        attribute(0x40, 2, if parameters.external { &[2, 1, 0, 0, 0xfb, 0xf4] } else { &[] }),
        attribute(0x40, 3, &[192, 0, 2, 1]),
    ];
    if !parameters.external {
        all.push(attribute(0x40, 5, &[0, 0, 0, 100]));
    }
    all.retain(|attribute| attribute[1] != without);
    all.concat()
}

/// What becomes of `198.51.100.0/24`, and of what MP_REACH_NLRI may announce beside it.
fn outcome(bytes: &[u8], code: u8, parameters: &Parameters) -> Outcome {
    if let Err(refused) = ferrolb_bgp::wire::decode(bytes, parameters) {
        assert_eq!(refused.code, notification::code::UPDATE);
        return Reset(refused.subcode);
    }
    let update = one_update(bytes, parameters);
    let withdrawn: Vec<_> = update.withdrawn().map(|(prefix, _)| prefix).collect();
    let announced: Vec<_> = update.announced().flat_map(|routes| routes.prefixes).map(|(prefix, _)| prefix).collect();
    let ours = prefix("198.51.100.0/24");
    assert_eq!(withdrawn.contains(&ours), update.treat_as_withdraw());
    assert_eq!(announced.contains(&ours), !update.treat_as_withdraw());
    assert!(withdrawn.is_empty() || announced.is_empty());
    if update.treat_as_withdraw() {
        assert!(update.errors().iter().any(|error| error.disposition == Disposition::TreatAsWithdraw));
        return Withdrawn;
    }
    if update.errors().is_empty() {
        return Accepted;
    }
    assert!(update.errors().iter().all(|error| error.attribute == code && error.disposition == Disposition::Discard));
    Discarded
}

#[test]
fn every_malformed_attribute_has_the_consequence_of_its_clause() {
    for (clause, (flags, code, value), from_outside, from_within) in CASES {
        for (parameters, expected) in [(parameters(), from_outside), (internal(), from_within)] {
            let attributes = [good(&parameters, *code), attribute(*flags, *code, value)].concat();
            let bytes = update(&[], &attributes, &[24, 198, 51, 100]);
            assert_eq!(outcome(&bytes, *code, &parameters), *expected, "{clause}, external: {}", parameters.external);
        }
    }
    println!("{} cases, from outside and from within", CASES.len());
}

#[test]
fn what_was_discarded_is_in_no_attributes() {
    let parameters = parameters();
    for (clause, (flags, code, value), _, _) in CASES.iter().filter(|(_, _, outcome, _)| *outcome == Discarded) {
        let bytes =
            update(&[], &[good(&parameters, *code), attribute(*flags, *code, value)].concat(), &[24, 198, 51, 100]);
        let without = update(&[], &good(&parameters, *code), &[24, 198, 51, 100]);
        let [with, without] = [&bytes, &without].map(|bytes| {
            let update = one_update(bytes, &parameters);
            update.attributes(update.announced().next().unwrap().next_hop)
        });
        assert_eq!(with, without, "{clause}");
    }
}

#[test]
fn without_a_mandatory_attribute_the_routes_are_withdrawn() {
    for (code, external) in [(1, true), (2, true), (3, true), (1, false), (2, false), (3, false)] {
        let parameters = Parameters { external, ..parameters() };
        let bytes = update(&[], &good(&parameters, code), &[24, 198, 51, 100]);
        assert_eq!(outcome(&bytes, code, &parameters), Withdrawn);
        let errors =
            [AttributeError { attribute: code, flaw: Flaw::Missing, disposition: Disposition::TreatAsWithdraw }];
        assert_eq!(one_update(&bytes, &parameters).errors(), errors);
    }
    // RFC 4271 section 5.1.5 wants LOCAL_PREF within an AS; others use 100 without it, and so may whoever chooses.
    let bytes = update(&[], &good(&internal(), 5), &[24, 198, 51, 100]);
    assert_eq!(outcome(&bytes, 5, &internal()), Accepted);
}

#[test]
fn next_hop_means_nothing_where_mp_reach_has_its_own() {
    let mut reach = vec![0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    reach.extend([0, 32, 0x20, 1, 0xd, 0xb8]);
    for (code, next_hop) in [(3, vec![]), (3, attribute(0x40, 3, &[0, 0, 0, 0]))] {
        let attributes = [good(&parameters(), code), next_hop, attribute(0x80, 14, &reach)].concat();
        let bytes = update(&[], &attributes, &[]);
        let parameters = parameters();
        let update = one_update(&bytes, &parameters);
        assert_eq!(update.errors(), []);
        assert_eq!(update.announced().count(), 1);
    }
}

#[test]
fn of_a_repeated_attribute_the_first_counts() {
    let parameters = parameters();
    for (code, first, second) in [
        (4, attribute(0x80, 4, &[0, 0, 0, 1]), attribute(0x80, 4, &[0, 0, 0, 2])),
        (4, attribute(0x80, 4, &[0, 0, 0, 1]), attribute(0x80, 4, &[0])),
        (99, attribute(0xc0, 99, &[1]), attribute(0xc0, 99, &[2])),
    ] {
        let bytes = update(&[], &[good(&parameters, code), first, second].concat(), &[24, 198, 51, 100]);
        assert_eq!(outcome(&bytes, code, &parameters), Discarded);
        let update = one_update(&bytes, &parameters);
        let attributes = update.attributes(update.announced().next().unwrap().next_hop);
        assert_eq!(attributes.med.or_else(|| Some(attributes.unknown[0].value[0].into())), Some(1));
        assert_eq!(update.errors()[0].flaw, Flaw::Repeated);
    }
    // RFC 7606 section 3g: nobody knows which of two was meant.
    for code in [14, 15] {
        let twice = attribute(0x80, code, &[0, 1, 1, 4, 192, 0, 2, 1, 0]).repeat(2);
        let bytes = update(&[], &[good(&parameters, 0), twice].concat(), &[24, 198, 51, 100]);
        let unreach = attribute(0x80, 15, &[0, 2, 1]).repeat(2);
        let bytes = if code == 14 { bytes } else { update(&[], &unreach, &[]) };
        assert_eq!(outcome(&bytes, code, &parameters), Reset(1));
    }
}

#[test]
fn a_list_that_does_not_add_up_withdraws_what_can_be_found() {
    let parameters = parameters();
    for tail in [&[0xc0][..], &[0xc0, 8], &[0xc0, 8, 5, 0], &[0xd0, 8, 0], &[0xd0, 8, 255, 255, 0]] {
        let bytes = update(&[], &[&good(&parameters, 0), tail].concat(), &[24, 198, 51, 100]);
        assert_eq!(outcome(&bytes, 8, &parameters), Withdrawn, "{tail:?}");
        assert_eq!(one_update(&bytes, &parameters).errors().last().unwrap().flaw, Flaw::Overrun);
    }
    // What MP_REACH_NLRI holds cannot be withdrawn when it is what is broken.
    let bytes = update(&[], &[good(&parameters, 0), vec![0x80, 14, 9, 0, 2, 1]].concat(), &[24, 198, 51, 100]);
    assert_eq!(outcome(&bytes, 14, &parameters), Reset(1));
    // Lengths of the fields themselves (RFC 4271 section 6.3).
    for body in [&[0, 9, 8, 10][..], &[0, 0, 0, 9, 0x40, 1, 1, 0], &[0, 2, 8, 10]] {
        let mut body = body.to_vec();
        body.resize(body.len().max(4), 0);
        let refused = refused(&crate::support::framed(2, &body), &parameters);
        assert_eq!((refused.code, refused.subcode), (3, 1), "{body:?}");
    }
}

#[test]
fn without_routes_an_error_ends_the_session() {
    let parameters = parameters();
    // RFC 7606 section 5.2: the routes may be what was not recognized.
    for (list, subcode, data) in [
        (attribute(0x40, 1, &[3]), 6, attribute(0x40, 1, &[3])),
        (attribute(0x40, 2, &[2, 0]), 11, vec![]),
        (attribute(0xc0, 8, &[]), 5, attribute(0xc0, 8, &[])),
        (attribute(0x40, 253, &[7]), 2, attribute(0x40, 253, &[7])),
        (vec![0x40], 1, vec![]),
    ] {
        let refused = refused(&update(&[], &list, &[]), &parameters);
        assert_eq!((refused.code, refused.subcode, refused.data.to_vec()), (3, subcode, data));
    }
    // But not one after which nothing is withdrawn, and not attributes that are merely useless.
    for list in [attribute(0x40, 6, &[0]), attribute(0x40, 1, &[0])] {
        let bytes = update(&[8, 10], &list, &[]);
        let update = one_update(&bytes, &parameters);
        assert_eq!((update.withdrawn().count(), update.announced().count()), (1, 0));
        assert_eq!(update.end_of_rib(), None);
    }
}

#[test]
fn prefixes_that_do_not_add_up_end_the_session() {
    let parameters = parameters();
    for field in [&[33, 1, 2, 3, 4, 5][..], &[24, 1, 2], &[8]] {
        for bytes in [update(field, &[], &[]), update(&[], &good(&parameters, 0), field)] {
            let refused = refused(&bytes, &parameters);
            assert_eq!((refused.code, refused.subcode), (3, 10));
        }
    }
}

#[test]
fn a_default_route_beside_others_is_no_path_identifier() {
    let parameters = parameters();
    let bytes = update(&[], &good(&parameters, 0), &[0, 16, 10, 1, 16, 10, 2]);
    let update = one_update(&bytes, &parameters);
    let announced: Vec<_> = update.announced().flat_map(|routes| routes.prefixes).collect();
    assert_eq!(announced, [(prefix("0.0.0.0/0"), 0), (prefix("10.1.0.0/16"), 0), (prefix("10.2.0.0/16"), 0)]);
}

#[test]
fn families_that_were_not_negotiated_are_ignored() {
    let only_v4 = Parameters { families: ferrolb_bgp::wire::PerFamily { ipv4: true, ipv6: false }, ..parameters() };
    let reach = [&[0, 2, 1, 16][..], &[0x20; 16], &[0, 8, 0x20]].concat();
    let flow = [0, 1, 133, 0, 0, 3, 1, 8, 10];
    for (value, family) in [(&reach[..], "IPv6 unicast"), (&flow, "AFI 1 SAFI 133")] {
        let attributes = [good(&only_v4, 0), attribute(0x80, 14, value)].concat();
        let bytes = update(&[], &attributes, &[24, 198, 51, 100]);
        let update = one_update(&bytes, &only_v4);
        assert_eq!(update.ignored_family().unwrap().to_string(), family);
        assert_eq!(update.announced().count(), 1);
        assert_eq!(update.errors(), []);
    }
    let neither = Parameters { families: ferrolb_bgp::wire::PerFamily::default(), ..parameters() };
    let bytes = update(&[8, 10], &good(&neither, 0), &[24, 198, 51, 100]);
    let update = one_update(&bytes, &neither);
    assert_eq!((update.withdrawn().count(), update.announced().count()), (0, 0));
}
