//! One pool: what it has, what is free of it, and what can be shared.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::Pool;
use ferrolb_source::{Family, ObjectKey};
use foldhash::HashMap;

use super::free::{Free, Place};
use super::sharing::{Group, Sharing};
use super::{Asker, Count, Users};

/// How many Services a message names.
const NAMED: usize = 5;
/// How many holders of a pool are looked at for names: an address may be shared by many.
const SEARCHED: usize = 64;

/// One of something for IPv4, one for IPv6.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PerFamily<T> {
    v4: T,
    v6: T,
}

// === impl PerFamily ===

impl<T> PerFamily<T> {
    pub(super) fn of(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) fn of_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// A pool and what is taken of it.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) name: Arc<str>,
    pub(super) pool: Pool,
    pub(super) free: Free,
    pub(super) counts: PerFamily<Count>,
    /// Services that hold an address of it.
    pub(super) services: usize,
    /// Addresses that can be joined, by what one needs to have in common.
    pub(super) groups: PerFamily<HashMap<Sharing, Group>>,
}

// === impl PoolState ===

impl PoolState {
    pub(super) fn new(pool: &Pool) -> Self {
        let free = Free::new(&pool.ranges, pool.avoid_buggy_ips);
        let mut counts = PerFamily::<Count>::default();
        for family in [Family::V4, Family::V6] {
            counts.of_mut(family).total = free.total(family);
        }
        Self {
            name: pool.name.as_str().into(),
            pool: pool.clone(),
            free,
            counts,
            services: 0,
            groups: PerFamily::default(),
        }
    }

    pub(super) fn admits(&self, asker: &Asker<'_>) -> bool {
        self.pool.admits(&asker.key.namespace, asker.namespace_labels, asker.labels)
    }

    /// The first address of a family that is free or that the asker may share, in order of the pool.
    pub(super) fn first(&self, asker: &Asker<'_>, family: Family) -> Option<Place> {
        let free = self.free.first(family);
        let group = asker.sharing.and_then(|sharing| self.groups.of(family).get(sharing));
        group.and_then(|group| group.first(asker.ports, free)).or(free)
    }

    /// How much of the pool is taken.
    pub(super) fn describe(&self, families: &[Family]) -> String {
        let describe = |family: &Family| {
            let Count { used, reserved, total, .. } = *self.counts.of(*family);
            match (total, reserved) {
                (0, _) => format!("it has no {family} addresses"),
                (_, 0) => format!("{used} of its {total} {family} addresses are in use"),
                _ => format!(
                    "{used} of its {total} {family} addresses are in use and {reserved} held by services of other classes"
                ),
            }
        };
        families.iter().map(describe).collect::<Vec<_>>().join(", ")
    }

    /// Adds those who hold the pool, if nothing is left of the first of `families` that it lacks.
    pub(super) fn name_holders(&self, families: &[Family], users: &HashMap<IpAddr, Users>, holders: &mut Holders) {
        let full = |family: &&Family| {
            let count = self.counts.of(**family);
            count.total > 0 && count.available() == 0
        };
        let Some(family) = families.iter().find(full) else { return };
        holders.count += self.counts.of(*family).services;
        let keys = self.free.all(*family).filter_map(|ip| users.get(&ip)).flat_map(Users::holders);
        for key in keys.take(SEARCHED) {
            if holders.named.len() == NAMED {
                return;
            }
            if !holders.named.contains(key) {
                holders.named.push(Arc::clone(key));
            }
        }
    }
}

/// Those who hold full pools.
#[derive(Debug, Default)]
pub(super) struct Holders {
    named: Vec<Arc<ObjectKey>>,
    count: usize,
}

// === impl Holders ===

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.named.is_empty() {
            return Ok(());
        }
        let more = self.count.saturating_sub(self.named.len());
        write!(f, "; held by {}", some_of(self.named.iter().map(ToString::to_string), more, ", "))
    }
}

/// The first [`NAMED`] of `names` with `separator` between them, and how many more there are: those left over and
/// `unseen`.
pub(super) fn some_of(names: impl Iterator<Item = String>, unseen: usize, separator: &str) -> String {
    let mut names = names.fuse();
    let text = names.by_ref().take(NAMED).collect::<Vec<_>>().join(separator);
    match names.count() + unseen {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
