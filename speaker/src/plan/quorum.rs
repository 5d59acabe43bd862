//! What a part of the cluster does that does not see the rest of it.
//!
//! The rest may be dead, or alive and cut off; nobody can tell by itself. `available` announces in every part: always
//! reachable, and where a switch is split, reachable on both sides. Where both sides can still reach the same clients,
//! both announce the same address. `quorum` excludes that: of any two parts at most one announces.
//!
//! A part has a quorum for an address if it sees more than half of the nodes that labels and selectors allow to announce
//! it, as the source knows them. Conditions and endpoints do not count: they change while a cluster is split, and two
//! parts that count differently could both come to a majority. Of exactly half, the part with the first node by name
//! goes on. With two nodes that means: the first outlives the second but not the other way round, so a cluster that
//! shall survive the loss of any node needs three.

use std::fmt;
use std::str::FromStr;

use ferrolb_config::L2Advertisement;
use serde::{Deserialize, Serialize};

use super::eligibility::is_excluded;
use super::{Reason, Snapshot};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PartitionPolicy {
    /// Every part announces.
    #[default]
    Available,
    /// Only a part that sees most of the nodes announces.
    Quorum,
}

impl FromStr for PartitionPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "available" => Ok(Self::Available),
            "quorum" => Ok(Self::Quorum),
            other => Err(format!("unknown partition policy {other:?}; known are available and quorum")),
        }
    }
}

impl fmt::Display for PartitionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Quorum => "quorum",
        })
    }
}

/// How much of the cluster is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Quorum {
    /// Enough, or it does not matter.
    #[default]
    Enough,
    /// Too little to announce.
    Lacking {
        /// Living nodes that could announce.
        seen: usize,
        /// All nodes that could.
        of: usize,
    },
}

impl Quorum {
    /// Why nothing is announced from here.
    pub(super) fn hindrance(self) -> Option<Reason> {
        match self {
            Self::Enough => None,
            Self::Lacking { seen, of } => Some(Reason::NoQuorum { seen, of }),
        }
    }
}

/// How many of the nodes that advertisements allow are seen.
pub(super) fn seen(snapshot: &Snapshot, advertisements: &[&L2Advertisement]) -> Quorum {
    if snapshot.options.partition_policy == PartitionPolicy::Available {
        return Quorum::Enough;
    }
    let nodes = snapshot.cluster.nodes.iter();
    let mut possible = nodes
        .filter(|(_, node)| {
            !is_excluded(snapshot, node) && advertisements.iter().any(|ad| ad.covers_node(&node.labels))
        })
        .map(|(name, _)| snapshot.view.members.contains_key(name.as_str()))
        .peekable();
    let first = possible.peek().copied().unwrap_or(false);
    let (mut seen, mut of) = (0, 0);
    for alive in possible {
        seen += usize::from(alive);
        of += 1;
    }
    if seen * 2 > of || (seen * 2 == of && first) { Quorum::Enough } else { Quorum::Lacking { seen, of } }
}
