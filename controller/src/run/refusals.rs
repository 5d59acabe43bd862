//! Services whose status is refused, with a reason that only somebody else can do something about: an annotation too
//! large, a policy that says no. Each is tried again at its own pace, so that it delays no other, and its owner is told
//! each new reason once. Pure: `now` is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ferrolb_source::ObjectKey;
use tokio::time::Instant;

/// The first pause; it doubles up to [`LONGEST`]. A Service that changes is tried again at once.
const FIRST: Duration = Duration::from_secs(1);
/// As long as Kubernetes' own controller of load balancers waits at most.
const LONGEST: Duration = Duration::from_secs(300);
/// Different reasons that are told of one Service until its status is written; some texts hold a time or a port.
const REASONS: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    of: BTreeMap<ObjectKey, Refused>,
    /// When each that rests is to be tried again.
    due: BTreeSet<(Instant, ObjectKey)>,
}

#[derive(Debug, Default)]
struct Refused {
    /// So far.
    trials: u32,
    due: Option<Instant>,
    told: Vec<String>,
}

// === impl Refusals ===

impl Refusals {
    /// A status was refused for this reason; whether to tell it.
    pub(super) fn add(&mut self, key: &ObjectKey, reason: &str, now: Instant) -> bool {
        let refused = self.of.entry(key.clone()).or_default();
        let pause = FIRST.saturating_mul(1 << refused.trials.min(20)).min(LONGEST);
        refused.trials += 1;
        if let Some(before) = refused.due.replace(now + pause) {
            self.due.remove(&(before, key.clone()));
        }
        self.due.insert((now + pause, key.clone()));
        let new = refused.told.len() < REASONS && refused.told.iter().all(|told| told != reason);
        if new {
            refused.told.push(reason.to_owned());
        }
        new
    }

    /// A status was written, or there is none to write any more.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        if let Some(due) = self.of.remove(key).and_then(|refused| refused.due) {
            self.due.remove(&(due, key.clone()));
        }
    }

    /// Forgets all but these.
    pub(super) fn retain(&mut self, stays: impl Fn(&ObjectKey) -> bool) {
        let gone: Vec<ObjectKey> = self.of.keys().filter(|key| !stays(key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
    }

    /// Takes one whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<ObjectKey> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        if let Some(refused) = self.of.get_mut(&key) {
            refused.due = None;
        }
        Some(key)
    }

    /// When the next one's time comes.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether it waits for its time: what failed for another reason when that had come does not.
    pub(super) fn rests(&self, key: &ObjectKey) -> bool {
        self.of.get(key).is_some_and(|refused| refused.due.is_some())
    }

    /// How many wait for their time.
    pub(super) fn resting(&self) -> usize {
        self.due.len()
    }

    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    #[test]
    fn the_pauses_double_up_to_the_longest() {
        let (mut refusals, mut now) = (Refusals::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..40 {
            refusals.add(&key("web"), "no", now);
            let due = refusals.next_due().unwrap();
            pauses.push((due - now).as_secs());
            assert_eq!(refusals.pop_due(due - Duration::from_millis(1)), None);
            assert_eq!(refusals.pop_due(due), Some(key("web")));
            assert_eq!((refusals.pop_due(due), refusals.next_due()), (None, None), "it is being tried");
            now = due;
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(pauses[10..].iter().all(|pause| *pause == 300));
        refusals.remove(&key("web"));
        refusals.add(&key("web"), "no", now);
        assert_eq!(refusals.next_due(), Some(now + FIRST), "a success begins it anew");
    }

    #[test]
    fn each_reason_is_told_once_and_of_reasons_without_end_only_some() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let told: Vec<bool> = ["a", "a", "b", "a"].map(|reason| refusals.add(&key("web"), reason, now)).into();
        assert_eq!(told, [true, false, true, false]);
        assert!(refusals.add(&key("other"), "a", now), "somebody else has not heard it");
        let more = (0..100).filter(|port| refusals.add(&key("web"), &format!("port {port}"), now)).count();
        assert_eq!(more, REASONS - 2);
        refusals.remove(&key("web"));
        assert!(refusals.add(&key("web"), "a", now));
    }

    #[test]
    fn what_is_gone_is_not_tried_again() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        for name in ["a", "b"] {
            refusals.add(&key(name), "no", now);
            // Tried again before its time, since it had changed.
            refusals.add(&key(name), "no", now);
        }
        refusals.retain(|key| &*key.name == "b");
        assert_eq!((refusals.len(), refusals.rests(&key("a")), refusals.rests(&key("b"))), (1, false, true));
        let later = now + LONGEST;
        assert_eq!((refusals.pop_due(later), refusals.pop_due(later)), (Some(key("b")), None));
        assert!(!refusals.rests(&key("b")), "it is being tried");
    }
}
