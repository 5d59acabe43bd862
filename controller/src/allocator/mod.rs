//! Who holds which address.
//!
//! Cost and memory follow the number of addresses held, never the size of a pool: free addresses are kept as
//! intervals, so a /8 and an IPv6 /64 start with one entry each.

mod error;
mod free;
mod pool;
mod reserved;
mod sharing;

use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::addresses::{AddressRange, is_buggy};
use ferrolb_config::{Labels, Pool};
use ferrolb_source::{Addresses, Family, ObjectKey, Port};
use foldhash::HashMap;
use ipnet::IpNet;

pub use error::AssignError;
use free::Place;
use pool::{Holders, PoolState};
use reserved::Reserved;
pub use sharing::Sharing;
use sharing::{Others, Users};

/// What an assignment depends on, of the Service that asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The Service.
    pub key: &'a Arc<ObjectKey>,
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
    pub ips: Addresses,
    /// Name of the pool.
    pub pool: Arc<str>,
}

/// Addresses that a Service could have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pool: PoolId,
    ips: Addresses,
}

// === impl Offer ===

impl Offer {
    /// The pool they are from.
    pub fn pool(&self) -> PoolId {
        self.pool
    }

    /// IPv4 before IPv6.
    pub fn ips(&self) -> &Addresses {
        &self.ips
    }
}

/// A pool of one allocator, in order of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(usize);

/// How many addresses of one family are in use and free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Distinct addresses in use.
    pub used: u128,
    /// Addresses that Services of other classes show in their status and that are not in use here.
    pub reserved: u128,
    /// Addresses in all.
    pub total: u128,
    /// Services that hold one.
    pub services: usize,
}

impl Count {
    /// How many can still be given out.
    pub fn available(&self) -> u128 {
        self.total.saturating_sub(self.used).saturating_sub(self.reserved)
    }
}

#[derive(Debug)]
struct Holding {
    assignment: Assignment,
    pool: PoolId,
    /// What it listens on, if it shares; else none.
    ports: Box<[Port]>,
}

/// Who holds which address.
#[derive(Debug, Default)]
pub struct Allocator {
    /// In order of name.
    pools: Vec<PoolState>,
    /// Which addresses are where, in order of address; no two overlap.
    ranges: Vec<(AddressRange, PoolId, usize)>,
    /// Pools with `autoAssign` that are set apart for some Services, in the order in which they are tried.
    pinned: Vec<PoolId>,
    /// Pools with `autoAssign` for everybody else.
    general: Vec<PoolId>,
    holdings: HashMap<Arc<ObjectKey>, Holding>,
    users: HashMap<IpAddr, Users>,
    reserved: Reserved,
}

// === impl Allocator ===

