//! Notices: how facts travel, and the board on which a node keeps them.
//!
//! A notice carries facts as bytes that are passed on unread, so facts of a later version pass through nodes of an
//! earlier one unharmed. What does not fit one notice goes in several parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::identity::NodeName;
use crate::seal::crypto;

/// Bytes of facts in one notice: with the longest name it fits a datagram.
const PART_LEN: usize = 800;

/// Most parts of one node's facts.
const MAX_PARTS: u8 = 5;

/// Most bytes of facts.
pub(crate) const MAX_LEN: usize = PART_LEN * MAX_PARTS as usize;

/// Nodes whose facts are kept; more than a cluster has. Further ones are refused and counted.
pub(crate) const CAPACITY: usize = 4_096;

/// A part of what a node tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// Who tells.
    pub(crate) node: NodeName,
    /// In which of its lives.
    pub(crate) boot: u64,
    /// Rises with each change in that life.
    pub(crate) number: u64,
    /// Which part this is, from 0.
    pub(crate) part: u8,
    /// How many there are.
    pub(crate) parts: u8,
    /// Bytes of the facts.
    pub(crate) bytes: Vec<u8>,
}

/// The facts of all nodes, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Board {
    entries: BTreeMap<NodeName, Entry>,
}

/// What came of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// Nothing new, or not valid.
    Known,
    /// A new part of facts that are not complete yet.
    Part,
    /// New facts are complete.
    Complete,
    /// The board is full.
    Refused,
}

#[derive(Debug, Default)]
struct Entry {
    complete: Option<Complete>,
    coming: Option<Coming>,
}

#[derive(Debug)]
struct Complete {
    /// Life and number.
    version: (u64, u64),
    bytes: Vec<u8>,
    facts: Arc<Facts>,
    mark: u64,
}

#[derive(Debug)]
struct Coming {
    version: (u64, u64),
    parts: Vec<Option<Vec<u8>>>,
}

// === impl Notice ===

impl Notice {
    /// The notices that together carry the facts; none when those are too long.
    pub(crate) fn of(node: &NodeName, boot: u64, number: u64, bytes: &[u8]) -> Vec<Self> {
        let chunks: Vec<&[u8]> = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(PART_LEN).collect() };
        let Some(parts) = u8::try_from(chunks.len()).ok().filter(|_| bytes.len() <= MAX_LEN) else { return Vec::new() };
        let notice =
            |(part, bytes): (u8, &&[u8])| Self { node: node.clone(), boot, number, part, parts, bytes: bytes.to_vec() };
        (0..parts).zip(&chunks).map(notice).collect()
    }

    fn is_valid(&self) -> bool {
        self.parts <= MAX_PARTS && self.part < self.parts && self.bytes.len() <= PART_LEN
    }
}

// === impl Board ===

impl Board {
    /// Puts a notice up. `lives` tells whether a node is alive in a life; facts of that life replace any others.
    pub(crate) fn post(&mut self, notice: Notice, lives: impl Fn(&NodeName, u64) -> bool) -> Posted {
        if !notice.is_valid() {
            return Posted::Known;
        }
        if self.entries.len() >= CAPACITY && !self.entries.contains_key(&notice.node) {
            return Posted::Refused;
        }
        let node = notice.node.clone();
        let standing = |version: (u64, u64)| (lives(&node, version.0), version);
        let entry = self.entries.entry(node.clone()).or_default();
        let version = (notice.boot, notice.number);
        if entry.complete.as_ref().is_some_and(|complete| standing(complete.version) >= standing(version)) {
            return Posted::Known;
        }
        let posted = entry.add(notice, standing);
        if posted == Posted::Complete
            && let Some(complete) = &mut entry.complete
        {
            complete.mark = mark(&node, complete.version);
        }
        posted
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The facts that a node tells in a life.
    pub(crate) fn facts(&self, node: &NodeName, boot: u64) -> Option<&Arc<Facts>> {
        self.complete(node, boot).map(|complete| &complete.facts)
    }

    /// What stands for the facts that a node tells in a life, when others are asked whether they have them.
    pub(crate) fn mark(&self, node: &NodeName, boot: u64) -> Option<u64> {
        self.complete(node, boot).map(|complete| complete.mark)
    }

    /// The facts that a node tells in a life, as they are passed on.
    pub(crate) fn notices(&self, node: &NodeName, boot: u64) -> Vec<Notice> {
        self.complete(node, boot)
            .map(|complete| Notice::of(node, boot, complete.version.1, &complete.bytes))
            .unwrap_or_default()
    }

    /// Forgets all nodes but those for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&NodeName) -> bool) {
        self.entries.retain(|node, _| keep(node));
    }

    fn complete(&self, node: &NodeName, boot: u64) -> Option<&Complete> {
        self.entries.get(node)?.complete.as_ref().filter(|complete| complete.version.0 == boot)
    }
}

// === impl Entry ===

