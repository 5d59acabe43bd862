//! What it costs to work out and encode what peers are told: `cargo run --release -p ferrolb-bgp --example rib`. Without
//! sockets; processor time is that of this thread, medians of `RUNS` (9). Each row has the pulls of 64 KiB that a socket asks for.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrolb_bgp::rib::{Addresses, PeerId, Policy, Rib, Route, RouteSet, Session};
use ferrolb_bgp::wire::{Community, Parameters, PerFamily};
use ipnet::IpNet;

fn session() -> Session {
    let peer = Ipv4Addr::new(10, 0, 0, 2);
    Session {
        parameters: Parameters {
            four_octet_as: true,
            families: PerFamily { ipv4: true, ipv6: true },
            ..Parameters::default()
        },
        enhanced_refresh: true,
        asn: 64_512,
        router_asn: 64_512,
        router_id: Ipv4Addr::new(10, 0, 0, 1),
        peer_asn: 64_513,
        peer_router_id: peer,
        peer_address: peer.into(),
        role: None,
        addresses: Addresses {
            local: Ipv4Addr::new(10, 0, 0, 1).into(),
            ipv4: None,
            ipv6: Some(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 1)),
            link_local: None,
        },
        keeps_stale: PerFamily::default(),
    }
}

/// So many addresses with `attributes` different routes.
fn routes(count: u32, attributes: u32, ipv6: bool) -> Arc<RouteSet> {
    let routes = (0..attributes).map(|number| {
        Arc::new(Route { communities: vec![Community(64_512 << 16 | number), Community(7)], ..Route::default() })
    });
    let routes = routes.collect::<Vec<_>>();
    let prefix = |number: u32| {
        IpNet::from(if ipv6 {
            IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(number) << 8))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
        })
    };
    let route = |number: u32| Arc::clone(routes.get(usize::try_from(number % attributes).unwrap()).unwrap());
    Arc::new((0..count).map(|number| (prefix(number), route(number))).collect())
}

/// Processor time of this thread.
fn processor() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// A line of this process's status in KiB.
fn memory(line: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines().find_map(|it| it.strip_prefix(line)).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// Gives the peers what is left for them; returns octets and messages of all.
fn pull(rib: &mut Rib, peers: &[PeerId]) -> (usize, usize) {
    let (mut octets, mut messages) = (0, 0);
    let mut out = BytesMut::with_capacity(65_536);
    for peer in peers {
        loop {
            let more = rib.pull(*peer, &mut out, 65_536);
            octets += out.len();
            let mut rest = &out[..];
            while let Some((header, _)) = rest.split_first_chunk::<19>() {
                messages += 1;
                rest = &rest[usize::from(u16::from_be_bytes([header[16], header[17]]))..];
            }
            out.clear();
            if !more {
                break;
            }
        }
    }
    (octets, messages)
}

#[derive(Default)]
struct Row {
    wall: Vec<Duration>,
    processor: Vec<Duration>,
    octets: usize,
    messages: usize,
}

impl Row {
    fn measure(&mut self, work: impl FnOnce() -> (usize, usize)) {
        let (wall, before) = (Instant::now(), processor());
        (self.octets, self.messages) = work();
        self.wall.push(wall.elapsed());
        self.processor.push(processor().saturating_sub(before));
    }

    fn print(mut self, name: &str) {
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1000.0
        };
        let (wall, processor) = (median(&mut self.wall), median(&mut self.processor));
        println!("| {name} | {wall:.2} | {processor:.2} | {} | {} |", self.messages, self.octets);
    }
}

