//! What can happen to nodes, and what mends it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::layout::Mac;

/// Something that is done to the nodes of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The node loses power: link and everything on it.
    Kill(String),
    /// Nothing goes through the node's cable; its carrier stays.
    Cut(String),
    /// The node loses its carrier.
    Unplug(String),
    /// The node loses its carrier for a moment.
    Flap(String),
    /// The node's speaker stands still (SIGSTOP).
    Pause(String),
    /// It stands still for that long.
    Stall(String, Duration),
    /// It is killed (SIGKILL) and started again at once.
    Crash(String),
    /// It is told to end (SIGTERM) and stays away.
    Stop(String),
    /// It is told to end and started again.
    Restart(String),
    /// One speaker after the other is told to end and started again.
    Rolling(Vec<String>),
    /// The node is cordoned and tainted.
    Drain(String),
    /// It is in use again.
    Undrain(String),
    /// The node's interface gets another name.
    Rename(String, String),
    /// It gets another hardware address.
    ChangeMac(String, Mac),
    /// These nodes and the client do not hear the others and the gateway.
    Partition(BTreeSet<String>, BTreeSet<String>),
    /// All hear all again.
    Reunite,
    /// That share of all frames is lost.
    Lose(u8),
    /// No frame is lost any more.
    LoseNothing,
    /// Whatever was done to the node is mended.
    Heal(String),
    /// The controller is killed and started again.
    RestartController,
}

// === impl Fault ===

impl Fault {
    /// Its kind, for a table.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Cut(_) => "cut",
            Self::Unplug(_) => "unplug",
            Self::Flap(_) => "flap",
            Self::Pause(_) => "pause",
            Self::Stall(..) => "stall",
            Self::Crash(_) => "crash of a speaker",
            Self::Stop(_) => "stop",
            Self::Restart(_) => "restart",
            Self::Rolling(_) => "rolling",
            Self::Drain(_) => "drain",
            Self::Undrain(_) => "undrain",
            Self::Rename(..) => "rename",
            Self::ChangeMac(..) => "mac",
            Self::Partition(..) => "partition",
            Self::Reunite => "reunite",
            Self::Lose(_) => "loss",
            Self::LoseNothing => "no loss",
            Self::Heal(_) => "heal",
            Self::RestartController => "controller",
        }
    }

    /// The one node that it happens to.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Kill(node)
            | Self::Cut(node)
            | Self::Unplug(node)
            | Self::Flap(node)
            | Self::Pause(node)
            | Self::Stall(node, _)
            | Self::Crash(node)
            | Self::Stop(node)
            | Self::Restart(node)
            | Self::Drain(node)
            | Self::Undrain(node)
            | Self::Rename(node, _)
            | Self::ChangeMac(node, _)
            | Self::Heal(node) => Some(node),
            Self::Rolling(_)
            | Self::Partition(..)
            | Self::Reunite
            | Self::Lose(_)
            | Self::LoseNothing
            | Self::RestartController => None,
        }
    }

    /// Whether somebody planned it: it must lose no connection.
    pub fn is_planned(&self) -> bool {
        match self {
            Self::Stop(_)
            | Self::Restart(_)
            | Self::Rolling(_)
            | Self::Drain(_)
            | Self::Undrain(_)
            | Self::RestartController => true,
            Self::Kill(_)
            | Self::Cut(_)
            | Self::Unplug(_)
            | Self::Flap(_)
            | Self::Pause(_)
            | Self::Stall(..)
            | Self::Crash(_)
            | Self::Rename(..)
            | Self::ChangeMac(..)
            | Self::Partition(..)
            | Self::Reunite
            | Self::Lose(_)
            | Self::LoseNothing
            | Self::Heal(_) => false,
        }
    }

    /// The longest time that clients may be without the address. Generous: it tells a broken thing from a slow machine.
    pub(super) fn bound(&self) -> Duration {
        if self.is_planned() { Duration::from_secs(2) } else { Duration::from_secs(6) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &BTreeSet<String>| nodes.iter().cloned().collect::<Vec<_>>().join(",");
        f.write_str(self.kind())?;
        match self {
            Self::Stall(node, time) => write!(f, " {node} for {time:?}"),
            Self::Rename(node, name) => write!(f, " {node} to {name}"),
            Self::ChangeMac(node, mac) => write!(f, " {node} to {mac}"),
            Self::Rolling(nodes) => write!(f, " {}", nodes.join(",")),
            Self::Partition(ours, theirs) => write!(f, " client,{} | gateway,{}", list(ours), list(theirs)),
            Self::Lose(percent) => write!(f, " {percent} %"),
            Self::Kill(_)
            | Self::Cut(_)
            | Self::Unplug(_)
            | Self::Flap(_)
            | Self::Pause(_)
            | Self::Crash(_)
            | Self::Stop(_)
            | Self::Restart(_)
            | Self::Drain(_)
            | Self::Undrain(_)
            | Self::Heal(_) => write!(f, " {}", self.node().unwrap_or_default()),
            Self::Reunite | Self::LoseNothing | Self::RestartController => Ok(()),
        }
    }
}
