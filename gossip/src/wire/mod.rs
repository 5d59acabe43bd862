//! The messages inside sealed datagrams.
//!
//! The kind byte selects the message. Kind 0 is a datagram of foca as it is, on which tagged items ride (see
//! [`swim`](crate::swim)), and kind 12 is one [in brief](brief); the others are postcard records, behind which [extension items](extension) may follow. A
//! reader ignores kinds, items and tags that it does not know, so that later versions can add to each. What is there
//! already never changes: records of an earlier version stay readable, and kinds, cursors and tags keep their meaning.

mod batch;
mod brief;
pub(crate) mod extension;
#[cfg(test)]
mod past;

use std::net::{IpAddr, SocketAddr};

use foca::Member;
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::identity::Identity;
use crate::notice::Notice;
use crate::seal::envelope::MAX_BODY;

pub(crate) use self::batch::{Batch, batches};
pub(crate) use self::brief::{Brief, Life, READER, as_reader};

const SWIM: u8 = 0;
const SUSPICION: u8 = 1;
const RECORDS: u8 = 2;
const OUTDATED: u8 = 3;
const CLAIMS: u8 = 4;
const DIGEST: u8 = 5;
const PULL: u8 = 6;
const PAGE: u8 = 7;
const CONCEDED: u8 = 8;
const NOTICES: u8 = 9;
const INVENTORY: u8 = 10;
const WATCH: u8 = 11;
const BRIEF: u8 = 12;

/// Extension item of a digest: [`Digest::facts`].
const FACTS_DIGEST: u8 = 1;

/// A message of one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A datagram of foca.
    Swim(Vec<u8>),
    /// "I suspect you": asks the accused to refute at once.
    Suspicion(Suspicion),
    /// News about members, sent directly to those who must know now.
    Records(Vec<Member<Identity>>),
    /// "Your address belongs to a newer identity": the clock of a restarted node was set back.
    Outdated(Identity),
    /// News about claims, sent directly.
    Claims(Vec<Claim>),
    /// Claims of the sender that lost to claims of the receiver.
    Conceded(Vec<Claim>),
    /// Digest of the sender's whole state.
    Digest(Digest),
    /// Asks for the page of state behind the cursor.
    Pull(Cursor),
    /// One page of state.
    Page(Page),
    /// What nodes tell about themselves.
    Notices(Vec<Notice>),
    /// Which facts the sender knows.
    Inventory(Inventory),
    /// About being alive.
    Watch(Watch),
    /// A datagram of foca in brief.
    Brief(Brief),
}

/// A message that cannot be acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The kind is not known to this version.
    Kind,
    /// The content does not decode.
    Content,
}

/// A suspicion for the eyes of the accused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suspicion {
    pub(crate) accuser: Identity,
    pub(crate) accused: Member<Identity>,
}

/// What watcher and watched say to each other, and to those who help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Watch {
    /// To the one who watches: "I am here".
    Beat,
    /// "Are you there?"
    Check {
        /// Who wants to know, if it is not the sender.
        origin: Option<SocketAddr>,
    },
    /// "Ask this one in my place."
    CheckFor {
        /// Who is to be asked.
        target: SocketAddr,
    },
    /// "That one is there."
    Alive {
        /// Who is.
        who: SocketAddr,
        /// Who wanted to know, if it is not the receiver.
        origin: Option<SocketAddr>,
    },
}

/// A digest of who is alive and what they own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) value: [u8; 16],
    /// The receiver shall answer with its own digest when it differs.
    pub(crate) answer: bool,
    /// Stands for the facts of all members that the sender knows. Travels as an extension item; earlier versions, which
    /// know no facts, send none.
    #[serde(skip)]
    pub(crate) facts: Option<u64>,
}

/// The facts that the sender knows among those whose marks lie in a range: the receiver answers with what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inventory {
    /// First mark of the range.
    pub(crate) from: u64,
    /// Last mark of the range.
    pub(crate) to: u64,
    /// The marks in the range, in order.
    pub(crate) marks: Vec<[u8; 8]>,
    /// The receiver shall answer with its own inventory when it misses something.
    pub(crate) answer: bool,
}

/// A place in the state, which is ordered: members by address, then claims by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cursor {
    /// Before everything.
    Start,
    /// Behind this member.
    Member(SocketAddr),
    /// Behind this claim.
    Claim(IpAddr),
}

/// A part of the state that fits one datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// The cursor that this page answers.
    pub(crate) after: Cursor,
    /// The cursor for the next page; `None` when this was the last.
    pub(crate) next: Option<Cursor>,
    pub(crate) members: Vec<Member<Identity>>,
    pub(crate) claims: Vec<Record>,
}

/// A claim and for how long nobody has owned its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) claim: Claim,
    pub(crate) lapsed_secs: u32,
}

// === impl Record ===

impl Record {
    /// A claim that is made just now.
    pub(crate) const fn fresh(claim: Claim) -> Self {
        Self { claim, lapsed_secs: 0 }
    }
}

// === impl Digest ===

impl Digest {
    fn encode(&self) -> postcard::Result<Vec<u8>> {
        let mut out = postcard::to_allocvec(self)?;
        if let Some(facts) = self.facts {
            extension::write(&mut out, FACTS_DIGEST, &facts.to_be_bytes());
        }
        Ok(out)
    }

