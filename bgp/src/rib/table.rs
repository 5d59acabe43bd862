//! Adj-RIB-In: what one peer tells at present, and how old it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Count, Import, Keep, Policy, Rejected, Session, well_known};
use crate::wire::{Attributes, Family, PerFamily};

/// With the import closed so many prefixes of a family are told apart, or as many as it takes to notice that a limit is passed.
const COUNTED: usize = 10_000;

/// How long stale routes wait for the end of what the peer tells after it has come back, or said that it begins anew: six
/// minutes, as in FRR. RFC 4724 section 4.2 and RFC 7313 section 4 ask for such a bound.
const STALE_LIMIT: Duration = Duration::from_secs(360);

/// A prefix and a path identifier.
pub(super) type Key = (IpNet, u32);

/// The routes of a peer.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) policy: Policy,
    /// The present session, or the last one while its routes are kept.
    pub(super) session: Option<Arc<Session>>,
    pub(super) up: bool,
    pub(super) updates: u64,
    paths: BTreeMap<Key, Path>,
    tally: PerFamily<Tally>,
    /// With the import closed.
    counted: PerFamily<HashSet<Key, foldhash::fast::RandomState>>,
    aging: PerFamily<Aging>,
    warned: PerFamily<Warned>,
}

/// A learned route.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) attributes: Arc<Attributes>,
    pub(super) rejected: Option<Rejected>,
    pub(super) stale: bool,
}

/// Counts of a family.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) paths: usize,
    pub(super) accepted: usize,
    pub(super) stale: usize,
}

/// What happens to stale routes of a family.
#[derive(Debug, Clone, Copy, Default)]
enum Aging {
    /// There are none.
    #[default]
    Fresh,
    /// The peer restarts (RFC 4724).
    Restart { until: Instant, long_lived: Duration },
    /// It has not come back in time (RFC 9494).
    LongLived { until: Instant },
    /// It tells everything once more.
    Again { until: Instant },
}

/// What was warned of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Warned {
    #[default]
    Nothing,
    /// The warning is reached.
    Warning,
    /// There are more than the limit, which closes nothing.
    Limit,
}

/// How a number of prefixes stands to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Below,
    /// The warning, or a limit that closes nothing, was reached just now.
    Warn,
    /// The session is to be closed.
    Exceeded {
        max: u32,
    },
}

// === impl Table ===

impl Table {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = (&Key, &Path)> {
        self.paths.iter()
    }

    /// The paths to one prefix.
    pub(super) fn of(&self, prefix: IpNet) -> impl Iterator<Item = (u32, &Path)> {
        self.paths.range((prefix, 0)..=(prefix, u32::MAX)).map(|((_, path_id), path)| (*path_id, path))
    }

    pub(super) fn tally(&self, family: Family) -> Tally {
        *self.tally.get(family)
    }

    pub(super) fn received(&self, family: Family) -> Count {
        match self.policy.import {
            Import::Everything => Count { number: self.tally.get(family).paths, more: false },
            Import::Nothing => {
                let number = self.counted.get(family).len();
                Count { number, more: number >= self.counted_at_most(family) }
            }
        }
    }

    /// Counts a prefix; its route is not kept.
    pub(super) fn count(&mut self, key: Key) {
        let family = Family::of(&key.0);
        let most = self.counted_at_most(family);
        let counted = self.counted.get_mut(family);
        if counted.len() < most {
            counted.insert(key);
        }
    }

    /// Returns whether it was there.
    pub(super) fn withdraw(&mut self, key: &Key) -> bool {
        match self.policy.import {
            Import::Everything => self.take(key).is_some(),
            Import::Nothing => {
                self.counted.get_mut(Family::of(&key.0)).remove(key);
                false
            }
        }
    }

    /// Compares the number of prefixes with the limit. What is stale does not count: the peer may tell others now.
    pub(super) fn limit(&mut self, family: Family) -> Limit {
        let Some(limit) = *self.policy.limits.get(family) else { return Limit::Below };
        let stale = self.tally.get(family).stale;
        let number = self.received(family).number.saturating_sub(stale);
        let max = usize::try_from(limit.max).unwrap_or(usize::MAX);
        if number > max && limit.close {
            return Limit::Exceeded { max: limit.max };
        }
        let threshold = max.saturating_mul(limit.warning.clamp(1, 100).into()).div_ceil(100);
        let reached = match number {
            _ if number > max => Warned::Limit,
            0 => Warned::Nothing,
            _ if number >= threshold => Warned::Warning,
            _ => Warned::Nothing,
        };
        let warned = std::mem::replace(self.warned.get_mut(family), reached);
        if reached > warned { Limit::Warn } else { Limit::Below }
    }

