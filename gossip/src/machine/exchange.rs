//! Repair: digests that tell whether two nodes know the same, and transfers of the whole state page by page.
//!
//! The one who asks keeps the place, and asks for one page after the other; the one who answers keeps nothing. A page
//! that does not come is asked for again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foca::{Member, State};

use super::{Gossip, lives};
use crate::identity::Identity;
use crate::seal::crypto;
use crate::seal::envelope::MAX_BODY;
use crate::timers::Task;
use crate::wire::{Batch, Cursor, Digest, Message, Page};

/// Transfers that run at the same time, each from another member.
const MAX_PULLS: usize = 3;

/// How often a page is asked for before the transfer is given up.
const MAX_TRIES: u8 = 8;

/// What a page holds beside members and claims, in bytes: two cursors with an IPv6 address and a port each.
const PAGE_OVERHEAD: usize = 48;

/// The transfers that run.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    open: BTreeMap<SocketAddr, Pull>,
    asked: u64,
}

#[derive(Debug)]
struct Pull {
    after: Cursor,
    tries: u8,
    serial: u64,
}

// === impl Pulls ===

impl Pulls {
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

// === impl Gossip ===

impl Gossip {
    /// Compares digests with one random member.
    pub(super) fn sync(&mut self, now: Instant) {
        self.schedule(now, self.profile.sync_interval, Task::Sync);
        if let Some(peer) = self.any_of(&self.other_addresses()) {
            let facts = Some(self.facts_digest());
            let digest = Message::Digest(Digest { value: self.digest(), answer: true, facts });
            self.transmit(peer, &digest);
        }
    }

    pub(super) fn hear_digest(&mut self, now: Instant, from: SocketAddr, theirs: &Digest) {
        if theirs.answer && theirs.facts.is_some_and(|facts| facts != self.facts_digest()) {
            self.send_inventory(from);
        }
        let ours = self.digest();
        if theirs.value == ours {
            return;
        }
        if theirs.answer {
            self.transmit(from, &Message::Digest(Digest { value: ours, answer: false, facts: None }));
        }
        self.pull(now, from);
    }

    /// We know somebody: if we need to hear what is going on, ask.
    pub(super) fn seek_state(&mut self, now: Instant) {
        if self.readiness.needs_state()
            && self.pulls.open.is_empty()
            && let Some(peer) = self.any_of(&self.other_addresses())
        {
            self.pull(now, peer);
        }
    }

    /// Begins a transfer, unless one runs.
    pub(super) fn pull(&mut self, now: Instant, peer: SocketAddr) {
        if peer == self.me.addr || self.pulls.open.len() >= MAX_PULLS || self.pulls.open.contains_key(&peer) {
            return;
        }
        self.pulls.open.insert(peer, Pull { after: Cursor::Start, tries: 0, serial: 0 });
        self.pull_now(now, peer);
    }

    /// Asks for the next page of a transfer that runs.
    pub(super) fn pull_now(&mut self, now: Instant, peer: SocketAddr) {
        let Some(pull) = self.pulls.open.get_mut(&peer) else { return };
        self.pulls.asked = self.pulls.asked.wrapping_add(1);
        pull.serial = self.pulls.asked;
        let (after, serial) = (pull.after, pull.serial);
        self.transmit(peer, &Message::Pull(after));
        self.schedule(now, self.page_patience(), Task::PullAgain { peer, serial });
    }

    /// A page did not come.
    pub(super) fn pull_again(&mut self, now: Instant, peer: SocketAddr, serial: u64) {
        let Some(pull) = self.pulls.open.get_mut(&peer).filter(|pull| pull.serial == serial) else { return };
        pull.tries = pull.tries.saturating_add(1);
        if pull.tries < MAX_TRIES {
            self.pull_now(now, peer);
            return;
        }
        self.pulls.open.remove(&peer);
        self.counters.states_abandoned += 1;
        self.seek_state(now);
    }

