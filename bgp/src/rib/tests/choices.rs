//! The best path, rule by rule: each row differs from the row that it beats in one thing only, and everything that comes later
//! speaks for the loser.

use super::*;
use crate::rib::choice::{Candidate, best};
use crate::wire::{AsPath, AsSegment, NextHop, Origin, SegmentKind};

struct Row {
    attributes: Arc<Attributes>,
    session: Session,
    path_id: u32,
}

fn path(segments: &[(SegmentKind, &[u32])]) -> AsPath {
    AsPath(segments.iter().map(|(kind, asns)| AsSegment { kind: *kind, asns: asns.to_vec() }).collect())
}

fn row(change: impl FnOnce(&mut Attributes, &mut Session)) -> Row {
    let mut attributes = Attributes::new(NextHop::Address(parse("10.0.0.2")));
    attributes.as_path = path(&[(SegmentKind::Sequence, &[64_513, 64_514])]);
    attributes.local_pref = Some(100);
    attributes.med = Some(10);
    let mut session = session();
    change(&mut attributes, &mut session);
    Row { attributes: Arc::new(attributes), session, path_id: 0 }
}

/// Which row is best, in whatever order they come.
fn winner(rows: &[&Row]) -> usize {
    let candidates = rows.iter().enumerate().map(|(number, row)| Candidate {
        peer: PeerId(u32::try_from(number).unwrap()),
        path_id: row.path_id,
        attributes: &row.attributes,
        session: &row.session,
    });
    let candidates = candidates.collect::<Vec<_>>();
    let chosen = best(candidates.clone()).unwrap().peer;
    for turn in 0..candidates.len() {
        let mut turned = candidates.clone();
        turned.rotate_left(turn);
        assert_eq!(best(turned.clone()).unwrap().peer, chosen, "the order matters");
        turned.reverse();
        assert_eq!(best(turned).unwrap().peer, chosen, "the order matters");
    }
    usize::try_from(chosen.0).unwrap()
}

#[test]
fn each_rule_decides_before_those_behind_it() {
    // Ordered from the last rule to the first: each row is better than all before it.
    let mut rows = vec![
        ("the start", row(|_, session| session.peer_address = parse("10.0.0.9"))),
        ("lower address", row(|_, session| session.peer_address = parse("10.0.0.8"))),
    ];
    let worst = |attributes: &mut Attributes, session: &mut Session| {
        session.peer_address = parse("10.0.0.9");
        attributes.cluster_list = vec![parse("9.9.9.9"); 2];
    };
    let internal = |session: &mut Session| session.parameters.external = false;
    for (_, row) in &mut rows {
        Arc::make_mut(&mut row.attributes).cluster_list = vec![parse("9.9.9.9"); 2];
        internal(&mut row.session);
    }
    rows.push((
        "shorter cluster list",
        row(|attributes, session| {
            worst(attributes, session);
            internal(session);
            attributes.cluster_list = vec![parse("9.9.9.9")];
        }),
    ));
    rows.push((
        "lower identifier of the originator",
        row(|attributes, session| {
            worst(attributes, session);
            internal(session);
            attributes.originator_id = Some(parse("10.0.0.1"));
        }),
    ));
    rows.push((
        "external",
        row(|attributes, session| {
            worst(attributes, session);
            session.peer_router_id = parse("10.0.0.99");
        }),
    ));
    rows.push((
        "lower MED",
        row(|attributes, session| {
            worst(attributes, session);
            internal(session);
            session.peer_router_id = parse("10.0.0.99");
            attributes.med = Some(5);
        }),
    ));
    rows.push((
        "no MED is 0",
        row(|attributes, session| {
            worst(attributes, session);
            internal(session);
            session.peer_router_id = parse("10.0.0.99");
            attributes.med = None;
        }),
    ));
    for (_, row) in &mut rows {
        Arc::make_mut(&mut row.attributes).origin = Origin::Incomplete;
    }
    let mut bad = |name, origin, asns: &[u32], local_pref| {
        rows.push((
            name,
            row(|attributes, session| {
                worst(attributes, session);
                internal(session);
                session.peer_router_id = parse("10.0.0.99");
                attributes.med = Some(99);
                attributes.origin = origin;
                attributes.as_path = path(&[(SegmentKind::Sequence, asns)]);
                attributes.local_pref = Some(local_pref);
            }),
        ));
    };
    bad("origin EGP", Origin::Egp, &[64_513, 64_514], 100);
    bad("origin IGP", Origin::Igp, &[64_513, 64_514], 100);
    bad("shorter path", Origin::Incomplete, &[64_513], 100);
    bad("higher LOCAL_PREF", Origin::Incomplete, &[64_513, 1, 2, 3, 4], 101);
    for (better, (name, row)) in rows.iter().enumerate().skip(1) {
        for (worse, (other, beaten)) in rows.iter().enumerate().take(better) {
            assert_eq!(winner(&[beaten, row]), 1, "{name} ({better}) against {other} ({worse})");
        }
    }
}

#[test]
fn long_lived_stale_routes_come_last_whatever_their_preference() {
    let stale = row(|attributes, _| {
        attributes.local_pref = Some(1000);
        attributes.communities = vec![well_known::LLGR_STALE];
    });
    let fresh = row(|attributes, _| attributes.local_pref = Some(0));
    assert_eq!(winner(&[&stale, &fresh]), 1);
    assert_eq!(winner(&[&stale]), 0, "but alone it is better than nothing");
}

#[test]
fn a_set_counts_as_one_as_and_a_confederation_as_none() {
    let set = row(|attributes, _| {
        attributes.as_path = path(&[(SegmentKind::Sequence, &[64_513]), (SegmentKind::Set, &[1, 2, 3])]);
        attributes.med = Some(1);
    });
    let two = row(|attributes, _| attributes.med = Some(2));
    assert_eq!(winner(&[&two, &set]), 1, "equally long, so that MED decides");
    let confederation = row(|attributes, _| {
        attributes.as_path = path(&[(SegmentKind::ConfedSequence, &[1, 2, 3]), (SegmentKind::Sequence, &[64_513])]);
    });
    assert_eq!(winner(&[&two, &confederation]), 1);
}

#[test]
fn med_is_compared_only_between_paths_through_the_same_as_and_the_order_of_arrival_does_not_matter() {
    // The classic: b beats a by MED, c beats b and a beats c by identifier; only b and c can be left, and c wins.
    let through = |asn: u32, med: u32, router_id: &str| {
        row(|attributes, session| {
            attributes.as_path = path(&[(SegmentKind::Sequence, &[asn, 64_600])]);
            attributes.med = Some(med);
            session.peer_router_id = parse(router_id);
        })
    };
    let (a, b, c) = (through(1, 20, "1.1.1.1"), through(1, 10, "3.3.3.3"), through(2, 99, "2.2.2.2"));
    assert_eq!(winner(&[&a, &b, &c]), 2);
    assert_eq!(winner(&[&a, &c]), 0);
    assert_eq!(winner(&[&b, &c]), 1);
    assert_eq!(winner(&[&a, &b]), 1);
}

#[test]
fn of_several_paths_of_one_peer_the_lower_identifier_stays() {
    let mut first = row(|_, _| {});
    let mut second = row(|_, _| {});
    (first.path_id, second.path_id) = (8, 3);
    assert_eq!(winner(&[&first, &second]), 1);
}
