//! Addresses, each with something that is due at a time of its own: several queues over one table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

/// What is known of an address on an [`Agenda`].
pub(super) trait Entry {
    /// The queues there are.
    type Queue: Copy + Ord;

    /// The queue in which it waits, and when its turn comes; `None`: nothing is due.
    fn due(&self) -> Option<(Self::Queue, Instant)>;
}

/// Addresses, each at most once in one of the queues.
#[derive(Debug)]
pub(super) struct Agenda<E: Entry> {
    entries: BTreeMap<IpAddr, E>,
    queues: BTreeMap<E::Queue, BTreeSet<(Instant, IpAddr)>>,
}

// === impl Agenda ===

impl<E: Entry> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), queues: BTreeMap::new() }
    }

    pub(super) fn get(&self, vip: IpAddr) -> Option<&E> {
        self.entries.get(&vip)
    }

    pub(super) fn contains(&self, vip: IpAddr) -> bool {
        self.entries.contains_key(&vip)
    }

    /// All of it, in order of address.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, &E)> {
        self.entries.iter().map(|(vip, entry)| (*vip, entry))
    }

    /// Puts `entry` in the place of what was known of `vip`.
    pub(super) fn insert(&mut self, vip: IpAddr, entry: E) {
        self.remove(vip);
        if let Some((queue, at)) = entry.due() {
            self.queues.entry(queue).or_default().insert((at, vip));
        }
        self.entries.insert(vip, entry);
    }

    /// Changes what is known of `vip`; `None`: nothing is.
    pub(super) fn change<T>(&mut self, vip: IpAddr, change: impl FnOnce(&mut E) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&vip)?;
        let before = entry.due();
        let result = change(entry);
        let after = entry.due();
        if before != after {
            self.leave(vip, before);
            if let Some((queue, at)) = after {
                self.queues.entry(queue).or_default().insert((at, vip));
            }
        }
        Some(result)
    }

    pub(super) fn remove(&mut self, vip: IpAddr) -> Option<E> {
        let entry = self.entries.remove(&vip)?;
        self.leave(vip, entry.due());
        Some(entry)
    }

    /// Forgets all but the addresses of `keep`, and returns what was known of the others.
    pub(super) fn retain(&mut self, keep: impl Fn(IpAddr) -> bool) -> Vec<E> {
        let gone: Vec<IpAddr> = self.entries.keys().copied().filter(|vip| !keep(*vip)).collect();
        gone.into_iter().filter_map(|vip| self.remove(vip)).collect()
    }

    /// Whose turn comes first in `queue`, and when.
    pub(super) fn first(&self, queue: E::Queue) -> Option<(Instant, IpAddr)> {
        self.queues.get(&queue)?.first().copied()
    }

    /// The same if the time has come.
    pub(super) fn first_due(&self, queue: E::Queue, now: Instant) -> Option<IpAddr> {
        self.first(queue).filter(|(at, _)| *at <= now).map(|(_, vip)| vip)
    }

    fn leave(&mut self, vip: IpAddr, due: Option<(E::Queue, Instant)>) {
        if let Some((queue, at)) = due
            && let Some(waiting) = self.queues.get_mut(&queue)
        {
            waiting.remove(&(at, vip));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Waiting(Option<(u8, Instant)>);

    impl Entry for Waiting {
        type Queue = u8;

        fn due(&self) -> Option<(u8, Instant)> {
            self.0
        }
    }

    fn vip(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
    fn an_address_waits_in_one_queue_at_a_time() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let mut agenda = Agenda::new();
        agenda.insert(vip(1), Waiting(Some((0, later))));
        agenda.insert(vip(2), Waiting(Some((0, start))));
        assert_eq!((agenda.first(0), agenda.first(1)), (Some((start, vip(2))), None));
        agenda.insert(vip(2), Waiting(Some((1, later))));
        assert_eq!((agenda.first(0), agenda.first(1)), (Some((later, vip(1))), Some((later, vip(2)))));
        assert_eq!((agenda.first_due(0, start), agenda.first_due(0, later)), (None, Some(vip(1))));
        agenda.change(vip(1), |entry| entry.0 = Some((1, start)));
        assert_eq!((agenda.first(0), agenda.first(1)), (None, Some((start, vip(1)))));
        agenda.change(vip(1), |entry| entry.0 = None);
        assert_eq!((agenda.first(1), agenda.contains(vip(1))), (Some((later, vip(2))), true));
        assert_eq!(agenda.retain(|address| address == vip(1)), [Waiting(Some((1, later)))]);
        assert_eq!((agenda.first(1), agenda.iter().count()), (None, 1));
    }
}
