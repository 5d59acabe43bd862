//! Sessions: sealing our datagrams, opening those of others, and proof that a session is not a recording.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::crypto::{self, SessionKey};
use super::envelope::{self, HEADER_LEN, Header, MAX_BODY, MAX_COUNTER, MAX_DATAGRAM};
use super::window::Window;
use crate::config::Config;
use crate::counters::Counters;
use crate::identity::canonical;
use crate::key::Key;
use crate::ring::KeyRing;

/// Kind of a message that asks a session for an echo of its body. Kinds from here on belong to the channel.
pub(crate) const CHALLENGE: u8 = 0xf0;

/// Kind of the answer to a challenge.
pub(crate) const ECHO: u8 = 0xf1;

/// How many other nodes' sessions are remembered; the one unheard for longest goes first.
const MAX_PEERS: usize = 2048;

/// How far a boot stamp may be from our clock to count as fresh, in milliseconds.
const STAMP_TOLERANCE_MS: u64 = 60_000;

/// A challenge may be answered in the slot in which it was made and in the next.
const CHALLENGE_SLOT: Duration = Duration::from_secs(1);

const INFO: &[u8] = b"ferrolb-gossip/1";

/// Seals and opens datagrams for one process.
pub(crate) struct Channel {
    /// The first seals, all of them open.
    ring: Vec<GroupKey>,
    cluster_id: Vec<u8>,
    me: SocketAddr,
    boot: u64,
    started: Instant,
    session: [u8; 16],
    next_counter: u64,
    challenge_secret: [u8; 32],
    peers: HashMap<SocketAddr, Peer>,
}

/// A key of the ring, and what follows from it.
struct GroupKey {
    bytes: [u8; 32],
    /// Stands in clear in front of each datagram, so that others need not try their keys one after the other.
    id: [u8; 2],
    /// The key of our own session.
    own: SessionKey,
}

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A fresh message of a known session.
    Message {
        /// Its kind.
        kind: u8,
        /// Its body.
        body: Vec<u8>,
    },
    /// The session of the sender was admitted after a challenge. What it sent before was not read.
    Admitted,
    /// Nothing to act on, but this sealed datagram is to be sent back.
    Reply(Vec<u8>),
    /// Nothing; the counters say why.
    Dropped,
}

/// The session that lives at one address.
struct Peer {
    session: [u8; 16],
    /// The keys of the session, one for each group key that was used. They share the window, as they share the counter.
    keys: Vec<([u8; 32], SessionKey)>,
    window: Window,
    stamp: u64,
    heard: Instant,
}

// === impl Channel ===