impl Entry {
    fn add<T: Ord>(&mut self, notice: Notice, standing: impl Fn((u64, u64)) -> T) -> Posted {
        let version = (notice.boot, notice.number);
        let fresh = || Coming { version, parts: vec![None; usize::from(notice.parts)] };
        let coming = self.coming.get_or_insert_with(fresh);
        if standing(version) > standing(coming.version) {
            *coming = fresh();
        }
        let known = coming.version != version || coming.parts.len() != usize::from(notice.parts);
        let Some(part) = coming.parts.get_mut(usize::from(notice.part)).filter(|part| !known && part.is_none()) else {
            return Posted::Known;
        };
        *part = Some(notice.bytes);
        if coming.parts.iter().any(Option::is_none) {
            return Posted::Part;
        }
        let bytes: Vec<u8> = coming.parts.drain(..).flatten().flatten().collect();
        self.coming = None;
        self.complete = Some(Complete { version, facts: Arc::new(Facts::decode(&bytes)), bytes, mark: 0 });
        Posted::Complete
    }
}

/// The first 8 bytes of SHA-256 over who tells, in which life, and the number.
fn mark(node: &NodeName, (boot, number): (u64, u64)) -> u64 {
    let full = crypto::sha256(&[&boot.to_be_bytes(), &number.to_be_bytes(), node.as_str().as_bytes()]);
    full.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::envelope::MAX_BODY;
    use crate::wire::Message;

    fn name() -> NodeName {
        NodeName::from("n".repeat(NodeName::MAX_LEN))
    }

    fn facts(interfaces: u8) -> Facts {
        let named = |number: u8| (format!("interface-{number:04}"), [2, 0, 0, 0, 0, number]);
        Facts { interfaces: (0..interfaces).map(named).collect(), draining: false, version: "0.1.0".to_owned() }
    }

    fn notices(number: u64, facts: &Facts) -> Vec<Notice> {
        Notice::of(&name(), 7, number, &facts.encode())
    }

    fn nobody(_: &NodeName, _: u64) -> bool {
        false
    }

    #[test]
    fn facts_in_several_parts_are_complete_in_any_order_and_pass_through_unchanged() {
        let facts = facts(64);
        let mut parts = notices(1, &facts);
        assert!(parts.len() > 1);
        for part in &parts {
            let (_, body) = Message::Notices(vec![part.clone()]).encode().unwrap();
            assert!(body.len() <= MAX_BODY);
        }
        let sent = parts.clone();
        parts.reverse();
        let mut board = Board::default();
        let last = parts.pop().unwrap();
        for part in parts {
            assert_eq!(board.post(part.clone(), nobody), Posted::Part);
            assert_eq!(board.post(part, nobody), Posted::Known);
        }
        assert_eq!(board.facts(&name(), 7), None);
        assert_eq!(board.post(last, nobody), Posted::Complete);
        assert_eq!(board.facts(&name(), 7).map(|facts| (**facts).clone()), Some(facts));
        assert_eq!(board.notices(&name(), 7), sent);
    }

    #[test]
    fn the_last_number_counts_and_older_facts_stay_until_newer_ones_are_complete() {
        let mut board = Board::default();
        board.post(notices(2, &facts(1))[0].clone(), nobody);
        assert_eq!(board.post(notices(1, &facts(3))[0].clone(), nobody), Posted::Known);
        let large = notices(3, &facts(64));
        board.post(large[0].clone(), nobody);
        assert_eq!(board.facts(&name(), 7).unwrap().interfaces.len(), 1);
        assert_eq!(board.post(notices(4, &facts(2))[0].clone(), nobody), Posted::Complete);
        for part in large {
            assert_eq!(board.post(part, nobody), Posted::Known, "overtaken");
        }
        assert_eq!(board.facts(&name(), 7).unwrap().interfaces.len(), 2);
    }

    #[test]
    fn facts_of_the_present_life_replace_those_of_a_life_that_is_not() {
        let mut board = Board::default();
        let other = Notice { boot: u64::MAX, ..notices(9, &facts(1))[0].clone() };
        assert_eq!(board.post(other.clone(), nobody), Posted::Complete);
        assert_eq!(board.facts(&name(), 7), None, "another life");
        let present = |_: &NodeName, boot: u64| boot == 7;
        assert_eq!(board.post(notices(1, &facts(2))[0].clone(), present), Posted::Complete);
        assert_eq!(board.post(other, present), Posted::Known);
        assert!(board.facts(&name(), 7).is_some());
    }

    #[test]
    fn what_is_not_valid_is_refused() {
        let good = notices(1, &facts(1))[0].clone();
        let mut board = Board::default();
        for bad in [
            Notice { parts: 0, ..good.clone() },
            Notice { part: 1, ..good.clone() },
            Notice { parts: MAX_PARTS + 1, ..good.clone() },
            Notice { bytes: vec![0; PART_LEN + 1], ..good.clone() },
        ] {
            assert_eq!(board.post(bad, nobody), Posted::Known);
        }
        assert_eq!(board.entries.len(), 0);
    }

    #[test]
    fn a_full_board_refuses_new_nodes_only() {
        let mut board = Board::default();
        let notice = |number: usize| Notice::of(&NodeName::from(number.to_string()), 1, 1, b"")[0].clone();
        for number in 0..CAPACITY {
            assert_eq!(board.post(notice(number), nobody), Posted::Complete);
        }
        assert_eq!(board.post(notice(CAPACITY), nobody), Posted::Refused);
        assert_eq!(board.post(Notice { number: 2, ..notice(0) }, nobody), Posted::Complete);
        board.retain(|node| node.as_str() == "0");
        assert_eq!(board.post(notice(CAPACITY), nobody), Posted::Complete);
    }
}
