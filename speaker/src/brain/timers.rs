//! What the passage of time decides: who is passed over, what is stable enough to move, and how long an address is
//! answered for that another node has taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ferrolb_gossip::{NodeName, View};
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::plan::{Cause, Ground, NodePlan, Snapshot, Strategy, Turns};

/// A successor that has not claimed a vacant address by then is passed over.
const CLAIM_WITHIN: Duration = Duration::from_millis(300);
/// What nothing forces to move moves when membership has not changed for so long.
const STABLE_FOR: Duration = Duration::from_secs(60);
/// Pause between two moves for the sake of balance.
const REBALANCE_EVERY: Duration = Duration::from_secs(10);
/// How long an address is answered for that another node has claimed in an orderly move: what its first frames need.
const LINGER_CLAIMED: Duration = Duration::from_millis(300);
/// The same where nobody claims anything, and the other node may still have to begin.
const LINGER_UNCLAIMED: Duration = Duration::from_secs(1);

/// How long a node whose links are back waits to hear from the others before it takes itself for the only one: as long
/// as one that has just started.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Vacancy {
    successors: Vec<NodeName>,
    skipped: usize,
    deadline: Moment,
}

/// A preference that waits for its time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ripening {
    preference: i32,
    since: Moment,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lingering {
    to: NodeName,
    deadline: Moment,
}

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timers {
    vacancies: BTreeMap<IpAddr, Vacancy>,
    ripening: BTreeMap<IpAddr, Ripening>,
    lingering: BTreeMap<IpAddr, Lingering>,
    /// When a member came or went.
    churned: Moment,
    /// When an address changed its owner.
    moved: Moment,
    /// Whether an address waits for calm.
    awaits_calm: bool,
    /// How many members have come.
    arrivals: u32,
    /// The links are back and nobody else has been heard yet: until then nothing is announced.
    settling: Option<Moment>,
}

// === impl Timers ===

