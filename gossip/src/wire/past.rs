//! What the version before facts understood of a datagram, kept as it was: a rolling update mixes versions, and an
//! earlier one must be able to read what this one sends.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use foca::{Codec, Header, Member, PostcardCodec};
use serde::Deserialize;

use super::{FACTS_DIGEST, Message, extension};
use crate::claim::Claim;
use crate::config::Config;
use crate::counters::Counters;
use crate::facts::Facts;
use crate::identity::Identity;
use crate::key::Key;
use crate::machine::{Gossip, Input, Output};
use crate::profile::Profile;
use crate::seal::{Channel, Opened};
use crate::swim::News;
use crate::testing::origin;

#[derive(Debug, PartialEq, Deserialize)]
enum Cursor {
    Start,
    Member(SocketAddr),
    Claim(IpAddr),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Digest {
    value: [u8; 16],
    answer: bool,
}

type Record = (Claim, u32);
type Page = (Cursor, Option<Cursor>, Vec<Member<Identity>>, Vec<Record>);

/// An item that rode on foca's datagrams.
#[derive(Debug, PartialEq, Deserialize)]
struct Item(u8, Claim);

/// Reads a message as that version did; `None`: the kind is unknown and ignored.
fn read(kind: u8, body: &[u8]) -> Option<bool> {
    fn reads<'a, T: Deserialize<'a>>(body: &'a [u8]) -> bool {
        postcard::take_from_bytes::<T>(body).is_ok()
    }
    match kind {
        0 => Some(PostcardCodec.decode_header(body).is_ok_and(|_: Header<Identity>| true)),
        1 => Some(reads::<(Identity, Member<Identity>)>(body)),
        2 => Some(reads::<Vec<Member<Identity>>>(body)),
        3 => Some(reads::<Identity>(body)),
        4 | 8 => Some(reads::<Vec<Claim>>(body)),
        5 => Some(reads::<Digest>(body)),
        6 => Some(reads::<Cursor>(body)),
        7 => Some(reads::<Page>(body)),
        _ => None,
    }
}

/// Opens everything that a recording holds, as the node that received it.
fn recorded(text: &str) -> Vec<(u8, Vec<u8>)> {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let unhex = |text: &str| text.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>();
    let session = text.lines().find_map(|line| line.strip_prefix("session ")).unwrap();
    let config = config(0, unhex(session).try_into().unwrap());
    let (start, mut counters) = (origin(), Counters::default());
    let mut channel = Channel::new(&config, start);
    let mut messages = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["datagram", at, from, bytes] = words[..] else { continue };
        let now = start + Duration::from_micros(at.parse().unwrap());
        if let Opened::Message { kind, body } = channel.open(now, from.parse().unwrap(), &unhex(bytes), &mut counters) {
            messages.push((kind, body));
        }
    }
    messages
}

fn config(number: u8, session: [u8; 16]) -> Config {
    Config {
        name: format!("node-{number}").into(),
        advertise: SocketAddr::from(([10, 0, 0, number + 1], 7946)),
        profile: Profile::default(),
        cluster_id: "test".to_owned(),
        keys: Key::from_bytes([42; 32]).into(),
        boot: 1_700_000_000_000,
        session,
        seed: number.into(),
    }
}

/// What three nodes of this very build say to the first of them while they meet, tell facts, claim, lose sight of one,
/// claim against each other, make up, suspect the first and leave. Latency is a millisecond.
fn said_by_this_build() -> Vec<(u8, Vec<u8>)> {
    let (start, ms) = (origin(), Duration::from_millis);
    let configs = [0, 1, 2].map(|number| config(number, [number; 16]));
    let addresses = [0, 1, 2].map(|number: usize| configs[number].advertise);
    let mut channel = Channel::new(&configs[0], start);
    let mut nodes: BTreeMap<SocketAddr, Gossip> =
        configs.into_iter().map(|config| (config.advertise, Gossip::new(config, start))).collect();
    let vip = |last| IpAddr::from([198, 18, 0, last]);
    let facts = || Facts { version: "this".to_owned(), ..Facts::default() };
    let mut plot = vec![
        (ms(3_400), 2, Input::Leave),
        (ms(1_900), 2, Input::Claim(vec![vip(2)])),
        (ms(1_900), 1, Input::Claim(vec![vip(2)])),
        (ms(1_000), 1, Input::Tell(facts())),
        (ms(900), 1, Input::Claim(vec![vip(1)])),
    ];
    for (number, address) in addresses.iter().enumerate() {
        let others = addresses.iter().filter(|other| *other != address).copied().collect();
        plot.push((ms(0), number, Input::Seeds(others)));
    }
    let (mut messages, mut counters) = (Vec::new(), Counters::default());
    let mut under_way: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)> = BTreeMap::new();
    let mut sent = 0;
    for now in (0..4_000).map(ms) {
        let at = start + now;
        while let Some((_, number, input)) = plot.pop_if(|(due, ..)| *due <= now) {
            nodes.get_mut(&addresses[number]).unwrap().handle(at, input);
        }
        while let Some(entry) = under_way.first_entry().filter(|entry| entry.key().0 <= now) {
            let (from, to, bytes) = entry.remove();
            nodes.get_mut(&to).unwrap().handle(at, Input::Datagram { from, bytes: &bytes });
            if to == addresses[0]
                && let Opened::Message { kind, body } = channel.open(at, from, &bytes, &mut counters)
            {
                messages.push((kind, body));
            }
        }
        for (from, node) in &mut nodes {
            if node.next_deadline().is_some_and(|due| due <= at) {
                node.handle_deadline(at);
            }
            while let Some(output) = node.poll() {
                let Output::Send { to, bytes } = output else { continue };
                let apart = (*from == addresses[2] || to == addresses[2]) && (ms(1_200)..ms(2_100)).contains(&now);
                // Nobody hears the first any more, and it hears that it is suspected.
                let mute = *from == addresses[0] && (ms(2_500)..ms(2_850)).contains(&now);
                if !apart && !mute {
                    sent += 1;
                    under_way.insert((now + ms(1), sent), (*from, to, bytes));
                }
            }
        }
    }
    assert_eq!(nodes[&addresses[0]].view().claims[&vip(1)].claim.owner, "node-1".into(), "they understood each other");
    messages
}

