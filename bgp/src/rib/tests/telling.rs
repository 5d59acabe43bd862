//! What is written, in which order and in how many messages, and who shares it.

use super::*;

#[test]
fn a_hundred_thousand_equal_routes_take_124_updates_at_first_live_and_in_withdrawal() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["end Ipv4", "end Ipv6"]);
    let routes = hosts(100_000, &plain());
    rib.set_routes(peer, Arc::clone(&routes));
    let live = drain(&mut rib, peer, 65_536);
    assert_eq!(receiver.read(&live), 124);
    assert_eq!(receiver.known.len(), 100_000);
    rib.set_routes(peer, Arc::default());
    let withdrawn = drain(&mut rib, peer, 65_536);
    assert!(receiver.read(&withdrawn) <= 123 + 1);
    assert_eq!(receiver.known.len(), 0);
    rib.set_routes(peer, routes);
    rib.established(start(), peer, session());
    let mut receiver = Receiver::new(&session());
    assert_eq!(receiver.read(&drain(&mut rib, peer, 65_536)), 124 + 2);
    assert_eq!(receiver.known.len(), 100_000);
}

#[test]
fn withdrawals_come_first_then_routes_by_attributes_and_the_end_behind_the_last_of_each_family() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    let (red, blue) = (with_community(1), with_community(2));
    let mixed = set(&[
        ("192.0.2.1/32", &red),
        ("192.0.2.2/32", &blue),
        ("192.0.2.3/32", &red),
        ("2001:db8:1::/48", &blue),
        ("192.0.2.4/32", &blue),
    ]);
    rib.set_routes(peer, mixed);
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+2", "+2", "end Ipv4", "+1", "end Ipv6"]);
    receiver.log.clear();
    rib.set_routes(peer, set(&[("192.0.2.2/32", &red), ("192.0.2.5/32", &red), ("192.0.2.4/32", &blue)]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["-2", "-1", "+2"], "and what did not change is not told");
    assert_eq!(drain(&mut rib, peer, 65_536), "");
}

#[test]
fn the_end_of_the_first_table_is_in_the_same_flush_even_without_routes() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    let mut out = BytesMut::new();
    assert!(!rib.pull(peer, &mut out, 65_536));
    receiver.read(&out);
    assert_eq!(receiver.ends, PerFamily { ipv4: 1, ipv6: 1 });
    let mut session = session();
    session.parameters.families.ipv6 = false;
    let (mut rib, peer, mut receiver) = with_peer(&session);
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain()), ("2001:db8::9/128", &plain())]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+1", "end Ipv4"], "a family that the peer does not carry has no end either");
}

#[test]
fn a_burst_of_changes_collapses_into_the_last_one() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    rib.set_routes(peer, hosts(10, &plain()));
    receiver.read(&drain(&mut rib, peer, 65_536));
    receiver.log.clear();
    for community in 0..100 {
        rib.set_routes(peer, hosts(1000, &with_community(community)));
    }
    rib.set_routes(peer, hosts(11, &plain()));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+1"]);
}

#[test]
fn a_route_that_is_equal_in_other_words_is_not_told_again() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    let route = |list: &[u32], local_pref| {
        let communities = list.iter().copied().map(Community).collect();
        Arc::new(Route { local_pref, communities, ..Route::default() })
    };
    rib.set_routes(peer, set(&[("192.0.2.1/32", &route(&[1, 2], None))]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    rib.set_routes(peer, set(&[("192.0.2.1/32", &route(&[2, 1, 2], Some(7)))]));
    assert_eq!(drain(&mut rib, peer, 65_536), "", "and an external peer sees no LOCAL_PREF");
}

#[test]
fn a_refresh_tells_one_family_again_between_its_markers() {
    let mut session = session();
    session.enhanced_refresh = true;
    let (mut rib, peer, mut receiver) = with_peer(&session);
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain()), ("2001:db8:1::/48", &plain())]));
    // Asked for before the first table is told: RFC 7313 section 4 wants its end first.
    rib.refresh(peer, Family::Ipv4);
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+1", "end Ipv4", "+1", "end Ipv6", "Begin Ipv4", "+1", "End Ipv4"]);
    receiver.log.clear();
    rib.refresh(peer, Family::Ipv6);
    rib.refresh(peer, Family::Ipv6);
    assert_eq!(outputs(&mut rib), [Output::Pending(peer)]);
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["Begin Ipv6", "+1", "End Ipv6"]);
    assert_eq!(rib.summary(peer).sent, PerFamily { ipv4: 1, ipv6: 1 });
}