    fn decode(body: &[u8]) -> Result<Self, Unreadable> {
        let (mut digest, rest): (Self, _) = read_with_rest(body)?;
        let facts = extension::items(rest).find(|(tag, _)| *tag == FACTS_DIGEST);
        digest.facts = facts.and_then(|(_, item)| item.first_chunk()).map(|mark| u64::from_be_bytes(*mark));
        Ok(digest)
    }
}

// === impl Message ===

impl Message {
    /// Kind and body; `None` when the message does not fit a datagram.
    pub(crate) fn encode(&self) -> Option<(u8, Vec<u8>)> {
        let (kind, body) = match self {
            Self::Swim(bytes) => (SWIM, Ok(bytes.clone())),
            Self::Suspicion(suspicion) => (SUSPICION, postcard::to_allocvec(suspicion)),
            Self::Records(records) => (RECORDS, postcard::to_allocvec(records)),
            Self::Outdated(known) => (OUTDATED, postcard::to_allocvec(known)),
            Self::Claims(claims) => (CLAIMS, postcard::to_allocvec(claims)),
            Self::Conceded(claims) => (CONCEDED, postcard::to_allocvec(claims)),
            Self::Digest(digest) => (DIGEST, digest.encode()),
            Self::Pull(cursor) => (PULL, postcard::to_allocvec(cursor)),
            Self::Page(page) => (PAGE, postcard::to_allocvec(page)),
            Self::Notices(notices) => (NOTICES, postcard::to_allocvec(notices)),
            Self::Watch(watch) => (WATCH, postcard::to_allocvec(watch)),
            Self::Brief(brief) => (BRIEF, brief.encode()),
            Self::Inventory(inventory) => (INVENTORY, postcard::to_allocvec(inventory)),
        };
        body.ok().filter(|body| body.len() <= MAX_BODY).map(|body| (kind, body))
    }

    /// Reads a message.
    pub(crate) fn decode(kind: u8, body: Vec<u8>) -> Result<Self, Unreadable> {
        match kind {
            SWIM => Ok(Self::Swim(body)),
            SUSPICION => read(&body).map(Self::Suspicion),
            RECORDS => read(&body).map(Self::Records),
            OUTDATED => read(&body).map(Self::Outdated),
            CLAIMS => read(&body).map(Self::Claims),
            CONCEDED => read(&body).map(Self::Conceded),
            DIGEST => Digest::decode(&body).map(Self::Digest),
            PULL => read(&body).map(Self::Pull),
            PAGE => read(&body).map(Self::Page),
            NOTICES => read(&body).map(Self::Notices),
            WATCH => read(&body).map(Self::Watch),
            INVENTORY => read(&body).map(Self::Inventory),
            BRIEF => Brief::decode(&body).map(Self::Brief).or(Err(Unreadable::Content)),
            _ => Err(Unreadable::Kind),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    read_with_rest(body).map(|(value, _rest)| value)
}

fn read_with_rest<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(T, &'a [u8]), Unreadable> {
    postcard::take_from_bytes(body).or(Err(Unreadable::Content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, claim};
    use foca::State;
    use proptest::prelude::*;

    #[test]
    fn each_message_is_read_as_it_was_written() {
        let me = Identity::new("node-a", "192.0.2.1:7946".parse().unwrap(), 5);
        let member = Member::new(me.clone(), 3, State::Suspect);
        for message in [
            Message::Swim(vec![1, 2, 3]),
            Message::Suspicion(Suspicion { accuser: me.clone(), accused: member.clone() }),
            Message::Records(vec![member.clone()]),
            Message::Outdated(me.clone()),
            Message::Claims(vec![claim(1, "a"), claim(2, "b")]),
            Message::Conceded(vec![claim(1, "a")]),
            Message::Digest(Digest { value: [7; 16], answer: true, facts: Some(1 << 40) }),
            Message::Digest(Digest { value: [7; 16], answer: false, facts: None }),
            Message::Watch(Watch::Beat),
            Message::Watch(Watch::Alive { who: me.addr, origin: Some(me.addr) }),
            Message::Notices(Notice::of(&me.name, 5, 1, b"facts")),
            Message::Inventory(Inventory { from: 0, to: u64::MAX, marks: vec![[1; 8]], answer: true }),
            Message::Pull(Cursor::Member(me.addr)),
            Message::Page(Page {
                after: Cursor::Start,
                next: Some(Cursor::Claim("2001:db8::1".parse().unwrap())),
                members: vec![member],
                claims: vec![Record { claim: claim(9, "c"), lapsed_secs: 70 }],
            }),
        ] {
            let (kind, mut body) = message.encode().unwrap();
            assert_eq!(Message::decode(kind, body.clone()), Ok(message.clone()));
            if kind != SWIM {
                extension::write(&mut body, 99, b"what a later version appends");
                assert_eq!(Message::decode(kind, body), Ok(message));
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_told_from_broken_content() {
        assert_eq!(Message::decode(99, vec![1]), Err(Unreadable::Kind));
        assert_eq!(Message::decode(CLAIMS, vec![200]), Err(Unreadable::Content));
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn reading_arbitrary_bytes_never_panics(kind in 0..14_u8, body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = Message::decode(kind, body) {
                // Whatever was read can be written again or is refused.
                if let Some((kind, body)) = message.encode() {
                    prop_assert_eq!(Message::decode(kind, body), Ok(message));
                }
            }
        }
    }
}
