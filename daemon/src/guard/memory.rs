//! What was said of tokens, for how long it is believed, and how often it is asked. Pure: `now` is passed in.

use std::collections::HashMap;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::time::Instant;

use super::Access;

/// A permission is believed for this long: monitoring asks every few seconds, from every node.
const GRANTED: Duration = Duration::from_secs(60);
/// A refusal for this long: whoever was let in just now need not wait long for it.
const REFUSED: Duration = Duration::from_secs(10);
/// Tokens that may are remembered, though not believed, for this long, so that they need not wait behind others.
const GOOD: Duration = Duration::from_secs(3600);
/// So many good ones, the one that was asked for longest ago is forgotten first ...
const GOOD_KEPT: usize = 32;
/// ... and so many others, which take none of their places.
const REFUSED_KEPT: usize = 256;
/// Questions that may come at once after a quiet time ...
const BURST: u32 = 20;
/// ... and then one each of these.
const BETWEEN: Duration = Duration::from_millis(100);

/// Which question it was; the token cannot be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(token: &str, path: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(token.as_bytes());
        // No header and no path holds one, so no other pair comes to the same bytes.
        context.update(&[0]);
        context.update(path.as_bytes());
        let mut key = [0; 32];
        key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

/// Answers of late.
#[derive(Debug, Default)]
pub(super) struct Memory {
    good: HashMap<Key, Instant>,
    refused: HashMap<Key, (Instant, Access)>,
}

// === impl Memory ===

impl Memory {
    /// What was said, if it is believed still.
    pub(super) fn recall(&self, key: &Key, now: Instant) -> Option<Access> {
        if self.good.get(key).is_some_and(|since| now.duration_since(*since) < GRANTED) {
            return Some(Access::Granted);
        }
        let (since, access) = self.refused.get(key)?;
        (now.duration_since(*since) < REFUSED).then_some(*access)
    }

    /// Whether it was granted not too long ago.
    pub(super) fn was_good(&self, key: &Key) -> bool {
        self.good.contains_key(key)
    }

    /// Takes an answer over. One that says nothing is not remembered.
    pub(super) fn learn(&mut self, key: Key, access: Access, now: Instant) {
        self.good.retain(|_, since| now.duration_since(*since) < GOOD);
        self.refused.retain(|_, (since, _)| now.duration_since(*since) < REFUSED);
        match access {
            Access::Granted => {
                self.refused.remove(&key);
                make_room(&mut self.good, GOOD_KEPT, |since| *since);
                self.good.insert(key, now);
            }
            Access::Unauthenticated | Access::Forbidden => {
                self.good.remove(&key);
                make_room(&mut self.refused, REFUSED_KEPT, |(since, _)| *since);
                self.refused.insert(key, (now, access));
            }
            Access::Unanswered => {}
        }
    }
}

fn make_room<V>(map: &mut HashMap<Key, V>, kept: usize, since: impl Fn(&V) -> Instant) {
    if map.len() >= kept {
        let oldest = map.iter().min_by_key(|(_, value)| since(value)).map(|(key, _)| *key);
        oldest.and_then(|oldest| map.remove(&oldest));
    }
}

/// When the next question may be asked.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all questions so far would have been asked at an even pace.
    even: Option<Instant>,
}

// === impl Pace ===

impl Pace {
    /// Takes the next turn and says when it is.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + BETWEEN);
        // As far ahead of the even pace as the burst allows.
        even.checked_sub(BETWEEN * (BURST - 1)).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(token: &str) -> Key {
        Key::new(token, "/metrics")
    }

    #[test]
    fn an_answer_is_believed_for_its_time_and_no_longer() {
        let began = Instant::now();
        for (access, time) in
            [(Access::Granted, GRANTED), (Access::Unauthenticated, REFUSED), (Access::Forbidden, REFUSED)]
        {
            let mut memory = Memory::default();
            memory.learn(key("a"), access, began);
            let last = began + time - Duration::from_millis(1);
            assert_eq!(memory.recall(&key("a"), last), Some(access));
            assert_eq!(memory.recall(&key("a"), began + time), None);
            assert_eq!(memory.recall(&key("b"), began), None);
            assert_eq!(memory.recall(&Key::new("a", "/debug"), began), None);
        }
    }

    #[test]
    fn what_could_not_be_found_out_is_asked_again() {
        let mut memory = Memory::default();
        memory.learn(key("a"), Access::Unanswered, Instant::now());
        assert_eq!(memory.recall(&key("a"), Instant::now()), None);
    }

    #[test]
    fn a_token_that_is_withdrawn_is_good_no_more() {
        let began = Instant::now();
        let mut memory = Memory::default();
        memory.learn(key("a"), Access::Granted, began);
        memory.learn(key("a"), Access::Unauthenticated, began + GRANTED);
        assert_eq!(memory.recall(&key("a"), began + GRANTED), Some(Access::Unauthenticated));
        assert!(!memory.was_good(&key("a")));
    }

    #[test]
    fn made_up_tokens_take_no_place_of_good_ones_and_few_places_at_all() {
        let began = Instant::now();
        let mut memory = Memory::default();
        memory.learn(key("good"), Access::Granted, began);
        for number in 0..10_000_u32 {
            memory.learn(
                key(&number.to_string()),
                Access::Unauthenticated,
                began + Duration::from_micros(number.into()),
            );
        }
        assert_eq!(memory.recall(&key("good"), began + REFUSED), Some(Access::Granted));
        assert_eq!(memory.refused.len(), REFUSED_KEPT);
        assert_eq!(memory.recall(&key("9999"), began), Some(Access::Unauthenticated), "the newest are kept");
        for number in 0..1000_u32 {
            memory.learn(key(&format!("good-{number}")), Access::Granted, began + Duration::from_secs(1));
        }
        assert_eq!(memory.good.len(), GOOD_KEPT);
    }

    #[test]
    fn questions_come_in_a_burst_and_then_evenly() {
        let began = Instant::now();
        let mut pace = Pace::default();
        let turns: Vec<Instant> = (0..BURST + 3).map(|_| pace.next(began)).collect();
        let after = |turns: &[Instant]| turns.iter().map(|turn| *turn - began).collect::<Vec<_>>();
        let (burst, rest) = turns.split_at(BURST as usize);
        assert!(after(burst).iter().all(Duration::is_zero));
        assert_eq!(after(rest), [BETWEEN, BETWEEN * 2, BETWEEN * 3]);
        let later = began + Duration::from_secs(3600);
        assert_eq!(pace.next(later), later, "after a quiet time nobody waits");
    }
}