#[test]
fn a_refresh_without_markers_ends_with_end_of_rib() {
    let (mut rib, peer, _) = with_peer(&session());
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain())]));
    drain(&mut rib, peer, 65_536);
    rib.refresh(peer, Family::Ipv4);
    let mut receiver = Receiver::new(&session());
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+1", "end Ipv4"]);
}

#[test]
fn a_change_in_the_middle_of_a_refresh_comes_behind_its_end() {
    let mut session = session();
    session.enhanced_refresh = true;
    let (mut rib, peer, mut receiver) = with_peer(&session);
    rib.set_routes(peer, hosts(3000, &plain()));
    receiver.read(&drain(&mut rib, peer, 65_536));
    rib.refresh(peer, Family::Ipv4);
    let mut out = BytesMut::new();
    assert!(rib.pull(peer, &mut out, 4096));
    rib.set_routes(peer, hosts(10, &with_community(1)));
    out.extend(drain(&mut rib, peer, 65_536));
    receiver.log.clear();
    receiver.read(&out);
    assert_eq!(receiver.log.first().map(String::as_str), Some("Begin Ipv4"));
    let end = receiver.log.iter().position(|entry| entry == "End Ipv4").unwrap();
    assert!(receiver.log[end..].iter().any(|entry| entry.starts_with('-')));
    assert_eq!(receiver.known.len(), 10);
}

#[test]
fn graceful_shutdown_marks_every_route_and_takes_it_back() {
    for session in [session(), internal()] {
        let (mut rib, peer, mut receiver) = with_peer(&session);
        rib.set_routes(peer, set(&[("192.0.2.1/32", &with_community(5)), ("2001:db8:1::/48", &plain())]));
        receiver.read(&drain(&mut rib, peer, 65_536));
        let before = receiver.known.clone();
        rib.set_policy(peer, Policy { graceful_shutdown: true, ..Policy::default() });
        receiver.read(&drain(&mut rib, peer, 65_536));
        assert_eq!(receiver.known.len(), 2);
        for attributes in receiver.known.values() {
            assert_eq!(attributes.communities.last(), Some(&well_known::GRACEFUL_SHUTDOWN));
            assert_eq!(attributes.local_pref, (!session.parameters.external).then_some(0));
        }
        // What comes now is marked too.
        rib.set_routes(peer, set(&[("192.0.2.1/32", &with_community(5)), ("192.0.2.2/32", &plain())]));
        receiver.read(&drain(&mut rib, peer, 65_536));
        assert!(receiver.known.values().all(|it| it.communities.contains(&well_known::GRACEFUL_SHUTDOWN)));
        rib.set_routes(peer, set(&[("192.0.2.1/32", &with_community(5)), ("2001:db8:1::/48", &plain())]));
        rib.set_policy(peer, Policy::default());
        receiver.read(&drain(&mut rib, peer, 65_536));
        assert_eq!(receiver.known, before);
    }
}

