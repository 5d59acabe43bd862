//! Datagrams that other versions sent, stored under `tests/data`: a rolling update mixes versions, and each must
//! understand the other.
//!
//! `WIRE=3 cargo test -p ferrolb-gossip --test simulation record -- --ignored` stores what the present build sends as
//! `tests/data/wire-3.txt`; do that before the wire changes, never again afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail the test"
)]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ferrolb_gossip::{Config, Gossip, Input, Key, Output, Profile};

use crate::network::{CLUSTER, EPOCH_MS, KEY, Node, Sim, ms, secs, vip};

fn data(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/wire-{version}.txt"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A cluster in which everything happens that has a message of its own: a start, facts, claims, a conflict, a suspicion, a
/// verdict, a restart, a clock that was set back, a departure.
fn eventful() -> (Sim, Vec<(Duration, IpAddr)>) {
    let mut claimed = Vec::new();
    let mut sim = Sim::new(2_026);
    sim.record = true;
    sim.boot(4);
    sim.run_until_or(secs(5), |sim| sim.converged() && sim.all_ready()).expect("the cluster forms");
    sim.tell(Node(1), "before");
    sim.claim(Node(1), &[vip(1), vip(2)]);
    sim.run_for(ms(300));
    sim.split([3]);
    sim.run_for(ms(900));
    sim.tell(Node(1), "after");
    sim.tell(Node(3), "alone");
    sim.claim(Node(3), &[vip(1)]);
    claimed.push((sim.now - sim.start, vip(3)));
    sim.claim(Node(0), &[vip(3)]);
    sim.claim(Node(3), &[vip(3)]);
    sim.heal();
    sim.run_until_or(secs(5), Sim::converged).expect("the partition heals");
    sim.run_for(ms(200));
    sim.pause(Node(2), ms(220));
    sim.run_for(ms(600));
    sim.crash(Node(2));
    sim.run_for(ms(50));
    sim.start_node(Node(2), -3_600_000);
    sim.run_until_or(secs(5), Sim::converged).expect("node 2 is back");
    sim.claim(Node(2), &[vip(4)]);
    sim.input(Node(1), Input::Release(vec![vip(2)]));
    sim.run_for(ms(300));
    sim.input(Node(3), Input::Leave);
    sim.run_for(ms(600));
    (sim, claimed)
}

#[test]
#[ignore = "stores test data"]
fn record() {
    let version = std::env::var("WIRE").unwrap().parse().unwrap();
    let (sim, claimed) = eventful();
    let me = Node(0);
    let view = sim.view(me);
    let mut text =
        String::from("# What node-0 of a cluster of 4 received, in microseconds, and what it knew in the end.\n");
    writeln!(text, "session {}", hex(&sim.configs[0].session)).unwrap();
    for (name, member) in &view.members {
        writeln!(text, "member {name} {} {}", member.boot, member.rejoins).unwrap();
    }
    for (vip, held) in &view.claims {
        writeln!(text, "claim {vip} {} {} {}", held.claim.owner, held.claim.epoch, held.claim.released).unwrap();
    }
    for (name, facts) in &view.facts {
        writeln!(text, "facts {name} {}", facts.version).unwrap();
    }
    for (at, vip) in &claimed {
        writeln!(text, "claims {} {vip}", at.as_micros()).unwrap();
    }
    for seen in sim.seen.iter().filter(|seen| seen.to == me.addr()) {
        writeln!(text, "datagram {} {} {}", seen.at.as_micros(), seen.from, hex(&seen.bytes)).unwrap();
    }
    std::fs::write(data(version), text).unwrap();
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|digits| std::str::from_utf8(digits).unwrap());
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

/// What a recording says about members and claims, and the same of a machine that lived through it.
fn replay(version: u32) -> (Vec<String>, Vec<String>, Gossip) {
    let text = std::fs::read_to_string(data(version)).unwrap();
    let session = text.lines().find_map(|line| line.strip_prefix("session ")).unwrap();
    let config = Config {
        name: Node(0).name(),
        advertise: Node(0).addr(),
        profile: Profile::default(),
        cluster_id: CLUSTER.to_owned(),
        keys: Key::from_bytes(KEY).into(),
        boot: EPOCH_MS,
        session: unhex(session).try_into().unwrap(),
        seed: 1,
    };
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin; no time passes")]
    let start = std::time::Instant::now();
    let mut gossip = Gossip::new(config, start);
    gossip.handle(start, Input::Seeds((1..4).map(|number| Node(number).addr()).collect()));
    let mut inputs: Vec<(u64, Vec<&str>)> = text
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| ["datagram", "claims"].contains(&words[0]))
        .map(|words| (words[1].parse().unwrap(), words))
        .collect();
    inputs.sort();
    for (at, words) in inputs {
        let now = start + Duration::from_micros(at);
        let bytes = if words[0] == "datagram" { unhex(words[3]) } else { Vec::new() };
        match words[0] {
            "claims" => gossip.handle(now, Input::Claim(vec![words[2].parse().unwrap()])),
            // Its own deadlines are left out: nobody answers what it says.
            _ => gossip.handle(now, Input::Datagram { from: words[2].parse().unwrap(), bytes: &bytes }),
        }
        while let Some(output) = gossip.poll() {
            assert!(matches!(output, Output::View(_) | Output::Send { .. }));
        }
    }
    let view = gossip.view();
    let members =
        view.members.values().map(|member| format!("member {} {} {}", member.name, member.boot, member.rejoins));
    let claims = view
        .claims
        .iter()
        .map(|(vip, held)| format!("claim {vip} {} {} {}", held.claim.owner, held.claim.epoch, held.claim.released));
    let facts = view.facts.iter().map(|(name, facts)| format!("facts {name} {}", facts.version));
    let found = members.chain(claims).chain(facts).collect();
    let known = |line: &&str| ["member ", "claim ", "facts "].iter().any(|word| line.starts_with(word));
    (text.lines().filter(known).map(str::to_owned).collect(), found, gossip)
}

#[test]
fn what_other_versions_sent_is_understood() {
    for version in [1, 2, 3] {
        let (recorded, found, gossip) = replay(version);
        assert_eq!(found, recorded, "wire {version}");
        let counters = gossip.counters();
        assert_eq!((counters.malformed, counters.foreign_key, counters.forged, counters.unknown_kind), (0, 0, 0, 0));
        assert_eq!(gossip.view().facts.is_empty(), version == 1, "the first told none");
    }
}
