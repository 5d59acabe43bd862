//! Whether this node hears anybody.
//!
//! A node whose receiver is broken finds that nobody answers, takes all others for dead and their addresses for vacant.
//! The others hear it say so, and a verdict of SWIM is final for an identity. So a node that hears nobody keeps its
//! conclusions to itself: it goes on probing, but with bare headers, and tells nobody of deaths and claims. If it is in
//! truth the others that are gone, nobody misses the news. What it does not tell is repaired by the digests once it
//! hears again.

use std::time::{Duration, Instant};

use foca::{Codec, Header, PostcardCodec};

use super::Gossip;
use crate::identity::Identity;

/// When this node last heard somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    last: Instant,
}

// === impl Hearing ===

impl Hearing {
    /// At the (fresh) start there was nobody to be heard yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { last: now }
    }

    /// An authentic datagram came.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.last = now;
    }

    /// This node did not listen for `late`.
    pub(super) fn stalled(&mut self, late: Duration) {
        self.last = self.last.checked_add(late).unwrap_or(self.last);
    }
}

// === impl Gossip ===

impl Gossip {
    /// Nobody was heard for so long that something is wrong, but not so long that a suspicion could have become a
    /// verdict.
    pub(super) fn hears_nobody(&self, now: Instant) -> bool {
        let limit = self.profile.probe_period.saturating_add(self.profile.suspect / 2);
        now.saturating_duration_since(self.hearing.last) >= limit
    }

    /// What of a datagram of foca may leave: all of it, or its header alone, or nothing.
    pub(super) fn worth_saying(&self, now: Instant, bytes: Vec<u8>) -> Option<Vec<u8>> {
        if self.hears_nobody(now) { bare(&bytes) } else { Some(bytes) }
    }
}

/// The header of a datagram of foca, if it is good for anything without what follows.
fn bare(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let header: Header<Identity> = PostcardCodec.decode_header(&mut rest).ok()?;
    match header.message {
        // A verdict for the one it is about, and what only serves to carry news.
        foca::Message::TurnUndead | foca::Message::Gossip | foca::Message::Feed | foca::Message::Broadcast => None,
        foca::Message::Ping(_)
        | foca::Message::Ack(_)
        | foca::Message::PingReq { .. }
        | foca::Message::IndirectPing { .. }
        | foca::Message::IndirectAck { .. }
        | foca::Message::ForwardedAck { .. }
        | foca::Message::Announce => bytes.get(..bytes.len().saturating_sub(rest.len())).map(<[u8]>::to_vec),
    }
}
