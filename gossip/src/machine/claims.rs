//! The claim table: own claims, and those of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{Gossip, lives};
use crate::claim::Claim;
use crate::identity::NodeName;
use crate::swim::News;
use crate::table::Offer;
use crate::timers::Task;
use crate::wire::{Message, Record, batches};

/// When the winner is told of a lost claim for the second time; each further pause is twice as long.
const CONCEDE_AGAIN: Duration = Duration::from_millis(100);

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
        if !self.hears_nobody(now) {
            let audience = self.claim_audience(now);
            self.tell_claims(&audience, &made);
        }
        for claim in &made {
            self.ride(&News::Claim(claim.clone()));
        }
    }

    fn own_claim(&self, vip: IpAddr, released: bool) -> Claim {
        Claim { vip, epoch: self.table.next_epoch(vip), owner: self.me.name.clone(), boot: self.me.boot, released }
    }

    /// Claims that came directly, on foca's datagrams or with a member's state; `is_news` when they are to be passed on.
    pub(super) fn hear_claims(&mut self, now: Instant, from: SocketAddr, records: Vec<Record>, is_news: bool) {
        let mut corrections: BTreeMap<SocketAddr, Vec<Claim>> = BTreeMap::new();
        for record in records {
            if let Some((loser, by)) = self.hear_claim(now, from, record, is_news) {
                corrections.entry(loser).or_default().push(by);
            }
        }
        for (loser, claims) in corrections {
            self.tell_claims(&[loser], &claims);
        }
    }

    /// A member lost claims to ours: we repeat our announcements, and owe no answer.
    pub(super) fn hear_conceded(&mut self, now: Instant, from: SocketAddr, claims: Vec<Claim>) {
        for claim in claims {
            self.hear_claim(now, from, Record::fresh(claim), true);
        }
    }

    /// Returns who should be told which claim counts instead.
    fn hear_claim(
        &mut self,
        now: Instant,
        from: SocketAddr,
        Record { claim, lapsed_secs }: Record,
        is_news: bool,
    ) -> Option<(SocketAddr, Claim)> {
        let claim = Claim { vip: claim.vip.to_canonical(), ..claim };
        let lapsed = Duration::from_secs(u64::from(lapsed_secs));
        match self.table.offer(now, claim.clone(), lapsed, |claim| lives(&self.members, claim)) {
            Offer::Known => None,
            Offer::Refused => {
                self.counters.claims_refused += 1;
                None
            }
            Offer::Taken(previous) => {
                self.changed();
                if let Some(lost) = previous.filter(|previous| self.is_ours(previous)) {
                    self.concede(now, lost, &claim.owner);
                }
                if is_news {
                    self.ride(&News::Claim(claim));
                }
                None
            }
            Offer::Beaten { by, first_time } => self.defend(from, &claim, by, first_time),
        }
    }

    /// Another claim than the one that counts came in. If its owner lives, it may believe in it.
    fn defend(&mut self, from: SocketAddr, beaten: &Claim, by: Claim, first_time: bool) -> Option<(SocketAddr, Claim)> {
        if beaten.released || !lives(&self.members, beaten) {
            return None;
        }
        let loser = self.members.get(&beaten.owner)?.addr;
        let conflict = first_time && self.is_ours(&by);
        if conflict {
            self.counters.conflicts_won += 1;
            self.table.reasserted(by.vip);
            self.view_changed = true;
            self.ride(&News::Claim(by.clone()));
        }
        (conflict || from == loser).then_some((loser, by))
    }

    /// Our claim lost. The winner has to know that we announced the address too, so that it repeats its announcement.
    fn concede(&mut self, now: Instant, lost: Claim, winner: &NodeName) {
        self.counters.conflicts_lost += 1;
        if self.conceded.is_empty() {
            self.schedule(now, Duration::ZERO, Task::Concede { next: CONCEDE_AGAIN });
        }
        if self.conceded.len() < CONCEDED_MAX {
            self.conceded.push(Conceded { lost, winner: winner.clone(), at: now });
        }
    }

    /// Tells winners about the claims that they beat lately: more than once, for while a partition heals a winner may
    /// not take us for alive yet.
    pub(super) fn tell_winners(&mut self, now: Instant, next: Duration) {
        self.conceded.retain(|conceded| now.saturating_duration_since(conceded.at) <= CONCEDED_FOR);
        let mut told: BTreeMap<SocketAddr, Vec<Claim>> = BTreeMap::new();
        for Conceded { lost, winner, .. } in &self.conceded {
            if let Some(winner) = self.members.get(winner) {
                told.entry(winner.addr).or_default().push(lost.clone());
            }
        }
        for (winner, lost) in told {
            for batch in batches(&lost) {
                self.transmit(winner, &Message::Conceded(batch));
            }
        }
        if !self.conceded.is_empty() {
            self.schedule(now, next, Task::Concede { next: next.saturating_mul(2) });
        }
    }

    /// Sends claims directly, as many with each datagram as fit.
    pub(super) fn tell_claims(&mut self, to: &[SocketAddr], claims: &[Claim]) {
        for batch in batches(claims) {
            self.transmit_to_each(to, &Message::Claims(batch));
        }
    }

    pub(super) fn forget_claims(&mut self, now: Instant) {
        let forgotten = self.table.forget(now);
        if forgotten > 0 {
            self.counters.claims_forgotten = self.counters.claims_forgotten.saturating_add(forgotten as u64);
            self.changed();
        }
    }
}
