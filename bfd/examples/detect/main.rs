//! How fast a neighbour is missed, beside FRR's bfdd in the same run, and whether full load makes us see ghosts (needs
//! root and frr): `detect [TRIALS] [SECONDS OF LOAD]`.
//!
//! First table: one bfdd has two sessions with the same settings, one with ours and one with another bfdd; it is stopped by
//! `SIGSTOP`, and both say when they miss it: ours when the watcher of the driver sees it, bfdd by its log.
//!
//! Second table: sessions at once under one busy loop per processor and two more.
#![expect(clippy::expect_used, reason = "a bench ends where it cannot go on")]
#![expect(clippy::panic, reason = "a bench ends where it cannot go on")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock and measures over time")]

#[path = "../../tests/netns/lab.rs"]
#[expect(dead_code, clippy::print_stderr, clippy::indexing_slicing, reason = "shared with the tests")]
mod lab;

use std::net::IpAddr;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, SystemTime};

use ferrolb_bfd::Config;
use ferrolb_bfd::driver::{Options, Peer};
use nix::sys::signal::Signal;

use lab::{BFDD, Bfdd, Host, Lab, Ours, config, eventually, run};

const INTERVALS: [u64; 4] = [300, 100, 50, 20];

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a number"));
    let trials = numbers.next().unwrap_or(10);
    let seconds = numbers.next().unwrap_or(60);
    run(BFDD, async {
        println!("{:<10} {:<8} {:>8} {:>8} {:>8} {:>8}", "interval", "who", "min", "median", "max", "trials");
        for interval in INTERVALS {
            detect(interval, trials).await;
        }
        println!();
        load(Duration::from_secs(seconds.into())).await;
    });
}

fn three(interval: u64) -> Config {
    Config { detect_multiplier: 3, ..config(interval) }
}

fn address(net: u8, n: u8) -> IpAddr {
    IpAddr::from([10, 77, net, n])
}

fn frr(us: IpAddr, peer: IpAddr, interface: &str, interval: u64) -> String {
    format!(
        "peer {peer} local-address {us} interface {interface}\nreceive-interval {interval}\ntransmit-interval {interval}\nno shutdown\n!\n"
    )
}

/// A cable with the net 10.77.`net`.0/24; the first host is .1, the second .2.
fn cable(net: u8, first: &Host, second: &Host) {
    let name = format!("v{net}");
    first.cable(&name, second, &name);
    for (host, n) in [(first, 1), (second, 2)] {
        host.ip(&format!("addr add {}/24 dev {name}", address(net, n)));
    }
}

async fn detect(interval: u64, trials: u32) {
    let mut lab = Lab::new();
    let (ours, other, stopped) = (lab.host("ours"), lab.host("other"), lab.host("stopped"));
    cable(1, &ours, &stopped);
    cable(2, &other, &stopped);
    let other = other.bfdd(&frr(address(2, 1), address(2, 2), "v2", interval));
    let stopped = stopped.bfdd(&format!(
        "{}{}",
        frr(address(1, 2), address(1, 1), "v1", interval),
        frr(address(2, 2), address(2, 1), "v2", interval)
    ));
    let (ours, peer) = (ours.ours(), Peer::single_hop(address(1, 2)).from(address(1, 1)));
    ours.set(&peer, three(interval));
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for trial in 1..=u64::from(trials) {
        ours.agreed(&peer, interval, interval).await;
        other.says("Status: up").await;
        // Past the poll sequences, and not in step with anything.
        thread::sleep(Duration::from_millis(700 + 37 * (trial % 8)));
        let seen = downs(&other).len();
        let at = SystemTime::now();
        stopped.signal(Signal::SIGSTOP);
        ours.failed(&peer, trial).await;
        mine.push(at.elapsed().expect("time goes on"));
        eventually("bfdd misses it", || downs(&other).len() > seen).await;
        let day = Duration::from_secs(86_400);
        let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let since = Duration::from_nanos(u64::try_from(since.as_nanos() % day.as_nanos()).unwrap_or_default());
        theirs.extend(downs(&other).get(seen).and_then(|down| down.checked_sub(since)));
        stopped.signal(Signal::SIGCONT);
    }
    row(interval, "ferrolb", mine);
    row(interval, "bfdd", theirs);
}

