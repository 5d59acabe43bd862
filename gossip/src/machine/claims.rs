//! The claim table: own claims, and those of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{FORGET_INTERVAL, Gossip, lives};
use crate::claim::Claim;
use crate::identity::NodeName;
use crate::swim::broadcast_item;
use crate::table::Offer;
use crate::timers::Task;
use crate::wire::{Message, batches};

/// How long a lost claim is worth telling the winner.
const CONCEDED_FOR: Duration = Duration::from_secs(5);

/// How many lost claims are kept for that. Beyond, the winner's periodic announcement has to do.
const CONCEDED_MAX: usize = 4096;

/// A claim of ours that another node's claim replaced.
#[derive(Clone, Debug)]
pub(super) struct Conceded {
    lost: Claim,
    winner: NodeName,
    at: Instant,
}

// === impl Gossip ===

impl Gossip {
    pub(super) fn claim(&mut self, now: Instant, vips: &[IpAddr]) {
        self.assert_claims(now, vips, |gossip, vip| match gossip.table.get(vip) {
            Some(claim) if gossip.is_ours(claim) => None,
            Some(_) | None => Some(gossip.own_claim(vip, false)),
        });
    }

    pub(super) fn release(&mut self, now: Instant, vips: &[IpAddr]) {
        self.assert_claims(now, vips, |gossip, vip| {
            let ours = gossip.table.get(vip).is_some_and(|claim| gossip.is_ours(claim));
            ours.then(|| gossip.own_claim(vip, true))
        });
    }

    /// Makes those claims that `decide` returns ours, and tells everybody at once.
    fn assert_claims(&mut self, now: Instant, vips: &[IpAddr], decide: impl Fn(&Self, IpAddr) -> Option<Claim>) {
        if self.left {
            return;
        }
        let mut made = Vec::new();
        for vip in vips.iter().map(IpAddr::to_canonical) {
            let Some(claim) = decide(self, vip) else { continue };
            match self.table.offer(now, claim.clone(), Duration::ZERO, |claim| lives(&self.members, claim)) {
                Offer::Taken(_) => made.push(claim),
                Offer::Refused => self.counters.claims_refused += 1,
                // Only when the epochs are used up, which an intruder could bring about: the rank decides then.
                Offer::Known | Offer::Beaten { .. } => {}
            }
        }
        if made.is_empty() {
            return;
        }
        self.changed();
        let audience = self.claim_audience(now);
        for batch in batches(&made) {
            self.transmit_to_each(&audience, &Message::Claims(batch));
        }
        for claim in &made {
            self.spread(claim);
        }
    }

    fn own_claim(&self, vip: IpAddr, released: bool) -> Claim {
        Claim { vip, epoch: self.table.next_epoch(vip), owner: self.me.name.clone(), boot: self.me.boot, released }
    }

    /// Claims that came directly or on foca's datagrams.
    pub(super) fn hear_claims(&mut self, now: Instant, from: SocketAddr, claims: Vec<Claim>) {
        for claim in claims {
            self.hear_claim(now, from, claim, Duration::ZERO, true);
        }
    }

    /// A claim that came from `from`; `is_news` when it is to be passed on.
    pub(super) fn hear_claim(&mut self, now: Instant, from: SocketAddr, claim: Claim, lapsed: Duration, is_news: bool) {
        let claim = Claim { vip: claim.vip.to_canonical(), ..claim };
        match self.table.offer(now, claim.clone(), lapsed, |claim| lives(&self.members, claim)) {
            Offer::Known => {}
            Offer::Refused => self.counters.claims_refused += 1,
            Offer::Taken(previous) => {
                self.changed();
                if let Some(lost) = previous.filter(|previous| self.is_ours(previous)) {
                    self.counters.conflicts_lost += 1;
                    self.concede(now, lost, &claim.owner);
                }
                if is_news {
                    self.spread(&claim);
                }
            }
            Offer::Beaten { by, first_time } => self.defend(from, &claim, by, first_time),
        }
    }

    /// Another claim than the one that counts came in. If its owner lives, it may believe in it.
    fn defend(&mut self, from: SocketAddr, beaten: &Claim, by: Claim, first_time: bool) {
        if beaten.released || !lives(&self.members, beaten) {
            return;
        }
        let Some(loser) = self.members.get(&beaten.owner).map(|loser| loser.addr) else { return };
        let conflict = first_time && self.is_ours(&by);
        if conflict {
            self.counters.conflicts_won += 1;
            self.table.reasserted(by.vip);
            self.view_changed = true;
            self.spread(&by);
        }
        if conflict || from == loser {
            self.transmit(loser, &Message::Claims(vec![by]));
        }
    }

    /// Our claim lost. The winner has to know that we announced the address too, so that it repeats its announcement.
    fn concede(&mut self, now: Instant, lost: Claim, winner: &NodeName) {
        if self.conceded.len() >= CONCEDED_MAX {
            self.conceded.pop_front();
        }
        self.conceded.push_back(Conceded { lost, winner: winner.clone(), at: now });
        self.tell_winners(now, |name| name == winner);
    }

    /// Tells winners about the claims that they beat lately. While a partition heals, a winner may not take us for alive
    /// yet; so they are told again when they, or we, appear under a new identity.
    pub(super) fn tell_winners(&mut self, now: Instant, which: impl Fn(&NodeName) -> bool) {
        self.conceded.retain(|conceded| now.saturating_duration_since(conceded.at) <= CONCEDED_FOR);
        let mut told: BTreeMap<SocketAddr, Vec<Claim>> = BTreeMap::new();
        for Conceded { lost, winner, .. } in self.conceded.iter().filter(|conceded| which(&conceded.winner)) {
            if let Some(winner) = self.members.get(winner) {
                told.entry(winner.addr).or_default().push(lost.clone());
            }
        }
        for (winner, lost) in told {
            for batch in batches(&lost) {
                self.transmit(winner, &Message::Claims(batch));
            }
        }
    }

    pub(super) fn forget_claims(&mut self, now: Instant) {
        self.schedule(now, FORGET_INTERVAL, Task::Forget);
        let forgotten = self.table.forget(now);
        if forgotten > 0 {
            self.counters.claims_forgotten = self.counters.claims_forgotten.saturating_add(forgotten as u64);
            self.changed();
        }
    }

    /// Lets a claim ride on foca's datagrams until everybody has heard it.
    fn spread(&mut self, claim: &Claim) {
        if self.left {
            return;
        }
        let result = broadcast_item(claim).map_or(Ok(true), |item| self.swim.add_broadcast(&item));
        self.count_refusal(&result.map(|_added| ()));
    }
}