    /// Opens or closes the import; returns the prefixes whose paths are gone.
    pub(super) fn set_policy(&mut self, policy: Policy) -> Vec<IpNet> {
        let closes = self.policy.import != policy.import && policy.import == Import::Nothing;
        let opens = self.policy.import != policy.import && policy.import == Import::Everything;
        self.policy = policy;
        if opens {
            self.counted = PerFamily::default();
        }
        if !closes {
            return Vec::new();
        }
        self.aging = PerFamily::default();
        self.tally = PerFamily::default();
        let paths = std::mem::take(&mut self.paths);
        paths.iter().filter(|(_, path)| !path.stale).for_each(|(key, _)| self.count(*key));
        paths.into_keys().map(|(prefix, _)| prefix).collect()
    }

    /// The session is up; returns the prefixes of stale paths that went.
    pub(super) fn established(&mut self, now: Instant, session: Arc<Session>) -> Vec<IpNet> {
        // A session that takes the place of another one, of whose end nobody told.
        let mut gone = if self.up { self.down(now, PerFamily::default()) } else { Vec::new() };
        for family in Family::ALL {
            if *session.keeps_stale.get(family) && *session.parameters.families.get(family) {
                let aging = self.aging.get_mut(family);
                if let Aging::Restart { .. } = aging {
                    let until = now.checked_add(STALE_LIMIT).unwrap_or(now);
                    *aging = Aging::Restart { until, long_lived: Duration::ZERO };
                }
            } else {
                gone.extend(self.sweep(family));
            }
        }
        self.session = Some(session);
        self.up = true;
        self.warned = PerFamily::default();
        gone
    }

    /// The session is down; returns the prefixes of paths that went.
    pub(super) fn down(&mut self, now: Instant, keep: PerFamily<Keep>) -> Vec<IpNet> {
        self.up = false;
        self.counted = PerFamily::default();
        let mut gone = Vec::new();
        for family in Family::ALL {
            let (restart_time, mut long_lived) = match *keep.get(family) {
                Keep::Drop => (Duration::ZERO, Duration::ZERO),
                Keep::Stale { restart_time, long_lived } => (restart_time, long_lived),
            };
            if restart_time.is_zero() && long_lived.is_zero() {
                gone.extend(self.sweep_if(family, |_| true));
                *self.aging.get_mut(family) = Aging::Fresh;
                continue;
            }
            match *self.aging.get(family) {
                // RFC 9494 section 4.2: the time runs on until the peer has told everything; a session in between that did
                // not come so far does not prolong it.
                Aging::LongLived { until } => {
                    let left = until.saturating_duration_since(now);
                    long_lived = long_lived.min(left.saturating_sub(restart_time));
                }
                // RFC 4724 section 4.2: what was stale already does not survive another restart.
                Aging::Restart { .. } => gone.extend(self.sweep(family)),
                // What a refresh had not come to yet is as good as the rest.
                Aging::Fresh | Aging::Again { .. } => {}
            }
            self.mark(family);
            if self.tally.get(family).paths == 0 {
                *self.aging.get_mut(family) = Aging::Fresh;
                continue;
            }
            let until = now.checked_add(restart_time).unwrap_or(now);
            *self.aging.get_mut(family) = Aging::Restart { until, long_lived };
        }
        gone.extend(self.expire(now).into_iter().flat_map(|(_, gone)| gone));
        gone
    }

    /// The peer has told all of a family: what is still stale goes.
    pub(super) fn complete(&mut self, family: Family) -> Vec<IpNet> {
        self.sweep(family)
    }

    /// The peer begins to tell all of a family once more.
    pub(super) fn again(&mut self, now: Instant, family: Family) {
        if self.tally.get(family).paths == 0 {
            return;
        }
        self.mark(family);
        *self.aging.get_mut(family) = Aging::Again { until: now.checked_add(STALE_LIMIT).unwrap_or(now) };
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.aging.iter().filter_map(|(_, aging)| aging.until()).min()
    }

