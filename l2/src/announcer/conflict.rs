//! Bounded defence of an address somebody else claims (RFC 5227 §2.4 (b)): one announcement, then none for a while,
//! so that two owners that both mean it do not flood the network with their quarrel.

use std::time::{Duration, Instant};

/// Least time between two defences of an address (`DEFEND_INTERVAL`, RFC 5227 §1.1).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Time from hearing another owner to the defence. Whoever took the address over by agreement is heard first and the
/// agreement learned a moment later; by then the address is given up and there is nothing to defend. It falls between two
/// rounds of a burst, so that against a burst the defence has a word of its own.
pub(super) const DEFEND_DELAY: Duration = Duration::from_millis(350);

/// When an address was last defended.
#[derive(Debug, Default)]
pub(super) struct Defence {
    last: Option<Instant>,
}

impl Defence {
    /// Whether the address may be defended now; if so, that is taken as done.
    pub(super) fn permit(&mut self, now: Instant) -> bool {
        let permitted = self.last.is_none_or(|last| now.saturating_duration_since(last) >= DEFEND_INTERVAL);
        if permitted {
            self.last = Some(now);
        }
        permitted
    }
}
