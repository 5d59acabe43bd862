//! What announcing costs and how fast it is, in two network namespaces (needs root): the processor time and wake-ups of
//! the announcer's thread while others ask for addresses that are none of ours, and the time from the call of
//! `announce()` to the first gratuitous frame on the wire.
#![expect(clippy::expect_used, reason = "a bench ends where it cannot go on")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod lab;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ferrolb_l2::driver::Handle;
use ferrolb_l2::wire::arp::{self, ArpFrame};
use ferrolb_l2::wire::ndp::{self, NdpFrame};
use ferrolb_l2::{Announcement, MacAddr};

use lab::{Lab, TOLERANCE, now, thread_cost};
use wire::{Flood, Sniffer};

/// Foreign questions a second; a tenth as many for our own addresses, which are answered.
const RATE: u32 = 10_000;

/// How long each flood lasts, and the time without one.
const DURATION: Duration = Duration::from_secs(10);

/// Addresses of each family that are announced meanwhile.
const OWNED: u16 = 500;

/// Addresses that are announced one after the other for each row of the second table.
const ROUNDS: u16 = 300;

const STRANGER: MacAddr = MacAddr(2, 0xfe, 0, 0, 0, 0x99);

fn v4(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(10, 77, high, low)
}

fn v6(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n)
}

fn main() {
    let lab = Lab::new();
    let handle = lab.announcer();
    cost(&lab, &handle);
    latency(&lab, &handle);
    println!();
    println!("standstills of more than {TOLERANCE:?}: {}", handle.observed().borrow().stalls);
}

/// The first table.
fn cost(lab: &Lab, handle: &Handle) {
    let owned = (0..OWNED).flat_map(|n| [IpAddr::V4(v4(n)), IpAddr::V6(v6(n))]);
    handle.announce(owned.map(Announcement::everywhere).collect());
    Lab::settle(handle, usize::from(2 * OWNED));
    println!("{} addresses announced, questions by others for {DURATION:?}:", 2 * OWNED);
    println!("{:<16} {:>10} {:>12} {:>10} {:>14}", "questions", "sent", "CPU", "of a core", "wake-ups");
    let question = ArpFrame { target_ip: v4(40_000), ..arp::announce_request(STRANGER, v4(60_000)) };
    let questions: Vec<Vec<u8>> =
        (0..1_000).map(|n| ArpFrame { target_ip: v4(40_000 + n), ..question }.encode()).collect();
    let solicitations: Vec<Vec<u8>> = (0..1_000)
        .map(|n| NdpFrame { source_ip: v6(60_000), link_layer: Some(STRANGER), ..ndp::probe(STRANGER, v6(40_000 + n)) })
        .map(|solicitation| solicitation.encode())
        .collect();
    let ours: Vec<Vec<u8>> =
        (0..OWNED).map(|n| ArpFrame { target_ip: v4(n), ..question }).map(|question| question.encode()).collect();
    let floods = [
        ("none", Vec::new(), 0),
        ("foreign ARP", questions, RATE),
        ("foreign NDP", solicitations, RATE),
        ("ARP for ours", ours, RATE / 10),
    ];
    for (name, frames, rate) in floods {
        let flood = (rate > 0).then(|| Flood::start(lab, frames, rate));
        let before = thread_cost();
        lab::pause(DURATION);
        let after = thread_cost();
        let sent = flood.map_or(0, Flood::stop);
        let busy = after.busy.saturating_sub(before.busy);
        println!(
            "{name:<16} {sent:>10} {:>12} {:>9.3}% {:>14}",
            format!("{busy:.1?}"),
            100.0 * busy.as_secs_f64() / DURATION.as_secs_f64(),
            after.wake_ups - before.wake_ups,
        );
    }
}

/// The second table.
fn latency(lab: &Lab, handle: &Handle) {
    println!();
    println!("from announce() to the first gratuitous frame, {ROUNDS} addresses one after the other:");
    println!("{:<24} {:>10} {:>10} {:>10}", "address", "p50", "p95", "max");
    for (name, fresh, of) in [
        ("IPv4, held before", false, (|n| v4(n).into()) as fn(u16) -> IpAddr),
        ("IPv6, held before", false, |n| v6(n).into()),
        ("IPv4, for the first time", true, |n| v4(n).into()),
        ("IPv6, for the first time", true, |n| v6(n).into()),
    ] {
        handle.announce(Vec::new());
        Lab::settle(handle, 0);
        let sniffer = Sniffer::start(lab, of(0).is_ipv4());
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|n| {
                let vip = of(n);
                handle.confirm(handle.observed().borrow().stalls);
                let start = now();
                handle.announce(vec![Announcement { fresh, ..Announcement::everywhere(vip) }]);
                let seen = sniffer.first_announcement(vip);
                // The next call does not come while this one is still worked on.
                lab::pause(Duration::from_millis(5));
                seen.saturating_duration_since(start)
            })
            .collect();
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let max = times.last().copied().unwrap_or_default();
        println!(
            "{name:<24} {:>10} {:>10} {:>10}",
            format!("{:.2?}", at(50)),
            format!("{:.2?}", at(95)),
            format!("{max:.2?}")
        );
    }
}
