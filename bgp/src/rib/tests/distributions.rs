//! How learned routes would be passed on.

use super::*;
use crate::rib::distribution::{End, pass_on};
use crate::wire::{AsPath, AsSegment, ExtendedCommunity, NextHop, Role, SegmentKind};

fn path(asns: &[u32]) -> AsPath {
    if asns.is_empty() {
        return AsPath::default();
    }
    AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns: asns.to_vec() }])
}

fn learned() -> Attributes {
    Attributes {
        as_path: path(&[64_513]),
        med: Some(5),
        local_pref: Some(100),
        ..Attributes::new(NextHop::Address(parse("10.0.0.2")))
    }
}

fn passed(attributes: &Attributes, from: (&Session, bool), to: (&Session, bool)) -> Result<Attributes, Withheld> {
    let end = |(session, client)| End { session, client };
    pass_on(attributes, Family::Ipv4, end(from), end(to))
}

#[test]
fn to_another_as_goes_the_own_as_and_next_hop_and_what_is_internal_stays() {
    let (external, internal) = (session(), internal());
    let other = Session { asn: 65_000, ..session() };
    let expected =
        Attributes { as_path: path(&[65_000, 64_513]), ..Attributes::new(NextHop::Address(parse("10.0.0.1"))) };
    assert_eq!(passed(&learned(), (&external, false), (&other, false)), Ok(expected.clone()), "MED goes no further");
    let bandwidth = |kind| ExtendedCommunity([kind, 4, 0, 0, 0, 0, 0, 1]);
    let reflected = Attributes {
        originator_id: Some(parse("1.1.1.1")),
        cluster_list: vec![parse("2.2.2.2")],
        extended_communities: vec![bandwidth(0), bandwidth(0x40)],
        ..learned()
    };
    let expected = Attributes { med: Some(5), extended_communities: vec![bandwidth(0)], ..expected };
    assert_eq!(passed(&reflected, (&internal, false), (&other, false)), Ok(expected));
}

#[test]
fn within_the_as_routes_of_others_go_on_unchanged() {
    let (external, internal) = (session(), internal());
    assert_eq!(passed(&learned(), (&external, false), (&internal, false)), Ok(learned()));
}

#[test]
fn between_internal_peers_only_a_reflector_passes_on() {
    let internal = internal();
    let told = |list: &[&str]| Attributes {
        originator_id: Some(internal.peer_router_id),
        cluster_list: list.iter().map(|id| parse(id)).collect(),
        ..learned()
    };
    let known = told(&["9.9.9.9"]);
    for (from, to, expected) in [
        (false, false, Err(Withheld::Internal)),
        (true, false, Ok(told(&["10.0.0.1", "9.9.9.9"]))),
        (false, true, Ok(told(&["10.0.0.1", "9.9.9.9"]))),
        (true, true, Ok(told(&["10.0.0.1", "9.9.9.9"]))),
    ] {
        assert_eq!(passed(&known, (&internal, from), (&internal, to)), expected, "{from} {to}");
    }
    let first = passed(&learned(), (&internal, true), (&internal, false)).unwrap();
    assert_eq!(first, told(&["10.0.0.1"]), "the reflector that is the first names the originator");
}

#[test]
fn communities_and_staleness_keep_a_route_here() {
    let (external, internal) = (session(), internal());
    for (community, inside, outside) in [
        (well_known::NO_ADVERTISE, Err(Withheld::Community), Err(Withheld::Community)),
        (well_known::NO_EXPORT, Ok(()), Err(Withheld::Community)),
        (well_known::NO_EXPORT_SUBCONFED, Ok(()), Err(Withheld::Community)),
        (well_known::LLGR_STALE, Err(Withheld::LongLivedStale), Err(Withheld::LongLivedStale)),
        (well_known::NO_LLGR, Ok(()), Ok(())),
        (Community(1), Ok(()), Ok(())),
    ] {
        let route = Attributes { communities: vec![community], ..learned() };
        assert_eq!(passed(&route, (&external, false), (&internal, false)).map(drop), inside, "{community:?}");
        assert_eq!(passed(&route, (&external, false), (&external, false)).map(drop), outside, "{community:?}");
    }
}

#[test]
fn only_to_customer_stops_what_would_go_up_again() {
    let from = session();
    for (role, marked, expected) in [
        (None, Some(7), Ok(Some(7))),
        (Some(Role::Customer), Some(7), Err(Withheld::OnlyToCustomer)),
        (Some(Role::Peer), Some(7), Err(Withheld::OnlyToCustomer)),
        (Some(Role::RouteServerClient), Some(7), Err(Withheld::OnlyToCustomer)),
        (Some(Role::Customer), None, Ok(None)),
        (Some(Role::Peer), None, Ok(Some(64_512))),
        (Some(Role::Provider), None, Ok(Some(64_512))),
        (Some(Role::Provider), Some(7), Ok(Some(7))),
        (Some(Role::RouteServer), None, Ok(Some(64_512))),
    ] {
        let to = Session { role, ..session() };
        let route = Attributes { otc: marked, ..learned() };
        let found = passed(&route, (&from, false), (&to, false)).map(|route| route.otc);
        assert_eq!(found, expected, "{role:?} {marked:?}");
    }
}

#[test]
fn the_best_path_would_go_to_all_but_its_source() {
    let session = session();
    let mut rib = Rib::new();
    let policy = Policy { import: Import::Everything, ..Policy::default() };
    let [source, other] = ["source", "other"].map(|name| rib.add(name.into(), policy.clone()));
    rib.established(start(), source, session.clone());
    let told = Teller::new(&session).announces(&[("192.0.2.0/24", 0)], &learned());
    tell(&mut rib, source, &session, &told).unwrap();
    let prefix = parse("192.0.2.0/24");
    assert_eq!(rib.passed_on(&prefix, source), Err(Withheld::Source));
    assert_eq!(rib.passed_on(&prefix, other), Err(Withheld::Nothing), "its session is down");
    rib.established(start(), other, session.clone());
    assert_eq!(rib.passed_on(&prefix, other).unwrap().as_path, path(&[64_512, 64_513]));
    assert_eq!(rib.passed_on(&parse("192.0.3.0/24"), other), Err(Withheld::Nothing));
}
