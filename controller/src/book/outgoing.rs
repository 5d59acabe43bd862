//! What has to be written, in which order: an address goes to its next holder when the status of the one before does not
//! show it any more. Two statuses that show it at a time would have it announced for both, and whoever reads them after a
//! crash could not tell whose it is.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::{Addresses, ObjectKey};
use foldhash::HashMap;
use smallvec::SmallVec;

use super::{Book, Change, Entry, Status};

/// Addresses that Services still show and do not hold any more.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    of: HashMap<Arc<ObjectKey>, Addresses>,
    who: HashMap<IpAddr, SmallVec<[Arc<ObjectKey>; 1]>>,
}

// === impl Leaving ===

impl Leaving {
    pub(super) fn set(&mut self, key: &Arc<ObjectKey>, ips: Addresses) {
        self.remove(key);
        if ips.is_empty() {
            return;
        }
        for ip in &ips {
            self.who.entry(*ip).or_default().push(Arc::clone(key));
        }
        self.of.insert(Arc::clone(key), ips);
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) {
        for ip in self.of.remove(key).unwrap_or_default() {
            let Some(who) = self.who.get_mut(&ip) else { continue };
            who.retain(|other| other.as_ref() != key);
            if who.is_empty() {
                self.who.remove(&ip);
            }
        }
    }

    /// Whether somebody has yet to take it out of its status.
    fn contains(&self, ip: IpAddr) -> bool {
        self.who.contains_key(&ip)
    }
}

// === impl Book ===

impl Book {
    /// A status that is not as it should be and that nobody is writing; [`Book::written`] or [`Book::not_written`] says
    /// how it went. One that shows what another Service has yet to take out of its own comes later; if it takes something
    /// out itself, that comes first.
    pub fn next_unwritten(&mut self) -> Option<Change> {
        let rests = |key: &&Arc<ObjectKey>| self.under_way.contains_key(*key) || self.failed.contains(*key);
        let free = || self.unwritten.iter().filter(|key| !rests(key));
        // Those that failed before come last, so that they keep nobody waiting.
        let fresh = free().filter(|key| !self.again.contains(*key));
        let mut free = fresh.chain(free().filter(|key| self.again.contains(*key)));
        let (key, change) = free.find_map(|key| {
            let entry = self.entries.get(key)?;
            let status = self.writable(entry)?;
            let version = entry.service.version.clone();
            Some((Arc::clone(key), Change { key: key.as_ref().clone(), version, status }))
        })?;
        self.under_way.insert(key, false);
        Some(change)
    }

    /// What of a Service's status can be written now; `None`: nothing that does not stand there.
    fn writable(&self, entry: &Entry) -> Option<Status> {
        let status = entry.status();
        let shown = entry.shows_instead();
        let new = |ip: &IpAddr| !shown.contains(ip);
        if !status.ips.iter().any(|ip| new(ip) && self.leaving.contains(*ip)) {
            return Some(status);
        }
        let stays: Addresses = status.ips.into_iter().filter(|ip| !new(ip)).collect();
        let pool = status.pool.filter(|_| !stays.is_empty());
        (stays.len() < shown.len()).then_some(Status { ips: stays, pool })
    }

    /// A status was written: until the source shows something else, this is what stands there.
    pub fn written(&mut self, key: &ObjectKey, status: &Status) {
        self.under_way.remove(key);
        let Some(key) = self.entries.get_key_value(key).map(|(key, _)| Arc::clone(key)) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.show(status.clone().into());
        self.leaving.set(&key, entry.leaving());
        self.again.remove(&key);
        if entry.is_behind() {
            // It changed again while this was being written, or this was the first half of it.
            self.unwritten.insert(key);
        } else {
            self.unwritten.remove(&key);
        }
    }

    /// A status could not be written: it is handed out again when the Service has changed since it was handed out, or when
    /// it is time to [`retry`](Book::retry). Whether it rests until then.
    pub fn not_written(&mut self, key: &ObjectKey) -> bool {
        let under_way = self.under_way.remove_entry(key).filter(|(key, _)| self.unwritten.contains(key));
        let Some((key, changed)) = under_way else { return false };
        let whither = if changed { &mut self.again } else { &mut self.failed };
        whither.insert(key);
        !changed
    }

    /// Hands out again what could not be written, but for what `rests` longer.
    pub fn retry(&mut self, rests: impl Fn(&ObjectKey) -> bool) {
        let (resting, rested) = std::mem::take(&mut self.failed).into_iter().partition(|key| rests(key));
        self.failed = resting;
        let mut rested: BTreeSet<_> = rested;
        self.again.append(&mut rested);
    }

    /// Hands this one out again if it could not be written.
    pub fn retry_one(&mut self, key: &ObjectKey) {
        self.again.extend(self.failed.take(key));
    }

    /// How many could not be written and rest.
    pub fn failed(&self) -> usize {
        self.failed.len()
    }

    /// Whether a Service's status is as it should be.
    pub fn is_written(&self, key: &ObjectKey) -> bool {
        !self.unwritten.contains(key)
    }
}
