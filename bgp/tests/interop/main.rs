//! Sessions with real routers: each feature with each daemon of Debian, in network namespaces of their own.
//!
//! The result is the table of `docs/interop.md`; `BLESS=1` writes it. `CELLS=frr/gtsm,bird` tries some only and compares nothing.
//! Skipped, and saying so, without the rights to make namespaces or without the daemons.

#[cfg(test)]
mod cells;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod net;
#[cfg(test)]
mod ours;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod table;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cells::{FEATURES, Feature};
use daemon::Kind;
use parking_lot::Mutex;
use table::Mark;

/// Cells that are tried at the same time. They mostly wait.
const AT_ONCE: usize = 10;

#[test]
fn every_feature_works_with_every_router_that_has_it() {
    if let Some(obstacle) = net::obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let missing: Vec<&str> = Kind::ALL
        .into_iter()
        .map(Kind::program)
        .filter(|program| !std::fs::exists(program).unwrap_or_default())
        .collect();
    if !missing.is_empty() {
        println!("skipped: {missing:?} are not installed; `integration/setup.sh bgp` does that");
        return;
    }
    let log = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    log.with_writer(std::io::stderr).try_init().ok();
    let chosen = std::env::var("CELLS").ok();
    let mut marks = BTreeMap::new();
    let mut todo = Vec::new();
    for feature in FEATURES {
        for kind in Kind::ALL {
            let cell = format!("{}/{}", kind.name().to_lowercase(), feature.key);
            if chosen.as_ref().is_some_and(|chosen| !chosen.split(',').any(|part| cell.contains(part))) {
                continue;
            }
            match (feature.cannot)(kind) {
                Some(why) => {
                    marks.insert((feature.key, kind), Mark::Cannot(why));
                }
                None => todo.push((feature, kind)),
            }
        }
    }
    // The slowest first, so that nothing is waited for at the end.
    todo.sort_by_key(|(feature, _)| std::cmp::Reverse(feature.slow));
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((feature, kind)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = try_cell(feature, *kind) {
                        println!("{} with {}: {error}", feature.key, kind.name());
                        failures.lock().push(format!("{} with {}", feature.key, kind.name()));
                    }
                }
            });
        }
    });
    marks.extend(todo.iter().map(|(feature, kind)| ((feature.key, *kind), Mark::Works)));
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "these do not work: {failures:#?}");
    let text = table::write(&marks);
    println!("{text}");
    if chosen.is_none() {
        table::compare(&text);
    }
}

fn try_cell(feature: &Feature, kind: Kind) -> Result<(), String> {
    let tried = catch_unwind(AssertUnwindSafe(|| (feature.run)(kind)));
    tried.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    })
}
