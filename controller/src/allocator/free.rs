//! The free addresses of a pool as intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrolb_config::addresses::{AddressRange, count_buggy, is_buggy};
use ferrolb_source::Family;

use super::pool::PerFamily;

/// An address of a pool: the number of its range and itself as a number. Their order is the one in which addresses are
/// handed out.
pub(super) type Place = (usize, u128);

/// The free addresses of one pool. No interval begins or ends with an address that is left out, so that the first one
/// is found without stepping over any.
#[derive(Debug)]
pub(super) struct Free {
    ranges: Vec<Range>,
    avoid_buggy_ips: bool,
    /// Ranges in which something is free: a pool of many full ones is not searched.
    open: PerFamily<BTreeSet<usize>>,
}

#[derive(Debug)]
struct Range {
    span: AddressRange,
    family: Family,
    /// First of each interval by its last, both included: handing out the lowest address leaves the key as it is.
    intervals: BTreeMap<u128, u128>,
}

// === impl Free ===

impl Free {
    pub(super) fn new(ranges: &[AddressRange], avoid_buggy_ips: bool) -> Self {
        let range = |span: &AddressRange| {
            let mut range = Range { span: *span, family: Family::of(span.first()), intervals: BTreeMap::new() };
            range.insert(number(span.first()), number(span.last()), avoid_buggy_ips);
            range
        };
        let ranges: Vec<Range> = ranges.iter().map(range).collect();
        let mut open = PerFamily::<BTreeSet<usize>>::default();
        for (index, range) in ranges.iter().enumerate().filter(|(_, range)| !range.intervals.is_empty()) {
            open.of_mut(range.family).insert(index);
        }
        Self { ranges, avoid_buggy_ips, open }
    }

    /// The first free address of a family, in order of the ranges.
    pub(super) fn first(&self, family: Family) -> Option<Place> {
        let index = *self.open.of(family).first()?;
        let (_, first) = self.ranges.get(index)?.intervals.first_key_value()?;
        Some((index, *first))
    }

    /// The address at a place.
    pub(super) fn address(&self, (index, number): Place) -> Option<IpAddr> {
        self.ranges.get(index).map(|range| address(number, range.family))
    }

    /// The addresses of a family in the order in which they are handed out, whether they are free or not.
    pub(super) fn all(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let ranges = self.ranges.iter().filter(move |range| range.family == family);
        let all = ranges.flat_map(move |range| {
            (number(range.span.first())..=number(range.span.last())).map(move |number| address(number, family))
        });
        all.filter(|ip| !(self.avoid_buggy_ips && is_buggy(*ip)))
    }

    pub(super) fn take(&mut self, (index, number): Place) {
        let avoid = self.avoid_buggy_ips;
        let Some(range) = self.ranges.get_mut(index) else { return };
        range.take(number, avoid);
        if range.intervals.is_empty() {
            self.open.of_mut(range.family).remove(&index);
        }
    }

    pub(super) fn give_back(&mut self, (index, number): Place) {
        let avoid = self.avoid_buggy_ips;
        let Some(range) = self.ranges.get_mut(index) else { return };
        if range.intervals.is_empty() {
            self.open.of_mut(range.family).insert(index);
        }
        range.give_back(number, avoid);
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
    fn skipped(&self, number: u128, avoid: bool) -> bool {
        avoid && is_buggy(address(number, self.family))
    }

    /// Adds an interval without the left-out addresses at its ends; there are never more than two in a row.
    fn insert(&mut self, mut first: u128, mut last: u128, avoid: bool) {
        while first < last && self.skipped(first, avoid) {
            first += 1;
        }
        while first < last && self.skipped(last, avoid) {
            last -= 1;
        }
        if !self.skipped(first, avoid) {
            self.intervals.insert(last, first);
        }
    }

    fn take(&mut self, number: u128, avoid: bool) {
        let Some((&last, &first)) = self.intervals.range(number..).next().filter(|(_, first)| **first <= number) else {
            return;
        };
        if number == last {
            self.intervals.remove(&last);
            if first < number {
                self.insert(first, number - 1, avoid);
            }
            return;
        }
        // The last one is never left out, so this ends at the latest there.
        let mut above = number + 1;
        while self.skipped(above, avoid) {
            above += 1;
        }
        if let Some(start) = self.intervals.get_mut(&last) {
            *start = above;
        }
        if first < number {
            self.insert(first, number - 1, avoid);
        }
    }

    fn give_back(&mut self, given: u128, avoid: bool) {
        let (lowest, highest) = (number(self.span.first()), number(self.span.last()));
        // Left-out addresses next to it may lie between it and the free interval that it joins.
        let mut below = given;
        while below > lowest && self.skipped(below - 1, avoid) {
            below -= 1;
        }
        let joined = if below > lowest { self.intervals.remove(&(below - 1)) } else { None };
        let first = joined.unwrap_or(given);
        let mut above = given;
        while above < highest && self.skipped(above + 1, avoid) {
            above += 1;
        }
        let next = if above < highest { self.intervals.range_mut(above + 1..).next() } else { None };
        match next {
            Some((_, start)) if *start == above + 1 => *start = first,
            _ => {
                self.intervals.insert(given, first);
            }
        }
    }
}

pub(super) fn number(ip: IpAddr) -> u128 {
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
            assert_eq!(pool.address(first), Some(ip(expected)));
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
            pool.take((0, number(ip(last))));
            pool.give_back((0, number(ip(last))));
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
            prop_assert_eq!(pool.total(Family::V4), all.len() as u128);
            prop_assert_eq!(&pool.all(Family::V4).collect::<BTreeSet<_>>(), &all);
            let all: BTreeSet<Place> = all.iter().map(|ip| (0, number(*ip))).collect();
            let mut naive = all.clone();
            for (take, n) in steps {
                if take {
                    prop_assert_eq!(pool.first(Family::V4), naive.first().copied());
                    if let Some(first) = naive.pop_first() {
                        pool.take(first);
                    }
                } else if !all.is_empty() {
                    let place = *all.iter().nth(n as usize % all.len()).unwrap();
                    if naive.insert(place) {
                        pool.give_back(place);
                    } else {
                        naive.remove(&place);
                        pool.take(place);
                    }
                }
                prop_assert_eq!(pool.first(Family::V4), naive.first().copied());
                // Intervals never touch: memory follows what is held.
                prop_assert!(pool.ranges[0].intervals.len() <= all.len() - naive.len() + 1);
            }
        }
    }
}
