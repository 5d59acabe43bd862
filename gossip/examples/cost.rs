//! What gossip costs a node when nothing happens, by the number of nodes, in virtual time: `cargo run --release -p
//! ferrolb-gossip --example cost`. Processor time is that of the machine, without sockets; `NODES="3 16"` measures others.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/simulation/network.rs"]
mod network;

use std::time::Duration;

use crate::network::{Sim, secs};

/// Virtual time that is measured, after as much again to settle.
const TIME: Duration = secs(20);

/// Processor time of this thread in nanoseconds.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn main() {
    let nodes = std::env::var("NODES").unwrap_or_else(|_| "3 16 64 256".to_owned());
    println!("| profile | nodes | loss | packets/s | B/s, UDP payload | B/s with IPv4 and UDP headers | CPU |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for profile in ["default", "fast", "relaxed", "safe"] {
        for loss in [0.0, 0.05] {
            for count in nodes.split_whitespace().map(|count| count.parse().unwrap()) {
                row(profile, loss, count);
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
    sim.run_for(TIME);
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
