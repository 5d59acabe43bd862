//! foca's datagrams between two that know each other.
//!
//! Each of them begins with both identities, names and all, which is most of a probe: beside them it says "ping" and a
//! number. A brief one tells only which life of each is meant; the rest both know already. Probes are what a node sends
//! most of, so their length is what gossip costs.
//!
//! ```text
//! life of the sender | life of the receiver | incarnation | message | what rides on it, if anything
//! ```
//!
//! A node that reads these says so by an item of its own tag among those that ride on its pings and acks; to others
//! nobody sends them. Earlier versions skip that item as they do every tag that they do not know.

use foca::{Codec, Header, PostcardCodec};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::seal::envelope::MAX_BODY;

/// The tag of the item that says "I read brief datagrams". It has no content.
pub(crate) const READER: u8 = 3;

/// That item as foca reads it: length, tag.
const READER_ITEM: [u8; 3] = [0, 1, READER];

/// What rides on a datagram when nothing does: no news about members.
const NOTHING: [u8; 2] = [0, 0];

/// Which life of a node that is known otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    /// The lower half of [`Identity::boot`]: what is left differs only between lives that are weeks apart.
    boot: [u8; 4],
    /// [`Identity::rejoins`].
    rejoins: u32,
}

/// A datagram of foca without what sender and receiver know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) src: Life,
    pub(crate) dst: Life,
    src_incarnation: u16,
    message: foca::Message<Identity>,
    /// What rides on it, as it is.
    rest: Vec<u8>,
}

type Head = (Life, Life, u16, foca::Message<Identity>);

// === impl Life ===

impl Life {
    /// The life that an identity stands for.
    pub(crate) const fn of(identity: &Identity) -> Self {
        let [_, _, _, _, boot @ ..] = identity.boot.to_be_bytes();
        Self { boot, rejoins: identity.rejoins }
    }
}

// === impl Brief ===

impl Brief {
    /// A datagram of foca in brief; `None` when it is not from `src` to `dst`, or one that introduces its sender.
    pub(crate) fn of(datagram: &[u8], src: &Identity, dst: &Identity) -> Option<Self> {
        let mut rest = datagram;
        let header: Header<Identity> = PostcardCodec.decode_header(&mut rest).ok()?;
        if header.src != *src || header.dst != *dst || introduces(&header.message) {
            return None;
        }
        let rest = if *rest == NOTHING { Vec::new() } else { rest.to_vec() };
        let Header { src_incarnation, message, .. } = header;
        Some(Self { src: Life::of(src), dst: Life::of(dst), src_incarnation, message, rest })
    }

    /// The datagram of foca that it stands for.
    pub(crate) fn expand(&self, src: Identity, dst: Identity) -> Option<Vec<u8>> {
        let header = Header { src, src_incarnation: self.src_incarnation, dst, message: self.message.clone() };
        let mut datagram = postcard::to_allocvec(&header).ok()?;
        datagram.extend_from_slice(&self.rest);
        Some(datagram)
    }

    pub(super) fn encode(&self) -> postcard::Result<Vec<u8>> {
        let head: (_, _, _, &foca::Message<Identity>) = (self.src, self.dst, self.src_incarnation, &self.message);
        let mut out = postcard::to_allocvec(&head)?;
        out.extend_from_slice(&self.rest);
        Ok(out)
    }

    pub(super) fn decode(body: &[u8]) -> postcard::Result<Self> {
        let ((src, dst, src_incarnation, message), rest): (Head, _) = postcard::take_from_bytes(body)?;
        Ok(Self { src, dst, src_incarnation, message, rest: rest.to_vec() })
    }
}

/// The datagram with the item that says "I read brief ones", if it is one that everybody exchanges and has room.
pub(crate) fn as_reader(mut datagram: Vec<u8>) -> Vec<u8> {
    let mut rest = datagram.as_slice();
    let Ok::<Header<Identity>, _>(header) = PostcardCodec.decode_header(&mut rest) else { return datagram };
    let probe = matches!(header.message, foca::Message::Ping(_) | foca::Message::Ack(_));
    let count: &[u8] = if rest.is_empty() { &NOTHING } else { &[] };
    if probe && datagram.len().saturating_add(count.len()).saturating_add(READER_ITEM.len()) <= MAX_BODY {
        datagram.extend_from_slice(count);
        datagram.extend_from_slice(&READER_ITEM);
    }
    datagram
}

