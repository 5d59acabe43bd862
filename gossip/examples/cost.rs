//! What gossip costs a node when nothing happens, by the number of nodes, in virtual time: `cargo run --release -p
//! ferrolb-gossip --example cost`. Processor time is that of the machine, without sockets; `NODES="3 16"` measures others,
//! `PROFILES="fast"` and `LOSS="0 5"` too.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/simulation/network.rs"]
mod network;

use std::time::Duration;

use crate::network::{Sim, secs};

/// Virtual time that is measured.
const TIME: Duration = secs(20);

/// Before that: who has not met yet introduces itself, and in a large cluster two meet by chance only now and then.
fn settling(nodes: u16) -> Duration {
    Duration::from_millis(u64::from(nodes) * 300).max(TIME)
}

/// Processor time of this thread in nanoseconds.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn words(name: &str, default: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    text.split_whitespace().map(str::to_owned).collect()
}

fn main() {
    println!("| profile | nodes | loss | packets/s | B/s, UDP payload | B/s with IPv4 and UDP headers | CPU |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for profile in words("PROFILES", "default fast relaxed safe") {
        for loss in words("LOSS", "0 5") {
            for count in words("NODES", "3 16 64 256") {
                row(&profile, loss.parse::<f64>().unwrap() / 100.0, count.parse().unwrap());
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn row(profile: &str, loss: f64, count: u16) {
    let mut sim = Sim::quiet(1);
    sim.profile = profile.parse().unwrap();
    sim.boot(count);
    sim.run_until_or(secs(60), Sim::converged).unwrap();
    for node in sim.nodes() {
        sim.tell(node, "0.1.0");
    }
    sim.loss = loss;
    sim.run_for(settling(count));
    let sums = |sim: &Sim| (sim.total(|counters| counters.sent), sim.total(|counters| counters.sent_bytes));
    let (before, begin) = (sums(&sim), processor_time());
    sim.run_for(TIME);
    let (after, end) = (sums(&sim), processor_time());
    let node_seconds = TIME.as_secs_f64() * f64::from(count);
    let (packets, bytes) = (after.0 - before.0, after.1 - before.1);
    println!(
        "| {profile} | {count} | {} % | {:.1} | {:.0} | {:.0} | {:.3} % |",
        loss * 100.0,
        packets as f64 / node_seconds,
        bytes as f64 / node_seconds,
        (bytes + 28 * packets) as f64 / node_seconds,
        (end - begin) as f64 / 1e7 / node_seconds,
    );
}
