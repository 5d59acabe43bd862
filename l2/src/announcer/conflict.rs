//! Bounded defence of an address somebody else claims (RFC 5227 §2.4 (b)), for one interface: one announcement, then none
//! for a while, so that two owners that both mean it do not flood the network with their quarrel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Least time between two defences of an address (`DEFEND_INTERVAL`, RFC 5227 §1.1).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Time from hearing another owner to the defence. Whoever took the address over by agreement is heard first and the
/// agreement learned a moment later; by then the address is given up and there is nothing to defend. It falls between two
/// rounds of a burst, so that against a burst the defence has a word of its own.
const DEFEND_DELAY: Duration = Duration::from_millis(350);

/// The defences of an interface.
#[derive(Debug, Default)]
pub(super) struct Defences {
    /// When each address was last defended, or will be.
    permitted: BTreeMap<IpAddr, Instant>,
    /// Those that are due.
    due: BTreeMap<IpAddr, Instant>,
}

impl Defences {
    /// Has `vip` defended in a moment, if it may be defended now. Says whether that is so.
    pub(super) fn request(&mut self, now: Instant, vip: IpAddr) -> bool {
        let last = self.permitted.get(&vip);
        let permitted = last.is_none_or(|last| now.saturating_duration_since(*last) >= DEFEND_INTERVAL);
        if permitted {
            self.permitted.insert(vip, now);
            self.due.insert(vip, now + DEFEND_DELAY);
        }
        permitted
    }

    /// Takes an address whose defence is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<IpAddr> {
        let (&vip, _) = self.due.iter().find(|(_, due)| **due <= now)?;
        self.due.remove(&vip);
        Some(vip)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Forgets all but the addresses of `keep`.
    pub(super) fn retain(&mut self, keep: impl Fn(IpAddr) -> bool) {
        self.permitted.retain(|vip, _| keep(*vip));
        self.due.retain(|vip, _| keep(*vip));
    }
}
