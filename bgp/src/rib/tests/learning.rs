//! Whatever peers tell, forget, restart and tell again: the best path is the best of what is there, the counts are right, and
//! what is stale goes in the end. What a peer is known to tell is kept beside it, by plain rules.

use proptest::prelude::*;

use super::*;
use crate::rib::choice::{Candidate, best};
use crate::wire::{AsPath, AsSegment, NextHop, SegmentKind, encode_end_of_rib};

#[derive(Debug, Clone)]
enum Step {
    Announce { peer: usize, prefix: usize, kind: u8 },
    Withdraw { peer: usize, prefix: usize },
    Down { peer: usize, restart: u8, long_lived: u8 },
    Up { peer: usize, keeps: bool },
    End { peer: usize, second: bool },
    RefreshBegins { peer: usize, second: bool },
    RefreshEnds { peer: usize, second: bool },
    Import { peer: usize, open: bool },
    Pass(u16),
}

const PEERS: usize = 3;
const PREFIXES: [&str; 5] = ["192.0.2.0/24", "0.0.0.0/0", "255.255.255.255/32", "::/0", "2001:db8:5::/48"];

fn step() -> impl Strategy<Value = Step> {
    let (peer, prefix) = (0..PEERS, 0..PREFIXES.len());
    prop_oneof![
        8 => (peer.clone(), prefix.clone(), 0..6_u8)
            .prop_map(|(peer, prefix, kind)| Step::Announce { peer, prefix, kind }),
        3 => (peer.clone(), prefix).prop_map(|(peer, prefix)| Step::Withdraw { peer, prefix }),
        2 => (peer.clone(), 0..3_u8, 0..3_u8)
            .prop_map(|(peer, restart, long_lived)| Step::Down { peer, restart, long_lived }),
        4 => (peer.clone(), any::<bool>()).prop_map(|(peer, keeps)| Step::Up { peer, keeps }),
        2 => (peer.clone(), any::<bool>()).prop_map(|(peer, second)| Step::End { peer, second }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, second)| Step::RefreshBegins { peer, second }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, second)| Step::RefreshEnds { peer, second }),
        1 => (peer, any::<bool>()).prop_map(|(peer, open)| Step::Import { peer, open }),
        3 => (0..400_u16).prop_map(Step::Pass),
    ]
}

/// Routes that differ in preference; one loops, one does not want to live long.
fn told(peer: usize, kind: u8, family: Family) -> Attributes {
    let mut asns = vec![64_513];
    asns.extend(std::iter::repeat_n(1, usize::from(kind % 3)));
    if kind == 4 {
        asns.push(64_512);
    }
    let next_hop = match family {
        Family::Ipv4 => parse(&format!("10.0.0.{}", peer + 2)),
        Family::Ipv6 => parse(&format!("2001:db8::{}", peer + 2)),
    };
    Attributes {
        as_path: AsPath(vec![AsSegment { kind: SegmentKind::Sequence, asns }]),
        med: Some(u32::from(kind) * 7 % 5),
        communities: if kind == 5 { vec![well_known::NO_LLGR] } else { Vec::new() },
        ..Attributes::new(NextHop::Address(next_hop))
    }
}

struct Lab {
    rib: Rib,
    now: Instant,
    peers: Vec<(PeerId, Session, bool, Import)>,
    /// What each peer has told in its present session and not withdrawn.
    fresh: Vec<BTreeSet<IpNet>>,
    /// Best paths as one knows them who follows the outputs.
    followed: BTreeMap<IpNet, Option<Best>>,
}

// === impl Lab ===

