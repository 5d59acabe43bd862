//! How long it takes until the addresses of a lost node answer again, and until all agree again: measured in many runs.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use rand::RngExt;

use super::fault::{ms, pick};
use super::log::Log;
use super::watch::agreement;
use super::{Estate, Node, World};

/// Addresses in the measured cluster.
const ADDRESSES: u8 = 8;

/// What has not happened by then is reported as this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An owner dies: until all its addresses are answered for, by one node each.
    Crash,
    /// Two owners die within 100 ms: the same, since the first death.
    TwoCrashes,
    /// An owner is stopped for 3 s: the same.
    Stop,
    /// An owner leaves: the time in which nobody answers for one of its addresses.
    Leave,
    /// A node starts: until all agree, and it is ready.
    Start,
    /// A partition of 3 s heals: until all agree, and one node answers for each address.
    Heal,
}

// === impl Event ===

impl Event {
    /// Everything that is measured.
    pub const ALL: [Self; 6] = [Self::Crash, Self::TwoCrashes, Self::Stop, Self::Leave, Self::Start, Self::Heal];

    /// Lets it happen `rounds` times in a cluster of `nodes`, and returns how long each took.
    pub fn measure(self, nodes: u8, loss: f64, seed: u64, rounds: u32) -> Vec<Duration> {
        let mut world = World::new(seed, Log::default(), |rng| Estate::plain(rng, nodes, ADDRESSES));
        world.network.loss = loss;
        for node in world.estate.nodes().clone() {
            world.start_process(node, 0);
        }
        let mut times = Vec::new();
        for _ in 0..rounds {
            rest(&mut world);
            times.push(self.once(&mut world));
            world.network.heal();
            for node in world.estate.nodes().clone() {
                world.start_process(node, 0);
            }
        }
        times
    }

    fn once(self, world: &mut World) -> Duration {
        let Some(victim) = some_owner(world) else { return PATIENCE };
        let mut lost = world.answered_by(victim);
        match self {
            Self::Crash => world.crash(victim),
            Self::TwoCrashes => {
                world.crash(victim);
                let gap = ms(world.rng(), 0..100);
                pass(world, gap);
                if let Some(second) = some_owner(world).filter(|_| world.working().len() > 1) {
                    lost.extend(world.answered_by(second));
                    world.crash(second);
                }
                return gap.saturating_add(until(world, |world| answered(world, &lost)));
            }
            Self::Stop => world.pause(victim, Duration::from_secs(3)),
            Self::Leave => return leave(world, victim, &lost),
            Self::Start => {
                world.crash(victim);
                pass(world, Duration::from_secs(3));
                world.start_process(victim, 0);
                return until(world, at_rest);
            }
            Self::Heal => {
                let all = world.estate.nodes().clone();
                let size = world.rng().random_range(1..all.len().max(2));
                let mut apart = BTreeSet::new();
                while apart.len() < size {
                    apart.extend(pick(world.rng(), &all));
                }
                world.network.split(&apart);
                pass(world, Duration::from_secs(3));
                world.network.heal();
                return until(world, at_rest);
            }
        }
        let time = until(world, |world| answered(world, &lost));
        if self == Self::Stop {
            pass(world, Duration::from_secs(3));
        }
        time
    }
}

/// Lets a node leave; the longest time in which nobody answered for one of its addresses.
fn leave(world: &mut World, node: Node, addresses: &BTreeSet<IpAddr>) -> Duration {
    world.leave(node);
    let mut gap = Duration::ZERO;
    let mut silent_since = None;
    until(world, |world| {
        let silent = addresses.iter().any(|address| world.answering(*address).is_empty());
        match (silent, silent_since) {
            (true, None) => silent_since = Some(world.now()),
            (false, Some(since)) => {
                gap = gap.max(world.now().saturating_duration_since(since));
                silent_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        !silent && !world.processes().contains(&node)
    });
    gap
}

/// One node each answers for the addresses.
fn answered(world: &World, addresses: &BTreeSet<IpAddr>) -> bool {
    addresses.iter().all(|address| world.answering(*address).len() == 1)
}

/// All agree, and one node each answers for the addresses.
fn at_rest(world: &World) -> bool {
    let addresses: BTreeSet<IpAddr> = world.estate.addresses().map(|(address, _)| address).collect();
    world.processes() == *world.estate.nodes() && agreement(world).is_ok() && answered(world, &addresses)
}

/// Until the cluster is at rest and has been for a random while, so that the next event comes at any moment of a probe.
fn rest(world: &mut World) {
    until(world, at_rest);
    let more = ms(world.rng(), 500..1_500);
    pass(world, more);
    until(world, at_rest);
}

/// Lets time pass.
fn pass(world: &mut World, time: Duration) {
    let end = world.now().checked_add(time).unwrap_or(world.now());
    while world.next().is_some_and(|at| at <= end) {
        world.step();
    }
    world.wait_until(end);
    world.notes();
}

/// Lets time pass until the condition holds; how long that took.
fn until(world: &mut World, mut condition: impl FnMut(&World) -> bool) -> Duration {
    let start = world.now();
    let mut done = condition(world);
    while !done && world.now().saturating_duration_since(start) < PATIENCE {
        world.step();
        done = !world.notes().is_empty() && condition(world);
    }
    world.now().saturating_duration_since(start)
}

fn some_owner(world: &mut World) -> Option<Node> {
    let working = world.working();
    let owners: BTreeSet<Node> = working.into_iter().filter(|node| !world.answered_by(*node).is_empty()).collect();
    pick(world.rng(), &owners)
}

/// Measured times in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

// === impl Times ===

impl Times {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this part of them does not exceed, from 0 to 1,000,000.
    pub fn quantile(&self, millionths: usize) -> Duration {
        let rank = self.0.len().saturating_mul(millionths).div_ceil(1_000_000);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn worst(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_ordered_times() {
        let times: Times = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(times.quantile(500_000), Duration::from_millis(50));
        assert_eq!(times.quantile(990_000), Duration::from_millis(99));
        assert_eq!(times.quantile(999_900), Duration::from_millis(100));
        assert_eq!((times.worst(), times.count()), (Duration::from_millis(100), 100));
        assert_eq!(Times::default().quantile(500_000), Duration::ZERO);
    }
}
