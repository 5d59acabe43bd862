//! Graceful restart of peers, its long-lived form, and enhanced route refresh, as the receiving side.

use super::*;
use crate::wire::{AsPath, AsSegment, NextHop, SegmentKind, encode_end_of_rib};

const PREFIX: &str = "192.0.2.0/24";
const OTHER: &str = "198.51.100.0/24";

/// A peer that told two prefixes of IPv4 and one of IPv6.
struct Lab {
    rib: Rib,
    peer: PeerId,
    session: Session,
    teller: Teller,
    now: Instant,
}

fn told(communities: &[Community]) -> Attributes {
    let as_path = AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns: vec![64_513] }]);
    let communities = communities.to_vec();
    Attributes { as_path, communities, ..Attributes::new(NextHop::Address(parse("10.0.0.2"))) }
}

fn stale(restart: u64, long_lived: u64) -> PerFamily<Keep> {
    PerFamily::from_fn(|_| Keep::Stale {
        restart_time: Duration::from_secs(restart),
        long_lived: Duration::from_secs(long_lived),
    })
}

// === impl Lab ===

impl Lab {
    fn new(communities: &[Community]) -> Self {
        let mut session = session();
        session.keeps_stale = PerFamily { ipv4: true, ipv6: true };
        let (mut rib, now) = (Rib::new(), start());
        let peer = rib.add("tor".into(), Policy { import: Import::Everything, ..Policy::default() });
        rib.established(now, peer, session.clone());
        let teller = Teller::new(&session);
        let mut lab = Self { rib, peer, session, teller, now };
        lab.announce(PREFIX, communities);
        lab.announce(OTHER, &[]);
        lab.announce("2001:db8:1::/48", &[]);
        lab
    }

    fn announce(&mut self, prefix: &str, communities: &[Community]) {
        let mut attributes = told(communities);
        if prefix.contains(':') {
            attributes.next_hop = NextHop::Address(parse("2001:db8::2"));
        }
        let octets = self.teller.announces(&[(prefix, 0)], &attributes);
        tell(&mut self.rib, self.peer, &self.session, &octets).unwrap();
    }

    fn end(&mut self, family: Family) {
        let mut octets = BytesMut::new();
        encode_end_of_rib(family, &mut octets);
        let received = tell(&mut self.rib, self.peer, &self.session, &octets).unwrap();
        assert_eq!(received.end_of_rib, Some(family));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some(due) = self.rib.next_deadline().filter(|due| *due <= self.now) {
            self.rib.handle_deadline(due);
        }
    }

    fn up(&mut self) {
        self.rib.established(self.now, self.peer, self.session.clone());
    }

    fn down(&mut self, keep: PerFamily<Keep>) {
        self.rib.down(self.now, self.peer, keep);
    }

    /// Prefixes that have a best path, with a star where it is stale.
    fn best(&self) -> Vec<String> {
        let known = self.rib.received(self.peer).into_iter().filter(|learned| learned.best);
        known.map(|learned| format!("{}{}", learned.prefix, if learned.stale { "*" } else { "" })).collect()
    }
}

#[test]
fn without_graceful_restart_everything_goes_with_the_session() {
    let mut lab = Lab::new(&[]);
    lab.down(PerFamily::default());
    assert_eq!(lab.best(), Vec::<String>::new());
    assert_eq!(lab.rib.next_deadline(), None);
}

#[test]
fn stale_routes_stay_best_until_the_restart_time_is_over() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(120, 0));
    assert_eq!(lab.best(), ["192.0.2.0/24*", "198.51.100.0/24*", "2001:db8:1::/48*"]);
    assert_eq!(lab.rib.summary(lab.peer).stale, PerFamily { ipv4: 2, ipv6: 1 });
    outputs(&mut lab.rib);
    lab.pass(Duration::from_secs(119));
    assert_eq!(lab.best().len(), 3);
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.best().len(), 0);
    let swept = |family, routes| Output::Swept { peer: lab.peer, family, routes };
    assert_eq!(outputs(&mut lab.rib)[..2], [swept(Family::Ipv4, 2), swept(Family::Ipv6, 1)]);
    assert_eq!(lab.rib.next_deadline(), None);
}

#[test]
fn end_of_rib_sweeps_what_was_not_told_again_by_family() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(120, 0));
    lab.pass(MINUTE);
    lab.up();
    lab.announce(OTHER, &[]);
    assert_eq!(lab.best(), ["192.0.2.0/24*", "198.51.100.0/24", "2001:db8:1::/48*"]);
    lab.pass(3 * MINUTE);
    assert_eq!(lab.best().len(), 3, "the restart time ends with the session that comes up");
    lab.end(Family::Ipv4);
    assert_eq!(lab.best(), ["198.51.100.0/24", "2001:db8:1::/48*"]);
    lab.end(Family::Ipv6);
    assert_eq!(lab.best(), ["198.51.100.0/24"]);
    assert_eq!(lab.rib.next_deadline(), None);
}

#[test]
fn a_peer_that_never_says_end_of_rib_does_not_keep_stale_routes_for_ever() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(120, 0));
    lab.up();
    lab.announce(OTHER, &[]);
    lab.pass(6 * MINUTE);
    assert_eq!(lab.best(), ["198.51.100.0/24"]);
}

#[test]
fn families_whose_forwarding_state_is_lost_are_dropped_when_the_session_comes_up() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(120, 0));
    lab.session.keeps_stale.ipv4 = false;
    lab.up();
    assert_eq!(lab.best(), ["2001:db8:1::/48*"]);
}

