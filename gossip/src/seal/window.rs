//! Which datagrams of a session were received before: a sliding window over their counters, shifted by whole words as
//! RFC 6479 describes.

const WORD_BITS: u64 = 64;

/// One word more than the window needs, so that the oldest word can be cleared while the window keeps its size.
const WORDS: usize = 17;

/// How far behind the newest datagram of a session one may come in and still be accepted.
pub(crate) const SIZE: u64 = 1024;

/// The counters that a session used up.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    highest: u64,
    seen: [u64; WORDS],
}

// === impl Window ===

impl Window {
    /// A window in which only `counter` was used; those shortly before it may still come.
    pub(crate) fn around(counter: u64) -> Self {
        let mut window = Self { highest: counter, seen: [0; WORDS] };
        window.mark(counter);
        window
    }

    /// A window in which `counter` and all before it count as used.
    pub(crate) const fn after(counter: u64) -> Self {
        Self { highest: counter, seen: [u64::MAX; WORDS] }
    }

    /// `counter` was not used and is not too old to tell.
    pub(crate) fn is_fresh(&self, counter: u64) -> bool {
        if counter > self.highest {
            return true;
        }
        self.highest.saturating_sub(counter) < SIZE && self.word(counter).is_some_and(|word| *word & bit(counter) == 0)
    }

    /// Uses up `counter`.
    pub(crate) fn mark(&mut self, counter: u64) {
        let (from, to) = (self.highest / WORD_BITS, counter / WORD_BITS);
        if counter > self.highest {
            let first = from.saturating_add(1);
            let last = to.min(from.saturating_add(WORDS as u64));
            for word in first..=last {
                if let Some(word) = self.seen.get_mut(slot(word)) {
                    *word = 0;
                }
            }
            // Words that were last used one turn earlier lie behind `to` and are cleared when they are reached.
            self.highest = counter;
        }
        if let Some(word) = self.seen.get_mut(slot(to)) {
            *word |= bit(counter);
        }
    }

    fn word(&self, counter: u64) -> Option<&u64> {
        self.seen.get(slot(counter / WORD_BITS))
    }
}

const fn bit(counter: u64) -> u64 {
    1 << (counter % WORD_BITS)
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below 17")]
const fn slot(word: u64) -> usize {
    (word % WORDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn each_counter_is_fresh_once() {
        let mut window = Window::around(0);
        for counter in [5, 3, 4, 1, 2, 1000, 70, 1023] {
            assert!(window.is_fresh(counter), "{counter}");
            window.mark(counter);
            assert!(!window.is_fresh(counter), "{counter}");
        }
        assert!(!window.is_fresh(0));
        assert!(window.is_fresh(999));
    }

    #[test]
    fn what_is_older_than_the_window_is_not_fresh() {
        let mut window = Window::around(0);
        window.mark(5000);
        assert!(window.is_fresh(5000 - SIZE + 1));
        assert!(!window.is_fresh(5000 - SIZE));
    }

    #[test]
    fn after_a_challenge_nothing_older_is_fresh() {
        let window = Window::after(100);
        assert!(!window.is_fresh(100));
        assert!(!window.is_fresh(99));
        assert!(window.is_fresh(101));
    }

    #[test]
    fn a_window_that_began_full_empties_as_it_moves() {
        let mut window = Window::after(100);
        window.mark(1500);
        assert!(window.is_fresh(1499));
        assert!(window.is_fresh(1500 - SIZE + 1));
        assert!(!window.is_fresh(1500));
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn the_window_agrees_with_a_set(steps in prop::collection::vec(0..400_u64, 1..400), jumps in prop::collection::vec(0..2500_u64, 1..20)) {
            let mut window = Window::around(3000);
            let mut used = HashSet::from([3000_u64]);
            let mut highest = 3000;
            let mut base = 3000_u64;
            for (i, step) in steps.iter().enumerate() {
                if i % 20 == 0 {
                    base += jumps[(i / 20) % jumps.len()];
                }
                let counter = base.saturating_sub(200) + step;
                let expected = counter > highest || (highest - counter < SIZE && !used.contains(&counter));
                prop_assert_eq!(window.is_fresh(counter), expected, "counter {} highest {}", counter, highest);
                if expected {
                    window.mark(counter);
                    used.insert(counter);
                    highest = highest.max(counter);
                }
            }
        }
    }
}
