//! The vigil: each node is watched by one other, so that a death shows in the next moment.
//!
//! SWIM probes random members, and by chance nobody may probe a dead one for half a second. So all members stand in a
//! ring, and each sends a beat to the one before it in every probe period in which it has said nothing else to it. A
//! missing beat is no more than a reason to look: the watcher checks at once, and through others too if there is no answer
//! after a round trip; only if nobody gets one within a period does it suspect the member. Then everything is as with a failed probe of SWIM:
//! the suspect is told, has its time to refute, and anything heard from it ends the matter. SWIM goes on probing beside
//! it and finds what the watcher misses, the watcher's own death above all.
//!
//! Only who has sent a beat or answered a check in its present life is missed: a member of an earlier version does neither.
//! The watcher asks for a first sign of that, for a beat may have come before the news of whom it was from.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use foca::{Member, State};

use super::Gossip;
use crate::identity::Identity;
use crate::timers::Task;
use crate::wire::{Message, Watch};

/// Whom this node watches, and who watches it.
#[derive(Debug)]
pub(super) struct Vigil {
    watched: Option<Watched>,
    watcher: Option<SocketAddr>,
    /// When this node last said something to its watcher.
    told: Instant,
}

#[derive(Debug)]
struct Watched {
    member: Identity,
    /// When something was last heard from it, or of it through others.
    heard: Instant,
    /// It has sent a beat or answered a check in this life.
    beats: bool,
    /// When it was asked for a sign of that.
    asked: Option<Instant>,
    /// Since when it is being checked.
    checked: Option<Instant>,
}

// === impl Vigil ===

impl Vigil {
    /// A vigil of one who is alone.
    pub(super) const fn new(now: Instant) -> Self {
        Self { watched: None, watcher: None, told: now }
    }

    /// Something was sent to a member.
    pub(super) fn told(&mut self, now: Instant, to: SocketAddr) {
        if self.watcher == Some(to) {
            self.told = now;
        }
    }

    /// A member was heard.
    pub(super) fn heard(&mut self, now: Instant, from: SocketAddr) {
        if let Some(watched) = self.watched.as_mut().filter(|watched| watched.member.addr == from) {
            watched.heard = now;
        }
    }

    /// The member was heard since a check began, or the check is of no interest any more.
    fn heard_since(&self, member: &Identity, since: Instant) -> bool {
        let checked = |watched: &&Watched| watched.member == *member && watched.checked == Some(since);
        self.watched.as_ref().filter(checked).is_none_or(|watched| watched.heard > since)
    }

    /// The one we watch has shown that it knows of the vigil.
    fn takes_part(&mut self, from: SocketAddr) {
        if let Some(watched) = self.watched.as_mut().filter(|watched| watched.member.addr == from) {
            watched.beats = true;
        }
    }

    /// The one we watch, if it is time to ask it for a first sign.
    fn ask_for_sign(&mut self, now: Instant, pause: Duration) -> Option<SocketAddr> {
        let due = |watched: &&mut Watched| {
            let lately = |asked| now.saturating_duration_since(asked) < pause;
            !watched.beats && !watched.asked.is_some_and(lately)
        };
        let watched = self.watched.as_mut().filter(due)?;
        watched.asked = Some(now);
        Some(watched.member.addr)
    }

    /// A check is over.
    fn checked(&mut self, member: &Identity, since: Instant) {
        let checked = |watched: &&mut Watched| watched.member == *member && watched.checked == Some(since);
        if let Some(watched) = self.watched.as_mut().filter(checked) {
            watched.checked = None;
        }
    }

    /// This node did not listen for `late`.
    pub(super) fn stalled(&mut self, late: Duration) {
        if let Some(watched) = &mut self.watched {
            watched.heard = watched.heard.checked_add(late).unwrap_or(watched.heard);
            // What was asked in that time was asked of nobody.
            watched.checked = None;
        }
    }

    /// Closes the ring anew after members changed.
    fn close(&mut self, now: Instant, me: SocketAddr, others: &[Identity]) {
        let before = others.iter().filter(|other| place(other.addr) < place(me)).max_by_key(|other| place(other.addr));
        let after = others.iter().filter(|other| place(other.addr) > place(me)).min_by_key(|other| place(other.addr));
        let first = || others.iter().min_by_key(|other| place(other.addr));
        let last = || others.iter().max_by_key(|other| place(other.addr));
        let watcher = before.or_else(last).map(|other| other.addr);
        if self.watcher != watcher {
            self.watcher = watcher;
            // The new one waits for a first beat.
            self.told = now.checked_sub(FOREVER).unwrap_or(now);
        }
        let watched = after.or_else(first);
        if self.watched.as_ref().map(|watched| &watched.member) != watched {
            self.watched = watched.map(|member| Watched {
                member: member.clone(),
                heard: now,
                beats: false,
                asked: None,
                checked: None,
            });
        }
    }
}

