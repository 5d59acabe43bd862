//! Sets of numbers, which stand for addresses, as gapless ranges.

/// Numbers from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Range {
    /// The fewest ranges that hold exactly `numbers`, which must be sorted; repetitions do no harm.
    pub(crate) fn exact(numbers: impl IntoIterator<Item = u32>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(range) if number <= range.last.saturating_add(1) => range.last = number,
                _ => ranges.push(Self { first: number, last: number }),
            }
        }
        ranges
    }

    /// At most `limit` ranges that hold everything `ranges` (sorted, disjoint) do, and as little else as possible:
    /// the smallest gaps are closed.
    pub(crate) fn cover(ranges: &[Self], limit: usize) -> Vec<Self> {
        if ranges.len() <= limit.max(1) {
            return ranges.to_vec();
        }
        let mut gaps: Vec<(u32, u32)> =
            ranges.iter().zip(ranges.iter().skip(1)).map(|(low, high)| (high.first - low.last, high.first)).collect();
        // The largest gaps stay; ties are broken by number so that the result is the same every time.
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        let mut kept: Vec<u32> = gaps.into_iter().take(limit.max(1) - 1).map(|(_, first)| first).collect();
        kept.sort_unstable();
        let mut covering: Vec<Self> = Vec::with_capacity(limit);
        for range in ranges {
            match covering.last_mut() {
                Some(last) if kept.binary_search(&range.first).is_err() => last.last = range.last,
                _ => covering.push(*range),
            }
        }
        covering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(addresses: &[u32]) -> Vec<(u32, u32)> {
        pairs(&Range::exact(addresses.iter().copied()))
    }

    fn pairs(ranges: &[Range]) -> Vec<(u32, u32)> {
        ranges.iter().map(|range| (range.first, range.last)).collect()
    }

    #[test]
    fn neighbours_join_and_gaps_separate() {
        assert_eq!(exact(&[]), []);
        assert_eq!(exact(&[7]), [(7, 7)]);
        assert_eq!(exact(&[1, 2, 3, 5, 5, 9]), [(1, 3), (5, 5), (9, 9)]);
        assert_eq!(exact(&[0, 1, u32::MAX - 1, u32::MAX]), [(0, 1), (u32::MAX - 1, u32::MAX)]);
    }

    #[test]
    fn covering_closes_the_smallest_gaps_first() {
        let ranges = Range::exact([1, 4, 100, 103, 1000]);
        assert_eq!(pairs(&Range::cover(&ranges, 5)), [(1, 1), (4, 4), (100, 100), (103, 103), (1000, 1000)]);
        assert_eq!(pairs(&Range::cover(&ranges, 3)), [(1, 4), (100, 103), (1000, 1000)]);
        assert_eq!(pairs(&Range::cover(&ranges, 2)), [(1, 103), (1000, 1000)]);
        assert_eq!(pairs(&Range::cover(&ranges, 1)), [(1, 1000)]);
        assert_eq!(pairs(&Range::cover(&ranges, 0)), [(1, 1000)]);
    }
}