fn main() {
    let runs = std::env::var("RUNS").map_or(9, |runs| runs.parse().unwrap());
    memories();
    println!("\n| what | ms | ms of processor | messages | octets |\n| --- | --- | --- | --- | --- |");
    for (name, count, peers, attributes, ipv6) in [
        ("10k IPv4", 10_000, 1, 1, false),
        ("100k IPv4", 100_000, 1, 1, false),
        ("100k IPv4, 100 attribute sets", 100_000, 1, 100, false),
        ("100k IPv4, each its own", 100_000, 1, 100_000, false),
        ("100k IPv6", 100_000, 1, 1, true),
        ("10k IPv4, 20 peers", 10_000, 20, 1, false),
        ("100k IPv4, 20 peers", 100_000, 20, 1, false),
    ] {
        rows(name, runs, count, peers, attributes, ipv6);
    }
}

fn rows(name: &str, runs: usize, count: u32, peers: usize, attributes: u32, ipv6: bool) {
    let [mut collect, mut sync, mut add, mut one, mut shut, mut withdraw] = std::array::from_fn(|_| Row::default());
    let full = routes(count, attributes, ipv6);
    let mut changed = full.iter().map(|(prefix, route)| (prefix, Arc::clone(route))).collect::<Vec<_>>();
    changed[usize::try_from(count / 2).unwrap()].1 = Arc::new(Route { med: Some(1), ..Route::default() });
    let changed = Arc::new(changed.into_iter().collect::<RouteSet>());
    let list = full.iter().map(|(prefix, route)| (prefix, Arc::clone(route))).collect::<Vec<_>>();
    for _ in 0..runs {
        let mut rib = Rib::new();
        let peers = (0..peers).map(|number| rib.add(format!("{number}").into(), Policy::default())).collect::<Vec<_>>();
        let set = |rib: &mut Rib, routes: &Arc<RouteSet>| {
            for peer in &peers {
                rib.set_routes(*peer, Arc::clone(routes));
            }
        };
        collect.measure(|| {
            let made = list.iter().cloned().collect::<RouteSet>();
            (0, usize::from(made.is_empty()))
        });
        set(&mut rib, &full);
        sync.measure(|| {
            for peer in &peers {
                rib.established(Instant::now(), *peer, session());
            }
            pull(&mut rib, &peers)
        });
        set(&mut rib, &Arc::default());
        pull(&mut rib, &peers);
        add.measure(|| {
            set(&mut rib, &full);
            pull(&mut rib, &peers)
        });
        one.measure(|| {
            set(&mut rib, &changed);
            pull(&mut rib, &peers)
        });
        shut.measure(|| {
            let policy = Policy { graceful_shutdown: true, ..Policy::default() };
            for peer in &peers {
                assert!(!rib.set_policy(*peer, policy.clone()));
            }
            pull(&mut rib, &peers)
        });
        withdraw.measure(|| {
            set(&mut rib, &Arc::default());
            pull(&mut rib, &peers)
        });
    }
    collect.print(&format!("{name}: the set is made"));
    sync.print(&format!("{name}: first table"));
    add.print(&format!("{name}: added live"));
    one.print(&format!("{name}: one of them changes"));
    shut.print(&format!("{name}: graceful shutdown"));
    withdraw.print(&format!("{name}: withdrawn"));
}

/// What stays resident.
fn memories() {
    let mut rib = Rib::new();
    let peers = (0..20).map(|number| rib.add(format!("{number}").into(), Policy::default())).collect::<Vec<_>>();
    println!("| 100k IPv4, 20 peers | resident KiB | most so far |\n| --- | --- | --- |");
    let say = |name: &str| println!("| {name} | {} | {} |", memory("VmRSS:"), memory("VmHWM:"));
    say("nothing yet");
    let full = routes(100_000, 1, false);
    say("the set");
    for (number, peer) in peers.iter().enumerate() {
        rib.established(Instant::now(), *peer, session());
        rib.set_routes(*peer, Arc::clone(&full));
        pull(&mut rib, &[*peer]);
        if number == 0 {
            say("told to one peer");
        }
    }
    say("told to all");
    for peer in &peers {
        rib.set_routes(*peer, routes(100_000, 100, false));
    }
    pull(&mut rib, &peers);
    drop(full);
    say("all told anew with 100 attribute sets");
}
