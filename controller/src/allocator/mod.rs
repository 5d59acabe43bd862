//! Who holds which address.
//!
//! Cost and memory follow the number of addresses held, never the size of a pool: free addresses are kept as
//! intervals, so a /8 and an IPv6 /64 start with one entry each.

mod free;
mod sharing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Labels, Pool};
use ferrolb_source::{Family, ObjectKey, Port};
pub use sharing::Sharing;
use sharing::Users;
use thiserror::Error;

use free::Free;

/// What an assignment depends on, of the Service that asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The Service.
    pub key: &'a ObjectKey,
    /// Its labels.
    pub labels: &'a Labels,
    /// The labels of its namespace.
    pub namespace_labels: &'a Labels,
    /// What others must have in common with it to share its address; `None`: it shares with nobody.
    pub sharing: Option<&'a Sharing>,
    /// The ports it listens on.
    pub ports: &'a [Port],
}

/// Addresses that a Service holds, and the pool they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// IPv4 before IPv6.
    pub ips: Vec<IpAddr>,
    /// Name of the pool.
    pub pool: String,
}

/// Why an address cannot be had. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignError {
    /// No pool holds all of the addresses.
    #[error("[{}] is not allowed in config", quoted(.0))]
    NotInConfig(Vec<IpAddr>),
    /// Its `serviceAllocation` is for others.
    #[error("pool {0} not compatible for ip assignment")]
    NotAdmitted(String),
    /// Somebody else holds the address, and the two may not share.
    #[error("can't change sharing key for {who:?}, address also in use by {others}")]
    InUse {
        /// Who asked.
        who: String,
        /// Who holds it.
        others: String,
    },
    /// The two may share, but both listen on this port.
    #[error("port {port} is already in use on {ip:?}", ip = .ip.to_string())]
    Port {
        /// The port.
        port: Port,
        /// The address.
        ip: IpAddr,
    },
    /// No pool of this name.
    #[error("unknown pool {0:?}")]
    UnknownPool(String),
    /// The pool that was asked for is full.
    #[error("no available IPs in pool {pool:?}: {why}")]
    PoolFull {
        /// Its name.
        pool: String,
        /// What it has.
        why: String,
    },
    /// None of the pools that would do has a free address.
    #[error("no available IPs: {0}")]
    NoneAvailable(String),
}

fn quoted(ips: &[IpAddr]) -> String {
    ips.iter().map(|ip| format!("\"{ip}\"")).collect::<Vec<_>>().join(" ")
}

/// How many addresses of one family are in use and free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Distinct addresses in use.
    pub used: u128,
    /// Addresses in all.
    pub total: u128,
}

#[derive(Debug)]
struct PoolState {
    pool: Pool,
    free: Free,
    used: BTreeMap<Family, u128>,
}

/// Who holds which address.
#[derive(Debug, Default)]
pub struct Allocator {
    pools: BTreeMap<String, PoolState>,
    holdings: HashMap<ObjectKey, Assignment>,
    users: HashMap<IpAddr, Users>,
    /// Addresses that may be joined, by what one needs to have in common.
    shareable: HashMap<Sharing, BTreeSet<IpAddr>>,
}

// === impl Allocator ===

