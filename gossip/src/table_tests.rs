//! The table, with who is alive decided by the tests.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::{cases, origin};

fn vip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn claim(owner: &str, epoch: u64) -> Claim {
    Claim { vip: vip(1), epoch, owner: owner.into(), boot: 1, released: false }
}

fn everybody(_: &Claim) -> bool {
    true
}

fn only(alive: &'static [&'static str]) -> impl Fn(&Claim) -> bool {
    move |claim| alive.contains(&claim.owner.as_str())
}

#[test]
fn a_newer_claim_replaces_an_older_and_is_not_replaced_by_it() {
    let now = origin();
    let mut table = Table::default();
    assert_eq!(table.offer(now, claim("a", 1), Duration::ZERO, everybody), Offer::Taken(None));
    assert_eq!(table.offer(now, claim("b", 2), Duration::ZERO, everybody), Offer::Taken(Some(claim("a", 1))));
    let echo = table.offer(now, claim("a", 1), Duration::ZERO, everybody);
    assert_eq!(echo, Offer::Beaten { by: claim("b", 2), first_time: false }, "it was replaced knowingly");
    assert_eq!(table.get(vip(1)), Some(&claim("b", 2)));
}

#[test]
fn an_unseen_contender_counts_once() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("a", 5), Duration::ZERO, everybody);
    for first_time in [true, false] {
        let offer = table.offer(now, claim("b", 3), Duration::ZERO, everybody);
        assert_eq!(offer, Offer::Beaten { by: claim("a", 5), first_time });
    }
}

#[test]
fn a_contender_counts_when_its_owner_turns_out_to_be_alive() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("a", 5), Duration::ZERO, everybody);
    let offer = table.offer(now, claim("b", 3), Duration::ZERO, only(&["a"]));
    assert_eq!(offer, Offer::Beaten { by: claim("a", 5), first_time: false });
    let offer = table.offer(now, claim("b", 3), Duration::ZERO, everybody);
    assert_eq!(offer, Offer::Beaten { by: claim("a", 5), first_time: true });
}

#[test]
fn the_dead_take_nothing_from_the_living_whatever_their_epoch() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("a", 1), Duration::ZERO, everybody);
    table.offer(now, claim("dead", 9), Duration::ZERO, only(&["a"]));
    assert_eq!(table.get(vip(1)), Some(&claim("a", 1)));
    assert_eq!(table.next_epoch(vip(1)), 10, "but their epochs count");
    // The other way round: the living take from the dead.
    let mut table = Table::default();
    table.offer(now, claim("dead", 9), Duration::ZERO, only(&["a"]));
    assert_eq!(table.offer(now, claim("a", 1), Duration::ZERO, only(&["a"])), Offer::Taken(Some(claim("dead", 9))));
}

#[test]
fn a_release_replaces_the_claim_of_the_same_owner() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("a", 1), Duration::ZERO, everybody);
    let release = Claim { released: true, ..claim("a", 2) };
    assert_eq!(table.offer(now, release.clone(), Duration::ZERO, everybody), Offer::Taken(Some(claim("a", 1))));
    assert_eq!(table.offer(now, claim("a", 1), Duration::ZERO, everybody), Offer::Known);
    assert_eq!(table.get(vip(1)), Some(&release));
}

#[test]
fn what_lapsed_is_forgotten_after_its_time_and_not_learned_again() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("dead", 4), Duration::from_secs(400), only(&[]));
    assert_eq!(table.records(now, None).next().unwrap().lapsed_secs, 400);
    assert_eq!(table.forget(now + Duration::from_secs(199)), 0);
    assert_eq!(table.forget(now + Duration::from_secs(200)), 1);
    assert_eq!(table.offer(now, claim("dead", 4), FORGET_AFTER, only(&[])), Offer::Known);
    assert_eq!(table.get(vip(1)), None);
}

#[test]
fn an_owner_that_comes_back_stops_the_clock() {
    let now = origin();
    let mut table = Table::default();
    table.offer(now, claim("a", 1), Duration::ZERO, everybody);
    table.review(now, only(&[]));
    table.review(now + Duration::from_secs(500), everybody);
    assert_eq!(table.forget(now + Duration::from_secs(1000)), 0);
    table.review(now + Duration::from_secs(1000), only(&[]));
    assert_eq!(table.forget(now + Duration::from_secs(1599)), 0);
    assert_eq!(table.forget(now + Duration::from_secs(1600)), 1);
}

#[test]
fn the_table_is_bounded() {
    let now = origin();
    let mut table = Table::default();
    for number in 0..CAPACITY {
        let vip = IpAddr::from(std::net::Ipv4Addr::from_bits(u32::try_from(number).unwrap()));
        assert_eq!(table.offer(now, Claim { vip, ..claim("a", 1) }, Duration::ZERO, everybody), Offer::Taken(None));
    }
    let one_more = Claim { vip: "2001:db8::1".parse().unwrap(), ..claim("a", 1) };
    assert_eq!(table.offer(now, one_more, Duration::ZERO, everybody), Offer::Refused);
    let known = Claim { vip: IpAddr::from([0, 0, 0, 1]), ..claim("b", 2) };
    assert!(matches!(table.offer(now, known, Duration::ZERO, everybody), Offer::Taken(Some(_))));
}

fn some_claims() -> impl Strategy<Value = Vec<Claim>> {
    let one =
        (1..3_u8, 0..3_u64, 0..4_usize, 0..2_u64, any::<bool>()).prop_map(|(last, epoch, owner, boot, released)| {
            Claim { vip: vip(last), epoch, owner: ["a", "b", "c", "d"][owner].into(), boot, released }
        });
    prop::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn tables_agree_whatever_the_order(claims in some_claims(), rotation in 0..12_usize, alive in prop::collection::btree_set((0..4_usize, 0..2_u64), 0..8)) {
        let now = origin();
        let alive: BTreeSet<(String, u64)> =
            alive.into_iter().map(|(owner, boot)| (["a", "b", "c", "d"][owner].to_owned(), boot)).collect();
        let lives = |claim: &Claim| alive.contains(&(claim.owner.to_string(), claim.boot));
        let mut shuffled = claims.clone();
        shuffled.reverse();
        if !shuffled.is_empty() {
            let middle = rotation % shuffled.len();
            shuffled.rotate_left(middle);
        }
        let (mut one, mut other) = (Table::default(), Table::default());
        for claim in claims.iter().chain(&claims) {
            one.offer(now, claim.clone(), Duration::ZERO, lives);
        }
        for claim in &shuffled {
            other.offer(now, claim.clone(), Duration::ZERO, lives);
        }
        prop_assert_eq!(one.claims().collect::<Vec<_>>(), other.claims().collect::<Vec<_>>());
    }
}
