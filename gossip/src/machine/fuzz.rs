//! A mutation loop over what comes in: sealed datagrams, and with the key what is inside them.
//!
//! `ITERATIONS=10000000 SEED=7 cargo test --release -p ferrolb-gossip --lib fuzz -- --nocapture` runs longer and from
//! another seed, `FUZZ_SECONDS=60` for a time; seed and executions are printed.

use super::*;
use crate::notice;
use crate::seal::envelope::{MAX_BODY, MAX_DATAGRAM};
use crate::table;
use crate::testing::origin;
use crate::wire::{Brief, Cursor, Digest, Inventory, Suspicion, Watch};

use foca::{Member, State};

/// How long a machine is maltreated before a fresh one takes its place.
const LIFE: u64 = 5_000;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7946))
}

fn config(last: u8, session: u64) -> Config {
    let mut bytes = [last; 16];
    bytes[..8].copy_from_slice(&session.to_be_bytes());
    Config {
        name: format!("n{last}").into(),
        advertise: addr(last),
        profile: Profile::default(),
        cluster_id: "fuzz".to_owned(),
        keys: crate::key::Key::from_bytes([5; 32]).into(),
        boot: 1_700_000_000_000,
        session: bytes,
        seed: session,
    }
}

/// Messages to begin with, one of each kind.
fn corpus() -> Vec<(u8, Vec<u8>)> {
    let me = Identity::new("n1", addr(1), 1_700_000_000_000);
    let peer = Identity::new("n2", addr(2), 1_700_000_000_000);
    let claim =
        Claim { vip: IpAddr::from([198, 18, 0, 1]), epoch: 2, owner: "n2".into(), boot: peer.boot, released: false };
    let page = crate::wire::Page {
        after: Cursor::Start,
        next: Some(Cursor::Claim(claim.vip)),
        members: vec![Member::alive(peer.clone())],
        claims: vec![Record::fresh(claim.clone())],
    };
    let facts = Facts { interfaces: [("eth0".to_owned(), [1; 6])].into(), draining: true, version: "1".to_owned() };
    let swim = |message| {
        let header = foca::Header { src: peer.clone(), src_incarnation: 0, dst: me.clone(), message };
        let mut bytes = postcard::to_allocvec(&header).unwrap();
        bytes.extend(postcard::to_allocvec(&(1_u16, Member::new(peer.clone(), 1, State::Suspect))).unwrap());
        bytes
    };
    let brief = |message| Message::Brief(Brief::of(&swim(message), &peer, &me).unwrap());
    let messages = [
        Message::Swim(swim(foca::Message::Ping(1))),
        Message::Swim(swim(foca::Message::Gossip)),
        Message::Swim(swim(foca::Message::Feed)),
        Message::Swim(swim(foca::Message::Announce)),
        brief(foca::Message::Ping(1)),
        brief(foca::Message::PingReq { target: Identity::new("n3", addr(3), 1), probe_number: 1 }),
        Message::Suspicion(Suspicion { accuser: peer.clone(), accused: Member::new(me.clone(), 0, State::Suspect) }),
        Message::Records(vec![Member::down(me.clone()), Member::alive(peer.clone())]),
        Message::Outdated(me.clone()),
        Message::Claims(vec![claim.clone()]),
        Message::Conceded(vec![claim]),
        Message::Digest(Digest { value: [1; 16], answer: true, facts: Some(1) }),
        Message::Pull(Cursor::Start),
        Message::Page(page),
        Message::Notices(notice::Notice::of(&peer.name, peer.boot, 1, &facts.encode())),
        Message::Inventory(Inventory { from: 0, to: u64::MAX, marks: vec![[1; 8]], answer: true }),
        Message::Watch(Watch::Beat),
        Message::Watch(Watch::Check { origin: Some(addr(3)) }),
        Message::Watch(Watch::CheckFor { target: addr(3) }),
        Message::Watch(Watch::Alive { who: addr(2), origin: Some(addr(3)) }),
    ];
    messages.iter().map(|message| message.encode().unwrap()).collect()
}