impl Timers {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            vacancies: BTreeMap::new(),
            ripening: BTreeMap::new(),
            lingering: BTreeMap::new(),
            churned: now,
            moved: now,
            awaits_calm: false,
            arrivals: 0,
            settling: None,
        }
    }

    /// Notes who came and went.
    pub(super) fn view(&mut self, now: Moment, before: &View, after: &View) {
        let lives = |view: &View| view.members.iter().map(|(name, life)| (name.clone(), life.boot)).collect::<Vec<_>>();
        if lives(before) != lives(after) {
            self.churned = now;
        }
        if after.members.len() > 1 {
            self.settling = None;
        }
        let new = after.members.keys().filter(|name| !before.members.contains_key(*name)).count();
        self.arrivals = self.arrivals.wrapping_add(u32::try_from(new).unwrap_or(u32::MAX));
    }

    /// Notes what the links allow now. A node whose links were all down could not hear that others took over; alone with
    /// them again it would announce every address over their heads.
    pub(super) fn ground(&mut self, now: Moment, before: &Snapshot, after: &Ground) {
        let none = |ground: &Ground| ground.interfaces.as_ref().is_some_and(BTreeSet::is_empty);
        let alone = before.view.members.len() <= 1 && before.cluster.nodes.len() > 1;
        if none(after) {
            self.settling = None;
        } else if none(&before.ground) && alone {
            self.settling = Some(now + SETTLE_WITHIN);
        }
    }

    /// What has been decided by now.
    pub(super) fn turns(&self, now: Moment) -> Turns {
        let ripe = |entry: &Ripening| ripe_at(entry, self.churned) <= now;
        Turns {
            skipped: self.vacancies.iter().filter(|(_, v)| v.skipped > 0).map(|(vip, v)| (*vip, v.skipped)).collect(),
            ripe: self.ripening.iter().filter(|(_, entry)| ripe(entry)).map(|(vip, _)| *vip).collect(),
            calm: self.calm_at() <= now,
            lingering: self.lingering.iter().map(|(vip, lingering)| (*vip, lingering.to.clone())).collect(),
            arrivals: self.arrivals,
            settling: self.settling.is_some_and(|until| until > now),
        }
    }

    /// Passes over successors whose time is up, and ends what has lingered long enough.
    pub(super) fn expire(&mut self, now: Moment) {
        for vacancy in self.vacancies.values_mut().filter(|vacancy| vacancy.deadline <= now) {
            vacancy.skipped += 1;
            vacancy.deadline = now + CLAIM_WITHIN;
        }
        self.lingering.retain(|_, lingering| lingering.deadline > now);
        self.settling = self.settling.filter(|until| *until > now);
    }

    /// When something is due after `now`.
    pub(super) fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let vacancies = self.vacancies.values().map(|vacancy| vacancy.deadline);
        let lingering = self.lingering.values().map(|lingering| lingering.deadline);
        let ripe = self.ripening.values().map(|entry| ripe_at(entry, self.churned));
        let calm = self.awaits_calm.then(|| self.calm_at());
        // Those that are ripe already wait for somebody else's claim.
        let later = ripe.chain(calm).filter(|at| *at > now);
        vacancies.chain(lingering).chain(self.settling).chain(later).min()
    }

    /// Another node was heard to announce: nothing of this address lingers any more. Says whether something did.
    pub(super) fn heard(&mut self, claim: IpAddr, by: impl Fn(&NodeName) -> bool) -> bool {
        let ends = self.lingering.get(&claim).is_some_and(|lingering| by(&lingering.to));
        if ends {
            self.lingering.remove(&claim);
        }
        ends
    }

    /// Takes a plan into account. Says whether that changes the turns that it was made with.
    pub(super) fn follow(&mut self, now: Moment, snapshot: &Snapshot, before: &NodePlan, plan: &NodePlan) -> bool {
        let before_turns = self.turns(now);
        self.vacancies(now, plan);
        self.linger(now, snapshot, before, plan);
        if before.owners != plan.owners {
            self.moved = now;
        }
        let wanted = plan.upgrades.iter().filter_map(|(vip, upgrade)| match upgrade.cause {
            Cause::Preference(preference) => Some((*vip, preference)),
            Cause::Balance => None,
        });
        let ripening = wanted.map(|(vip, preference)| {
            let known = self.ripening.get(&vip).filter(|known| known.preference == preference);
            (vip, known.copied().unwrap_or(Ripening { preference, since: now }))
        });
        self.ripening = ripening.collect();
        self.awaits_calm = plan.upgrades.values().any(|upgrade| upgrade.cause == Cause::Balance);
        self.turns(now) != before_turns
    }

    /// Starts the clock of new vacancies and forgets filled ones.
    fn vacancies(&mut self, now: Moment, plan: &NodePlan) {
        self.vacancies.retain(|vip, _| plan.vacant.contains_key(vip));
        for (vip, successors) in &plan.vacant {
            let mut candidates = successors.clone();
            candidates.sort_unstable();
            // Other candidates, other turns.
            if self.vacancies.get(vip).is_none_or(|vacancy| vacancy.successors != candidates) {
                let vacancy = Vacancy { successors: candidates, skipped: 0, deadline: now + CLAIM_WITHIN };
                self.vacancies.insert(*vip, vacancy);
            }
        }
    }

    /// Goes on with addresses that this node has just lost in an orderly move, until the new owner was heard.
    fn linger(&mut self, now: Moment, snapshot: &Snapshot, before: &NodePlan, plan: &NodePlan) {
        if !snapshot.is_ready() || snapshot.ground.cut_off {
            // After a stall others have taken over long ago.
            return self.lingering.clear();
        }
        self.lingering.retain(|vip, lingering| plan.owners.get(vip) == Some(&lingering.to));
        let announced: BTreeSet<IpAddr> = before.l2.iter().map(|announcement| announcement.claim).collect();
        for vip in announced {
            let Some(to) = plan.owners.get(&vip).filter(|owner| **owner != snapshot.me) else { continue };
            let (orderly, within) = match snapshot.options.strategy {
                Strategy::Metallb => (true, LINGER_UNCLAIMED),
                // Whoever else loses a claim has announced against another node: it stops at once.
                Strategy::Balanced => {
                    (before.vacant.contains_key(&vip) || before.upgrades.contains_key(&vip), LINGER_CLAIMED)
                }
            };
            let was_mine = before.owners.get(&vip) == Some(&snapshot.me);
            if orderly && was_mine {
                self.lingering.insert(vip, Lingering { to: to.clone(), deadline: now + within });
            }
        }
    }

    fn calm_at(&self) -> Moment {
        (self.churned + STABLE_FOR).max(self.moved + REBALANCE_EVERY)
    }
}

fn ripe_at(entry: &Ripening, churned: Moment) -> Moment {
    entry.since.max(churned) + STABLE_FOR
}
