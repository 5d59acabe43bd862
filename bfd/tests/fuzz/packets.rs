//! A session that is fed with spoilt packets.

use std::time::{Duration, Instant};

use ferrolb_bfd::wire::{LEN, Packet};
use ferrolb_bfd::{Config, Input, Output, Session, State};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const OWN: u32 = 0x0102_0304;

/// From each state of a handshake, with P, F and a longer datagram among them.
fn corpus() -> Vec<Vec<u8>> {
    let plain = |flags: u8, your: u32| {
        let mut bytes = vec![0x20, flags, 3, 24, 0, 0, 0, 9];
        bytes.extend(your.to_be_bytes());
        bytes.extend([0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0]);
        bytes
    };
    let mut all = vec![plain(0x40, 0), plain(0x80, OWN), plain(0xc0, OWN), plain(0xe0, OWN), plain(0xd0, OWN)];
    all.extend([plain(0x00, OWN), plain(0xc2, OWN), plain(0x40, OWN)]);
    let mut long = plain(0xc0, OWN);
    long.extend([0; 40]);
    all.push(long);
    all
}

fn mutated(corpus: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.extend((0..rng.random_range(0..16)).map(|_| rng.random::<u8>())),
            2 => bytes.insert(at, rng.random()),
            _ if bytes.is_empty() => {}
            3 => bytes[at.saturating_sub(1)] ^= 1 << rng.random_range(0..8),
            4 => bytes[at.saturating_sub(1)] = [0, 1, 24, 25, 127, 128, 255][rng.random_range(0..7)],
            _ => bytes[at.saturating_sub(1)] = rng.random(),
        }
    }
    bytes
}

fn drain(session: &mut Session) -> usize {
    let mut sent = 0;
    while let Some(output) = session.poll() {
        if let Output::Send(bytes) = output {
            sent += 1;
            let packet = Packet::decode(&bytes).expect("what is sent is valid");
            assert_eq!(packet.my_discriminator, OWN);
            assert!(!packet.demand && !packet.control_plane_independent);
        }
    }
    sent
}

/// Returns whether the bytes were a packet.
fn one(session: &mut Session, now: Instant, bytes: &[u8]) -> bool {
    let Ok(packet) = Packet::decode(bytes) else { return false };
    let mut same = bytes[..LEN].to_vec();
    // What the length says of the bytes behind is not kept.
    same[3] = 24;
    assert_eq!(packet.encode()[..], same[..]);
    session.handle(now, Input::Received(&packet));
    assert!(drain(session) <= 2, "one packet led to more than two");
    true
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long to run, and a moment to begin with")]
fn whatever_arrives_does_no_harm() {
    let seed = number("SEED").unwrap_or(1);
    let until = number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let iterations = if until.is_some() { u64::MAX } else { number("FUZZ_ITERATIONS").unwrap_or(100_000) };
    println!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let corpus = corpus();
    let mut now = Instant::now();
    let mut session = Session::new(now, Config::default(), OWN, seed);
    let (mut taken, mut ups, mut done) = (0_u64, 0, 0_u64);
    while done < iterations {
        if done % 1024 == 0 && until.is_some_and(|until| until <= Instant::now()) {
            break;
        }
        done += 1;
        let bytes = mutated(&corpus, &mut rng);
        taken += u64::from(one(&mut session, now, &bytes));
        if rng.random_ratio(1, 8) {
            now += Duration::from_micros(rng.random_range(0..100_000));
            session.handle_deadline(now);
            drain(&mut session);
            assert!(session.next_deadline().is_none_or(|at| at > now), "what was due is done");
        }
        if done % 4096 == 0 {
            ups += session.status().counters.ups;
            let passive = rng.random();
            session = Session::new(now, Config { passive, ..Config::default() }, OWN, rng.random());
            assert_eq!(session.state(), State::Down);
        }
    }
    println!("{done} packets, {taken} of them valid, {ups} times up");
    assert!(done < 50_000 || (taken > 1_000 && ups > 10), "the mutations leave nothing to test");
}
