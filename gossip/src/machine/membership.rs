//! SWIM and what we add to it: guard, nudge, push, greeting and seeds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foca::{Codec, Header, Identity as _, Member, PostcardCodec, State, Timer};

use super::{Gossip, lives, readiness};
use crate::identity::{Identity, NodeName, canonical};
use crate::swim::{Event, News, Relayed};
use crate::timers::Task;
use crate::wire::{Message, Record, Suspicion};

/// Members remembered as down; far more than a cluster has nodes.
const DOWNED_MAX: usize = 65_536;

/// Members that are known, dead or alive; more than a cluster has. Beyond, nobody new is let in.
pub(super) const KNOWN_MAX: usize = 8_192;

/// How often a suspect is reminded while the suspicion stands.
pub(super) const REMINDERS: u8 = 6;

/// Seeds that are invited at once when they become known.
const FIRST_INVITATIONS: usize = 3;

/// Seeds that are invited in each round by a node that knows nobody.
const INVITATIONS_ALONE: usize = 16;

/// Who went down this recently still gets claims directly: a leaving node waits for its successors, and one that was
/// declared down by mistake should learn of them.
const DEPARTED_FOR: Duration = Duration::from_secs(2);

/// How many of those are remembered.
const DEPARTED_MAX: usize = 256;

impl Gossip {
    /// A datagram of foca.
    pub(super) fn hear_swim(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Ok::<Header<Identity>, _>(header) = PostcardCodec.decode_header(bytes) else {
            self.counters.unreadable += 1;
            return;
        };
        // foca would answer "you are down", and the sender would renew its identity step by step for as long as its
        // clock was set back. Tell it once how far it has to go.
        let known = self.swim.iter_membership_state().find(|member| member.id().addr == header.src.addr);
        if let Some(known) = known.map(Member::id).filter(|known| known.win_addr_conflict(&header.src)) {
            let outdated = Message::Outdated(known.clone());
            self.transmit(from, &outdated);
            return;
        }
        let boot = self.me.boot;
        let bytes = if self.knows_too_many() { self.without_strangers(&header, bytes) } else { bytes };
        let result = self.swim.handle_data(bytes, &mut self.effects);
        self.count_refusal(&result);
        self.settle(now);
        if self.me.boot != boot && !self.is_member_address(from) {
            // The one who told us that we are down is first to hear of our new life.
            self.invite(now, from);
        }
        let mut claims = Vec::new();
        for news in self.relayed.try_iter().collect::<Vec<_>>() {
            match news {
                Relayed::News(News::Claim(claim)) => claims.push(Record::fresh(claim)),
                Relayed::News(News::Notice(notice)) => self.hear_notice(notice),
                Relayed::Reader(member) if member.addr == from => self.acquainted.with(&header.dst, member),
                Relayed::Reader(_) => {}
            }
        }
        self.hear_claims(now, from, claims, true);
    }

    /// News about members that were sent directly.
    pub(super) fn hear_records(&mut self, now: Instant, from: SocketAddr, records: Vec<Member<Identity>>) {
        let leaves = |record: &&Member<Identity>| record.state() == State::Down && record.id().addr == from;
        let leaving: Vec<NodeName> = records.iter().filter(leaves).map(|record| record.id().name.clone()).collect();
        let records = self.worth_applying(records);
        let result = self.swim.apply_many(records.into_iter(), true, &mut self.effects);
        self.count_refusal(&result);
        self.settle(now);
        for node in leaving {
            self.uncount_death(now, &node);
        }
    }

    fn knows_too_many(&self) -> bool {
        self.swim.iter_membership_state().len() >= KNOWN_MAX
    }

    fn knows(&self, addr: SocketAddr) -> bool {
        self.swim.iter_membership_state().any(|known| known.id().addr == addr)
    }