/// Periods between two questions to one that has not beaten yet; a member of an earlier version hears them for nothing.
const PERIODS_PER_SIGN: u32 = 5;

/// Longer than any probe period.
const FOREVER: Duration = Duration::from_secs(3_600);

/// Where an address stands in the ring: those that differ in their last bits, which may share a rack or a switch, far
/// from each other.
const fn place(addr: SocketAddr) -> (u128, u16) {
    let bits = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    (bits.reverse_bits(), addr.port())
}

// === impl Gossip ===

impl Gossip {
    /// Sends a beat if it is time, and plans the next.
    pub(super) fn beat(&mut self, now: Instant) {
        let period = self.profile.probe_period;
        if let Some(watcher) = self.vigil.watcher
            && now.saturating_duration_since(self.vigil.told) >= period
        {
            self.transmit(watcher, &Message::Watch(Watch::Beat));
        }
        let said = now.saturating_duration_since(self.vigil.told).min(period);
        let rest = period.saturating_sub(said);
        self.schedule(now, if rest.is_zero() { period } else { rest }, Task::Beat);
    }

    /// Looks whether the watched member was heard lately, and plans the next look.
    pub(super) fn watch(&mut self, now: Instant) {
        let period = self.profile.probe_period;
        let patience = period.saturating_add(self.profile.probe_rtt.min(period));
        if let Some(newcomer) = self.vigil.ask_for_sign(now, period.saturating_mul(PERIODS_PER_SIGN)) {
            self.transmit(newcomer, &Message::Watch(Watch::Check { origin: None }));
        }
        let mut next = period;
        let mut missing = None;
        if let Some(watched) = self.vigil.watched.as_mut().filter(|watched| watched.beats && watched.checked.is_none())
        {
            let silent = now.saturating_duration_since(watched.heard);
            if silent < patience {
                next = patience.saturating_sub(silent);
            } else {
                watched.checked = Some(now);
                missing = Some(watched.member.clone());
            }
        }
        if let Some(member) = missing {
            self.counters.checks += 1;
            self.transmit(member.addr, &Message::Watch(Watch::Check { origin: None }));
            // Most beats that are missed were lost, and one answer settles it.
            self.schedule(now, patience.saturating_sub(period), Task::Help { member: member.clone(), since: now });
            self.schedule(now, period, Task::Judge { member, since: now });
        }
        self.schedule(now, next, Task::Watch);
    }

    /// A check was not answered at once: let others try.
    pub(super) fn help(&mut self, member: &Identity, since: Instant) {
        if !self.vigil.heard_since(member, since) {
            self.check_through_others(member.addr, self.profile.indirect_probes.get());
        }
    }

    /// The time for answers to a check is over.
    pub(super) fn judge(&mut self, now: Instant, suspect: Identity, since: Instant) {
        if self.vigil.heard_since(&suspect, since) {
            self.vigil.checked(&suspect, since);
            return;
        }
        let Some(incarnation) =
            self.swim.iter_members().find(|member| *member.id() == suspect).map(Member::incarnation)
        else {
            return;
        };
        self.counters.checks_failed += 1;
        let suspicion = Member::new(suspect.clone(), incarnation, State::Suspect);
        let result = self.swim.apply_many(std::iter::once(suspicion), !self.hears_nobody(now), &mut self.effects);
        self.count_refusal(&result);
        self.settle(now);
        self.nudge(now, suspect.clone(), super::membership::REMINDERS);
        self.schedule(now, self.profile.suspect, Task::Verdict { suspect, incarnation, since });
    }

    /// The time to refute our suspicion is over.
    pub(super) fn verdict(&mut self, now: Instant, suspect: &Identity, incarnation: u16, since: Instant) {
        let heard = self.vigil.heard_since(suspect, since);
        self.vigil.checked(suspect, since);
        if heard || !self.is_suspect(suspect, incarnation) {
            self.counters.stale_suspicions += 1;
            return;
        }
        let down = Member::new(suspect.clone(), incarnation, State::Down);
        let alone = self.hears_nobody(now);
        let result = self.swim.apply_many(std::iter::once(down.clone()), !alone, &mut self.effects);
        self.count_refusal(&result);
        if !alone {
            // The one it is about hears it too: should it live, it goes on under a renewed identity.
            let audience: Vec<SocketAddr> = self.other_addresses().into_iter().chain([suspect.addr]).collect();
            self.transmit_to_each(&audience, &Message::Records(vec![down]));
        }
        self.settle(now);
    }

