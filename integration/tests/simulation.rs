//! Gossip and election under random faults in virtual time: `SEEDS=100000` runs more seeds, `SEED=17 cargo test -p
//! ferrolb-integration --test simulation replay -- --nocapture` runs one of them and tells what happens.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrolb_integration::simulation::{Event, Report, Times, run};

/// Runs unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Does the work for 0 to `count` on all cores.
fn on_all_cores<T: Send>(count: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let thread = || {
        let numbers =
            std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count));
        numbers.map(&work).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..std::thread::available_parallelism().unwrap().get()).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn rules_hold_under_random_faults() {
    let count = from_environment("SEEDS").unwrap_or(SEEDS);
    let reports = on_all_cores(count, |seed| run(seed, false));
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

/// Prints the tables of `docs/detection-bounds.md`.
#[test]
#[ignore = "measures for a long time; docs/detection-bounds.md says how to run it"]
fn measure() {
    const ROUNDS: u32 = 10;
    let count = from_environment("SEEDS").unwrap_or(2_000);
    let only = std::env::var("EVENT").ok();
    for event in Event::ALL.into_iter().filter(|event| only.as_ref().is_none_or(|only| *only == format!("{event:?}"))) {
        println!(
            "\n{event:?}\n\n| loss | nodes | median | 99 % | 99.99 % | worst | events |\n| --- | --- | --- | --- | --- | --- | --- |"
        );
        for loss in [0.0, 0.01, 0.05, 0.2] {
            for nodes in [2, 3, 5, 9] {
                let times = on_all_cores(count, |seed| event.measure(nodes, loss, seed, ROUNDS));
                let times: Times = times.into_iter().flatten().collect();
                let cells = [500_000, 990_000, 999_900].map(|part| times.quantile(part)).map(|time| time.as_millis());
                println!(
                    "| {} % | {nodes} | {} | {} | {} | {} | {} |",
                    loss * 100.0,
                    cells[0],
                    cells[1],
                    cells[2],
                    times.worst().as_millis(),
                    times.count()
                );
            }
        }
    }
}