impl Allocator {
    /// An allocator over these pools, with nothing assigned.
    pub fn new<'a>(pools: impl IntoIterator<Item = &'a Pool>) -> Self {
        let state = |pool: &Pool| {
            let free = Free::new(&pool.ranges, pool.avoid_buggy_ips);
            (pool.name.clone(), PoolState { pool: pool.clone(), free, used: BTreeMap::new() })
        };
        Self { pools: pools.into_iter().map(state).collect(), ..Self::default() }
    }

    /// Whether there is any pool at all.
    pub fn has_pools(&self) -> bool {
        !self.pools.is_empty()
    }

    /// What a Service holds.
    pub fn holding(&self, key: &ObjectKey) -> Option<&Assignment> {
        self.holdings.get(key)
    }

    /// Assigns exactly these addresses; whatever else the Service held is given up. Assigning again what it holds
    /// checks it again.
    ///
    /// # Errors
    /// The reason; nothing has changed then.
    pub fn assign(&mut self, asker: &Asker<'_>, ips: &[IpAddr]) -> Result<&Assignment, AssignError> {
        let pool = self
            .pools
            .values()
            .find(|state| !ips.is_empty() && ips.iter().all(|ip| state.pool.contains(*ip)))
            .ok_or_else(|| AssignError::NotInConfig(ips.to_vec()))?;
        if !pool.pool.admits(&asker.key.namespace, asker.namespace_labels, asker.labels) {
            return Err(AssignError::NotAdmitted(pool.pool.name.clone()));
        }
        let name = pool.pool.name.clone();
        for ip in ips {
            if let Some(users) = self.users.get(ip) {
                users.admits(asker, *ip)?;
            }
        }
        self.release(asker.key);
        let mut ips = ips.to_vec();
        ips.sort_unstable();
        for ip in &ips {
            self.take(&name, *ip, asker);
        }
        let key = asker.key.clone();
        Ok(self.holdings.entry(key).insert_entry(Assignment { ips, pool: name }).into_mut())
    }

    /// Gives up what a Service holds; whether an address became free or easier to share.
    pub fn release(&mut self, key: &ObjectKey) -> bool {
        let Some(Assignment { ips, pool }) = self.holdings.remove(key) else { return false };
        for ip in ips {
            let Some(users) = self.users.get_mut(&ip) else { continue };
            users.leave(key);
            if !users.is_empty() {
                continue;
            }
            if let Some(sharing) = self.users.remove(&ip).and_then(|users| users.sharing().cloned())
                && let Some(addresses) = self.shareable.get_mut(&sharing)
            {
                addresses.remove(&ip);
                if addresses.is_empty() {
                    self.shareable.remove(&sharing);
                }
            }
            if let Some(state) = self.pools.get_mut(&pool) {
                state.free.give_back(ip);
                let used = state.used.entry(Family::of(ip)).or_default();
                *used = used.saturating_sub(1);
            }
        }
        true
    }

    fn take(&mut self, pool: &str, ip: IpAddr, asker: &Asker<'_>) {
        let users = self.users.entry(ip).or_default();
        if users.is_empty()
            && let Some(state) = self.pools.get_mut(pool)
        {
            state.free.take(ip);
            *state.used.entry(Family::of(ip)).or_default() += 1;
        }
        if let Some(before) = users.sharing()
            && let Some(addresses) = self.shareable.get_mut(before)
        {
            addresses.remove(&ip);
        }
        users.join(asker);
        if let Some(sharing) = asker.sharing {
            self.shareable.entry(sharing.clone()).or_default().insert(ip);
        }
    }

    /// Assigns addresses of all `families` from one pool.
    ///
    /// # Errors
    /// The pool does not exist, is for others, or is full.
    pub fn allocate_from(
        &mut self,
        asker: &Asker<'_>,
        pool: &str,
        families: &[Family],
    ) -> Result<&Assignment, AssignError> {
        let state = self.pools.get(pool).ok_or_else(|| AssignError::UnknownPool(pool.to_owned()))?;
        if !state.pool.admits(&asker.key.namespace, asker.namespace_labels, asker.labels) {
            return Err(AssignError::NotAdmitted(pool.to_owned()));
        }
        let Some(ips) = self.pick(state, asker, families) else {
            let why = state.describe(families);
            return Err(AssignError::PoolFull { pool: pool.to_owned(), why });
        };
        self.assign(asker, &ips)
    }

    /// Pools that serve a Service that asks for nothing in particular, in two stages: those that are set apart for it,
    /// by priority, and then those that are for everybody; by name where nothing else decides.
    pub fn automatic_pools(&self, asker: &Asker<'_>) -> [Vec<String>; 2] {
        let auto = self.pools.values().map(|state| &state.pool).filter(|pool| pool.auto_assign);
        let (pinned, general): (Vec<&Pool>, Vec<&Pool>) = auto.partition(|pool| pool.allocation.is_some());
        let mut pinned: Vec<(i64, &str)> = pinned
            .into_iter()
            .filter(|pool| pool.admits(&asker.key.namespace, asker.namespace_labels, asker.labels))
            .map(|pool| {
                let priority = pool.allocation.as_ref().map_or(0, |allocation| allocation.priority);
                (if priority <= 0 { i64::MAX } else { priority }, pool.name.as_str())
            })
            .collect();
        pinned.sort_unstable();
        [
            pinned.into_iter().map(|(_, name)| name.to_owned()).collect(),
            general.into_iter().map(|pool| pool.name.clone()).collect(),
        ]
    }

    /// Whether one pool could give addresses of all `families` right now.
    pub fn could_give(&self, asker: &Asker<'_>, pool: &str, families: &[Family]) -> bool {
        self.pools.get(pool).is_some_and(|state| self.pick(state, asker, families).is_some())
    }

    /// The address of one family that a pool would give next.
    pub fn first_in(&self, asker: &Asker<'_>, pool: &str, family: Family) -> Option<IpAddr> {
        self.pick_one(self.pools.get(pool)?, asker, family)
    }

    /// The first address of each family that is free or that the asker may share, in order of the pool.
    fn pick(&self, state: &PoolState, asker: &Asker<'_>, families: &[Family]) -> Option<Vec<IpAddr>> {
        families.iter().map(|family| self.pick_one(state, asker, *family)).collect()
    }

    fn pick_one(&self, state: &PoolState, asker: &Asker<'_>, family: Family) -> Option<IpAddr> {
        let free = state.free.first(family);
        let shareable = asker.sharing.and_then(|sharing| self.shareable.get(sharing));
        let joinable = shareable.into_iter().flatten().copied().filter(|ip| {
            let admits = |users: &Users| users.admits(asker, *ip).is_ok();
            Family::of(*ip) == family && state.pool.contains(*ip) && self.users.get(ip).is_some_and(admits)
        });
        let order = |ip: &IpAddr| (state.free.position(*ip), *ip);
        joinable.chain(free).min_by_key(order)
    }

    /// How much of a pool is in use; `None` for a pool that does not exist.
    pub fn count(&self, pool: &str, family: Family) -> Option<Count> {
        self.pools.get(pool).map(|state| state.count(family))
    }

    /// The names of all pools.
    pub fn pool_names(&self) -> impl Iterator<Item = &str> {
        self.pools.keys().map(String::as_str)
    }

    /// A pool's counters as its status shows them.
    pub fn status(&self, pool: &str) -> Option<IPAddressPoolStatus> {
        let state = self.pools.get(pool)?;
        let clamp = |n: u128| i64::try_from(n).unwrap_or(i64::MAX);
        let (v4, v6) = (state.count(Family::V4), state.count(Family::V6));
        Some(IPAddressPoolStatus {
            assigned_ipv4: clamp(v4.used),
            assigned_ipv6: clamp(v6.used),
            available_ipv4: clamp(v4.total - v4.used),
            available_ipv6: clamp(v6.total - v6.used),
        })
    }

    /// Why `pools` could not serve, for a person.
    pub fn describe(&self, pools: &[String], families: &[Family]) -> String {
        if pools.is_empty() {
            return "no pool is for this service (autoAssign, serviceAllocation)".to_owned();
        }
        let described = pools.iter().filter_map(|name| {
            let state = self.pools.get(name)?;
            Some(format!("pool {name:?}: {}", state.describe(families)))
        });
        described.collect::<Vec<_>>().join("; ")
    }
}

// === impl PoolState ===

impl PoolState {
    fn count(&self, family: Family) -> Count {
        Count { used: self.used.get(&family).copied().unwrap_or(0), total: self.free.total(family) }
    }

    fn describe(&self, families: &[Family]) -> String {
        let describe = |family: &Family| match self.count(*family) {
            Count { total: 0, .. } => format!("it has no {family} addresses"),
            Count { used, total } => format!("{used} of its {total} {family} addresses are in use"),
        };
        families.iter().map(describe).collect::<Vec<_>>().join(", ")
    }
}