    pub(super) fn answer_pull(&mut self, now: Instant, from: SocketAddr, after: Cursor) {
        self.forget_departed(now);
        let page = self.page(now, after);
        self.transmit(from, &Message::Page(page));
    }

    pub(super) fn hear_page(&mut self, now: Instant, from: SocketAddr, page: Page) {
        let Some(pull) = self.pulls.open.get_mut(&from).filter(|pull| pull.after == page.after) else { return };
        // A node that is just joining learns what everybody knows already.
        let is_news = self.readiness.is_ready();
        pull.tries = 0;
        if let Some(next) = page.next {
            pull.after = next;
        } else {
            self.pulls.open.remove(&from);
            self.counters.states_received += 1;
            self.readiness.heard_state();
        }
        if !self.left {
            let records = self.worth_applying(page.members);
            let result = self.swim.apply_many(records.into_iter(), is_news, &mut self.effects);
            self.count_refusal(&result);
            self.settle(now);
        }
        self.hear_claims(now, from, page.claims, is_news);
        if page.next.is_some() {
            self.pull_now(now, from);
        }
        self.review_readiness(now);
    }

    /// As much of the state behind `after` as one datagram holds.
    fn page(&self, now: Instant, after: Cursor) -> Page {
        let mut members = Batch::new(MAX_BODY.saturating_sub(PAGE_OVERHEAD));
        let mut next = None;
        let mut last = after;
        for member in self.members_behind(after) {
            let cursor = Cursor::Member(member.id().addr);
            if !members.push(member) {
                next = Some(last);
                break;
            }
            last = cursor;
        }
        let mut claims = Batch::new(members.room());
        if next.is_none() {
            let vip = if let Cursor::Claim(vip) = after { Some(vip) } else { None };
            for record in self.table.records(now, vip) {
                let cursor = Cursor::Claim(record.claim.vip);
                if !claims.push(record) {
                    next = Some(last);
                    break;
                }
                last = cursor;
            }
        }
        Page { after, next, members: members.items, claims: claims.items }
    }

    /// The members behind `after` by address, this node included. Of those who are down only the latest, which
    /// somebody may have missed: an older verdict may stem from a partition, and would spread to those who know better.
    fn members_behind(&self, after: Cursor) -> Vec<Member<Identity>> {
        let behind = |addr: SocketAddr| match after {
            Cursor::Start => true,
            Cursor::Member(last) => addr > last,
            Cursor::Claim(_) => false,
        };
        let mut members: Vec<Member<Identity>> = self
            .swim
            .iter_membership_state()
            .filter(|member| member.id().addr != self.me.addr)
            .filter(|member| member.state() != State::Down || self.departed_lately(member.id().addr))
            .cloned()
            .chain([Member::new(self.me.clone(), 0, State::Alive)])
            .filter(|member| behind(member.id().addr))
            .collect();
        members.sort_unstable_by_key(|member| member.id().addr);
        members
    }

    /// The first 16 bytes of SHA-256 over who is alive and what they own, in order.
    fn digest(&mut self) -> [u8; 16] {
        if let Some(digest) = self.digest {
            return digest;
        }
        let mut alive: Vec<&Identity> = self.swim.iter_members().map(Member::id).chain([&self.me]).collect();
        alive.sort_unstable();
        let owned: Vec<_> =
            self.table.claims().filter(|claim| !claim.released && lives(&self.members, claim)).collect();
        let bytes = postcard::to_allocvec(&(alive, owned)).unwrap_or_default();
        let full = crypto::sha256(&[&bytes]);
        let mut digest = [0; 16];
        for (to, byte) in digest.iter_mut().zip(full) {
            *to = byte;
        }
        *self.digest.insert(digest)
    }

    /// How long a page may take: a round trip, and the challenge that a restarted node needs first.
    fn page_patience(&self) -> Duration {
        self.profile.probe_rtt.max(Duration::from_millis(10))
    }
}
