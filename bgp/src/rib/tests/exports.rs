//! What a session makes of a route.

use super::*;
use crate::rib::export::Export;
use crate::wire::{AsPath, AsSegment, ExtendedCommunity, LargeCommunity, NextHop, Origin, Role, SegmentKind};

fn sequence(asns: &[u32]) -> AsPath {
    AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns: asns.to_vec() }])
}

fn exported(session: &Session, route: &Route, family: Family) -> Result<Attributes, Unsent> {
    let export = Export::new(session);
    export.tells(route, family)?;
    export.attributes(route, family)
}

fn address(text: &str) -> NextHop {
    NextHop::Address(parse(text))
}

#[test]
fn a_plain_route_has_the_own_as_and_nothing_optional_for_an_external_peer() {
    let attributes = exported(&session(), &Route::default(), Family::Ipv4).unwrap();
    let expected = Attributes { as_path: sequence(&[64_512]), ..Attributes::new(address("10.0.0.1")) };
    assert_eq!(attributes, expected);
}

#[test]
fn a_plain_route_has_an_empty_path_and_local_pref_100_for_an_internal_peer() {
    let attributes = exported(&internal(), &Route::default(), Family::Ipv4).unwrap();
    let expected = Attributes { local_pref: Some(100), ..Attributes::new(address("10.0.0.1")) };
    assert_eq!(attributes, expected);
}

#[test]
fn everything_that_a_policy_sets_is_told_sorted_and_once() {
    let large = |local2| LargeCommunity { global: 64_512, local1: 1, local2 };
    let route = Route {
        origin: Origin::Incomplete,
        local_pref: Some(250),
        med: Some(7),
        prepend: 2,
        communities: vec![Community(9), Community(3), Community(9)],
        extended_communities: vec![ExtendedCommunity([1; 8]), ExtendedCommunity([0; 8])],
        large_communities: vec![large(2), large(1), large(1)],
        ..Route::default()
    };
    let expected = Attributes {
        origin: Origin::Incomplete,
        as_path: sequence(&[64_512; 3]),
        med: Some(7),
        communities: vec![Community(3), Community(9)],
        extended_communities: vec![ExtendedCommunity([0; 8]), ExtendedCommunity([1; 8])],
        large_communities: vec![large(1), large(2)],
        ..Attributes::new(address("10.0.0.1"))
    };
    assert_eq!(exported(&session(), &route, Family::Ipv4).unwrap(), expected);
    let expected = Attributes { as_path: AsPath::default(), local_pref: Some(250), ..expected };
    assert_eq!(exported(&internal(), &route, Family::Ipv4).unwrap(), expected, "prepending is for external peers");
}

#[test]
fn a_local_as_stands_alone_in_the_path() {
    let session = Session { asn: 65_000, router_asn: 64_512, ..session() };
    let route = Route { prepend: 1, ..Route::default() };
    assert_eq!(exported(&session, &route, Family::Ipv4).unwrap().as_path, sequence(&[65_000, 65_000]));
}

#[test]
fn the_next_hop_follows_the_addresses_and_what_was_negotiated() {
    let (v4, v6) = (Family::Ipv4, Family::Ipv6);
    let both = |global: &str| Ok(NextHop::LinkLocal { global: parse(global), link_local: parse("fe80::1") });
    let one = |text: &str| Ok(address(text));
    // Local address, IPv4, IPv6 and link-local address of the interface, RFC 8950, family: next hop.
    for (local, ipv4, ipv6, link_local, extended, family, expected) in [
        ("10.0.0.1", "10.0.0.1", "2001:db8::1", "fe80::1", false, v4, one("10.0.0.1")),
        ("10.0.0.1", "10.0.0.1", "2001:db8::1", "fe80::1", true, v4, one("10.0.0.1")),
        ("::ffff:10.0.0.1", "", "", "", false, v4, one("10.0.0.1")),
        ("10.0.0.1", "10.0.0.1", "2001:db8::1", "fe80::1", false, v6, both("2001:db8::1")),
        ("10.0.0.1", "10.0.0.1", "2001:db8::1", "", false, v6, one("2001:db8::1")),
        ("10.0.0.1", "10.0.0.1", "", "fe80::1", false, v6, Err(Unsent::NoIpv6NextHop)),
        ("2001:db8::7", "10.0.0.1", "2001:db8::1", "fe80::1", false, v6, both("2001:db8::7")),
        ("2001:db8::7", "10.0.0.1", "2001:db8::1", "", false, v6, one("2001:db8::7")),
        ("2001:db8::7", "10.0.0.1", "2001:db8::1", "", false, v4, one("10.0.0.1")),
        ("2001:db8::7", "", "2001:db8::1", "", false, v4, Err(Unsent::NoIpv4NextHop)),
        ("2001:db8::7", "10.0.0.1", "2001:db8::1", "", true, v4, one("2001:db8::7")),
        ("2001:db8::7", "", "2001:db8::1", "fe80::1", true, v4, both("2001:db8::7")),
        ("fe80::1", "", "2001:db8::1", "fe80::1", true, v4, both("2001:db8::1")),
        ("fe80::1", "", "2001:db8::1", "fe80::1", true, v6, both("2001:db8::1")),
        ("fe80::1", "", "", "fe80::1", true, v6, both("fe80::1")),
    ] {
        let mut session = session();
        session.addresses = Addresses {
            local: parse(local),
            ipv4: ipv4.parse().ok(),
            ipv6: ipv6.parse().ok(),
            link_local: link_local.parse().ok(),
        };
        session.parameters.extended_next_hop.ipv4 = extended;
        let found = exported(&session, &Route::default(), family).map(|attributes| attributes.next_hop);
        assert_eq!(found, expected, "{local} {ipv4} {ipv6} {link_local} {extended} {family:?}");
    }
}

