//! What a datagram costs that is refused, by the reason, beside one that is good: `cargo run --release -p ferrolb-gossip
//! --example junk`. Nothing that is refused may cost more than one that is good.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::net::SocketAddr;
use std::time::Instant;

use ferrolb_gossip::{Config, Counters, Facts, Gossip, Input, Key, Output, Profile};

/// Datagrams of each kind.
const COUNT: usize = 20_000;

/// Rounds, of which the best counts: the machine has other work too.
const ROUNDS: usize = 5;

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7946))
}

fn machine(last: u8, key: u8, cluster_id: &str, now: Instant) -> Gossip {
    let config = Config {
        name: format!("n{last}").into(),
        advertise: addr(last),
        profile: Profile::default(),
        cluster_id: cluster_id.to_owned(),
        keys: Key::from_bytes([key; 32]).into(),
        boot: 1_700_000_000_000,
        session: [last; 16],
        seed: 1,
    };
    Gossip::new(config, now)
}

/// Hands over what the machines say to each other until both are silent.
fn talk(victim: &mut Gossip, peer: &mut Gossip, now: Instant) {
    loop {
        let mut quiet = true;
        for (to_peer, from) in [(true, addr(1)), (false, addr(2))] {
            let (speaker, hearer) = if to_peer { (&mut *victim, &mut *peer) } else { (&mut *peer, &mut *victim) };
            while let Some(output) = speaker.poll() {
                if let Output::Send { bytes, .. } = output {
                    quiet = false;
                    hearer.handle(now, Input::Datagram { from, bytes: &bytes });
                }
            }
        }
        if quiet {
            return;
        }
    }
}

/// A machine that knows its peer, and what the peer has to say to it.
fn prepared(now: Instant) -> (Gossip, Vec<Vec<u8>>) {
    let (mut victim, mut peer) = (machine(1, 1, "bench", now), machine(2, 1, "bench", now));
    peer.handle(now, Input::Seeds(vec![addr(1)]));
    talk(&mut victim, &mut peer, now);
    assert_eq!((victim.view().members.len(), peer.view().members.len()), (2, 2));
    let mut said = Vec::new();
    for number in 0..COUNT {
        peer.handle(now, Input::Tell(Facts { version: number.to_string(), ..Facts::default() }));
        while let Some(output) = peer.poll() {
            if let Output::Send { bytes, .. } = output {
                said.push(bytes);
            }
        }
    }
    (victim, said)
}

/// Datagrams of a stranger: all it can say is its invitation.
fn strangers(key: u8, cluster_id: &str, now: Instant) -> Vec<Vec<u8>> {
    let mut stranger = machine(3, key, cluster_id, now);
    stranger.handle(now, Input::Seeds(vec![addr(1)]));
    let Some(Output::Send { bytes, .. }) = stranger.poll() else { return Vec::new() };
    vec![bytes; COUNT]
}

fn changed(said: &[Vec<u8>], at: impl Fn(&[u8]) -> usize) -> Vec<Vec<u8>> {
    let change = |mut bytes: Vec<u8>| {
        let at = at(&bytes);
        bytes[at] ^= 0x40;
        bytes
    };
    said.iter().cloned().map(change).collect()
}

/// Nanoseconds for each datagram, at best.
fn measure(now: Instant, datagrams: impl Fn(&[Vec<u8>]) -> Vec<Vec<u8>>, twice: bool) -> (u128, Counters) {
    let round = || {
        let (mut victim, said) = prepared(now);
        let datagrams = datagrams(&said);
        if twice {
            deliver(&mut victim, now, &datagrams);
        }
        let begin = Instant::now();
        deliver(&mut victim, now, &datagrams);
        (begin.elapsed().as_nanos() / datagrams.len().max(1) as u128, victim.counters())
    };
    (0..ROUNDS).map(|_| round()).min_by_key(|(time, _)| *time).unwrap()
}

fn deliver(victim: &mut Gossip, now: Instant, datagrams: &[Vec<u8>]) {
    for bytes in datagrams {
        victim.handle(now, Input::Datagram { from: addr(2), bytes });
        while victim.poll().is_some() {}
    }
}

fn main() {
    type Make = Box<dyn Fn(&[Vec<u8>]) -> Vec<Vec<u8>>>;
    type Count = fn(&Counters) -> u64;
    let now = Instant::now();
    let rows: [(&str, Make, bool, Count); 7] = [
        ("good: a change of facts", Box::new(<[Vec<u8>]>::to_vec), false, |counters| counters.received),
        ("too short", Box::new(|_| vec![vec![1; 40]; COUNT]), false, |counters| counters.malformed),
        ("another key", Box::new(move |_| strangers(9, "bench", now)), false, |counters| counters.foreign_key),
        ("another cluster", Box::new(move |_| strangers(1, "other", now)), false, |counters| counters.foreign_key),
        ("received before", Box::new(<[Vec<u8>]>::to_vec), true, |counters| counters.replayed),
        ("forged, known session", Box::new(|said| changed(said, |bytes| bytes.len() - 1)), false, |c| c.forged),
        ("forged, unknown session", Box::new(|said| changed(said, |_| 5)), false, |counters| counters.forged),
    ];
    println!("| datagram | ns |\n| --- | --- |");
    for (name, make, twice, count) in rows {
        let (time, counters) = measure(now, make, twice);
        assert!(count(&counters) >= COUNT as u64, "{name}: {counters:?}");
        println!("| {name} | {time} |");
    }
}
