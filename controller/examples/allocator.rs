//! The allocator alone: assignments per second for growing numbers of Services on pools of very different size.
//!
//! `cargo run --release -p ferrolb-controller --example allocator`. Every figure is the best of several runs, in time on
//! the processor, for an allocator that knows how many Services to expect, as it does when a controller starts. The
//! slope is the time of one assignment among 100,000 as a multiple of one among 1,000; a cost that follows the number
//! of Services would make it 100. A plain first-fit scan over the pool, which is what one would write first, is measured
//! beside it in the same run: figures of different machines compare as ratios to it.

use std::collections::HashSet;
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_config::{Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Allocator;
use ferrolb_controller::allocator::Asker;
use ferrolb_source::{Family, ObjectKey};

const COUNTS: [u32; 3] = [1_000, 10_000, 100_000];
const RUNS: u32 = 9;

/// Time on the processor: what the neighbours on the machine do does not count.
fn now() -> Duration {
    nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap_or_default()
}

fn allocator(range: &str) -> Result<Allocator, Box<dyn Error>> {
    let pool = Resource {
        origin: Origin::resource("IPAddressPool", "bench", "pool"),
        name: "pool".to_owned(),
        labels: Labels::new(),
        spec: serde_json::from_value(serde_json::json!({ "addresses": [range] }))?,
    };
    let parsed = parse(&Resources { pools: vec![pool], ..Resources::default() });
    Ok(Allocator::new(parsed.strict().map_err(|problems| format!("{problems:?}"))?.pools.values()))
}

fn per_second(count: u32, began: Duration) -> f64 {
    f64::from(count) / now().saturating_sub(began).as_secs_f64()
}

/// As many Services as there are; those for whom nothing is left are refused, which counts as well: a full pool must
/// not be slow either.
fn assign(range: &str, family: Family, keys: &[Arc<ObjectKey>], count: u32) -> Result<f64, Box<dyn Error>> {
    let labels = Labels::new();
    let mut best = 0.0_f64;
    for _ in 0..RUNS {
        let mut allocator = allocator(range)?.expecting(usize::try_from(count)?);
        let pool = allocator.pool("pool").ok_or("the pool is gone")?;
        let began = now();
        for key in keys.iter().take(usize::try_from(count)?) {
            let asker = Asker { key, labels: &labels, namespace_labels: &labels, sharing: None, ports: &[] };
            if let Some(offer) = allocator.offer(&asker, pool, &[family]) {
                allocator.accept(&asker, offer)?;
            }
        }
        best = best.max(per_second(count, began));
    }
    Ok(best)
}

/// First fit by stepping over what is taken.
fn scan(count: u32) -> f64 {
    let mut taken: HashSet<IpAddr> = HashSet::new();
    let (base, last) = (u32::from(Ipv4Addr::new(10, 0, 0, 0)), u32::from(Ipv4Addr::new(10, 255, 255, 255)));
    let began = now();
    for _ in 0..count {
        let free = (base..=last).map(|ip| IpAddr::V4(ip.into())).find(|ip| !taken.contains(ip));
        taken.extend(free);
    }
    per_second(count, began)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nallocator: assignments per second")?;
    writeln!(out, "{:>24}{:>14}{:>14}{:>14}{:>10}", "pool", "1,000", "10,000", "100,000", "slope")?;
    let key = |n: u32| Arc::new(ObjectKey::new(format!("namespace-{}", n % 100), format!("service-{n}")));
    let keys: Vec<Arc<ObjectKey>> = (0..100_000).map(key).collect();
    for (name, range, family) in [
        ("IPv4 /24 (full)", "10.0.0.0/24", Family::V4),
        ("IPv4 /16", "10.0.0.0/16", Family::V4),
        ("IPv4 /8", "10.0.0.0/8", Family::V4),
        ("IPv6 /64", "2001:db8::/64", Family::V6),
    ] {
        write!(out, "{name:>24}")?;
        let mut rates = Vec::new();
        for count in COUNTS {
            let rate = assign(range, family, &keys, count)?;
            write!(out, "{rate:>14.0}")?;
            rates.push(rate);
        }
        let slope = rates.first().zip(rates.last()).map_or(f64::NAN, |(few, many)| few / many);
        writeln!(out, "{slope:>10.2}")?;
    }
    writeln!(out, "{:>24}{:>14.0}{:>14.0}", "plain scan of a /8", scan(1_000), scan(10_000))?;
    Ok(())
}
