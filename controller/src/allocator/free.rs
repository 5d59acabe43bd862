//! The free addresses of a pool as intervals.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrolb_config::addresses::{AddressRange, count_buggy, is_buggy};
use ferrolb_source::Family;

/// The free addresses of one pool. No interval begins or ends with an address that is left out, so that the first one
/// is found without stepping over any.
#[derive(Debug)]
pub(super) struct Free {
    ranges: Vec<Range>,
    avoid_buggy_ips: bool,
}

#[derive(Debug)]
struct Range {
    span: AddressRange,
    family: Family,
    /// First to last of each interval, both included.
    intervals: BTreeMap<u128, u128>,
}

// === impl Free ===

impl Free {
    pub(super) fn new(ranges: &[AddressRange], avoid_buggy_ips: bool) -> Self {
        let ranges = ranges.iter().map(|range| {
            let family = Family::of(range.first());
            Range { span: *range, family, intervals: BTreeMap::new() }
        });
        let mut free = Self { ranges: ranges.collect(), avoid_buggy_ips };
        for range in &mut free.ranges {
            let (first, last) = (number(range.span.first()), number(range.span.last()));
            range.insert(first, last, avoid_buggy_ips);
        }
        free
    }

    /// The first free address of a family, in order of the ranges.
    pub(super) fn first(&self, family: Family) -> Option<IpAddr> {
        let mut ranges = self.ranges.iter().filter(|range| range.family == family);
        ranges.find_map(|range| range.intervals.first_key_value().map(|(first, _)| address(*first, family)))
    }

    /// Which range an address lies in: what comes first in the pool is used first.
    pub(super) fn position(&self, ip: IpAddr) -> usize {
        self.ranges.iter().position(|range| range.span.contains(ip)).unwrap_or(usize::MAX)
    }

    pub(super) fn take(&mut self, ip: IpAddr) {
        let avoid = self.avoid_buggy_ips;
        let Some(range) = self.ranges.iter_mut().find(|range| range.span.contains(ip)) else { return };
        let ip = number(ip);
        let Some((&first, &last)) = range.intervals.range(..=ip).next_back().filter(|(_, last)| **last >= ip) else {
            return;
        };
        range.intervals.remove(&first);
        if first < ip {
            range.insert(first, ip - 1, avoid);
        }
        if ip < last {
            range.insert(ip + 1, last, avoid);
        }
    }

    pub(super) fn give_back(&mut self, ip: IpAddr) {
        let avoid = self.avoid_buggy_ips;
        let Some(range) = self.ranges.iter_mut().find(|range| range.span.contains(ip)) else { return };
        let (lowest, highest) = (number(range.span.first()), number(range.span.last()));
        let (mut first, mut last) = (number(ip), number(ip));
        // Left-out addresses next to it may lie between it and the free interval that it joins.
        let skipped = |n: u128| avoid && is_buggy(address(n, range.family));
        let mut below = first;
        while below > lowest && skipped(below - 1) {
            below -= 1;
        }
        if below > lowest
            && let Some((&start, &end)) = range.intervals.range(..below).next_back()
            && end == below - 1
        {
            first = start;
        }
        let mut above = last;
        while above < highest && skipped(above + 1) {
            above += 1;
        }
        if above < highest
            && let Some(&end) = range.intervals.get(&(above + 1))
        {
            last = end;
            range.intervals.remove(&(above + 1));
        }
        range.intervals.insert(first, last);
    }

    /// How many addresses of a family the pool has in all.
    pub(super) fn total(&self, family: Family) -> u128 {
        let size = |range: &Range| {
            let all = (number(range.span.last()) - number(range.span.first())).saturating_add(1);
            if self.avoid_buggy_ips { all - count_buggy(&range.span) } else { all }
        };
        self.ranges.iter().filter(|range| range.family == family).map(size).fold(0, u128::saturating_add)
    }
}

// === impl Range ===

impl Range {
    /// Adds an interval without the left-out addresses at its ends; there are never more than two in a row.
    fn insert(&mut self, mut first: u128, mut last: u128, avoid: bool) {
        let skipped = |n: u128| avoid && is_buggy(address(n, self.family));
        while first <= last && skipped(first) {
            if first == last {
                return;
            }
            first += 1;
        }
        while last > first && skipped(last) {
            last -= 1;
        }
        if first <= last {
            self.intervals.insert(first, last);
        }
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn address(number: u128, family: Family) -> IpAddr {
    match family {
        // Every number in here was made from an IPv4 address.
        Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn free(ranges: &[&str], avoid: bool) -> Free {
        let ranges: Vec<AddressRange> = ranges.iter().map(|text| AddressRange::parse(text).unwrap()).collect();
        Free::new(&ranges, avoid)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_come_in_the_order_of_the_pool() {
        let mut pool = free(&["10.0.1.0/31", "10.0.0.0/31"], false);
        for expected in ["10.0.1.0", "10.0.1.1", "10.0.0.0", "10.0.0.1"] {
            let first = pool.first(Family::V4).unwrap();
            assert_eq!(first, ip(expected));
            pool.take(first);
        }
        assert_eq!(pool.first(Family::V4), None);
        assert_eq!(pool.first(Family::V6), None);
    }

    #[test]
    fn a_huge_pool_costs_one_entry() {
        let pool = free(&["10.0.0.0/8", "fd00::/16"], true);
        assert_eq!(pool.ranges.iter().map(|range| range.intervals.len()).sum::<usize>(), 2);
        assert_eq!(pool.total(Family::V4), (1 << 24) - 2 * (1 << 16));
        assert_eq!(free(&["::/0"], false).total(Family::V6), u128::MAX);
    }

    #[test]
    fn the_last_address_there_is_can_be_taken_and_given_back() {
        for (range, last) in
            [("255.255.255.254/31", "255.255.255.255"), ("ffff::/16", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
        {
            let mut pool = free(&[range], false);
            pool.take(ip(last));
            pool.give_back(ip(last));
            assert_eq!(pool.ranges[0].intervals.len(), 1);
        }
    }

    proptest! {
        /// Against a plain set, step by step.
        #[test]
        fn it_behaves_as_a_set_of_addresses(
            start in 0u32..600, length in 0u32..700, avoid: bool,
            steps in prop::collection::vec((any::<bool>(), any::<u32>()), 0..80),
        ) {
            let base = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + start;
            let text = format!("{}-{}", Ipv4Addr::from(base), Ipv4Addr::from(base + length));
            let mut pool = free(&[&text], avoid);
            let all: BTreeSet<IpAddr> = (base..=base + length)
                .map(|n| IpAddr::V4(n.into()))
                .filter(|ip| !(avoid && is_buggy(*ip)))
                .collect();
            let mut naive = all.clone();
            prop_assert_eq!(pool.total(Family::V4), all.len() as u128);
            for (take, n) in steps {
                if take {
                    prop_assert_eq!(pool.first(Family::V4), naive.first().copied());
                    if let Some(first) = naive.pop_first() {
                        pool.take(first);
                    }
                } else if !all.is_empty() {
                    let ip = *all.iter().nth(n as usize % all.len()).unwrap();
                    if naive.insert(ip) {
                        pool.give_back(ip);
                    } else {
                        naive.remove(&ip);
                        pool.take(ip);
                    }
                }
                prop_assert_eq!(pool.first(Family::V4), naive.first().copied());
                // Intervals never touch: memory follows what is held.
                prop_assert!(pool.ranges[0].intervals.len() <= all.len() - naive.len() + 1);
            }
        }
    }
}