#[test]
fn with_add_path_the_identifier_is_stable() {
    let mut session = session();
    session.parameters.add_path = PerFamily::from_fn(|_| AddPath { receive: false, send: true });
    let (mut rib, peer, mut receiver) = with_peer(&session);
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain()), ("2001:db8:1::/48", &plain())]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert!(receiver.known.keys().all(|(_, path_id)| *path_id == 1), "{:?}", receiver.known);
    rib.set_routes(peer, set(&[("192.0.2.1/32", &with_community(1))]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.known.keys().collect::<Vec<_>>(), [&(parse("192.0.2.1/32"), 1)]);
}

#[test]
fn a_family_without_a_next_hop_says_why_and_the_other_one_is_told() {
    let mut session = session();
    session.addresses.ipv6 = None;
    let (mut rib, peer, mut receiver) = with_peer(&session);
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain()), ("2001:db8:1::/48", &plain())]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["+1", "end Ipv4", "end Ipv6"]);
    let summary = rib.summary(peer);
    assert_eq!(summary.unsent, PerFamily { ipv4: None, ipv6: Some(Unsent::NoIpv6NextHop) });
    assert_eq!((summary.sent, summary.desired), (PerFamily { ipv4: 1, ipv6: 0 }, PerFamily { ipv4: 1, ipv6: 1 }));
    rib.set_routes(peer, Arc::default());
    receiver.log.clear();
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert_eq!(receiver.log, ["-1"], "nor is withdrawn what was not told");
}

#[test]
fn a_route_that_cannot_be_told_any_more_is_withdrawn() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    rib.set_routes(peer, set(&[("192.0.2.1/32", &plain())]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    let foreign = Route { next_hop: RouteNextHop::Address(parse("2001:db8::9")), ..Route::default() };
    rib.set_routes(peer, set(&[("192.0.2.1/32", &Arc::new(foreign))]));
    receiver.read(&drain(&mut rib, peer, 65_536));
    assert!(receiver.known.is_empty());
    assert_eq!(rib.summary(peer).unsent.ipv4, Some(Unsent::ForeignNextHop));
    assert_eq!(rib.advertised(peer), []);
}

#[test]
fn what_was_advertised_is_seen_at_any_moment() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    rib.set_routes(peer, hosts(5000, &plain()));
    let mut more = true;
    while more {
        let mut out = BytesMut::new();
        more = rib.pull(peer, &mut out, 10_000);
        receiver.read(&out);
        assert_eq!(rib.summary(peer).sent.ipv4, receiver.known.len());
        let advertised = rib.advertised(peer);
        assert_eq!(advertised.len(), receiver.known.len());
        for route in advertised {
            assert_eq!(receiver.known.get(&(route.prefix, route.path_id)), Some(&*route.attributes));
        }
    }
}

#[test]
fn members_of_a_group_share_what_is_encoded_and_the_sets() {
    let mut rib = Rib::new();
    let peers = (0..20).map(|number| rib.add(format!("tor{number}").into(), Policy::default())).collect::<Vec<_>>();
    for peer in &peers {
        rib.established(start(), *peer, session());
        // Each is given a set of its own with equal routes.
        rib.set_routes(*peer, hosts(1000, &with_community(1)));
    }
    assert_eq!(rib.outbound.usage(), (1, 1, 0), "one group and one set");
    let first = drain(&mut rib, peers[0], 65_536);
    assert_eq!(rib.outbound.usage().2, 1, "all go through one transition");
    for peer in &peers[1..] {
        assert_eq!(drain(&mut rib, *peer, 5000), first);
    }
    assert_eq!(rib.outbound.usage(), (1, 1, 0), "and nothing is left of it");
}

