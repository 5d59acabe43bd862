//! Gossip and election under random faults in virtual time: `SEEDS=100000` runs more seeds, `SEED=17 cargo test -p
//! ferrolb-integration --test simulation replay -- --nocapture` runs one of them and tells what happens.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrolb_integration::simulation::{Report, run};

/// Runs unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs seeds 0 to `count` on all cores.
fn run_all(count: u64) -> Vec<Report> {
    let next = AtomicU64::new(0);
    let work = || {
        let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < count));
        seeds.map(|seed| run(seed, false)).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..std::thread::available_parallelism().unwrap().get()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn rules_hold_under_random_faults() {
    let count = from_environment("SEEDS").unwrap_or(SEEDS);
    let reports = run_all(count);
    let failed: Vec<&Report> = reports.iter().filter(|report| report.violation.is_some()).collect();
    let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
    for report in &failed {
        let violation = report.violation.as_ref().unwrap();
        *kinds.entry(violation.rule).or_default() += 1;
    }
    let time: Duration = reports.iter().map(|report| report.time).sum();
    let false_deaths: u32 = reports.iter().map(|report| report.false_deaths).sum();
    println!("{count} seeds, {} s of virtual time, {false_deaths} false deaths, broken: {kinds:?}", time.as_secs());
    for report in failed.iter().take(20) {
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        println!(
            "seed {}: {} ({}; {})",
            report.seed,
            report.violation.as_ref().unwrap(),
            report.cluster,
            faults.join("; ")
        );
    }
    assert!(
        failed.is_empty(),
        "{} of {count} seeds; replay one: SEED={} cargo test -p ferrolb-integration --test simulation replay -- --nocapture",
        failed.len(),
        failed[0].seed
    );
}

#[test]
fn replay() {
    let Some(seed) = from_environment("SEED") else { return };
    let report = run(seed, true);
    for line in &report.log {
        println!("{line}");
    }
    if let Some(violation) = &report.violation {
        panic!("seed {seed}: {violation}");
    }
}
