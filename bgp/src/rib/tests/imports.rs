//! What becomes of routes that peers tell.

use super::*;
use crate::rib::import::judge;
use crate::wire::{AsPath, AsSegment, NextHop, Role, SegmentKind};

fn told(asns: &[u32]) -> Attributes {
    let mut attributes = Attributes::new(NextHop::Address(parse("10.0.0.2")));
    if !asns.is_empty() {
        attributes.as_path = AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns: asns.to_vec() }]);
    }
    attributes
}

/// A RIB with one peer whose session is up.
fn importing(import: Import, session: &Session, limit: Option<PrefixLimit>) -> (Rib, PeerId, Teller) {
    let mut rib = Rib::new();
    let limits = PerFamily { ipv4: limit, ipv6: None };
    let peer = rib.add("tor".into(), Policy { import, limits, ..Policy::default() });
    rib.established(start(), peer, session.clone());
    drain(&mut rib, peer, 65_536);
    outputs(&mut rib);
    (rib, peer, Teller::new(session))
}

#[test]
fn loops_and_strangers_are_rejected_and_say_why() {
    let (external, internal) = (session(), internal());
    let local_as = Session { asn: 65_000, ..external.clone() };
    let with = |mut attributes: Attributes, change: fn(&mut Attributes)| {
        change(&mut attributes);
        attributes
    };
    for (name, session, mut attributes, expected) in [
        ("a neighbour", &external, told(&[64_513, 1]), None),
        ("own AS at the end", &external, told(&[64_513, 1, 64_512]), Some(Rejected::AsLoop)),
        ("own AS behind a local AS", &local_as, told(&[64_513, 64_512]), Some(Rejected::AsLoop)),
        ("local AS", &local_as, told(&[64_513, 65_000]), Some(Rejected::AsLoop)),
        ("another first AS", &external, told(&[1, 64_513]), Some(Rejected::FirstAs)),
        ("no path at all", &external, told(&[]), Some(Rejected::FirstAs)),
        (
            "own next hop",
            &external,
            with(told(&[64_513]), |route| {
                route.next_hop = NextHop::Address(parse("10.0.0.1"));
            }),
            Some(Rejected::OwnNextHop),
        ),
        (
            "own IPv6 next hop",
            &external,
            with(told(&[64_513]), |route| {
                route.next_hop = NextHop::Address(parse("2001:db8::1"));
            }),
            Some(Rejected::OwnNextHop),
        ),
        (
            "own link-local next hop",
            &external,
            with(told(&[64_513]), |route| {
                route.next_hop = NextHop::LinkLocal { global: parse("2001:db8::9"), link_local: parse("fe80::1") };
            }),
            Some(Rejected::OwnNextHop),
        ),
        ("within the AS", &internal, told(&[]), None),
        ("own AS within the AS", &internal, told(&[64_512]), Some(Rejected::AsLoop)),
        (
            "own route reflected",
            &internal,
            with(told(&[]), |route| {
                route.originator_id = Some(parse("10.0.0.1"));
            }),
            Some(Rejected::OriginatorLoop),
        ),
        (
            "other route reflected",
            &internal,
            with(told(&[]), |route| {
                route.originator_id = Some(parse("10.0.0.7"));
                route.cluster_list = vec![parse("10.0.0.8")];
            }),
            None,
        ),
        (
            "own cluster",
            &internal,
            with(told(&[]), |route| {
                route.cluster_list = vec![parse("10.0.0.8"), parse("10.0.0.1")];
            }),
            Some(Rejected::ClusterLoop),
        ),
    ] {
        assert_eq!(judge(&mut attributes, session), expected, "{name}");
    }
}

