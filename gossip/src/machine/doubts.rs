//! Members that this node accuses of being dead: whether they were heard since.
//!
//! foca takes back a suspicion only for a refutation, which frames that get lost can keep away although the member is heard. Any sign of
//! life after the accusation is as good: then there is no verdict. Should the member be dead after all, the next probe
//! of it fails and accuses it anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// When each member that was accused was heard last, if it was.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<SocketAddr, Option<Instant>>);

// === impl Doubts ===

impl Doubts {
    /// A member did not answer.
    pub(super) fn accuse(&mut self, member: SocketAddr) {
        self.0.entry(member).or_default();
    }

    /// A member was heard, itself or through others.
    pub(super) fn heard(&mut self, now: Instant, member: SocketAddr) {
        if let Some(heard) = self.0.get_mut(&member) {
            *heard = Some(now);
        }
    }

    /// Whether it was heard after it was accused at `since`.
    pub(super) fn heard_since(&self, member: SocketAddr, since: Instant) -> bool {
        self.0.get(&member).copied().flatten().is_some_and(|heard| heard > since)
    }

    /// Forgets whoever is no member any more.
    pub(super) fn retain(&mut self, is_member: impl Fn(SocketAddr) -> bool) {
        self.0.retain(|addr, _| is_member(*addr));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::origin;

    #[test]
    fn what_is_heard_after_an_accusation_counts_against_it() {
        let (accused, other) = (SocketAddr::from(([10, 0, 0, 1], 7946)), SocketAddr::from(([10, 0, 0, 2], 7946)));
        let at = |ms| origin() + Duration::from_millis(ms);
        let mut doubts = Doubts::default();
        doubts.heard(at(0), accused);
        doubts.accuse(accused);
        assert!(!doubts.heard_since(accused, at(1)), "it was heard before");
        doubts.heard(at(2), other);
        assert!(!doubts.heard_since(accused, at(1)), "somebody else was");
        doubts.heard(at(2), accused);
        assert!(doubts.heard_since(accused, at(1)));
        doubts.accuse(accused);
        assert!(doubts.heard_since(accused, at(1)), "a second accusation takes nothing back");
        assert!(!doubts.heard_since(accused, at(2)), "for the second one it was heard too early");
        doubts.retain(|addr| addr == other);
        assert!(!doubts.heard_since(accused, at(1)));
    }
}
