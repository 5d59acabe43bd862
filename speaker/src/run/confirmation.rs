//! After a standstill of the process the announcer is silent until somebody makes sure that its addresses are still this
//! node's. Gossip knows, once it has run again and heard from others: others that replaced this node have told it by then.

use std::time::{Duration, Instant};

/// A standstill that waits to be confirmed.
#[derive(Debug, Clone, Copy)]
struct Standstill {
    number: u64,
    seen: Instant,
    /// Datagrams received when it was seen.
    received: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Confirmation {
    /// How long gossip needs to notice what it slept through.
    wait: Duration,
    waiting: Option<Standstill>,
}

// === impl Confirmation ===

impl Confirmation {
    pub(super) const fn new(wait: Duration) -> Self {
        Self { wait, waiting: None }
    }

    /// The announcer reports `stalls` standstills, and whether the last one is not confirmed.
    pub(super) fn observed(&mut self, now: Instant, stalls: u64, stalled: bool, received: u64) {
        if !stalled {
            self.waiting = None;
        } else if self.waiting.is_none_or(|waiting| waiting.number != stalls) {
            self.waiting = Some(Standstill { number: stalls, seen: now, received });
        }
    }

    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.map(|waiting| waiting.seen + self.wait)
    }

    /// The standstill that can be confirmed: gossip is `ready` and has received something since, or is `alone`. Where it
    /// cannot be yet, it is looked at again after a while.
    pub(super) fn confirm(&mut self, now: Instant, ready: bool, alone: bool, received: u64) -> Option<u64> {
        let waiting = self.waiting.as_mut()?;
        if now < waiting.seen + self.wait {
            return None;
        }
        if ready && (alone || received > waiting.received) {
            return Some(waiting.number);
        }
        waiting.seen = now;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_is_confirmed_once_gossip_has_heard_from_others() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let start = Instant::now();
        let (wait, later) = (Duration::from_millis(100), start + Duration::from_millis(100));
        let mut confirmation = Confirmation::new(wait);
        confirmation.observed(start, 1, true, 5);
        assert_eq!(confirmation.next_deadline(), Some(later));
        assert_eq!(confirmation.confirm(start, true, false, 9), None, "gossip may not have noticed yet");
        assert_eq!(confirmation.confirm(later, false, false, 9), None, "it has");
        assert_eq!(confirmation.confirm(later + wait, true, false, 5), None, "nobody was heard");
        assert_eq!(confirmation.confirm(later + wait * 2, true, false, 6), Some(1));
        confirmation.observed(later, 1, false, 6);
        assert_eq!(confirmation.next_deadline(), None);
        confirmation.observed(later, 2, true, 6);
        assert_eq!(confirmation.confirm(later + wait, true, true, 6), Some(2), "nobody is there to be heard");
    }
}
