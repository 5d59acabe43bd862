//! Sessions between channels, honest and otherwise.

use proptest::prelude::*;

use super::*;
use crate::key::Key;
use crate::profile::Profile;
use crate::seal::window;
use crate::testing::{cases, origin};

const BOOT: u64 = 1_700_000_000_000;
const KIND: u8 = 3;

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7946))
}

fn config(last: u8, session: u8, boot: u64) -> Config {
    Config {
        name: format!("n{last}").into(),
        advertise: addr(last),
        profile: Profile::default(),
        cluster_id: "test".to_owned(),
        keys: Key::from_bytes([5; 32]).into(),
        boot,
        session: [session; 16],
        seed: 0,
    }
}

/// A channel with what it counted.
struct End {
    channel: Channel,
    addr: SocketAddr,
    counters: Counters,
}

impl End {
    fn new(last: u8, session: u8, boot: u64, now: Instant) -> Self {
        let channel = Channel::new(&config(last, session, boot), now);
        Self { channel, addr: addr(last), counters: Counters::default() }
    }

    fn seal(&mut self, to: &Self, body: &[u8]) -> Vec<u8> {
        self.channel.seal(to.addr, KIND, body).unwrap()
    }

    fn open(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Opened {
        self.channel.open(now, from, datagram, &mut self.counters)
    }
}

fn message(body: &[u8]) -> Opened {
    Opened::Message { kind: KIND, body: body.to_vec() }
}

#[test]
fn nodes_that_start_together_understand_each_other_at_once() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT + 59_000, now));
    let datagram = a.seal(&b, b"hello");
    assert_eq!(b.open(now, a.addr, &datagram), message(b"hello"));
    let datagram = b.seal(&a, b"hello yourself");
    assert_eq!(a.open(now, b.addr, &datagram), message(b"hello yourself"));
    assert_eq!((a.counters.sessions, a.counters.received, a.counters.challenges), (1, 1, 0));
}

#[test]
fn a_session_that_is_old_to_us_has_to_echo_a_challenge() {
    let now = origin();
    // B has run for an hour when A starts.
    let mut b = End::new(2, 2, BOOT - 3_600_000, now);
    let mut a = End::new(1, 1, BOOT, now);
    let early = b.seal(&a, b"lost");
    let Opened::Reply(challenge) = a.open(now, b.addr, &early) else { panic!("a challenge") };
    assert_eq!(a.counters.unknown_session, 1);
    // A is fresh in the eyes of nobody either: B's clock says it is an hour early.
    let Opened::Reply(echo) = b.open(now, a.addr, &challenge) else { panic!("an echo") };
    assert_eq!(a.open(now, b.addr, &echo), Opened::Admitted);
    let next = b.seal(&a, b"heard");
    assert_eq!(a.open(now, b.addr, &next), message(b"heard"));
    assert_eq!(a.open(now, b.addr, &early), Opened::Dropped, "what came before the proof stays out");
    assert_eq!(a.counters.replayed, 1);
    assert_eq!(a.open(now, b.addr, &echo), Opened::Dropped, "the proof counts once");
}

#[test]
fn a_challenge_is_no_longer_than_what_it_answers_can_be() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, 0, now));
    let datagram = b.seal(&a, &[0; 16]);
    let Opened::Reply(challenge) = a.open(now, b.addr, &datagram) else { panic!("a challenge") };
    assert_eq!(challenge.len(), datagram.len());
}

#[test]
fn a_challenge_that_is_answered_too_late_or_from_elsewhere_proves_nothing() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, 0, now));
    let datagram = b.seal(&a, b"?");
    let Opened::Reply(challenge) = a.open(now, b.addr, &datagram) else { panic!("a challenge") };
    let Opened::Reply(echo) = b.open(now, a.addr, &challenge) else { panic!("an echo") };
    assert_eq!(a.open(now, addr(9), &echo), Opened::Dropped);
    assert_eq!(a.open(now + Duration::from_secs(2), b.addr, &echo), Opened::Dropped);
    assert_eq!(a.counters.sessions, 0);
    assert_eq!(a.open(now + Duration::from_secs(1), b.addr, &echo), Opened::Admitted);
}