impl Channel {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let cluster_id = config.cluster_id.as_bytes().to_vec();
        let ring = group_keys(&config.keys, &config.session, &cluster_id);
        let secret = ring.first().map_or([0; 32], |first| first.bytes);
        Self {
            ring,
            me: canonical(config.advertise),
            boot: config.boot,
            started: now,
            session: config.session,
            next_counter: 0,
            challenge_secret: crypto::derive(&secret, &config.session, &[INFO, b" challenge"]),
            peers: HashMap::new(),
            cluster_id,
        }
    }

    /// Replaces the group keys. Sessions go on: what was received stays received, under whatever key.
    pub(crate) fn set_keys(&mut self, keys: &KeyRing) {
        self.ring = group_keys(keys, &self.session, &self.cluster_id);
        let ring = &self.ring;
        for peer in self.peers.values_mut() {
            peer.keys.retain(|(bytes, _)| ring.iter().any(|key| key.bytes == *bytes));
        }
    }

    /// Seals a message for `to`; `None` when it is longer than a datagram holds.
    pub(crate) fn seal(&mut self, to: SocketAddr, kind: u8, body: &[u8]) -> Option<Vec<u8>> {
        if body.len() > MAX_BODY || self.next_counter > MAX_COUNTER {
            return None;
        }
        let key = self.ring.first()?;
        let header = Header { key_id: key.id, session: self.session, counter: self.next_counter };
        self.next_counter = self.next_counter.saturating_add(1);
        let mut datagram = Vec::with_capacity(MAX_DATAGRAM);
        header.write(&mut datagram);
        envelope::write_u48(self.boot, &mut datagram);
        datagram.push(kind);
        datagram.extend_from_slice(body);
        let aad = envelope::associated_data(&header, canonical(to), &self.cluster_id);
        key.own.seal(header.nonce(), &aad, &mut datagram, HEADER_LEN).then_some(datagram)
    }

    /// Opens a datagram that came from `from`; what is cheap to check is checked before anything is decrypted.
    pub(crate) fn open(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], counters: &mut Counters) -> Opened {
        let Some((header, sealed)) = envelope::split(datagram) else {
            counters.malformed += 1;
            return Opened::Dropped;
        };
        let ours = |key: &GroupKey| key.id == header.key_id;
        let Some(first) = self.ring.iter().position(ours) else {
            counters.foreign_key += 1;
            return Opened::Dropped;
        };
        if header.session == self.session {
            counters.reflected += 1;
            return Opened::Dropped;
        }
        let aad = envelope::associated_data(&header, self.me, &self.cluster_id);
        if let Some(peer) = self.peers.get_mut(&from)
            && peer.session == header.session
        {
            if !peer.window.is_fresh(header.counter) {
                counters.replayed += 1;
                return Opened::Dropped;
            }
            let opened = self.ring.iter().filter(|key| ours(key)).find_map(|key| {
                let key = peer.session_key(key, &self.cluster_id)?;
                key.open(header.nonce(), &aad, sealed.to_vec())
            });
            let Some(plaintext) = opened else {
                counters.forged += 1;
                return Opened::Dropped;
            };
            peer.window.mark(header.counter);
            peer.heard = now;
            counters.other_key += u64::from(first > 0);
            return self.dispatch(from, datagram.len(), &plaintext, counters);
        }
        let opened = self.ring.iter().filter(|key| ours(key)).find_map(|group| {
            let key = session_key(&group.bytes, &header.session, &self.cluster_id);
            let plaintext = key.open(header.nonce(), &aad, sealed.to_vec())?;
            Some((plaintext, (group.bytes, key)))
        });
        let Some((plaintext, key)) = opened else {
            counters.forged += 1;
            return Opened::Dropped;
        };
        self.meet(now, from, datagram.len(), header, key, &plaintext, counters)
    }

    /// Deals with an authentic datagram of a session that is not known at this address.
    #[expect(clippy::too_many_arguments, reason = "one step of `open`, split off for reading")]
    fn meet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        length: usize,
        header: Header,
        key: ([u8; 32], SessionKey),
        plaintext: &[u8],
        counters: &mut Counters,
    ) -> Opened {
        let Some((stamp, kind, body)) = envelope::split_plaintext(plaintext) else {
            counters.malformed += 1;
            return Opened::Dropped;
        };
        if kind == ECHO && self.is_our_challenge(now, from, &header.session, body) {
            // What this session sent before may be a recording of what an earlier life of ours received.
            self.admit(now, from, Peer { window: Window::after(header.counter), ..Peer::new(header, key, stamp, now) });
            counters.sessions += 1;
            return Opened::Admitted;
        }
        let newer = self.peers.get(&from).is_none_or(|peer| stamp > peer.stamp);
        // A session that is known elsewhere has a window there, which a copy under another source address would evade.
        let elsewhere = self.peers.values().any(|peer| peer.session == header.session);
        if newer && !elsewhere && stamp.abs_diff(self.wall_clock(now)) <= STAMP_TOLERANCE_MS {
            self.admit(now, from, Peer::new(header, key, stamp, now));
            counters.sessions += 1;
            return self.dispatch(from, length, plaintext, counters);
        }
        if kind == CHALLENGE {
            // Two nodes with clocks far apart challenge each other: one has to answer a stranger.
            return self.echo(from, body);
        }
        counters.unknown_session += 1;
        let challenge = self.challenge(slot(now.saturating_duration_since(self.started)), from, &header.session);
        match self.seal(from, CHALLENGE, &challenge) {
            Some(sealed) if kind != ECHO => {
                counters.challenges += 1;
                Opened::Reply(sealed)
            }
            Some(_) | None => Opened::Dropped,
        }
    }

    fn dispatch(&mut self, from: SocketAddr, length: usize, plaintext: &[u8], counters: &mut Counters) -> Opened {
        counters.received += 1;
        counters.received_bytes = counters.received_bytes.saturating_add(length as u64);
        match envelope::split_plaintext(plaintext) {
            Some((_, CHALLENGE, body)) => self.echo(from, body),
            Some((_, ECHO, _)) => Opened::Dropped,
            Some((_, kind, body)) => Opened::Message { kind, body: body.to_vec() },
            None => {
                counters.malformed += 1;
                Opened::Dropped
            }
        }
    }

    fn admit(&mut self, now: Instant, from: SocketAddr, peer: Peer) {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&from) {
            let silent = |peer: &Peer| now.saturating_duration_since(peer.heard);
            if let Some(addr) =
                self.peers.iter().max_by_key(|(addr, peer)| (silent(peer), **addr)).map(|(addr, _)| *addr)
            {
                self.peers.remove(&addr);
            }
        }
        self.peers.insert(from, peer);
    }

    fn echo(&mut self, from: SocketAddr, body: &[u8]) -> Opened {
        // Exactly the length of a challenge: nobody can make us seal text of his choice and length.
        let Ok(challenge) = <&[u8; 16]>::try_from(body) else { return Opened::Dropped };
        self.seal(from, ECHO, challenge).map_or(Opened::Dropped, Opened::Reply)
    }

    /// The challenge for a session at an address in one slot of time. It needs no memory, so nobody can exhaust it.
    fn challenge(&self, slot: u64, from: SocketAddr, session: &[u8; 16]) -> [u8; 16] {
        let address = from.to_string();
        let full = crypto::mac(&self.challenge_secret, &[&slot.to_be_bytes(), session, address.as_bytes()]);
        let mut challenge = [0; 16];
        for (to, byte) in challenge.iter_mut().zip(full) {
            *to = byte;
        }
        challenge
    }

    fn is_our_challenge(&self, now: Instant, from: SocketAddr, session: &[u8; 16], echoed: &[u8]) -> bool {
        let current = slot(now.saturating_duration_since(self.started));
        [Some(current), current.checked_sub(1)]
            .into_iter()
            .flatten()
            // No need for constant time: only holders of the group key get this far.
            .any(|slot| self.challenge(slot, from, session) == echoed)
    }

    /// Milliseconds since the Unix epoch, from the clock at the start and the time that passed since.
    fn wall_clock(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.started).as_millis();
        self.boot.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