    /// Handles what is due; returns the prefixes whose paths went or changed, by family.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(Family, Vec<IpNet>)> {
        let mut changed = Vec::new();
        for family in Family::ALL {
            let aging = *self.aging.get(family);
            if aging.until().is_none_or(|until| until > now) {
                continue;
            }
            let prefixes = match aging {
                Aging::Restart { long_lived, .. } if !long_lived.is_zero() => {
                    let until = now.checked_add(long_lived).unwrap_or(now);
                    *self.aging.get_mut(family) = Aging::LongLived { until };
                    self.live_long(family)
                }
                Aging::Fresh | Aging::Restart { .. } | Aging::LongLived { .. } | Aging::Again { .. } => {
                    self.sweep(family)
                }
            };
            changed.push((family, prefixes));
        }
        changed
    }

    /// RFC 9494 section 4.2: stale routes are marked, but for those that ask not to be kept.
    fn live_long(&mut self, family: Family) -> Vec<IpNet> {
        let mut changed =
            self.sweep_if(family, |path| path.stale && path.attributes.communities.contains(&well_known::NO_LLGR));
        // Paths with equal attributes still share them afterwards.
        let mut marked = HashMap::<*const Attributes, Arc<Attributes>, foldhash::fast::RandomState>::default();
        for ((prefix, _), path) in self.paths.range_mut(range(family)) {
            if !path.stale || path.attributes.communities.contains(&well_known::LLGR_STALE) {
                continue;
            }
            let marked = marked.entry(Arc::as_ptr(&path.attributes)).or_insert_with(|| {
                let mut attributes = Attributes::clone(&path.attributes);
                attributes.communities.push(well_known::LLGR_STALE);
                attributes.communities.sort_unstable();
                Arc::new(attributes)
            });
            path.attributes = Arc::clone(marked);
            changed.push(*prefix);
        }
        changed
    }

    fn mark(&mut self, family: Family) {
        let tally = self.tally.get_mut(family);
        for (_, path) in self.paths.range_mut(range(family)) {
            path.stale = true;
        }
        tally.stale = tally.paths;
    }

    /// Drops stale paths.
    fn sweep(&mut self, family: Family) -> Vec<IpNet> {
        *self.aging.get_mut(family) = Aging::Fresh;
        if self.tally.get(family).stale == 0 {
            return Vec::new();
        }
        self.sweep_if(family, |path| path.stale)
    }

    fn sweep_if(&mut self, family: Family, goes: impl Fn(&Path) -> bool) -> Vec<IpNet> {
        let paths = self.paths.range(range(family)).filter(|(_, path)| goes(path));
        let keys = paths.map(|(key, _)| *key).collect::<Vec<_>>();
        for key in &keys {
            self.take(key);
        }
        keys.into_iter().map(|(prefix, _)| prefix).collect()
    }

    pub(super) fn put(&mut self, key: Key, path: Path) {
        let tally = self.tally.get_mut(Family::of(&key.0));
        tally.add(&path);
        if let Some(previous) = self.paths.insert(key, path) {
            tally.subtract(&previous);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Path> {
        let path = self.paths.remove(key)?;
        self.tally.get_mut(Family::of(&key.0)).subtract(&path);
        Some(path)
    }

    fn counted_at_most(&self, family: Family) -> usize {
        let limit = self.policy.limits.get(family).map_or(0, |limit| usize::try_from(limit.max).unwrap_or(usize::MAX));
        COUNTED.max(limit.saturating_add(1))
    }
}

/// The keys of a family.
fn range(family: Family) -> RangeInclusive<Key> {
    let (first, last) = match family {
        Family::Ipv4 => (IpNet::V4(Ipv4Net::default()), IpAddr::V4(Ipv4Addr::BROADCAST)),
        Family::Ipv6 => (IpNet::V6(Ipv6Net::default()), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))),
    };
    (first, 0)..=(IpNet::from(last), u32::MAX)
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, path: &Path) {
        self.paths = self.paths.saturating_add(1);
        self.accepted = self.accepted.saturating_add(usize::from(path.rejected.is_none()));
        self.stale = self.stale.saturating_add(usize::from(path.stale));
    }

    fn subtract(&mut self, path: &Path) {
        self.paths = self.paths.saturating_sub(1);
        self.accepted = self.accepted.saturating_sub(usize::from(path.rejected.is_none()));
        self.stale = self.stale.saturating_sub(usize::from(path.stale));
    }
}

// === impl Aging ===

impl Aging {
    fn until(self) -> Option<Instant> {
        match self {
            Self::Fresh => None,
            Self::Restart { until, .. } | Self::LongLived { until } | Self::Again { until } => Some(until),
        }
    }
}
