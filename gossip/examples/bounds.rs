//! How long it takes until all survivors know of a death, by profile, loss and number of nodes, in virtual time: the
//! tables of `docs/detection-bounds.md`. `cargo run --release -p ferrolb-gossip --example bounds`
//!
//! `KILLS=10000` measures more often, `PROFILES="default fast"`, `LOSS="0 5"` and `NODES="3 9"` measure others.

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/simulation/network.rs"]
mod network;

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
    println!("| profile | loss | nodes | median | 99 % | 99.99 % | worst | deaths | false deaths |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for profile in from_environment("PROFILES", "fast default relaxed safe") {
        for loss in from_environment("LOSS", "0 1 5 20") {
            for nodes in from_environment("NODES", "3 16 64 256 1000") {
                row(&profile, loss.parse().unwrap(), nodes.parse().unwrap(), kills);
            }
        }
    }
}

fn row(profile: &str, loss: u32, nodes: u16, kills: u64) {
    let each = kills_each(nodes).min(kills);
    let clusters = kills.div_ceil(each);
    let next = AtomicU64::new(0);
    let work = || {
        let mut measured = (Vec::new(), 0);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= clusters {
                return measured;
            }
            let (times, false_deaths) = cluster(seed, profile, f64::from(loss) / 100.0, nodes, each);
            measured.0.extend(times);
            measured.1 += false_deaths;
        }
    };
    let threads = std::thread::available_parallelism().unwrap().get();
    let (mut times, mut false_deaths) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (found, wrong) = thread.join().unwrap();
            times.extend(found);
            false_deaths += wrong;
        }
    });
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

/// Kills random nodes of one cluster, one after the other; how long each took, and how many living nodes were declared
/// down.
fn cluster(seed: u64, profile: &str, loss: f64, nodes: u16, kills: u64) -> (Vec<Duration>, usize) {
    let mut sim = Sim::quiet(seed);
    sim.profile = profile.parse().unwrap();
    sim.boot(nodes);
    sim.run_until_or(PATIENCE, Sim::converged).unwrap();
    sim.loss = loss;
    let period = sim.profile.probe_period;
    let times = (0..kills)
        .map(|_| {
            // At any moment of a period, once the return of the one before has settled.
            let micros = u64::try_from((period * 10).as_micros()).unwrap();
            let pause = period * 5 + Duration::from_micros(sim.random(micros));
            sim.run_for(pause.max(ms(500)));
            let victim = Node(u16::try_from(sim.random(u64::from(nodes))).unwrap());
            sim.crash(victim);
            let name = victim.name();
            let known = |sim: &Sim| sim.nodes().iter().all(|node| !sim.view(*node).members.contains_key(&name));
            let time = sim.run_until_or(PATIENCE, known).unwrap_or(PATIENCE);
            sim.start_node(victim, 0);
            sim.run_until_or(PATIENCE, Sim::converged);
            time
        })
        .collect();
    (times, sim.false_downs.len())
}