// === impl Peer ===

impl Peer {
    fn new(header: Header, key: ([u8; 32], SessionKey), stamp: u64, now: Instant) -> Self {
        Self { session: header.session, keys: vec![key], window: Window::around(header.counter), stamp, heard: now }
    }

    /// The key of this session under a group key.
    fn session_key(&mut self, group: &GroupKey, cluster_id: &[u8]) -> Option<&SessionKey> {
        let at = self.keys.iter().position(|(bytes, _)| *bytes == group.bytes).unwrap_or_else(|| {
            self.keys.push((group.bytes, session_key(&group.bytes, &self.session, cluster_id)));
            self.keys.len().saturating_sub(1)
        });
        self.keys.get(at).map(|(_, key)| key)
    }
}

/// The keys of the ring, each with what follows from it for our session.
fn group_keys(ring: &KeyRing, session: &[u8; 16], cluster_id: &[u8]) -> Vec<GroupKey> {
    let group_key = |key: &Key| {
        let bytes = *key.as_bytes();
        let [a, b, ..] = crypto::mac(&bytes, &[INFO, b" key id ", cluster_id]);
        GroupKey { bytes, id: [a, b], own: session_key(&bytes, session, cluster_id) }
    };
    ring.iter().map(group_key).collect()
}

fn session_key(key: &[u8; 32], session: &[u8; 16], cluster_id: &[u8]) -> SessionKey {
    SessionKey::new(&crypto::derive(key, session, &[INFO, b"|", cluster_id]))
}

fn slot(elapsed: Duration) -> u64 {
    elapsed.as_secs() / CHALLENGE_SLOT.as_secs().max(1)
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
