//! Timing of failure detection: how fast a dead node is noticed and how long a living one may stall unpunished.

use std::num::{NonZeroU8, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

/// Timing of failure detection and of repair. There are four by name; `docs/gossip.md` helps to choose, and
/// `docs/detection-bounds.md` says what each achieves.
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

/// There is no profile of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no gossip profile {name:?}; there are {}", Profile::NAMES.join(", "))]
pub struct UnknownProfile {
    /// The name.
    pub name: String,
}

// === impl Profile ===

impl Profile {
    /// The names that [`str::parse`] takes, fastest first.
    pub const NAMES: [&str; 4] = ["fast", "default", "relaxed", "safe"];

    /// For dedicated nodes in one rack whose speaker has no CPU limit: a stall of 200 ms is tolerated. Costs twice the
    /// packets of the default.
    pub const fn fast() -> Self {
        Self::of([50, 20, 150, 25])
    }

    /// The default, for a LAN: a stall of 300 ms is tolerated.
    pub const fn lan() -> Self {
        Self::of([100, 40, 200, 50])
    }

    /// For virtual machines that stall at times: a stall of 700 ms is tolerated.
    pub const fn relaxed() -> Self {
        Self::of([200, 70, 500, 100])
    }

    /// For nested virtualisation and long distances: a stall of 5 s is tolerated.
    pub const fn safe() -> Self {
        Self::of([1_000, 500, 4_000, 200])
    }

    /// Probe period, probe round trip, suspicion and gossip interval in milliseconds.
    const fn of([probe_period, probe_rtt, suspect, gossip_interval]: [u64; 4]) -> Self {
        Self {
            probe_period: Duration::from_millis(probe_period),
            probe_rtt: Duration::from_millis(probe_rtt),
            indirect_probes: NonZeroUsize::MIN.saturating_add(2),
            suspect: Duration::from_millis(suspect),
            gossip_interval: Duration::from_millis(gossip_interval),
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

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "fast" => Ok(Self::fast()),
            "default" => Ok(Self::lan()),
            "relaxed" => Ok(Self::relaxed()),
            "safe" => Ok(Self::safe()),
            _ => Err(UnknownProfile { name: name.to_owned() }),
        }
    }
}

impl Default for Profile {
    /// [`Profile::lan`].
    fn default() -> Self {
        Self::lan()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_a_profile_and_others_are_refused_with_the_names() {
        let tolerated: Vec<u128> =
            Profile::NAMES.iter().map(|name| name.parse::<Profile>().unwrap().stall_tolerance().as_millis()).collect();
        assert_eq!(tolerated, [200, 300, 700, 5_000]);
        assert_eq!("default".parse(), Ok(Profile::default()));
        let error = "Fast".parse::<Profile>().unwrap_err().to_string();
        assert_eq!(error, "there is no gossip profile \"Fast\"; there are fast, default, relaxed, safe");
    }

    #[test]
    fn indirect_probes_fit_into_the_period() {
        for name in Profile::NAMES {
            let profile: Profile = name.parse().unwrap();
            assert!(profile.probe_rtt * 2 <= profile.probe_period, "{name}");
        }
    }
}
