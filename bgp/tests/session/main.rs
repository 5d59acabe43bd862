//! Two speakers under random faults in virtual time: `SEEDS=10000` runs more seeds, `SEED=17 cargo test -p ferrolb-bgp --test
//! session replay -- --nocapture` runs one of them and tells what happens.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may fail the test")]
#![expect(clippy::indexing_slicing, reason = "there are two nodes, and links are never taken away")]

mod estate;
mod faults;
mod link;
mod network;
mod node;
mod report;
mod table;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use report::Report;
use world::World;

/// Runs unless `SEEDS` says otherwise.
const SEEDS: u64 = 300;

/// A point in time to count from.
#[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with; no time passes in tests")]
fn origin() -> std::time::Instant {
    std::time::Instant::now()
}

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
fn there_is_one_session_whatever_happens_and_it_comes_back() {
    let count = from_environment("SEEDS").unwrap_or(SEEDS);
    let runs =
        on_all_cores(count, |seed| (seed, catch_unwind(AssertUnwindSafe(|| World::new(seed, false).run())).ok()));
    let failed: Vec<u64> = runs.iter().filter(|(_, report)| report.is_none()).map(|(seed, _)| *seed).collect();
    let all: Report = runs.into_iter().filter_map(|(_, report)| report).sum();
    println!("{count} seeds: {all}");
    assert!(
        failed.is_empty(),
        "{} of {count} seeds: {failed:?}; replay one: SEED={} cargo test -p ferrolb-bgp --test session replay -- --nocapture",
        failed.len(),
        failed[0]
    );
    assert!(count < 100 || all.has_everything(), "something never happened: {all}");
}

#[test]
fn a_seed_runs_the_same_each_time() {
    for seed in 0..10 {
        assert_eq!(World::new(seed, false).run(), World::new(seed, false).run());
    }
}

#[test]
fn replay() {
    let Some(seed) = from_environment("SEED") else { return };
    println!("{}", World::new(seed, true).run());
}