    /// What of a datagram of foca brings nobody new: its header, if the sender is known.
    fn without_strangers<'a>(&self, header: &Header<Identity>, bytes: &'a [u8]) -> &'a [u8] {
        if !self.knows(header.src.addr) {
            return &[];
        }
        let mut rest = bytes;
        let header_only = PostcardCodec.decode_header(&mut rest).map(|_: Header<Identity>| rest.len());
        bytes.get(..bytes.len().saturating_sub(header_only.unwrap_or(0))).unwrap_or_default()
    }

    /// Drops the news that somebody unknown is down: it has no use, and would never die out between nodes that forget
    /// at different times.
    pub(super) fn worth_applying(&self, mut records: Vec<Member<Identity>>) -> Vec<Member<Identity>> {
        records.retain(|record| {
            let addr = record.id().addr;
            let welcome = record.state() != State::Down && !self.knows_too_many();
            welcome || addr == self.me.addr || self.knows(addr)
        });
        records
    }

    /// A timer of foca fired.
    pub(super) fn swim_timer(&mut self, now: Instant, timer: Timer<Identity>) {
        let own_verdict = if let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = &timer {
            let accused = now.checked_sub(self.profile.suspect).unwrap_or(now);
            // foca tells the member that it is down even when it refuted the suspicion in time.
            if !self.is_suspect(member_id, *incarnation) || self.doubts.heard_since(member_id.addr, accused) {
                self.counters.stale_suspicions += 1;
                return;
            }
            Some(member_id.clone())
        } else {
            None
        };
        let result = self.swim.handle_timer(timer, &mut self.effects);
        self.count_refusal(&result);
        if let Some(suspect) = own_verdict
            && self.effects.events.contains(&Event::Down(suspect.clone()))
            && !self.hears_nobody(now)
        {
            let verdict = Message::Records(vec![Member::down(suspect)]);
            self.transmit_to_each(&self.other_addresses(), &verdict);
        }
        self.settle(now);
    }

    /// Carries out what foca wants done.
    pub(super) fn settle(&mut self, now: Instant) {
        while !self.effects.is_empty() {
            let effects = std::mem::take(&mut self.effects);
            let rejoined = effects.events.contains(&Event::Rejoined);
            self.counters.rejoins += u64::from(rejoined);
            if (rejoined || effects.events.iter().any(|event| self.survived(event))) && self.company.cut_off(now) {
                // The larger part is there again, and its owners are. A renewed identity would still have the boot under
                // which our claims are valid: nobody may see it.
                self.fresh_start(now, self.me.boot);
                continue;
            }
            for (to, bytes) in effects.sends {
                if let Some(bytes) = self.worth_saying(now, bytes) {
                    self.transmit_swim(&to, bytes);
                }
            }
            for (after, timer) in effects.timers {
                self.schedule(now, after, Task::Swim(timer));
            }
            if !effects.events.is_empty() {
                self.review_members(now);
            }
            for event in effects.events {
                self.react(now, event);
            }
        }
        self.review_readiness(now);
    }

    fn react(&mut self, now: Instant, event: Event) {
        match event {
            Event::Up(member) => {
                self.departed.retain(|(addr, _)| *addr != member.addr);
                self.reassert_against(&member);
                self.greet(&member);
            }
            Event::Down(member) => {
                self.counters.members_down += 1;
                self.count_death(now, &member.name);
                if self.departed.len() >= DEPARTED_MAX {
                    self.departed.pop_front();
                }
                self.departed.push_back((member.addr, now));
                if self.downed.len() < DOWNED_MAX {
                    self.downed.insert(member.addr, member.boot);
                }
            }
            Event::Renamed { old, new } => {
                if old.boot != new.boot && self.members.values().any(|member| *member == new) {
                    self.counters.members_restarted += 1;
                }
                self.reassert_against(&new);
                self.greet(&new);
            }
            Event::Active => {
                self.readiness.in_company(now);
                self.schedule(now, readiness::SEEDS, Task::Ready);
                self.seek_state(now);
            }
            Event::Idle => {
                self.readiness.alone(now);
                self.schedule(now, readiness::ALONE, Task::Ready);
            }
            Event::Rejoined => self.rejoined(now),
            Event::ProbeFailed(suspect) => {
                self.counters.probes_failed += 1;
                self.doubts.accuse(suspect.addr);
                self.nudge(now, suspect, REMINDERS);
            }
        }
    }

    /// A member that was declared down goes on in the same life: not it was dead, but one of us cut off from the other.
    fn survived(&self, event: &Event) -> bool {
        let member = match event {
            Event::Up(member) | Event::Renamed { new: member, .. } => member,
            Event::Down(_) | Event::Active | Event::Idle | Event::Rejoined | Event::ProbeFailed(_) => return false,
        };
        self.downed.get(&member.addr) == Some(&member.boot)
    }

    /// A member that was down is back. If it was only cut off, it announced our addresses until a moment ago and the
    /// neighbourhood may believe it: everything that is ours is to be announced again.
    fn reassert_against(&mut self, member: &Identity) {
        if self.downed.remove(&member.addr).is_none() || self.left {
            return;
        }
        let ours: Vec<_> = self.table.claims().filter(|claim| self.is_ours(claim)).map(|claim| claim.vip).collect();
        self.view_changed |= !ours.is_empty();
        for vip in ours {
            self.table.reasserted(vip);
        }
    }

    /// Tells a suspect about the suspicion, and again until it is refuted or judged.
    pub(super) fn nudge(&mut self, now: Instant, suspect: Identity, left: u8) {
        let accused = self.swim.iter_members().find(|member| *member.id() == suspect).cloned();
        let Some(accused) = accused.filter(|member| member.state() == State::Suspect) else { return };
        let suspicion = Message::Suspicion(Suspicion { accuser: self.me.clone(), accused });
        self.transmit(suspect.addr, &suspicion);
        self.check_through_others(suspect.addr, 1);
        if let Some(left) = left.checked_sub(1) {
            let pause = self.profile.suspect / (u32::from(REMINDERS) + 1);
            self.schedule(now, pause.max(Duration::from_millis(5)), Task::Nudge { suspect, left });
        }
    }

    /// Somebody suspects us: a higher incarnation refutes that, and the accuser hears it first.
    pub(super) fn refute(&mut self, now: Instant, suspicion: Suspicion) {
        let Suspicion { accuser, accused } = suspicion;
        if *accused.id() != self.me || accused.state() != State::Suspect || accuser.addr == self.me.addr {
            return;
        }
        self.counters.suspicions_refuted += 1;
        let result = self.swim.apply_many(std::iter::once(accused), true, &mut self.effects);
        self.count_refusal(&result);
        let result = self.swim.announce(accuser, &mut self.effects);
        self.count_refusal(&result);
        self.settle(now);
    }

    /// A member is new to us, or in a new life: tell it that we are here and what we own. One that restarted thus
    /// reaches everybody at once, before gossip does.
    fn greet(&mut self, member: &Identity) {
        if self.members.values().any(|known| known == member) {
            self.present_ourselves(&[member.addr]);
        }
    }

    /// Tells the given members that we are alive, our claims and our facts.
    pub(super) fn present_ourselves(&mut self, to: &[SocketAddr]) {
        let alive = Message::Records(vec![Member::alive(self.me.clone())]);
        self.transmit_to_each(to, &alive);
        let ours: Vec<_> = self.table.claims().filter(|claim| self.is_ours(claim)).cloned().collect();
        self.tell_claims(to, &ours);
        self.tell_own_facts(to);
    }

    pub(super) fn set_seeds(&mut self, now: Instant, seeds: Vec<SocketAddr>) {
        let seeds = seeds.into_iter().map(canonical).filter(|seed| *seed != self.me.addr).collect();
        let before = std::mem::replace(&mut self.seeds, seeds);
        self.company.review(now, &self.seeds, self.members.values());
        let mut strangers = self.strangers();
        strangers.retain(|stranger| !before.contains(stranger));
        self.invite_some_of(now, strangers, FIRST_INVITATIONS);
    }

    /// Invites a seed that is not a member: foca itself never tries again once it is alone. A node that knows nobody
    /// invites more of them, or the one that lives among many that do not could be missed until this node takes itself
    /// for the only one.
    pub(super) fn invite_some_seed(&mut self, now: Instant) {
        self.schedule(now, self.profile.seed_interval, Task::Seed);
        let strangers = self.strangers();
        let count = if self.other_addresses().is_empty() { INVITATIONS_ALONE } else { 1 };
        self.invite_some_of(now, strangers, count);
    }

    /// Invites up to `count` of the addresses, chosen at random.
    fn invite_some_of(&mut self, now: Instant, mut strangers: Vec<SocketAddr>, count: usize) {
        for _ in 0..count {
            if let Some(seed) = self.any_of(&strangers) {
                strangers.retain(|stranger| *stranger != seed);
                self.invite(now, seed);
            }
        }
    }

    pub(super) fn invite(&mut self, now: Instant, addr: SocketAddr) {
        if self.left || addr == self.me.addr {
            return;
        }
        let result = self.swim.announce(Identity::anyone_at(addr), &mut self.effects);
        self.count_refusal(&result);
        self.settle(now);
    }

    /// Takes over from foca who is alive.
    pub(super) fn review_members(&mut self, now: Instant) {
        self.me = self.swim.identity().clone();
        self.members.clear();
        for member in self.swim.iter_members().map(Member::id) {
            // A node that moved to another address is in two places until the old one is found dead.
            let known = self.members.entry(member.name.clone()).or_insert_with(|| member.clone());
            if (member.boot, member.rejoins) > (known.boot, known.rejoins) {
                *known = member.clone();
            }
        }
        if self.left {
            self.members.remove(&self.me.name);
        } else {
            self.members.insert(self.me.name.clone(), self.me.clone());
        }
        self.close_ring(now);
        self.doubts.retain(|addr| self.members.values().any(|member| member.addr == addr));
        self.company.review(now, &self.seeds, self.members.values());
        self.table.review(now, |claim| lives(&self.members, claim));
        self.changed();
    }

    pub(super) fn review_readiness(&mut self, now: Instant) {
        if self.readiness.is_ready() {
            return;
        }
        let mut readiness = self.readiness;
        if readiness.review(now, || self.swim.num_members() >= self.seeds.len() && self.strangers().is_empty()) {
            self.view_changed = true;
        }
        self.readiness = readiness;
    }

    /// The seeds that are not members.
    fn strangers(&self) -> Vec<SocketAddr> {
        let members: BTreeSet<SocketAddr> = self.other_addresses().into_iter().collect();
        self.seeds.difference(&members).copied().collect()
    }

    /// Who gets claims directly: the other members, and those who went down just now.
    pub(super) fn claim_audience(&mut self, now: Instant) -> Vec<SocketAddr> {
        self.forget_departed(now);
        let mut audience = self.other_addresses();
        audience.extend(self.departed.iter().map(|(addr, _)| *addr));
        audience.sort_unstable();
        audience.dedup();
        audience
    }

    pub(super) fn forget_departed(&mut self, now: Instant) {
        self.departed.retain(|(_, since)| now.saturating_duration_since(*since) <= DEPARTED_FOR);
    }

    pub(super) fn departed_lately(&self, addr: SocketAddr) -> bool {
        self.departed.iter().any(|(departed, _)| *departed == addr)
    }

    /// The member is suspected of being dead, and has not refuted that.
    pub(super) fn is_suspect(&self, suspect: &Identity, incarnation: u16) -> bool {
        let stands = |member: &Member<Identity>| {
            member.id() == suspect && member.incarnation() == incarnation && member.state() == State::Suspect
        };
        self.swim.iter_members().any(stands)
    }

    /// The addresses of the other members.
    pub(super) fn other_addresses(&self) -> Vec<SocketAddr> {
        self.swim.iter_members().map(|member| member.id().addr).collect()
    }

    pub(super) fn is_member_address(&self, addr: SocketAddr) -> bool {
        self.swim.iter_members().any(|member| member.id().addr == addr)
    }

    /// foca refuses broken and misdirected datagrams with an error; that changes nothing and is counted.
    pub(super) fn count_refusal(&mut self, result: &Result<(), foca::Error>) {
        if result.is_err() {
            self.counters.unreadable += 1;
        }
    }
}