impl Lab {
    fn new() -> Self {
        let mut rib = Rib::new();
        let peers = (0..PEERS).map(|number| {
            let policy = Policy { import: Import::Everything, ..Policy::default() };
            let last = u8::try_from(number + 2).unwrap();
            let (peer_router_id, peer_address) = ([10, 0, 0, last].into(), [10, 0, 0, last].into());
            let session = Session { peer_router_id, peer_address, ..session() };
            (rib.add(format!("{number}").into(), policy), session, false, Import::Everything)
        });
        let peers = peers.collect();
        Self { rib, now: start(), peers, fresh: vec![BTreeSet::new(); PEERS], followed: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step) {
        let family = |second: bool| if second { Family::Ipv6 } else { Family::Ipv4 };
        match *step {
            Step::Announce { peer, prefix, kind } => {
                let prefix = PREFIXES[prefix];
                let attributes = told(peer, kind, Family::of(&parse(prefix)));
                let (id, session, up, _) = &self.peers[peer];
                let octets = Teller::new(session).announces(&[(prefix, 0)], &attributes);
                tell(&mut self.rib, *id, session, &octets).unwrap();
                if *up {
                    self.fresh[peer].insert(parse(prefix));
                }
            }
            Step::Withdraw { peer, prefix } => {
                let (id, session, up, _) = &self.peers[peer];
                let octets = Teller::new(session).withdraws(&[(PREFIXES[prefix], 0)]);
                tell(&mut self.rib, *id, session, &octets).unwrap();
                if *up {
                    self.fresh[peer].remove(&parse(PREFIXES[prefix]));
                }
            }
            Step::Down { peer, restart, long_lived } => {
                let seconds = |count: u8| Duration::from_secs(u64::from(count) * 100);
                let keep = Keep::Stale { restart_time: seconds(restart), long_lived: seconds(long_lived) };
                self.rib.down(self.now, self.peers[peer].0, PerFamily::from_fn(|_| keep));
                self.peers[peer].2 = false;
                self.fresh[peer].clear();
            }
            Step::Up { peer, keeps } => {
                let (id, session, up, _) = &mut self.peers[peer];
                if !*up {
                    session.keeps_stale = PerFamily::from_fn(|_| keeps);
                    self.rib.established(self.now, *id, session.clone());
                    *up = true;
                }
            }
            Step::End { peer, second } => {
                let (id, session, up, _) = &self.peers[peer];
                let mut octets = BytesMut::new();
                encode_end_of_rib(family(second), &mut octets);
                tell(&mut self.rib, *id, session, &octets).unwrap();
                if *up {
                    assert_eq!(*self.rib.summary(*id).stale.get(family(second)), 0);
                }
            }
            Step::RefreshBegins { peer, second } => {
                if self.peers[peer].2 {
                    self.rib.refresh_begins(self.now, self.peers[peer].0, family(second));
                    // All of them are to come again; what does not, may go at any time.
                    self.fresh[peer].retain(|prefix| Family::of(prefix) != family(second));
                }
            }
            Step::RefreshEnds { peer, second } => {
                if self.peers[peer].2 {
                    self.rib.refresh_ends(self.peers[peer].0, family(second));
                    assert_eq!(*self.rib.summary(self.peers[peer].0).stale.get(family(second)), 0);
                }
            }
            Step::Import { peer, open } => {
                let import = if open { Import::Everything } else { Import::Nothing };
                let (id, _, up, was) = &mut self.peers[peer];
                let asks = self.rib.set_policy(*id, Policy { import, ..Policy::default() });
                assert_eq!(asks, *up && *was == Import::Nothing && open);
                if *was != import {
                    self.fresh[peer].clear();
                }
                *was = import;
            }
            Step::Pass(seconds) => {
                self.now += Duration::from_secs(seconds.into());
                while let Some(due) = self.rib.next_deadline().filter(|due| *due <= self.now) {
                    self.rib.handle_deadline(due);
                    assert!(self.rib.next_deadline().is_none_or(|next| next > due), "time does not pass");
                }
            }
        }
    }

    fn check(&mut self) {
        for output in outputs(&mut self.rib) {
            if let Output::Best(prefix) = output {
                self.followed.insert(prefix, self.rib.best(&prefix).cloned());
            }
        }
        let known = self.peers.iter().map(|(id, ..)| self.rib.received(*id)).collect::<Vec<_>>();
        let mut any_stale = false;
        for (number, (id, _, up, import)) in self.peers.iter().enumerate() {
            let learned = &known[number];
            let summary = self.rib.summary(*id);
            let count = |family, which: &dyn Fn(&Learned) -> bool| {
                learned.iter().filter(|one| Family::of(&one.prefix) == family && which(one)).count()
            };
            if *import == Import::Everything {
                assert_eq!(
                    summary.received,
                    PerFamily::from_fn(|family| Count { number: count(family, &|_| true), more: false })
                );
            } else {
                assert_eq!(learned.len(), 0);
            }
            assert_eq!(summary.accepted, PerFamily::from_fn(|family| count(family, &|one| one.rejected.is_none())));
            assert_eq!(summary.stale, PerFamily::from_fn(|family| count(family, &|one| one.stale)));
            any_stale |= learned.iter().any(|one| one.stale);
            // What it told in this session and did not take back is there, and fresh.
            if *import == Import::Everything {
                let fresh = learned.iter().filter(|one| !one.stale).map(|one| one.prefix).collect::<BTreeSet<_>>();
                assert_eq!(&fresh, &self.fresh[number], "peer {number}");
                assert!(*up || fresh.is_empty());
            }
        }
        assert!(!any_stale || self.rib.next_deadline().is_some(), "what is stale has an end");
        for prefix in PREFIXES.map(parse::<IpNet>) {
            let mut candidates = Vec::new();
            for (learned, (peer, session, ..)) in known.iter().zip(&self.peers) {
                let paths = learned.iter().filter(|one| one.prefix == prefix && one.rejected.is_none());
                candidates.extend(paths.map(|one| Candidate {
                    peer: *peer,
                    path_id: one.path_id,
                    attributes: &one.attributes,
                    session,
                }));
            }
            let expected = best(candidates).map(|best| (best.peer, Arc::clone(best.attributes)));
            let found = self.rib.best(&prefix).map(|best| (best.peer, Arc::clone(&best.attributes)));
            assert_eq!(found, expected, "{prefix}");
            let followed = self.followed.get(&prefix).cloned().flatten();
            assert_eq!(followed.as_ref(), self.rib.best(&prefix), "{prefix}: a change was not told");
            let marked = known.iter().flatten().filter(|one| one.prefix == prefix && one.best).count();
            assert_eq!(marked, usize::from(found.is_some()));
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_best_path_and_the_counts_follow_whatever_peers_do(steps in proptest::collection::vec(step(), 1..80)) {
        let mut lab = Lab::new();
        for step in &steps {
            lab.step(step);
            lab.check();
        }
        lab.step(&Step::Pass(10_000));
        lab.check();
        prop_assert_eq!(lab.rib.next_deadline(), None);
    }
}
