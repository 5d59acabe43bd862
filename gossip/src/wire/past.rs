//! What the version before facts understood of a datagram, kept as it was: a rolling update mixes versions, and an
//! earlier one must be able to read what this one sends.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use foca::{Codec, Header, Member, PostcardCodec};
use serde::Deserialize;

use super::{FACTS_DIGEST, Message, extension};
use crate::claim::Claim;
use crate::config::Config;
use crate::counters::Counters;
use crate::identity::Identity;
use crate::key::Key;
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
    let config = Config {
        name: "node-0".into(),
        advertise: "10.0.0.1:7946".parse().unwrap(),
        profile: Profile::default(),
        cluster_id: "test".to_owned(),
        keys: Key::from_bytes([42; 32]).into(),
        boot: 1_700_000_000_000,
        session: unhex(session).try_into().unwrap(),
        seed: 1,
    };
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
