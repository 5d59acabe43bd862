//! The book with 10,000 Services: how long an update takes, and how much memory it all needs.
//!
//! `cargo run --release -p ferrolb-controller --example book`. Times are
//! those on the processor. The memory is what the process grows by.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_config::{Config, Labels, Origin, Resource, Resources, parse};
use ferrolb_controller::Book;
use ferrolb_controller::book::Change;
use ferrolb_source::{Age, Cluster, ClusterIps, ObjectKey, Service};

const SERVICES: usize = 10_000;
const RUNS: u32 = 21;

/// Time on the processor: what the neighbours on the machine do does not count.
fn now() -> Duration {
    nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap_or_default()
}

fn config(range: &str) -> Result<Arc<Config>, Box<dyn Error>> {
    let pool = Resource {
        origin: Origin::resource("IPAddressPool", "bench", "pool"),
        name: "pool".to_owned(),
        labels: Labels::new(),
        spec: serde_json::from_value(serde_json::json!({ "addresses": [range] }))?,
    };
    let parsed = parse(&Resources { pools: vec![pool], ..Resources::default() });
    Ok(Arc::new(parsed.strict().map_err(|problems| format!("{problems:?}"))?.clone()))
}

fn cluster() -> Result<Cluster, Box<dyn Error>> {
    let mut cluster = Cluster::default();
    for n in 0..SERVICES {
        let object = serde_json::from_value(serde_json::json!({
            "metadata": {"labels": {"app": format!("app-{n}")}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.1", "ports": [{"port": 80}], "selector": {"app": "a"}},
        }))?;
        let age = Age::read_at(String::new(), n, 0);
        let service = Service::project(&object, age, ClusterIps::AsWritten);
        let key = ObjectKey::new(format!("namespace-{}", n % 100), format!("service-{n}"));
        cluster.services.insert(key, Arc::new(service));
    }
    Ok(cluster)
}

/// Shows in the cluster what the book asked to be written.
fn write_all(book: &mut Book, cluster: &mut Cluster) {
    while let Some(Change { key, status, .. }) = book.next_unwritten() {
        book.written(&key, &status);
        if let Some(service) = cluster.services.get_mut(&key).map(Arc::make_mut) {
            service.ingress.clone_from(&status.ips);
            service.ingress_has_more = false;
            if let Some(pool) = &status.pool {
                service.annotations.insert(ferrolb_api::annotations::ALLOCATED_FROM_POOL, pool.as_str());
            }
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nbook: {SERVICES} Services, time of one update")?;
    for (name, range) in [("IPv4 /8", "10.0.0.0/8"), ("IPv4 /24 (full)", "10.0.0.0/24")] {
        let config = config(range)?;
        let mut cluster = cluster()?;
        let (mut book, before) = (Book::new(None), memory());
        let timed = |book: &mut Book, cluster: &Cluster| {
            let began = now();
            let changes = book.update(cluster, &config);
            (now().saturating_sub(began), changes)
        };
        let (first, _) = timed(&mut book, &cluster);
        let grown = memory().saturating_sub(before);
        write_all(&mut book, &mut cluster);
        let (echo, _) = timed(&mut book, &cluster);
        let keys: Vec<ObjectKey> = cluster.services.keys().step_by(SERVICES / 20).cloned().collect();
        let (mut idle, mut label, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys.iter().take(usize::try_from(RUNS)?) {
            idle.push(timed(&mut book, &cluster).0);
            if let Some(service) = cluster.services.get_mut(key) {
                let mut changed = service.as_ref().clone();
                changed.labels.insert("changed", "yes");
                *service = Arc::new(changed);
            }
            label.push(timed(&mut book, &cluster).0);
            let removed = cluster.services.remove(key);
            let (time, _) = timed(&mut book, &cluster);
            gone.push(time);
            write_all(&mut book, &mut cluster);
            cluster.services.extend(removed.map(|service| (key.clone(), service)));
            timed(&mut book, &cluster);
            write_all(&mut book, &mut cluster);
        }
        let mut again = Book::new(None);
        let (restart, _) = timed(&mut again, &cluster);
        writeln!(out, "  pool {name}")?;
        for (what, time) in [
            ("first, all pending", first),
            ("first, all held (restart)", restart),
            ("all statuses come back", echo),
            ("nothing changed", median(idle)),
            ("one changed", median(label)),
            ("one deleted", median(gone)),
        ] {
            writeln!(out, "{what:>28}{:>12.3} ms", time.as_secs_f64() * 1000.0)?;
        }
        writeln!(out, "{:>28}{grown:>12} kB", "the book, first update")?;
    }
    Ok(())
}