#[test]
fn the_rules_of_only_to_customer_hold() {
    // Own role, attribute, what is then kept or why the route is rejected (RFC 9234 section 5).
    for (role, otc, expected) in [
        (None, None, Ok(None)),
        (None, Some(7), Ok(Some(7))),
        (Some(Role::Provider), None, Ok(None)),
        (Some(Role::Provider), Some(64_513), Err(Rejected::RouteLeak)),
        (Some(Role::RouteServer), Some(64_513), Err(Rejected::RouteLeak)),
        (Some(Role::RouteServer), None, Ok(None)),
        (Some(Role::Peer), None, Ok(Some(64_513))),
        (Some(Role::Peer), Some(64_513), Ok(Some(64_513))),
        (Some(Role::Peer), Some(7), Err(Rejected::RouteLeak)),
        (Some(Role::Customer), None, Ok(Some(64_513))),
        (Some(Role::Customer), Some(7), Ok(Some(7))),
        (Some(Role::RouteServerClient), None, Ok(Some(64_513))),
        (Some(Role::RouteServerClient), Some(7), Ok(Some(7))),
    ] {
        let session = Session { role, ..session() };
        let mut attributes = Attributes { otc, ..told(&[64_513]) };
        let found = judge(&mut attributes, &session).map_or(Ok(attributes.otc), Err);
        assert_eq!(found, expected, "{role:?} {otc:?}");
    }
    let session = Session { role: Some(Role::RouteServerClient), ..session() };
    assert_eq!(judge(&mut told(&[1]), &session), None, "a route server is not in the path");
}

#[test]
fn local_pref_is_set_for_external_peers_and_kept_within_the_as() {
    let judged = |session: &Session, local_pref, communities: &[Community]| {
        let mut attributes = Attributes { local_pref, communities: communities.to_vec(), ..told(&[]) };
        if session.parameters.external {
            attributes.as_path = told(&[session.peer_asn]).as_path;
        }
        assert_eq!(judge(&mut attributes, session), None);
        attributes.local_pref
    };
    let leaving = [well_known::GRACEFUL_SHUTDOWN];
    assert_eq!(judged(&session(), Some(900), &[]), Some(100));
    assert_eq!(judged(&session(), None, &leaving), Some(0), "RFC 8326");
    assert_eq!(judged(&internal(), Some(900), &[]), Some(900));
    assert_eq!(judged(&internal(), None, &[]), Some(100));
    assert_eq!(judged(&internal(), Some(0), &leaving), Some(0));
}

#[test]
fn with_the_import_closed_prefixes_are_counted_and_nothing_is_kept() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Nothing, &session, None);
    let announce = teller.announces(&[("192.0.2.0/24", 0), ("198.51.100.0/24", 0)], &told(&[64_513]));
    let received = tell(&mut rib, peer, &session, &announce).unwrap();
    assert_eq!((received.announced, received.withdrawn), (2, 0));
    tell(&mut rib, peer, &session, &announce).unwrap();
    assert_eq!(rib.summary(peer).received.ipv4, Count { number: 2, more: false }, "told twice, counted once");
    tell(&mut rib, peer, &session, &teller.withdraws(&[("192.0.2.0/24", 0), ("203.0.113.0/24", 0)])).unwrap();
    let summary = rib.summary(peer);
    assert_eq!(summary.received.ipv4, Count { number: 1, more: false });
    assert_eq!((summary.accepted.ipv4, summary.updates_received), (0, 3));
    assert_eq!(rib.received(peer), []);
    assert_eq!(rib.best(&parse("198.51.100.0/24")), None);
    assert_eq!(outputs(&mut rib), []);
}

#[test]
fn opening_the_import_asks_for_a_refresh_and_closing_it_forgets() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Nothing, &session, None);
    let announce = teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513]));
    tell(&mut rib, peer, &session, &announce).unwrap();
    let open = Policy { import: Import::Everything, ..Policy::default() };
    assert!(rib.set_policy(peer, open.clone()));
    assert!(!rib.set_policy(peer, open), "it is open already");
    tell(&mut rib, peer, &session, &announce).unwrap();
    assert_eq!(rib.best(&parse("192.0.2.0/24")).unwrap().peer, peer);
    assert!(!rib.set_policy(peer, Policy::default()));
    assert_eq!(rib.best(&parse("192.0.2.0/24")), None);
    assert_eq!(rib.summary(peer).received.ipv4.number, 1, "it is still counted");
    assert_eq!(outputs(&mut rib), [Output::Best(parse("192.0.2.0/24"))]);
}