/// When the daemon lost its session, as times of the day (UTC).
fn downs(bfdd: &Bfdd) -> Vec<Duration> {
    let log = bfdd.log();
    let lost = log.lines().filter(|line| line.contains("state-change") && line.contains("up -> down"));
    lost.filter_map(|line| {
        let mut parts = line.split_whitespace().nth(1)?.split(':').map(|part| part.parse::<f64>().ok());
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        Some(Duration::from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds))
    })
    .collect()
}

fn row(interval: u64, who: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let millis = |at: usize| times.get(at).map_or_else(|| "-".to_owned(), |time| format!("{} ms", time.as_millis()));
    let (name, last) = (format!("{interval} x 3"), times.len().saturating_sub(1));
    println!(
        "{name:<10} {who:<8} {:>8} {:>8} {:>8} {:>8}",
        millis(0),
        millis(times.len() / 2),
        millis(last),
        times.len()
    );
}

/// One row of the second table: a pair of ends.
struct Pair {
    name: &'static str,
    interval: u64,
    ends: Vec<(Ours, Peer)>,
    _bfdd: Option<Bfdd>,
}

async fn load(time: Duration) {
    let mut lab = Lab::new();
    let mut pairs = Vec::new();
    let kinds = [
        ("real-time", 50, Some(true)),
        ("real-time", 20, Some(true)),
        ("normal", 50, Some(false)),
        ("normal", 20, Some(false)),
        ("with bfdd", 50, None),
    ];
    for (net, (name, interval, both)) in (1_u8..).zip(kinds) {
        let (a, b) = (lab.host(&format!("a{net}")), lab.host(&format!("b{net}")));
        cable(net, &a, &b);
        let to = |n: u8, from: u8| Peer::single_hop(address(net, n)).from(address(net, from));
        let options = Options { realtime: both.unwrap_or(true) };
        let mut ends = vec![(a.ours_with(options), to(2, 1))];
        let mut bfdd = None;
        match both {
            Some(_) => ends.push((b.ours_with(options), to(1, 2))),
            None => bfdd = Some(b.bfdd(&frr(address(net, 2), address(net, 1), &format!("v{net}"), interval))),
        }
        for (end, peer) in &ends {
            end.set(peer, three(interval));
        }
        pairs.push(Pair { name, interval, ends, _bfdd: bfdd });
    }
    for pair in &pairs {
        for (end, peer) in &pair.ends {
            end.agreed(peer, pair.interval, pair.interval).await;
        }
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut busy: Vec<Child> = (0..processors + 2)
        .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell"))
        .collect();
    thread::sleep(time);
    println!("{} busy loops on {processors} processors for {time:?}:", busy.len());
    println!(
        "{:<10} {:<10} {:>9} {:>12} {:>8} {:>8} {:>8}",
        "ends", "interval", "granted", "false downs", "sent", "late", "stalls"
    );
    for pair in &pairs {
        let all: Vec<_> = pair
            .ends
            .iter()
            .map(|(end, peer)| {
                let observed = end.handle.observed().borrow().clone();
                let counters = observed.sessions.get(peer).map(|session| session.status.counters).unwrap_or_default();
                (observed.realtime, observed.stalls, counters)
            })
            .collect();
        println!(
            "{:<10} {:<10} {:>9} {:>12} {:>8} {:>8} {:>8}",
            pair.name,
            format!("{} x 3", pair.interval),
            all.iter().all(|end| end.0),
            all.iter().map(|end| end.2.downs).sum::<u64>(),
            all.iter().map(|end| end.2.sent).sum::<u64>(),
            all.iter().map(|end| end.2.late).sum::<u64>(),
            all.iter().map(|end| end.1).sum::<u64>(),
        );
    }
    for child in &mut busy {
        drop(child.kill());
        drop(child.wait());
    }
}
