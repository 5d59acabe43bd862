//! Timing of failure detection: how fast a dead node is noticed and how long a living one may stall unpunished.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// Timing of failure detection and of repair.
///
/// Nothing on the wire depends on it, so nodes with different profiles understand each other while a change rolls out.
/// A stall shorter than `probe_period + suspect` is tolerated; after a longer one the node has been replaced and knows
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// One member is probed in each period (SWIM protocol period). A failed probe is judged when the next one starts.
    pub probe_period: Duration,
    /// How long a direct answer to a probe may take before other members are asked to probe in our place. Not a limit
    /// for the answer: choose it above the 99.9th percentile of the round trip plus scheduling.
    pub probe_rtt: Duration,
    /// How many members are asked to probe in our place, and how many receive each extra round of gossip.
    pub indirect_probes: NonZeroUsize,
    /// How long a suspected member has to refute the suspicion before it is declared down.
    pub suspect: Duration,
    /// Interval of gossip rounds; a round without news sends nothing.
    pub gossip_interval: Duration,
    /// How many members receive each round.
    pub gossip_fanout: NonZeroUsize,
    /// How often each node passes on one piece of news. Below 10 small clusters lose news at a few percent of loss.
    pub max_transmissions: NonZeroU8,
    /// How often the digest of the whole state is compared with one random member's.
    pub sync_interval: Duration,
    /// How often one seed that is not a member is invited.
    pub seed_interval: Duration,
}

// === impl Profile ===

impl Profile {
    /// The profile for a LAN.
    ///
    /// In simulation a dead node is known to all survivors after 0.37 s in the median. The worst of 1 300 deaths among 2
    /// to 64 nodes took 0.80 s without loss, and the worst of 900 took 1.08 s at 5 % loss. No living node was declared
    /// down in 13 node hours at 5 % loss, nor in 13 at 20 %. A stall of 300 ms is tolerated. Each node sends 21 packets
    /// and 2.0 to 2.3 kB of UDP payload a second when nothing happens, however many there are.
    pub const fn lan() -> Self {
        Self {
            probe_period: Duration::from_millis(100),
            probe_rtt: Duration::from_millis(40),
            indirect_probes: NonZeroUsize::MIN.saturating_add(2),
            suspect: Duration::from_millis(200),
            gossip_interval: Duration::from_millis(50),
            gossip_fanout: NonZeroUsize::MIN.saturating_add(2),
            max_transmissions: NonZeroU8::MIN.saturating_add(9),
            sync_interval: Duration::from_secs(1),
            seed_interval: Duration::from_millis(500),
        }
    }

    /// The profile with every interval at least a millisecond, so that no timer can spin.
    pub(crate) fn sane(self) -> Self {
        let least = |interval: Duration| interval.max(Duration::from_millis(1));
        Self {
            probe_period: least(self.probe_period),
            gossip_interval: least(self.gossip_interval),
            sync_interval: least(self.sync_interval),
            seed_interval: least(self.seed_interval),
            ..self
        }
    }

    /// Longest stall after which others have certainly not replaced a node yet: a probe must fail and the suspicion
    /// must stand for its whole time.
    pub const fn stall_tolerance(&self) -> Duration {
        self.probe_period.saturating_add(self.suspect)
    }
}

impl Default for Profile {
    /// [`Profile::lan`].
    fn default() -> Self {
        Self::lan()
    }
}