#[test]
fn a_session_in_the_place_of_one_whose_end_was_not_told_begins_with_nothing() {
    let mut lab = Lab::new(&[]);
    lab.up();
    assert_eq!(lab.best(), Vec::<String>::new());
}

#[test]
fn what_was_stale_does_not_survive_a_second_restart() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(120, 0));
    lab.up();
    lab.announce(OTHER, &[]);
    lab.down(stale(120, 0));
    assert_eq!(lab.best(), ["198.51.100.0/24*"]);
}

#[test]
fn long_lived_stale_routes_are_marked_and_come_last_and_some_ask_not_to_be_kept() {
    let mut lab = Lab::new(&[well_known::NO_LLGR]);
    let backup = lab.rib.add("backup".into(), Policy { import: Import::Everything, ..Policy::default() });
    let session = Session { peer_router_id: parse("10.0.0.9"), ..lab.session.clone() };
    lab.rib.established(lab.now, backup, session.clone());
    let mut worse = told(&[]);
    worse.as_path.prepend(64_513, 5);
    tell(&mut lab.rib, backup, &session, &lab.teller.announces(&[(OTHER, 0)], &worse)).unwrap();
    let best = |lab: &Lab| lab.rib.best(&parse(OTHER)).map(|best| best.peer);
    assert_eq!(best(&lab), Some(lab.peer));

    lab.down(stale(120, 3600));
    assert_eq!(best(&lab), Some(lab.peer), "stale routes are as good as before (RFC 4724)");
    lab.pass(2 * MINUTE);
    assert_eq!(best(&lab), Some(backup), "long-lived stale ones are not (RFC 9494)");
    let learned = lab.rib.received(lab.peer);
    assert_eq!(
        learned.iter().map(|learned| learned.prefix.to_string()).collect::<Vec<_>>(),
        [OTHER, "2001:db8:1::/48"]
    );
    assert!(learned.iter().all(|learned| learned.attributes.communities == [well_known::LLGR_STALE]));
    lab.pass(59 * MINUTE);
    assert_eq!(lab.rib.received(lab.peer).len(), 2);
    lab.pass(MINUTE);
    assert_eq!(lab.rib.received(lab.peer).len(), 0);
    assert_eq!(best(&lab), Some(backup));
}

#[test]
fn the_long_lived_time_runs_on_until_the_peer_has_told_everything() {
    let mut lab = Lab::new(&[]);
    lab.down(stale(0, 3600));
    assert_eq!(lab.best().len(), 3, "a restart time of zero begins the long-lived one");
    lab.pass(30 * MINUTE);
    lab.up();
    lab.announce(OTHER, &[]);
    lab.down(stale(0, 3600));
    assert_eq!(lab.best(), ["192.0.2.0/24*", "198.51.100.0/24*", "2001:db8:1::/48*"], "nothing is lost in between");
    lab.pass(29 * MINUTE);
    assert_eq!(lab.best().len(), 3);
    lab.pass(MINUTE);
    assert_eq!(lab.best().len(), 0, "and nothing is kept for longer");
    // Once it has told everything, the time begins anew.
    lab.up();
    lab.announce(OTHER, &[]);
    lab.end(Family::Ipv4);
    lab.down(stale(0, 3600));
    lab.pass(59 * MINUTE);
    assert_eq!(lab.best(), ["198.51.100.0/24*"]);
}

#[test]
fn an_enhanced_refresh_sweeps_what_was_not_told_once_more() {
    let mut lab = Lab::new(&[]);
    lab.rib.refresh_begins(lab.now, lab.peer, Family::Ipv4);
    assert_eq!(lab.best(), ["192.0.2.0/24*", "198.51.100.0/24*", "2001:db8:1::/48"]);
    lab.announce(PREFIX, &[]);
    lab.rib.refresh_ends(lab.peer, Family::Ipv4);
    assert_eq!(lab.best(), ["192.0.2.0/24", "2001:db8:1::/48"]);
    // One whose end never comes.
    lab.rib.refresh_begins(lab.now, lab.peer, Family::Ipv4);
    lab.pass(6 * MINUTE);
    assert_eq!(lab.best(), ["2001:db8:1::/48"]);
}

#[test]
fn a_session_that_fails_in_the_middle_of_a_refresh_leaves_all_its_routes_stale() {
    let mut lab = Lab::new(&[]);
    lab.rib.refresh_begins(lab.now, lab.peer, Family::Ipv4);
    lab.announce(OTHER, &[]);
    lab.down(stale(120, 0));
    assert_eq!(lab.best(), ["192.0.2.0/24*", "198.51.100.0/24*", "2001:db8:1::/48*"]);
    lab.pass(2 * MINUTE);
    assert_eq!(lab.best(), Vec::<String>::new());
}

#[test]
fn stale_routes_do_not_count_towards_the_limit() {
    let mut lab = Lab::new(&[]);
    let limit = Some(PrefixLimit { max: 2, warning: 100, close: true });
    let limits = PerFamily { ipv4: limit, ipv6: None };
    lab.rib.set_policy(lab.peer, Policy { import: Import::Everything, limits, ..Policy::default() });
    lab.down(stale(120, 0));
    lab.up();
    lab.announce("203.0.113.0/24", &[]);
    lab.announce("203.0.112.0/24", &[]);
    assert_eq!(lab.best().len(), 5);
}