#[test]
fn the_best_path_follows_announcements_withdrawals_and_peers_that_leave() {
    let session = session();
    let other = Session { peer_router_id: parse("10.0.0.3"), peer_address: parse("10.0.0.3"), ..session.clone() };
    let (mut rib, first, teller) = importing(Import::Everything, &session, None);
    let second = rib.add("second".into(), Policy { import: Import::Everything, ..Policy::default() });
    rib.established(start(), second, other.clone());
    outputs(&mut rib);
    let prefix: IpNet = parse("192.0.2.0/24");
    let long = teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513, 1]));
    let short = teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513]));
    let best = |rib: &Rib| rib.best(&prefix).map(|best| best.peer);

    tell(&mut rib, first, &session, &long).unwrap();
    assert_eq!(best(&rib), Some(first));
    assert_eq!(outputs(&mut rib), [Output::Best(prefix)]);
    tell(&mut rib, second, &other, &long).unwrap();
    assert_eq!((best(&rib), outputs(&mut rib)), (Some(first), vec![]), "the lower identifier, and no news");
    tell(&mut rib, second, &other, &short).unwrap();
    assert_eq!((best(&rib), outputs(&mut rib)), (Some(second), vec![Output::Best(prefix)]));
    assert!(rib.received(second)[0].best && !rib.received(first)[0].best);
    tell(&mut rib, second, &other, &teller.withdraws(&[("192.0.2.0/24", 0)])).unwrap();
    assert_eq!((best(&rib), outputs(&mut rib)), (Some(first), vec![Output::Best(prefix)]));
    rib.down(start(), first, PerFamily::default());
    assert_eq!((best(&rib), outputs(&mut rib)), (None, vec![Output::Best(prefix)]));
    tell(&mut rib, second, &other, &short).unwrap();
    rib.remove(second);
    assert_eq!(best(&rib), None);
}

#[test]
fn a_rejected_route_is_seen_but_not_chosen() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Everything, &session, None);
    let announce = teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513, 64_512]));
    tell(&mut rib, peer, &session, &announce).unwrap();
    assert_eq!(rib.received(peer)[0].rejected, Some(Rejected::AsLoop));
    let summary = rib.summary(peer);
    assert_eq!((summary.received.ipv4.number, summary.accepted.ipv4), (1, 0));
    assert_eq!(rib.best(&parse("192.0.2.0/24")), None);
}

#[test]
fn a_better_route_that_becomes_a_loop_gives_way() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Everything, &session, None);
    tell(&mut rib, peer, &session, &teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513]))).unwrap();
    assert!(rib.best(&parse("192.0.2.0/24")).is_some());
    tell(&mut rib, peer, &session, &teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513, 64_512]))).unwrap();
    assert_eq!(rib.best(&parse("192.0.2.0/24")), None);
}

#[test]
fn several_paths_of_a_prefix_are_kept_apart_by_their_identifiers() {
    let mut session = session();
    session.parameters.add_path.ipv4.receive = true;
    let (mut rib, peer, teller) = importing(Import::Everything, &session, None);
    tell(&mut rib, peer, &session, &teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513, 1]))).unwrap();
    tell(&mut rib, peer, &session, &teller.announces(&[("192.0.2.0/24", u32::MAX)], &told(&[64_513]))).unwrap();
    assert_eq!(rib.best(&parse("192.0.2.0/24")).unwrap().path_id, u32::MAX);
    assert_eq!(rib.summary(peer).received.ipv4.number, 2);
    tell(&mut rib, peer, &session, &teller.withdraws(&[("192.0.2.0/24", u32::MAX)])).unwrap();
    assert_eq!(rib.best(&parse("192.0.2.0/24")).unwrap().path_id, 0);
}

