//! How long it takes until all survivors know of a death, by profile, loss and number of nodes, in virtual time: the
//! tables of `docs/detection-bounds.md`. `cargo run --release -p ferrolb-gossip --example bounds`
//!
//! `KILLS=10000` measures more often, `PROFILES="default fast"`, `LOSS="0 5"` and `NODES="3 9"` measure others.

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/simulation/network.rs"]
mod network;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::network::{Node, Sim, ms, secs};

/// Deaths in one simulated cluster, before a fresh one takes its place: forming a large one takes longer than they do.
const fn kills_each(nodes: u16) -> u64 {
    if nodes < 100 { 25 } else { 100 }
}

/// What takes longer counts as this long.
const PATIENCE: Duration = secs(60);

fn from_environment(name: &str, default: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    text.split_whitespace().map(str::to_owned).collect()
}

fn main() {
    let kills = from_environment("KILLS", "1000")[0].parse::<u64>().unwrap();
    let losses: Vec<u32> = from_environment("LOSS", "0 1 5 20").iter().map(|loss| loss.parse().unwrap()).collect();
    println!("| profile | loss | nodes | median | 99 % | 99.99 % | worst | deaths | false deaths |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for profile in from_environment("PROFILES", "fast default relaxed safe") {
        for nodes in from_environment("NODES", "3 16 64 256 1000") {
            rows(&profile, &losses, nodes.parse().unwrap(), kills);
        }
    }
}

/// What was seen at one loss: how long each death took, and how many living nodes were declared down.
type Measured = BTreeMap<u32, (Vec<Duration>, usize)>;

fn rows(profile: &str, losses: &[u32], nodes: u16, kills: u64) {
    let each = kills_each(nodes).min(kills);
    let clusters = kills.div_ceil(each);
    let next = AtomicU64::new(0);
    let work = || {
        let mut measured = Measured::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= clusters {
                return measured;
            }
            cluster(seed, profile, losses, nodes, each, &mut measured);
        }
    };
    let threads = std::thread::available_parallelism().unwrap().get();
    let mut measured = Measured::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for (loss, (times, wrong)) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            let all = measured.entry(loss).or_default();
            all.0.extend(times);
            all.1 += wrong;
        }
    });
    for (loss, (mut times, false_deaths)) in measured {
        times.sort_unstable();
        let quantile = |millionths: usize| times[(times.len() * millionths).div_ceil(1_000_000) - 1].as_millis();
        println!(
            "| {profile} | {loss} % | {nodes} | {} | {} | {} | {} | {} | {false_deaths} |",
            quantile(500_000),
            quantile(990_000),
            quantile(999_900),
            quantile(1_000_000),
            times.len(),
        );
    }
}

/// Kills random nodes of one cluster, one after the other, at each loss in turn: forming a large cluster takes longer than
/// all its deaths.
fn cluster(seed: u64, profile: &str, losses: &[u32], nodes: u16, kills: u64, measured: &mut Measured) {
    let mut sim = Sim::quiet(seed);
    sim.profile = profile.parse().unwrap();
    sim.boot(nodes);
    sim.run_until_or(PATIENCE, Sim::converged).unwrap();
    let period = sim.profile.probe_period;
    for loss in losses {
        sim.loss = f64::from(*loss) / 100.0;
        let wrong_before = sim.false_downs.len();
        let (times, wrong) = measured.entry(*loss).or_default();
        for _ in 0..kills {
            // At any moment of a period, once the return of the one before has settled.
            let micros = u64::try_from((period * 10).as_micros()).unwrap();
            let pause = period * 5 + Duration::from_micros(sim.random(micros));
            sim.run_for(pause.max(ms(500)));
            let victim = Node(u16::try_from(sim.random(u64::from(nodes))).unwrap());
            sim.crash(victim);
            let name = victim.name();
            let known = |sim: &Sim| sim.nodes().iter().all(|node| !sim.view(*node).members.contains_key(&name));
            times.push(sim.run_until_or(PATIENCE, known).unwrap_or(PATIENCE));
            sim.start_node(victim, 0);
            sim.run_until_or(PATIENCE, Sim::converged);
        }
        *wrong += sim.false_downs.len() - wrong_before;
    }
}
