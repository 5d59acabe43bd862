//! Addresses that are not given out because Services that are not ours show them in their status.

use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::{Addresses, Family, ObjectKey};
use foldhash::HashMap;
use smallvec::SmallVec;

use super::pool::some_of;
use super::{Allocator, AssignError};

/// Who reserves which address.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    by_key: HashMap<Arc<ObjectKey>, Addresses>,
    by_address: HashMap<IpAddr, SmallVec<[Arc<ObjectKey>; 1]>>,
}

// === impl Reserved ===

impl Reserved {
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        !self.by_address.is_empty() && self.by_address.contains_key(&ip)
    }

    pub(super) fn admits(&self, ip: IpAddr) -> Result<(), AssignError> {
        match self.by_address.get(&ip) {
            None => Ok(()),
            Some(keys) => {
                let others = some_of(keys.iter().map(ToString::to_string), 0, ", ");
                Err(AssignError::Reserved { ip, others })
            }
        }
    }
}

impl Allocator {
    /// Keeps those of `ips` that lie in a pool from being given out; who holds one already keeps it. What `key`
    /// reserved before is no longer.
    pub fn reserve(&mut self, key: &Arc<ObjectKey>, ips: &[IpAddr]) {
        self.unreserve(key);
        let ips: Addresses = ips.iter().copied().filter(|ip| self.locate(*ip).is_some()).collect();
        for ip in &ips {
            let Some((id, place)) = self.locate(*ip) else { continue };
            let keys = self.reserved.by_address.entry(*ip).or_default();
            if keys.is_empty()
                && !self.users.contains_key(ip)
                && let Some(state) = self.pools.get_mut(id.0)
            {
                state.free.take(place);
                state.counts.of_mut(Family::of(*ip)).reserved += 1;
            }
            if !keys.contains(key) {
                keys.push(Arc::clone(key));
            }
        }
        if !ips.is_empty() {
            self.reserved.by_key.insert(Arc::clone(key), ips);
        }
    }

    /// Takes back what `key` reserved; whether there was anything.
    pub fn unreserve(&mut self, key: &ObjectKey) -> bool {
        let Some(ips) = self.reserved.by_key.remove(key) else { return false };
        for ip in ips {
            let Some(keys) = self.reserved.by_address.get_mut(&ip) else { continue };
            keys.retain(|other| other.as_ref() != key);
            if !keys.is_empty() {
                continue;
            }
            self.reserved.by_address.remove(&ip);
            let Some((id, place)) = self.locate(ip) else { continue };
            if !self.users.contains_key(&ip)
                && let Some(state) = self.pools.get_mut(id.0)
            {
                state.free.give_back(place);
                let count = state.counts.of_mut(Family::of(ip));
                count.reserved = count.reserved.saturating_sub(1);
            }
        }
        true
    }

    /// What this Service reserves.
    pub fn reserves(&self, key: &ObjectKey) -> &[IpAddr] {
        self.reserved.by_key.get(key).map_or(&[], AsRef::as_ref)
    }

    /// The Services that reserve an address.
    pub fn reserved_by(&self, ip: IpAddr) -> &[Arc<ObjectKey>] {
        self.reserved.by_address.get(&ip).map_or(&[], AsRef::as_ref)
    }

    /// The Services that hold an address.
    pub fn holders(&self, ip: IpAddr) -> &[Arc<ObjectKey>] {
        self.users.get(&ip).map_or(&[], super::Users::holders)
    }
}