    /// Asks others to check a member in our place.
    pub(super) fn check_through_others(&mut self, target: SocketAddr, count: usize) {
        let mut helpers = self.other_addresses();
        helpers.retain(|helper| *helper != target);
        for _ in 0..count {
            let Some(helper) = self.any_of(&helpers) else { return };
            helpers.retain(|other| *other != helper);
            self.transmit(helper, &Message::Watch(Watch::CheckFor { target }));
        }
    }

    /// A member lives: it was heard, itself or through another.
    pub(super) fn signs_of(&mut self, now: Instant, member: SocketAddr) {
        self.vigil.heard(now, member);
        self.doubts.heard(now, member);
    }

    pub(super) fn hear_watch(&mut self, now: Instant, from: SocketAddr, message: &Watch) {
        match *message {
            Watch::Beat => self.vigil.takes_part(from),
            Watch::Check { origin } => self.transmit(from, &Message::Watch(Watch::Alive { who: self.me.addr, origin })),
            Watch::CheckFor { target } => {
                if self.is_member_address(target) {
                    self.transmit(target, &Message::Watch(Watch::Check { origin: Some(from) }));
                }
            }
            Watch::Alive { who, origin: None } => {
                if who == from {
                    self.vigil.takes_part(from);
                }
                self.signs_of(now, who);
            }
            Watch::Alive { origin: Some(origin), .. } => {
                if self.is_member_address(origin) {
                    self.transmit(origin, &Message::Watch(Watch::Alive { who: from, origin: None }));
                }
            }
        }
    }

    /// Members changed: who watches whom changes too.
    pub(super) fn close_ring(&mut self, now: Instant) {
        let others: Vec<Identity> = self.swim.iter_members().map(|member| member.id().clone()).collect();
        let others = if self.left { &[] } else { others.as_slice() };
        self.vigil.close(now, self.me.addr, others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn members(count: u8) -> Vec<Identity> {
        (0..count)
            .map(|last| Identity::new(format!("n{last}"), SocketAddr::from(([10, 0, 0, last], 7946)), 1))
            .collect()
    }

    fn closed(me: &Identity, all: &[Identity]) -> Vigil {
        let others: Vec<Identity> = all.iter().filter(|other| *other != me).cloned().collect();
        let mut vigil = Vigil::new(origin());
        vigil.close(origin(), me.addr, &others);
        vigil
    }

    #[test]
    fn everybody_is_watched_by_exactly_the_one_it_sends_beats_to() {
        for count in 2..20 {
            let all = members(count);
            for me in &all {
                let watcher = closed(me, &all).watcher.unwrap();
                let watching: Vec<SocketAddr> = all
                    .iter()
                    .filter(|other| closed(other, &all).watched.is_some_and(|watched| watched.member == *me))
                    .map(|other| other.addr)
                    .collect();
                assert_eq!(watching, [watcher], "{count} members");
            }
        }
    }

    #[test]
    fn a_newcomer_is_asked_for_a_sign_now_and_then_until_it_gives_one() {
        let all = members(2);
        let mut vigil = closed(&all[0], &all);
        let (now, pause) = (origin(), Duration::from_millis(500));
        assert_eq!(vigil.ask_for_sign(now, pause), Some(all[1].addr));
        assert_eq!(vigil.ask_for_sign(now + pause / 2, pause), None);
        assert_eq!(vigil.ask_for_sign(now + pause, pause), Some(all[1].addr));
        vigil.takes_part(all[0].addr);
        assert_eq!(vigil.ask_for_sign(now + pause * 2, pause), Some(all[1].addr), "that was somebody else");
        vigil.takes_part(all[1].addr);
        assert_eq!(vigil.ask_for_sign(now + pause * 3, pause), None);
    }

    #[test]
    fn who_is_alone_watches_nobody() {
        let all = members(1);
        let vigil = closed(&all[0], &all);
        assert!(vigil.watched.is_none() && vigil.watcher.is_none());
    }

    #[test]
    fn neighbours_by_address_do_not_watch_each_other() {
        let all = members(16);
        for (me, next) in all.iter().zip(&all[1..]) {
            assert!(closed(me, &all).watched.is_some_and(|watched| watched.member != *next));
        }
    }
}