#[test]
fn a_peer_that_does_not_read_holds_nobody_back_and_does_not_make_memory_grow() {
    let mut rib = Rib::new();
    let [stuck, reading] = ["stuck", "reading"].map(|name| rib.add(name.into(), Policy::default()));
    let mut receivers = [Receiver::new(&session()), Receiver::new(&session())];
    for peer in [stuck, reading] {
        rib.established(start(), peer, session());
        rib.set_routes(peer, hosts(5000, &plain()));
    }
    let mut out = BytesMut::new();
    assert!(rib.pull(stuck, &mut out, 8192), "it has read a part");
    receivers[0].read(&out);
    for change in 0..200 {
        let routes = hosts(5000 + change, &with_community(change / 2));
        for peer in [stuck, reading] {
            rib.set_routes(peer, Arc::clone(&routes));
        }
        receivers[1].read(&drain(&mut rib, reading, 65_536));
        assert_eq!(receivers[1].known.len(), usize::try_from(5000 + change).unwrap());
        let (groups, sets, transitions) = rib.outbound.usage();
        assert!(groups == 1 && sets <= 2 && transitions <= 1, "{sets} sets, {transitions} transitions");
    }
    receivers[0].read(&drain(&mut rib, stuck, 8192));
    assert_eq!(receivers[0].known, receivers[1].known);
}

#[test]
fn peers_that_are_told_in_different_ways_are_different_groups() {
    let mut rib = Rib::new();
    let internal = internal();
    let receivers = [session(), internal.clone(), session(), internal].map(|session| {
        let peer = rib.add("peer".into(), Policy::default());
        rib.established(start(), peer, session.clone());
        rib.set_routes(peer, hosts(10, &plain()));
        (peer, Receiver::new(&session))
    });
    assert_eq!(rib.outbound.usage(), (2, 1, 0));
    for (peer, mut receiver) in receivers {
        receiver.read(&drain(&mut rib, peer, 65_536));
        assert_eq!(receiver.known.len(), 10);
        rib.remove(peer);
    }
    assert_eq!(rib.outbound.usage().0, 0);
}

#[test]
fn a_peer_is_woken_when_there_is_something_to_write_and_only_then() {
    let mut rib = Rib::new();
    let peer = rib.add("tor".into(), Policy::default());
    assert_eq!(rib.name(peer), Some(&"tor".into()));
    rib.set_routes(peer, hosts(1, &plain()));
    assert_eq!(outputs(&mut rib), [], "its session is down");
    rib.established(start(), peer, session());
    assert_eq!(outputs(&mut rib), [Output::Pending(peer)]);
    assert!(rib.pending(peer));
    drain(&mut rib, peer, 65_536);
    assert!(!rib.pending(peer));
    rib.set_routes(peer, hosts(1, &plain()));
    assert_eq!(outputs(&mut rib), [], "an equal set is no news");
    rib.set_routes(peer, hosts(2, &plain()));
    assert_eq!(outputs(&mut rib), [Output::Pending(peer)]);
    rib.down(start(), peer, PerFamily::default());
    assert!(!rib.pending(peer));
    assert!(!rib.pull(peer, &mut BytesMut::new(), 65_536));
}

#[test]
fn a_set_is_the_same_however_it_was_made() {
    let (red, blue) = (with_community(1), with_community(2));
    let one = set(&[("192.0.2.1/32", &red), ("2001:db8::1/128", &blue), ("192.0.2.7/24", &blue)]);
    let other = set(&[
        ("192.0.2.0/24", &red),
        ("2001:db8::1/128", &with_community(2)),
        ("192.0.2.0/24", &with_community(2)),
        ("192.0.2.1/32", &with_community(1)),
    ]);
    assert_eq!(one, other);
    assert_eq!((one.len(), one.count(Family::Ipv4), one.is_empty()), (3, 2, false));
    assert_eq!(one.get(&parse("192.0.2.0/24")), Some(&blue));
    assert_eq!(one.get(&parse("192.0.2.0/25")), None);
    assert_ne!(one, set(&[("192.0.2.1/32", &red), ("2001:db8::1/128", &red), ("192.0.2.7/24", &blue)]));
    let prefixes = one.iter().map(|(prefix, _)| prefix.to_string()).collect::<Vec<_>>();
    assert_eq!(prefixes, ["192.0.2.0/24", "192.0.2.1/32", "2001:db8::1/128"]);
}