#[test]
fn a_limit_warns_once_each_time_and_then_closes_the_session() {
    let limit = PrefixLimit { max: 4, warning: 75, close: true };
    for import in [Import::Nothing, Import::Everything] {
        let session = session();
        let (mut rib, peer, teller) = importing(import, &session, Some(limit));
        let announce = |rib: &mut Rib, prefix: &str| {
            let octets = teller.announces(&[(prefix, 0)], &told(&[64_513]));
            tell(rib, peer, &session, &octets).map(|received| received.warning.ipv4)
        };
        assert_eq!(announce(&mut rib, "192.0.2.1/32"), Ok(false));
        assert_eq!(announce(&mut rib, "192.0.2.2/32"), Ok(false));
        assert_eq!(announce(&mut rib, "192.0.2.3/32"), Ok(true), "three of four are 75 %");
        assert_eq!(announce(&mut rib, "192.0.2.4/32"), Ok(false), "once");
        assert_eq!(announce(&mut rib, "192.0.2.4/32"), Ok(false), "the same again is no more");
        for host in [3, 4] {
            let octets = teller.withdraws(&[(&format!("192.0.2.{host}/32"), 0)]);
            tell(&mut rib, peer, &session, &octets).unwrap();
        }
        assert_eq!(announce(&mut rib, "192.0.2.3/32"), Ok(true), "it was below in between");
        assert_eq!(announce(&mut rib, "192.0.2.4/32"), Ok(false));
        assert_eq!(announce(&mut rib, "192.0.2.5/32"), Err(TooManyPrefixes { family: Family::Ipv4, max: 4 }));
        rib.down(start(), peer, PerFamily::default());
        assert_eq!(rib.summary(peer).received.ipv4.number, 0, "{import:?}");
    }
}

#[test]
fn a_limit_that_closes_nothing_only_warns() {
    let session = session();
    let limit = PrefixLimit { max: 2, warning: 50, close: false };
    let (mut rib, peer, teller) = importing(Import::Everything, &session, Some(limit));
    let warned = [1, 2, 3, 4].map(|host| {
        let announce = teller.announces(&[(&format!("192.0.2.{host}/32"), 0)], &told(&[64_513]));
        tell(&mut rib, peer, &session, &announce).unwrap().warning.ipv4
    });
    assert_eq!(warned, [true, false, true, false], "at half, and when it is passed");
    assert_eq!(rib.summary(peer).received.ipv4.number, 4);
}

#[test]
fn counting_with_the_import_closed_is_bounded() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Nothing, &session, None);
    for block in 0..60 {
        let prefixes = (0..200).map(|host| (format!("10.{block}.{host}.0/24"), 0)).collect::<Vec<_>>();
        let prefixes = prefixes.iter().map(|(prefix, path_id)| (prefix.as_str(), *path_id)).collect::<Vec<_>>();
        tell(&mut rib, peer, &session, &teller.announces(&prefixes, &told(&[64_513]))).unwrap();
    }
    assert_eq!(rib.summary(peer).received.ipv4, Count { number: 10_000, more: true });
}

#[test]
fn updates_of_a_peer_that_is_down_or_unknown_are_ignored() {
    let session = session();
    let (mut rib, peer, teller) = importing(Import::Everything, &session, None);
    let announce = teller.announces(&[("192.0.2.0/24", 0)], &told(&[64_513]));
    rib.down(start(), peer, PerFamily::default());
    assert_eq!(tell(&mut rib, peer, &session, &announce), Ok(Received::default()));
    rib.remove(peer);
    assert_eq!(tell(&mut rib, peer, &session, &announce), Ok(Received::default()));
    assert_eq!(rib.summary(peer), Summary::default());
}