/// The message may be the first that its receiver hears from this life of the sender.
const fn introduces(message: &foca::Message<Identity>) -> bool {
    match message {
        foca::Message::Announce | foca::Message::Feed | foca::Message::TurnUndead => true,
        foca::Message::Ping(_)
        | foca::Message::Ack(_)
        | foca::Message::PingReq { .. }
        | foca::Message::IndirectPing { .. }
        | foca::Message::IndirectAck { .. }
        | foca::Message::ForwardedAck { .. }
        | foca::Message::Gossip
        | foca::Message::Broadcast => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(last: u8) -> Identity {
        let name = format!("node-{last}.a-domain-of-usual-length.example.com");
        Identity::new(name, std::net::SocketAddr::from(([192, 0, 2, last], 7946)), 1_700_000_000_000)
    }

    fn datagram(message: foca::Message<Identity>, rest: &[u8]) -> Vec<u8> {
        let header = Header { src: node(1), src_incarnation: 5, dst: node(2), message };
        [postcard::to_allocvec(&header).unwrap().as_slice(), rest].concat()
    }

    #[test]
    fn a_brief_datagram_stands_for_the_whole_one() {
        let target = node(3);
        for message in [
            foca::Message::Ping(7),
            foca::Message::Ack(7),
            foca::Message::PingReq { target: target.clone(), probe_number: 1 },
            foca::Message::ForwardedAck { origin: target, probe_number: 1 },
            foca::Message::Gossip,
        ] {
            let whole = datagram(message, b"\x00\x00and what rides");
            let brief = Brief::of(&whole, &node(1), &node(2)).unwrap();
            let read = Brief::decode(&brief.encode().unwrap()).unwrap();
            assert_eq!(read.expand(node(1), node(2)), Some(whole));
        }
    }

    #[test]
    fn a_probe_that_carries_no_news_takes_13_bytes() {
        let whole = datagram(foca::Message::Ping(200), &NOTHING);
        let brief = Brief::of(&whole, &node(1), &node(2)).unwrap();
        assert_eq!(brief.encode().unwrap().len(), 13);
        assert!(whole.len() > 100);
    }

    #[test]
    fn what_introduces_its_sender_or_is_of_another_life_is_not_cut() {
        for message in [foca::Message::Announce, foca::Message::Feed, foca::Message::TurnUndead] {
            assert_eq!(Brief::of(&datagram(message, b""), &node(1), &node(2)), None);
        }
        let whole = datagram(foca::Message::Ping(1), b"");
        assert_eq!(Brief::of(&whole, &Identity { rejoins: 1, ..node(1) }, &node(2)), None);
        assert_eq!(Brief::of(&whole, &node(1), &Identity { boot: 1, ..node(2) }), None);
        assert_ne!(Life::of(&node(1)), Life::of(&Identity { rejoins: 1, ..node(1) }));
        assert_ne!(Life::of(&node(1)), Life::of(&Identity { boot: node(1).boot + 1, ..node(1) }));
    }

    #[test]
    fn only_probes_with_room_say_that_their_sender_reads_brief_ones() {
        let bare = datagram(foca::Message::Ping(1), b"");
        assert_eq!(as_reader(bare.clone()), [bare.as_slice(), &NOTHING, &READER_ITEM].concat());
        let ack = datagram(foca::Message::Ack(1), &NOTHING);
        assert_eq!(as_reader(ack.clone()), [ack.as_slice(), &READER_ITEM].concat());
        let gossip = datagram(foca::Message::Gossip, &NOTHING);
        assert_eq!(as_reader(gossip.clone()), gossip);
        let full = datagram(foca::Message::Ping(1), &vec![0; MAX_BODY - bare.len() - 2]);
        assert_eq!(as_reader(full.clone()), full);
    }
}