impl Allocator {
    /// An allocator over these pools, with nothing assigned.
    pub fn new<'a>(pools: impl IntoIterator<Item = &'a Pool>) -> Self {
        let mut pools: Vec<PoolState> = pools.into_iter().map(PoolState::new).collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        let mut ranges: Vec<(AddressRange, PoolId, usize)> = Vec::new();
        let (mut pinned, mut general) = (Vec::new(), Vec::new());
        for (id, state) in pools.iter().enumerate() {
            let id = PoolId(id);
            ranges.extend(state.pool.ranges.iter().enumerate().map(|(index, range)| (*range, id, index)));
            match &state.pool.allocation {
                _ if !state.pool.auto_assign => {}
                Some(allocation) if allocation.priority > 0 => pinned.push((allocation.priority, id)),
                Some(_) => pinned.push((i64::MAX, id)),
                None => general.push(id),
            }
        }
        ranges.sort_unstable_by_key(|(range, ..)| range.first());
        pinned.sort_unstable();
        let pinned = pinned.into_iter().map(|(_, id)| id).collect();
        Self { pools, ranges, pinned, general, ..Self::default() }
    }

    /// Makes room for this many Services at once, rather than bit by bit as they come.
    #[must_use]
    pub fn expecting(mut self, services: usize) -> Self {
        self.holdings.reserve(services);
        self.users.reserve(services);
        self
    }

    /// Whether there is any pool at all.
    pub fn has_pools(&self) -> bool {
        !self.pools.is_empty()
    }

    /// The pool of a name.
    pub fn pool(&self, name: &str) -> Option<PoolId> {
        self.pools.binary_search_by(|state| state.name.as_ref().cmp(name)).ok().map(PoolId)
    }

    /// What a Service holds.
    pub fn holding(&self, key: &ObjectKey) -> Option<&Assignment> {
        self.holdings.get(key).map(|holding| &holding.assignment)
    }

    /// The pool that may give out `ip`, and where it lies in it.
    fn locate(&self, ip: IpAddr) -> Option<(PoolId, Place)> {
        let after = self.ranges.partition_point(|(range, ..)| range.first() <= ip);
        let (range, pool, index) = self.ranges.get(after.checked_sub(1)?)?;
        let left_out = || self.pools.get(pool.0).is_some_and(|state| state.pool.avoid_buggy_ips) && is_buggy(ip);
        (range.contains(ip) && !left_out()).then(|| (*pool, (*index, free::number(ip))))
    }

    /// The one pool that holds all of `ips`.
    fn pool_of(&self, ips: &[IpAddr]) -> Result<PoolId, AssignError> {
        let mut pools = ips.iter().map(|ip| self.locate(*ip).map(|(pool, _)| pool));
        let first = pools.next().flatten();
        let pool = first.filter(|_| pools.all(|pool| pool == first));
        pool.ok_or_else(|| AssignError::NotInConfig(ips.to_vec()))
    }

    /// Assigns exactly these addresses; whatever else the Service held is given up. Assigning again what it holds
    /// checks it again.
    ///
    /// # Errors
    /// The reason; nothing has changed then.
    pub fn assign(&mut self, asker: &Asker<'_>, ips: &[IpAddr]) -> Result<&Assignment, AssignError> {
        let offer = self.check(asker, ips)?;
        self.take(asker, offer)
    }

    /// Whether these addresses can be assigned.
    ///
    /// # Errors
    /// The reason why they cannot.
    pub fn check(&self, asker: &Asker<'_>, ips: &[IpAddr]) -> Result<Offer, AssignError> {
        let id = self.pool_of(ips)?;
        if let Some(state) = self.pools.get(id.0).filter(|state| !state.admits(asker)) {
            return Err(AssignError::NotAdmitted(state.name.to_string()));
        }
        let mut ips = Addresses::from_slice(ips);
        ips.sort_unstable();
        ips.dedup();
        self.joinable(asker, &ips)?;
        Ok(Offer { pool: id, ips })
    }

    /// Whether nobody stands in the way.
    fn joinable(&self, asker: &Asker<'_>, ips: &[IpAddr]) -> Result<(), AssignError> {
        for ip in ips {
            match self.users.get(ip) {
                Some(users) => users.admits(asker, *ip)?,
                None => self.reserved.admits(*ip)?,
            }
        }
        Ok(())
    }

    /// Assigns what was offered; whatever else the Service held is given up.
    ///
    /// # Errors
    /// It was taken by somebody else meanwhile; nothing has changed then.
    pub fn accept(&mut self, asker: &Asker<'_>, offer: Offer) -> Result<&Assignment, AssignError> {
        self.joinable(asker, &offer.ips)?;
        self.take(asker, offer)
    }

    fn take(&mut self, asker: &Asker<'_>, Offer { pool: id, ips }: Offer) -> Result<&Assignment, AssignError> {
        if !self.holds_already(asker, &ips) {
            self.release(asker.key);
            for ip in &ips {
                self.occupy(*ip, asker);
            }
            let Some(state) = self.pools.get_mut(id.0) else { return Err(AssignError::NotInConfig(ips.to_vec())) };
            state.services += 1;
            let assignment = Assignment { ips, pool: Arc::clone(&state.name) };
            let ports = if asker.sharing.is_some() { asker.ports.into() } else { Box::default() };
            self.holdings.insert(Arc::clone(asker.key), Holding { assignment, pool: id, ports });
        }
        self.holding(asker.key).ok_or_else(|| AssignError::NotInConfig(Vec::new()))
    }

    fn holds_already(&self, asker: &Asker<'_>, ips: &[IpAddr]) -> bool {
        let ports = if asker.sharing.is_some() { asker.ports } else { &[] };
        let same = |holding: &Holding| holding.assignment.ips.as_slice() == ips && *holding.ports == *ports;
        let shares = |ip: &IpAddr| self.users.get(ip).and_then(Users::sharing) == asker.sharing;
        self.holdings.get(asker.key).is_some_and(same) && ips.iter().all(shares)
    }

    fn occupy(&mut self, ip: IpAddr, asker: &Asker<'_>) {
        let Some((id, place)) = self.locate(ip) else { return };
        let Some(state) = self.pools.get_mut(id.0) else { return };
        let family = Family::of(ip);
        let users = self.users.entry(ip).or_default();
        let count = state.counts.of_mut(family);
        if users.is_empty() {
            count.used += 1;
            if self.reserved.contains(ip) {
                count.reserved = count.reserved.saturating_sub(1);
            } else {
                state.free.take(place);
            }
        }
        count.services += 1;
        users.join(asker);
        if let Some(sharing) = asker.sharing {
            let groups = state.groups.of_mut(family);
            match groups.get_mut(sharing) {
                Some(group) => group.join(place, asker.ports),
                None => groups.entry(sharing.clone()).or_default().join(place, asker.ports),
            }
        }
    }

    /// Gives up what a Service holds; whether an address became free or easier to share.
    pub fn release(&mut self, key: &ObjectKey) -> bool {
        let Some(Holding { assignment, pool, ports }) = self.holdings.remove(key) else { return false };
        if let Some(state) = self.pools.get_mut(pool.0) {
            state.services = state.services.saturating_sub(1);
        }
        for ip in assignment.ips {
            self.vacate(ip, key, &ports);
        }
        true
    }

    fn vacate(&mut self, ip: IpAddr, key: &ObjectKey, ports: &[Port]) {
        let Some((id, place)) = self.locate(ip) else { return };
        let (Some(state), Some(users)) = (self.pools.get_mut(id.0), self.users.get_mut(&ip)) else { return };
        let family = Family::of(ip);
        let others = if users.holders().len() > 1 { Others::Some } else { Others::None };
        if let Some(sharing) = users.sharing() {
            let groups = state.groups.of_mut(family);
            if let Some(group) = groups.get_mut(sharing) {
                group.leave(place, ports, others);
                if group.is_empty() {
                    groups.remove(sharing);
                }
            }
        }
        users.leave(key, ports);
        let count = state.counts.of_mut(family);
        count.services = count.services.saturating_sub(1);
        if others == Others::None {
            self.users.remove(&ip);
            count.used = count.used.saturating_sub(1);
            if self.reserved.contains(ip) {
                count.reserved += 1;
            } else {
                state.free.give_back(place);
            }
        }
    }

    /// The addresses of all `families` that one pool would give, whomever it is for; `None`: it has none.
    pub fn offer(&self, asker: &Asker<'_>, pool: PoolId, families: &[Family]) -> Option<Offer> {
        let state = self.pools.get(pool.0)?;
        let first = |family: &Family| state.free.address(state.first(asker, *family)?);
        let mut ips: Addresses = families.iter().map(first).collect::<Option<_>>()?;
        ips.sort_unstable();
        Some(Offer { pool, ips })
    }

    /// The address of one family that would be added to what the Service holds.
    pub fn addition(&self, asker: &Asker<'_>, family: Family) -> Option<(IpAddr, Offer)> {
        let Holding { assignment, pool, .. } = self.holdings.get(asker.key)?;
        let Offer { ips, .. } = self.offer(asker, *pool, &[family])?;
        let added = *ips.first()?;
        let mut ips = assignment.ips.clone();
        ips.push(added);
        ips.sort_unstable();
        Some((added, Offer { pool: *pool, ips }))
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
        let id = self.admitting(asker, pool)?;
        let Some(offer) = self.offer(asker, id, families) else {
            return Err(AssignError::PoolFull { pool: pool.to_owned(), why: self.describe_one(id, families) });
        };
        self.take(asker, offer)
    }

    /// The pool of a name, if it is for this Service.
    ///
    /// # Errors
    /// It does not exist or is for others.
    pub fn admitting(&self, asker: &Asker<'_>, pool: &str) -> Result<PoolId, AssignError> {
        let id = self.pool(pool).ok_or_else(|| AssignError::UnknownPool(pool.to_owned()))?;
        let admits = self.pools.get(id.0).is_some_and(|state| state.admits(asker));
        if admits { Ok(id) } else { Err(AssignError::NotAdmitted(pool.to_owned())) }
    }

    /// Pools that are set apart for this Service among others, in the order in which they are tried: by priority, then
    /// by name.
    pub fn pinned<'a>(&'a self, asker: &'a Asker<'_>) -> impl Iterator<Item = PoolId> + 'a {
        self.pinned.iter().copied().filter(|id| self.pools.get(id.0).is_some_and(|state| state.admits(asker)))
    }

    /// Pools that are for everybody, by name.
    pub fn general(&self) -> impl Iterator<Item = PoolId> {
        self.general.iter().copied()
    }

    /// How much of a pool is in use; `None` for a pool that does not exist.
    pub fn count(&self, pool: &str, family: Family) -> Option<Count> {
        Some(*self.pools.get(self.pool(pool)?.0)?.counts.of(family))
    }

    /// How many Services hold an address of a pool; 0 for a pool that does not exist.
    pub fn services(&self, pool: &str) -> usize {
        self.pool(pool).and_then(|id| self.pools.get(id.0)).map_or(0, |state| state.services)
    }

    /// The names of all pools.
    pub fn pool_names(&self) -> impl Iterator<Item = &str> {
        self.pools.iter().map(|state| state.name.as_ref())
    }

    /// The name of a pool.
    pub fn name(&self, pool: PoolId) -> &str {
        self.pools.get(pool.0).map_or("", |state| state.name.as_ref())
    }

    /// The pool that an address lies in, whether it may be given out or not.
    pub fn pool_name_of(&self, ip: IpAddr) -> Option<&str> {
        self.pools_overlapping(IpNet::from(ip).into()).next()
    }

    /// The pools that have an address in common with `range`, once for each of their ranges.
    pub fn pools_overlapping(&self, range: AddressRange) -> impl Iterator<Item = &str> {
        let begin = self.ranges.partition_point(|(other, ..)| other.last() < range.first());
        let after = self.ranges.get(begin..).unwrap_or_default();
        after.iter().take_while(move |(other, ..)| other.overlaps(&range)).map(|(_, pool, _)| self.name(*pool))
    }

    /// A pool's counters as its status shows them.
    pub fn status(&self, pool: &str) -> Option<IPAddressPoolStatus> {
        let clamp = |n: u128| i64::try_from(n).unwrap_or(i64::MAX);
        let (v4, v6) = (self.count(pool, Family::V4)?, self.count(pool, Family::V6)?);
        Some(IPAddressPoolStatus {
            assigned_ipv4: clamp(v4.used),
            assigned_ipv6: clamp(v6.used),
            available_ipv4: clamp(v4.available()),
            available_ipv6: clamp(v6.available()),
        })
    }

    /// Why `pools` could not serve, for a person: what they have, and a few of those who hold it.
    pub fn describe(&self, pools: &[PoolId], families: &[Family]) -> String {
        if pools.is_empty() {
            return "no pool is for this service (autoAssign, serviceAllocation)".to_owned();
        }
        let described = self.states(pools).map(|state| format!("pool {:?}: {}", state.name, state.describe(families)));
        format!("{}{}", pool::some_of(described, 0, "; "), self.holders_of(pools, families))
    }

    /// The same for one pool that was asked for by name.
    pub fn describe_one(&self, pool: PoolId, families: &[Family]) -> String {
        let described: String = self.states(&[pool]).map(|state| state.describe(families)).collect();
        format!("{described}{}", self.holders_of(&[pool], families))
    }

    fn states(&self, pools: &[PoolId]) -> impl Iterator<Item = &PoolState> {
        pools.iter().filter_map(|id| self.pools.get(id.0))
    }

    fn holders_of(&self, pools: &[PoolId], families: &[Family]) -> Holders {
        let mut holders = Holders::default();
        for state in self.states(pools) {
            state.name_holders(families, &self.users, &mut holders);
        }
        holders
    }
}
