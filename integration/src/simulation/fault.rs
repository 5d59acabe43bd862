//! What befalls the cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Node, World};

/// Something that befalls the cluster, or that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Power off.
    Crash(Node),
    /// The process dies and starts again after this time.
    Restart(Node, Duration),
    /// A node that does not run starts.
    Start(Node),
    /// The process is stopped for this time.
    Pause(Node, Duration),
    /// SIGTERM.
    Leave(Node),
    /// These nodes are cut off from the others.
    Split(BTreeSet<Node>),
    /// The first does not reach the second any more.
    OneWay(Node, Node),
    /// Nobody hears the node any more.
    Mute(Node),
    /// The node hears nobody any more.
    Deaf(Node),
    /// Everything carries again.
    Heal,
    /// The exclude label comes (`true`) or goes.
    Exclude(Node, bool),
    /// The endpoints of Services with `externalTrafficPolicy: Local` come to the node (`true`) or go from it.
    Endpoints(Node, bool),
}

// === impl Fault ===

impl Fault {
    /// A random fault for the world as it is; `None` when the drawn one makes no sense there.
    pub fn draw(world: &mut World) -> Option<Self> {
        let working = world.working();
        let node = victim(world, &working)?;
        let several = working.len() >= 2;
        let whole = world.network.is_whole();
        let all = world.estate.nodes().clone();
        let rng = world.rng();
        match rng.random_range(0..100_u32) {
            0..18 => several.then_some(Self::Crash(node)),
            18..30 => Some(Self::Restart(node, ms(rng, 20..2_500))),
            30..40 => Some(Self::Pause(node, ms(rng, 100..300))),
            40..52 => Some(Self::Pause(node, ms(rng, 300..3_000))),
            52..64 => several.then_some(Self::Leave(node)),
            64..74 => {
                let apart: BTreeSet<Node> = all.into_iter().filter(|_| rng.random_bool(0.4)).collect();
                (whole && several && !apart.is_empty()).then_some(Self::Split(apart))
            }
            74..78 => {
                let other = pick(rng, &working)?;
                (whole && other != node && working.len() >= 3).then_some(Self::OneWay(node, other))
            }
            78..81 => (whole && several).then_some(Self::Mute(node)),
            81..84 => (whole && several).then_some(Self::Deaf(node)),
            84..92 => Some(Self::Exclude(node, true)),
            _ => Some(Self::Endpoints(node, false)),
        }
    }
}

/// More often a node that answers for something than any other.
fn victim(world: &mut World, working: &BTreeSet<Node>) -> Option<Node> {
    let owners: BTreeSet<Node> = working.iter().copied().filter(|node| !world.answered_by(*node).is_empty()).collect();
    let rng = world.rng();
    if rng.random_bool(0.6)
        && let Some(owner) = pick(rng, &owners)
    {
        return Some(owner);
    }
    pick(rng, working)
}

/// One of the nodes.
pub(super) fn pick(rng: &mut StdRng, nodes: &BTreeSet<Node>) -> Option<Node> {
    if nodes.is_empty() {
        return None;
    }
    nodes.iter().nth(rng.random_range(0..nodes.len())).copied()
}

/// A random time in milliseconds, with a random rest, so that nothing happens on the millisecond.
pub(super) fn ms(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_micros(rng.random_range(range.start.saturating_mul(1_000)..range.end.saturating_mul(1_000)))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(node) => write!(f, "crash of {node}"),
            Self::Restart(node, down) => write!(f, "restart of {node}, down for {} ms", down.as_millis()),
            Self::Start(node) => write!(f, "start of {node}"),
            Self::Pause(node, time) => write!(f, "stop of {node} for {} ms", time.as_millis()),
            Self::Leave(node) => write!(f, "leave of {node}"),
            Self::Split(apart) => {
                let apart: Vec<String> = apart.iter().map(ToString::to_string).collect();
                write!(f, "split: {} apart", apart.join(", "))
            }
            Self::OneWay(from, to) => write!(f, "{from} does not reach {to}"),
            Self::Mute(node) => write!(f, "nobody hears {node}"),
            Self::Deaf(node) => write!(f, "{node} hears nobody"),
            Self::Heal => f.write_str("the network is whole again"),
            Self::Exclude(node, true) => write!(f, "{node} gets the exclude label"),
            Self::Exclude(node, false) => write!(f, "{node} loses the exclude label"),
            Self::Endpoints(node, true) => write!(f, "local endpoints come to {node}"),
            Self::Endpoints(node, false) => write!(f, "local endpoints go from {node}"),
        }
    }
}