const BEFORE_FACTS: &str = include_str!("../../tests/data/wire-1.txt");
const WITH_FACTS: &str = include_str!("../../tests/data/wire-2.txt");
const IN_BRIEF: &str = include_str!("../../tests/data/wire-3.txt");

#[test]
fn what_this_version_sends_is_read_or_ignored_by_the_one_before() {
    for text in [WITH_FACTS, IN_BRIEF] {
        let messages = recorded(text);
        let unknown = messages.iter().filter(|(kind, body)| read(*kind, body).is_none()).count();
        assert!(unknown > 0, "there is something new");
        assert!(messages.len() - unknown > 50, "and something old");
        for (kind, body) in &messages {
            assert_ne!(read(*kind, body), Some(false), "kind {kind}: {body:?}");
        }
    }
}

#[test]
fn what_each_version_sent_is_read_by_this_one() {
    for text in [BEFORE_FACTS, WITH_FACTS, IN_BRIEF] {
        let mut kinds = [false; 13];
        for (kind, body) in recorded(text) {
            assert!(Message::decode(kind, body.clone()).is_ok(), "kind {kind}: {body:?}");
            kinds[usize::from(kind)] = true;
        }
        assert!([0, 2, 4, 5, 7].iter().all(|kind| kinds[*kind]), "all of the usual kinds: {kinds:?}");
        assert_eq!(kinds[9], text != BEFORE_FACTS, "facts");
        assert_eq!(kinds[12], text == IN_BRIEF, "datagrams in brief");
    }
}

#[test]
fn what_this_very_build_says_is_read_or_ignored_by_the_version_before_facts() {
    let messages = said_by_this_build();
    let said = |wanted: u8| messages.iter().any(|(kind, _)| *kind == wanted);
    let missing: Vec<u8> = [0, 1, 2, 4, 5, 6, 7, 9, 11, 12].into_iter().filter(|kind| !said(*kind)).collect();
    assert_eq!(missing, [], "kinds that were to be said");
    for (kind, body) in &messages {
        assert_ne!(read(*kind, body), Some(false), "kind {kind}: {body:?}");
    }
}

#[test]
fn items_behind_a_digest_are_ignored_by_the_version_before() {
    let digest = super::Digest { value: [7; 16], answer: true, facts: Some(9) };
    let (kind, mut body) = Message::Digest(digest.clone()).encode().unwrap();
    let (old, rest) = postcard::take_from_bytes::<Digest>(&body).unwrap();
    assert_eq!(old, Digest { value: [7; 16], answer: true });
    assert_eq!(extension::items(rest).map(|(tag, _)| tag).collect::<Vec<_>>(), [FACTS_DIGEST]);
    // And this version ignores what a later one adds, wherever it stands.
    extension::write(&mut body, 250, b"later");
    assert_eq!(Message::decode(kind, body), Ok(Message::Digest(digest)));
}

#[test]
fn facts_that_ride_on_swim_are_no_claims_to_the_version_before() {
    for text in [BEFORE_FACTS, WITH_FACTS, IN_BRIEF] {
        for (kind, body) in recorded(text) {
            let Ok(Message::Notices(notices)) = Message::decode(kind, body) else { continue };
            for notice in notices {
                let item = News::Notice(notice).encode().unwrap();
                let claim = postcard::take_from_bytes::<Item>(&item).is_ok_and(|(item, _)| item.0 == 1);
                assert!(!claim);
            }
        }
    }
}
