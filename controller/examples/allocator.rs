//! The allocator alone: assignments per second for growing numbers of Services on pools of very different size.
//!
//! `cargo run --release -p ferrolb-controller --example allocator`. A plain first-fit scan over the pool, which is what
//! one would write first, is measured beside it in the same run.

use std::collections::HashSet;
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use ferrolb_config::{Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Allocator;
use ferrolb_controller::allocator::Asker;
use ferrolb_source::{Family, ObjectKey};

#[expect(clippy::disallowed_methods, reason = "a bench measures")]
fn now() -> Instant {
    Instant::now()
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

fn per_second(count: u32, began: Instant) -> f64 {
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn assign(range: &str, family: Family, count: u32) -> Result<f64, Box<dyn Error>> {
    let mut allocator = allocator(range)?;
    let keys: Vec<ObjectKey> = (0..count).map(|n| ObjectKey::new("default", format!("s{n}"))).collect();
    let labels = Labels::new();
    let began = now();
    for key in &keys {
        let asker = Asker { key, labels: &labels, namespace_labels: &labels, sharing: None, ports: &[] };
        allocator.allocate_from(&asker, "pool", &[family])?;
    }
    Ok(per_second(count, began))
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
    writeln!(
        out,
        "\nallocator: assignments per second\n{:>24}{:>14}{:>14}{:>14}",
        "pool", "1,000", "10,000", "100,000"
    )?;
    for (range, family, largest) in [
        ("10.0.0.0/22", Family::V4, 1_000),
        ("10.0.0.0/16", Family::V4, 10_000),
        ("10.0.0.0/8", Family::V4, 100_000),
        ("2001:db8::/64", Family::V6, 100_000),
    ] {
        write!(out, "{range:>24}")?;
        for count in [1_000, 10_000, 100_000].into_iter().filter(|count| *count <= largest) {
            write!(out, "{:>14.0}", assign(range, family, count)?)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{:>24}{:>14.0}{:>14.0}", "plain scan of a /8", scan(1_000), scan(10_000))?;
    Ok(())
}