/// Changes some bytes, cuts, doubles or lengthens.
fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>, longest: usize) {
    for _ in 0..rng.random_range(1..6_u32) {
        let length = bytes.len();
        let at = if length == 0 { 0 } else { rng.random_range(0..length) };
        match rng.random_range(0..7_u32) {
            0 | 1 if length > 0 => bytes[at] = rng.random(),
            2 if length > 0 => bytes[at] ^= 1 << rng.random_range(0..8_u32),
            3 if length > 0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5_usize)],
            4 => bytes.truncate(at),
            5 => bytes.insert(at, rng.random()),
            _ => {
                let part: Vec<u8> = bytes[at..].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes.truncate(longest);
}

/// A machine under attack, by a peer that has the key.
struct Victim {
    gossip: Gossip,
    peer: Channel,
    now: Instant,
}

impl Victim {
    fn new(session: u64, start: Instant) -> Self {
        let mut gossip = Gossip::new(config(1, session), start);
        gossip.handle(start, Input::Seeds(vec![addr(2), addr(3)]));
        gossip.handle(start, Input::Claim(vec![IpAddr::from([198, 18, 0, 1])]));
        gossip.handle(start, Input::Tell(Facts::default()));
        let peer = Channel::new(&config(2, session), start);
        let mut victim = Self { gossip, peer, now: start };
        let members =
            vec![2, 3].into_iter().map(|last| Member::alive(Identity::new(format!("n{last}"), addr(last), 1)));
        let (kind, body) = Message::Records(members.collect()).encode().unwrap();
        let bytes = victim.peer.seal(addr(1), kind, &body).unwrap();
        victim.suffer(&bytes);
        assert_eq!(victim.gossip.view().members.len(), 3);
        victim
    }

    fn suffer(&mut self, datagram: &[u8]) {
        self.gossip.handle(self.now, Input::Datagram { from: addr(2), bytes: datagram });
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for _ in 0..1_000 {
            if self.gossip.next_deadline().is_none_or(|due| due > self.now) {
                return;
            }
            self.gossip.handle_deadline(self.now);
            self.drain();
        }
        panic!("the deadlines never end");
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            match self.gossip.poll() {
                Some(Output::Send { bytes, .. }) => assert!(bytes.len() <= MAX_DATAGRAM),
                Some(Output::View(_)) => {}
                None => return,
            }
        }
        panic!("the outputs never end");
    }

    /// Nothing that an attacker can fill grows without bound.
    fn check(&self) {
        let gossip = &self.gossip;
        assert!(gossip.table.held().len() <= table::CAPACITY);
        assert!(gossip.board.len() <= notice::CAPACITY);
        assert!(gossip.swim.iter_membership_state().len() <= membership::KNOWN_MAX + 256);
        assert!(gossip.swim.custom_broadcast_backlog() <= RIDING_MAX + 256);
        assert!(gossip.outputs.is_empty());
        assert!(gossip.timers.len() < 50_000, "{} timers", gossip.timers.len());
        assert!(gossip.members.contains_key("n1"), "it never takes itself for dead");
    }
}

#[test]
fn whatever_comes_in_does_no_harm() {
    let (seed, iterations) = (from_environment("SEED", 1), from_environment("ITERATIONS", 30_000));
    let (begin, budget) = (origin(), Duration::from_secs(from_environment("FUZZ_SECONDS", 0)));
    println!("SEED={seed} ITERATIONS={iterations} FUZZ_SECONDS={}", budget.as_secs());
    let mut rng = StdRng::seed_from_u64(seed);
    let (corpus, start) = (corpus(), origin());
    let mut victim = Victim::new(seed, start);
    let mut executions = 0;
    for iteration in 0.. {
        let over = if budget.is_zero() { iteration >= iterations } else { origin().duration_since(begin) >= budget };
        if over {
            break;
        }
        executions += 1;
        if iteration % LIFE == LIFE - 1 {
            victim.check();
            victim = Victim::new(seed.wrapping_add(iteration), start);
        }
        let (mut kind, mut body) = corpus[rng.random_range(0..corpus.len())].clone();
        let inside = rng.random_bool(0.8);
        if inside {
            mutate(&mut rng, &mut body, MAX_BODY);
            if rng.random_bool(0.05) {
                kind = rng.random();
            }
        }
        let mut datagram = victim.peer.seal(addr(1), kind, &body).unwrap();
        if !inside {
            mutate(&mut rng, &mut datagram, 2_048);
        }
        victim.suffer(&datagram);
        if rng.random_bool(0.1) {
            let time = Duration::from_micros(rng.random_range(0..400_000));
            victim.pass(time);
        }
    }
    victim.check();
    println!("{executions} executions in {:?}", origin().duration_since(begin));
}