#[test]
fn a_restarted_peer_is_admitted_at_once_and_its_old_session_is_over() {
    let now = origin();
    let (mut a, mut old) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
    let first = old.seal(&a, b"1");
    let unseen = old.seal(&a, b"2");
    assert_eq!(a.open(now, old.addr, &first), message(b"1"));
    let later = now + Duration::from_secs(600);
    let mut new = End::new(2, 3, BOOT + 600_000, later);
    let hello = new.seal(&a, b"again");
    assert_eq!(a.open(later, new.addr, &hello), message(b"again"));
    assert!(matches!(a.open(later, new.addr, &unseen), Opened::Reply(_)), "the old session is a stranger");
    let next = new.seal(&a, b"still here");
    assert_eq!(a.open(later, new.addr, &next), message(b"still here"));
}

#[test]
fn a_recording_cannot_displace_a_session_or_be_read_twice() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
    let datagrams: Vec<_> = (0..50_u8).map(|n| b.seal(&a, &[n])).collect();
    for (n, datagram) in (0..50).zip(&datagrams) {
        assert_eq!(a.open(now, b.addr, datagram), message(&[n]));
    }
    for datagram in &datagrams {
        assert_eq!(a.open(now, b.addr, datagram), Opened::Dropped);
    }
    assert_eq!(a.counters.replayed, 50);
    // Neither under another source address, where they are as unknown as anybody's.
    assert!(matches!(a.open(now, addr(7), &datagrams[0]), Opened::Reply(_)));
    assert_eq!(a.counters.sessions, 1);
}

#[test]
fn datagrams_may_overtake_each_other_within_the_window() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
    let datagrams: Vec<_> = (0..=window::SIZE).map(|_| b.seal(&a, b"x")).collect();
    let newest = datagrams.last().unwrap();
    assert_eq!(a.open(now, b.addr, newest), message(b"x"));
    assert_eq!(a.open(now, b.addr, &datagrams[1]), message(b"x"));
    assert_eq!(a.open(now, b.addr, &datagrams[0]), Opened::Dropped, "too old to tell");
}

#[test]
fn only_challenges_of_the_right_length_are_echoed() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, 0, now));
    for (length, answered) in [(0, false), (15, false), (16, true), (17, false), (1000, false)] {
        let challenge = b.channel.seal(a.addr, CHALLENGE, &vec![1; length]).unwrap();
        assert_eq!(matches!(a.open(now, b.addr, &challenge), Opened::Reply(_)), answered, "{length}");
    }
}

