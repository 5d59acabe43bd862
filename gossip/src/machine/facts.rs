//! What the members tell about themselves: own facts, those of others, and repair of what was lost.
//!
//! News go to all members directly and ride on foca's datagrams; who greets a member tells it his facts. What was missed
//! all the same shows in the digests: then the two exchange inventories, and each sends what the other lacks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Gossip;
use crate::facts::Facts;
use crate::identity::{Identity, NodeName};
use crate::notice::{Notice, Posted};
use crate::seal::crypto;
use crate::swim::News;
use crate::wire::{Inventory, Message, batches};

/// Marks in one inventory: with the rest of it they fit a datagram.
const MARKS: usize = 140;

/// Datagrams in answer to one inventory. What does not fit follows with the next digest.
const ANSWERS: usize = 32;

/// What this node tells.
#[derive(Debug, Default)]
pub(super) struct Own {
    facts: Option<Facts>,
    number: u64,
}

// === impl Gossip ===

impl Gossip {
    /// This node tells other facts than before.
    pub(super) fn tell(&mut self, now: Instant, facts: Facts) {
        let facts = facts.bounded();
        if self.left || self.own.facts.as_ref() == Some(&facts) {
            return;
        }
        self.own.facts = Some(facts);
        let others = self.other_addresses();
        self.publish_own_facts();
        self.tell_own_facts(&others);
        for notice in self.board.notices(&self.me.name, self.me.boot) {
            self.ride(&News::Notice(notice));
        }
        self.settle(now);
    }

    /// Puts up our own facts under the present life.
    pub(super) fn publish_own_facts(&mut self) {
        let Some(facts) = &self.own.facts else { return };
        self.own.number = self.own.number.saturating_add(1);
        for notice in Notice::of(&self.me.name, self.me.boot, self.own.number, &facts.encode()) {
            self.board.post(notice, |name, boot| *name == self.me.name && boot == self.me.boot);
        }
        self.facts_changed();
    }

    /// Tells the given members our facts.
    pub(super) fn tell_own_facts(&mut self, to: &[SocketAddr]) {
        for notice in self.board.notices(&self.me.name, self.me.boot) {
            self.transmit_to_each(to, &Message::Notices(vec![notice]));
        }
    }

    pub(super) fn hear_notices(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            self.hear_notice(notice);
        }
    }

    pub(super) fn hear_notice(&mut self, notice: Notice) {
        if notice.node == self.me.name {
            return;
        }
        match self.board.post(notice.clone(), |name, boot| lives(&self.members, name, boot)) {
            Posted::Known => return,
            Posted::Part => {}
            Posted::Complete => self.facts_changed(),
            Posted::Refused => {
                self.counters.facts_refused += 1;
                return;
            }
        }
        self.ride(&News::Notice(notice));
    }

    /// The facts of the living members.
    pub(super) fn facts(&self) -> BTreeMap<NodeName, Arc<Facts>> {
        let told = |member: &Identity| {
            let facts = self.board.facts(&member.name, member.boot)?;
            Some((member.name.clone(), Arc::clone(facts)))
        };
        self.members.values().filter_map(told).collect()
    }

    /// Stands for all facts that this node knows.
    pub(super) fn facts_digest(&mut self) -> u64 {
        if let Some(digest) = self.facts_digest {
            return digest;
        }
        let bytes: Vec<u8> = self.marks().into_keys().flat_map(u64::to_be_bytes).collect();
        let digest = crypto::sha256(&[&bytes]).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        *self.facts_digest.insert(digest)
    }

    /// Tells a member which facts we know.
    pub(super) fn send_inventory(&mut self, to: SocketAddr) {
        for inventory in inventories(self.marks().keys().copied().collect::<Vec<_>>().as_slice()) {
            self.transmit(to, &Message::Inventory(inventory));
        }
    }

    pub(super) fn hear_inventory(&mut self, from: SocketAddr, theirs: &Inventory) {
        if theirs.from > theirs.to {
            return;
        }
        let ours = self.marks();
        let known: Vec<u64> = theirs.marks.iter().copied().map(u64::from_be_bytes).collect();
        let missing: Vec<Notice> = ours
            .range(theirs.from..=theirs.to)
            .filter(|(mark, _)| !known.contains(mark))
            .flat_map(|(_, member)| self.board.notices(&member.name, member.boot))
            .collect();
        let lacking = known.iter().any(|mark| !ours.contains_key(mark));
        let range: Vec<[u8; 8]> = ours.range(theirs.from..=theirs.to).map(|(mark, _)| mark.to_be_bytes()).collect();
        for batch in batches(&missing).into_iter().take(ANSWERS) {
            self.transmit(from, &Message::Notices(batch));
        }
        if lacking && theirs.answer && range.len() <= MARKS {
            let (from_mark, to_mark) = (theirs.from, theirs.to);
            let ours = Inventory { from: from_mark, to: to_mark, marks: range, answer: false };
            self.transmit(from, &Message::Inventory(ours));
        }
    }

    /// Forgets what nodes told that are gone.
    pub(super) fn forget_facts(&mut self) {
        self.board.retain(|node| self.members.contains_key(node));
        self.facts_digest = None;
    }

    /// The marks of all facts of living members.
    fn marks(&self) -> BTreeMap<u64, &Identity> {
        let marked = |member: &'_ Identity| self.board.mark(&member.name, member.boot);
        self.members.values().filter_map(|member| Some((marked(member)?, member))).collect()
    }

    const fn facts_changed(&mut self) {
        self.facts_digest = None;
        self.view_changed = true;
    }
}

/// The inventories of these marks, which are in order: together they cover all marks there could be.
fn inventories(marks: &[u64]) -> Vec<Inventory> {
    let mut from = 0;
    let mut inventories: Vec<Inventory> = marks
        .chunks(MARKS)
        .map(|chunk| {
            let to = chunk.last().copied().unwrap_or(u64::MAX);
            let marks = chunk.iter().map(|mark| mark.to_be_bytes()).collect();
            let inventory = Inventory { from, to, marks, answer: true };
            from = to.saturating_add(1);
            inventory
        })
        .collect();
    match inventories.last_mut() {
        Some(last) => last.to = u64::MAX,
        None => inventories.push(Inventory { from: 0, to: u64::MAX, marks: Vec::new(), answer: true }),
    }
    inventories
}

/// The node is alive in that life.
fn lives(members: &BTreeMap<NodeName, Identity>, node: &NodeName, boot: u64) -> bool {
    members.get(node).is_some_and(|member| member.boot == boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventories_cover_every_mark_once_and_fit_datagrams() {
        for count in [0_u64, 1, 140, 141, 1000] {
            let marks: Vec<u64> = (0..count).map(|mark| mark << 50).collect();
            let inventories = inventories(&marks);
            assert_eq!(inventories.first().map(|first| first.from), Some(0));
            assert_eq!(inventories.last().map(|last| last.to), Some(u64::MAX));
            for pair in inventories.windows(2) {
                assert_eq!(pair[0].to + 1, pair[1].from);
            }
            let told: Vec<u64> =
                inventories.iter().flat_map(|told| told.marks.iter().copied().map(u64::from_be_bytes)).collect();
            assert_eq!(told, marks);
            for inventory in inventories {
                assert!(Message::Inventory(inventory).encode().is_some());
            }
        }
    }
}