#[test]
fn a_next_hop_that_a_route_names_must_fit_the_session() {
    for (next_hop, family, extended, expected) in [
        ("192.0.2.9", Family::Ipv4, false, Ok(address("192.0.2.9"))),
        ("192.0.2.9", Family::Ipv6, true, Err(Unsent::ForeignNextHop)),
        ("2001:db8::9", Family::Ipv6, false, Ok(address("2001:db8::9"))),
        ("2001:db8::9", Family::Ipv4, false, Err(Unsent::ForeignNextHop)),
        ("2001:db8::9", Family::Ipv4, true, Ok(address("2001:db8::9"))),
    ] {
        let mut session = session();
        session.parameters.extended_next_hop = PerFamily { ipv4: extended, ipv6: extended };
        let route = Route { next_hop: RouteNextHop::Address(parse(next_hop)), ..Route::default() };
        let found = exported(&session, &route, family).map(|attributes| attributes.next_hop);
        assert_eq!(found, expected, "{next_hop} {family:?} {extended}");
    }
}

#[test]
fn a_family_that_was_not_negotiated_is_not_told() {
    let mut session = session();
    session.parameters.families.ipv6 = false;
    assert_eq!(exported(&session, &Route::default(), Family::Ipv6), Err(Unsent::NotNegotiated));
}

#[test]
fn what_does_not_fit_into_a_message_is_not_told_and_says_so() {
    let fits = |count: u32| Route { communities: (0..count).map(Community).collect(), ..Route::default() };
    assert!(exported(&session(), &fits(900), Family::Ipv4).is_ok());
    assert_eq!(exported(&session(), &fits(1000), Family::Ipv4), Err(Unsent::TooLong));
    // Whatever is let through can be encoded, in the worst case of everything else.
    let mut session = session();
    session.parameters.four_octet_as = false;
    session.asn = 4_200_000_000;
    session.role = Some(Role::Provider);
    for prepend in [0, 10, 254, 255] {
        for count in 400..985 {
            let route = Route {
                med: Some(1),
                prepend,
                extended_communities: vec![ExtendedCommunity([0; 8])],
                large_communities: vec![LargeCommunity { global: 0, local1: 0, local2: 0 }],
                ..fits(count)
            };
            if let Ok(attributes) = exported(&session, &route, Family::Ipv6) {
                Template::new(&attributes, Family::Ipv6, &session.parameters).unwrap();
            }
        }
    }
}

#[test]
fn routes_are_marked_only_to_customer_towards_those_below_and_beside() {
    for (role, expected) in [
        (None, None),
        (Some(Role::Provider), Some(64_512)),
        (Some(Role::Peer), Some(64_512)),
        (Some(Role::RouteServer), Some(64_512)),
        (Some(Role::Customer), None),
        (Some(Role::RouteServerClient), None),
    ] {
        let external = Session { role, ..session() };
        assert_eq!(exported(&external, &Route::default(), Family::Ipv4).unwrap().otc, expected, "{role:?}");
        let internal = Session { role, ..internal() };
        assert_eq!(exported(&internal, &Route::default(), Family::Ipv4).unwrap().otc, None, "{role:?}");
    }
}

#[test]
fn what_is_received_does_not_tell_groups_apart() {
    let mut other = session();
    other.parameters.max_receive = 65_535;
    other.parameters.add_path.ipv4.receive = true;
    other.peer_asn = 65_001;
    assert_eq!(Export::new(&session()), Export::new(&other));
    other.parameters.add_path.ipv4.send = true;
    assert_ne!(Export::new(&session()), Export::new(&other));
}