#[test]
fn the_table_of_sessions_is_bounded_and_the_silent_go_first() {
    let now = origin();
    let mut a = End::new(1, 1, BOOT, now);
    let from = |n: usize| SocketAddr::from(([10, 0, 0, 1], u16::try_from(n).unwrap()));
    for n in 0..=MAX_PEERS {
        let mut config = config(2, 0, BOOT);
        config.session[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
        let mut peer = Channel::new(&config, now);
        let datagram = peer.seal(a.addr, KIND, b"x").unwrap();
        let at = now + Duration::from_millis(n as u64);
        assert_eq!(a.open(at, from(n), &datagram), message(b"x"));
    }
    assert_eq!(a.channel.peers.len(), MAX_PEERS);
    assert!(!a.channel.peers.contains_key(&from(0)));
    assert!(a.channel.peers.contains_key(&from(MAX_PEERS)));
}

#[test]
fn what_does_not_fit_a_datagram_is_not_sealed() {
    let mut a = End::new(1, 1, BOOT, origin());
    assert_eq!(a.channel.seal(addr(2), KIND, &[0; MAX_BODY]).unwrap().len(), MAX_DATAGRAM);
    assert!(a.channel.seal(addr(2), KIND, &[0; MAX_BODY + 1]).is_none());
}

#[test]
fn no_two_datagrams_use_the_same_counter() {
    let mut a = End::new(1, 1, BOOT, origin());
    let counters: Vec<_> =
        (0..10).map(|_| envelope::split(&a.channel.seal(addr(2), KIND, b"x").unwrap()).unwrap().0.counter).collect();
    assert_eq!(counters, (0..10).collect::<Vec<_>>());
    a.channel.next_counter = MAX_COUNTER;
    assert!(a.channel.seal(addr(2), KIND, b"x").is_some());
    assert!(a.channel.seal(addr(2), KIND, b"x").is_none(), "the session is used up");
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn arbitrary_bytes_are_dropped(bytes in prop::collection::vec(any::<u8>(), 0..1400), ours in any::<bool>()) {
        let now = origin();
        let mut a = End::new(1, 1, BOOT, now);
        let mut bytes = bytes;
        if ours && bytes.len() > 3 {
            // Right version and key id, so that the rest is looked at.
            bytes[0] = envelope::VERSION;
            bytes[1..3].copy_from_slice(&a.channel.ring[0].id);
        }
        prop_assert_eq!(a.open(now, addr(2), &bytes), Opened::Dropped);
        let counted = a.counters.malformed + a.counters.foreign_key + a.counters.forged;
        prop_assert_eq!(counted, 1);
    }

    #[test]
    fn a_single_changed_bit_is_noticed(byte in 0..80_usize, bit in 0..8_u32, known in any::<bool>()) {
        let now = origin();
        let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
        if known {
            let datagram = b.seal(&a, b"hello");
            prop_assert_eq!(a.open(now, b.addr, &datagram), message(b"hello"));
        }
        let mut datagram = b.seal(&a, &[7; 32]);
        prop_assert_eq!(datagram.len(), 80);
        datagram[byte] ^= 1 << bit;
        prop_assert_eq!(a.open(now, b.addr, &datagram), Opened::Dropped);
    }
}

fn ring(keys: &[u8]) -> KeyRing {
    KeyRing::new(keys.iter().map(|key| Key::from_bytes([*key; 32])).collect()).unwrap()
}

#[test]
fn a_session_goes_on_under_another_key_and_nothing_is_received_twice() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
    let old = a.seal(&b, b"old");
    assert_eq!(b.open(now, a.addr, &old), message(b"old"));
    a.channel.set_keys(&ring(&[6, 5]));
    let new = a.seal(&b, b"new");
    assert_eq!(b.open(now, a.addr, &new), Opened::Dropped, "b does not have that key yet");
    assert_eq!(b.counters.foreign_key, 1);
    b.channel.set_keys(&ring(&[5, 6]));
    assert_eq!(b.open(now, a.addr, &new), message(b"new"));
    assert_eq!((b.counters.other_key, b.counters.sessions), (1, 1));
    for replay in [&old, &new] {
        assert_eq!(b.open(now, a.addr, replay), Opened::Dropped);
    }
    assert_eq!(b.counters.replayed, 2);
    b.channel.set_keys(&ring(&[6]));
    assert_eq!(b.open(now, a.addr, &old), Opened::Dropped, "the old key is gone");
    assert_eq!(b.counters.foreign_key, 2);
    let last = a.seal(&b, b"last");
    assert_eq!(b.open(now, a.addr, &last), message(b"last"));
}

#[test]
fn a_stranger_is_met_under_any_key_of_the_ring() {
    let now = origin();
    let (mut a, mut b) = (End::new(1, 1, BOOT, now), End::new(2, 2, BOOT, now));
    b.channel.set_keys(&ring(&[7, 6, 5]));
    let sealed = a.seal(&b, b"hello");
    assert_eq!(b.open(now, a.addr, &sealed), message(b"hello"));
    assert_eq!(b.counters.sessions, 1);
}
