//! The claim table: for each address the claim that counts here.
//!
//! [`merge`](crate::merge) decides between claims of equal standing. A claim whose owner is alive has better standing
//! than one whose owner is not, whatever their epochs: what a node claimed while it was cut off must not take addresses
//! from the living once it comes back and voids its claims. Nodes that agree on who is alive thus agree on the table.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::claim::{Claim, precedence};
use crate::identity::NodeName;
use crate::view::Held;
use crate::wire::Record;

/// How many addresses can be claimed. More are refused and counted.
pub(crate) const CAPACITY: usize = 32_768;

/// A claim without a living owner is forgotten after this time.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(600);

/// How many beaten claims are remembered for each address, to tell a new conflict from an echo of an old one.
const BEATEN: usize = 4;

/// The claims that count, by address.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: BTreeMap<IpAddr, Entry>,
}

/// What came of a claim that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Nothing new: it is the one that counts already, older news of the same owner, or lapsed too long ago.
    Known,
    /// It counts from now on, in place of the previous one.
    Taken(Option<Claim>),
    /// Another node's claim counts against it.
    Beaten {
        /// The claim that counts.
        by: Claim,
        /// The beaten claim is in earnest, its owner being alive, and was not seen before.
        first_time: bool,
    },
    /// The table is full.
    Refused,
}

#[derive(Debug)]
struct Entry {
    claim: Claim,
    reasserted: u32,
    /// Highest epoch seen for this address, whoever used it.
    highest: u64,
    beaten: VecDeque<(NodeName, u64, u64)>,
    /// Since when the address has had no living owner.
    lapsed: Option<Instant>,
}

// === impl Table ===

impl Table {
    /// Offers a claim that, says the sender, has had no living owner for `lapsed`. `alive` tells whether the owner of a
    /// claim lives in the life in which it claimed.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        claim: Claim,
        lapsed: Duration,
        alive: impl Fn(&Claim) -> bool,
    ) -> Offer {
        let owned = alive(&claim) && !claim.released;
        let lapsed = (!owned).then(|| now.checked_sub(lapsed).unwrap_or(now));
        if lapsed.is_some_and(|since| now.saturating_duration_since(since) >= FORGET_AFTER) {
            return Offer::Known;
        }
        let Some(entry) = self.entries.get_mut(&claim.vip) else {
            if self.entries.len() >= CAPACITY {
                return Offer::Refused;
            }
            self.entries.insert(claim.vip, Entry::new(claim, lapsed));
            return Offer::Taken(None);
        };
        entry.highest = entry.highest.max(claim.epoch);
        if claim == entry.claim {
            return Offer::Known;
        }
        let contends = alive(&claim);
        let standing = contends.cmp(&alive(&entry.claim));
        if standing.then_with(|| precedence(&claim, &entry.claim)).is_gt() {
            entry.lapsed = lapsed;
            let previous = std::mem::replace(&mut entry.claim, claim);
            entry.remember(&previous);
            return Offer::Taken(Some(previous));
        }
        if claim.owner == entry.claim.owner {
            return Offer::Known;
        }
        // What a dead owner claimed is no conflict; it would be one if the owner turned out to be alive.
        let first_time = contends && entry.remember(&claim);
        Offer::Beaten { by: entry.claim.clone(), first_time }
    }

    /// The epoch that a new claim for `vip` needs to count against all claims seen.
    pub(crate) fn next_epoch(&self, vip: IpAddr) -> u64 {
        self.entries.get(&vip).map_or(1, |entry| entry.highest.saturating_add(1))
    }

    /// The claim that counts for `vip`.
    pub(crate) fn get(&self, vip: IpAddr) -> Option<&Claim> {
        self.entries.get(&vip).map(|entry| &entry.claim)
    }

    /// All claims that count.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.entries.values().map(|entry| &entry.claim)
    }

    /// The claims behind `after`, in order, as they are told to others.
    pub(crate) fn records(&self, now: Instant, after: Option<IpAddr>) -> impl Iterator<Item = Record> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).map(move |(_, entry)| {
            let lapsed = entry.lapsed.map_or(0, |since| now.saturating_duration_since(since).as_secs());
            Record { claim: entry.claim.clone(), lapsed_secs: u32::try_from(lapsed).unwrap_or(u32::MAX) }
        })
    }

    /// Counts a conflict that the claim for `vip` won.
    pub(crate) fn reasserted(&mut self, vip: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&vip) {
            entry.reasserted = entry.reasserted.wrapping_add(1);
        }
    }

    /// Notes whose owners are alive, after that changed.
    pub(crate) fn review(&mut self, now: Instant, alive: impl Fn(&Claim) -> bool) {
        for entry in self.entries.values_mut() {
            if alive(&entry.claim) && !entry.claim.released {
                entry.lapsed = None;
            } else {
                entry.lapsed.get_or_insert(now);
            }
        }
    }

    /// Forgets what has had no living owner for [`FORGET_AFTER`]; returns how many.
    pub(crate) fn forget(&mut self, now: Instant) -> usize {
        let before = self.entries.len();
        self.entries
            .retain(|_, entry| entry.lapsed.is_none_or(|since| now.saturating_duration_since(since) < FORGET_AFTER));
        before.saturating_sub(self.entries.len())
    }

    /// The table as users see it.
    pub(crate) fn held(&self) -> BTreeMap<IpAddr, Held> {
        let held = |entry: &Entry| Held { claim: entry.claim.clone(), reasserted: entry.reasserted };
        self.entries.iter().map(|(vip, entry)| (*vip, held(entry))).collect()
    }
}

// === impl Entry ===

impl Entry {
    fn new(claim: Claim, lapsed: Option<Instant>) -> Self {
        Self { highest: claim.epoch, claim, reasserted: 0, beaten: VecDeque::new(), lapsed }
    }

    /// Remembers a beaten claim; `false` when it was remembered already.
    fn remember(&mut self, claim: &Claim) -> bool {
        let beaten = (claim.owner.clone(), claim.epoch, claim.boot);
        if self.beaten.contains(&beaten) {
            return false;
        }
        if self.beaten.len() >= BEATEN {
            self.beaten.pop_front();
        }
        self.beaten.push_back(beaten);
        true
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
