//! What waits to be written to a peer.
//!
//! Two kinds of messages: control (OPEN, KEEPALIVE, NOTIFICATION, ROUTE-REFRESH), which is small, and the table (UPDATE), of which
//! one buffer at a time is taken from the RIB. Control goes first, at the next boundary between messages, so that a keepalive never
//! waits for the table.

use std::io::IoSlice;

use bytes::{Buf as _, BytesMut};

/// Octets of a header, and where the length stands in it (RFC 4271 section 4.1).
const HEADER: usize = 19;
const LENGTH: std::ops::Range<usize> = 16..18;

/// Messages that are whole, but for the one that is being written.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    control: BytesMut,
    table: BytesMut,
    /// Octets that are left of the message of the table that is being written.
    begun: usize,
}

// === impl Outgoing ===

impl Outgoing {
    /// Puts a control message behind those that wait.
    pub(super) fn control(&mut self, message: &[u8]) {
        self.control.extend_from_slice(message);
    }

    /// Where the next part of the table goes; only when none waits.
    pub(super) fn table(&mut self) -> Option<&mut BytesMut> {
        self.table.is_empty().then_some(&mut self.table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.table.is_empty()
    }

    /// Drops what is not begun of the table: the session ends.
    pub(super) fn drop_table(&mut self) {
        self.table.truncate(self.begun);
    }

    /// What is to be written, in this order.
    pub(super) fn slices(&self) -> [IoSlice<'_>; 3] {
        let (begun, rest) = self.table.split_at_checked(self.begun).unwrap_or((&self.table, &[]));
        [IoSlice::new(begun), IoSlice::new(&self.control), IoSlice::new(rest)]
    }

    /// So many octets of [`slices`](Self::slices) were written.
    pub(super) fn written(&mut self, mut octets: usize) {
        let of_begun = octets.min(self.begun);
        self.table.advance(of_begun);
        self.begun = self.begun.saturating_sub(of_begun);
        octets = octets.saturating_sub(of_begun);

        let of_control = octets.min(self.control.len());
        self.control.advance(of_control);
        octets = octets.saturating_sub(of_control).min(self.table.len());

        // What of the table was written behind the control messages ends inside a message, or between two.
        let mut at = 0;
        while at < octets {
            let length = message_length(self.table.get(at..).unwrap_or_default());
            at = at.saturating_add(length);
        }
        if octets > 0 {
            self.begun = at.saturating_sub(octets).min(self.table.len().saturating_sub(octets));
            self.table.advance(octets);
        }
        if self.table.is_empty() {
            // Advancing gave the room away; a new buffer of the size in use is taken from the allocator when needed.
            self.table = BytesMut::new();
        }
    }
}

fn message_length(message: &[u8]) -> usize {
    let length = message.get(LENGTH).and_then(|octets| <[u8; 2]>::try_from(octets).ok());
    length.map_or(HEADER, |octets| usize::from(u16::from_be_bytes(octets)).max(HEADER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u8, length: usize) -> Vec<u8> {
        let mut octets = vec![0xff; 16];
        octets.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        octets.resize(length, kind);
        octets
    }

    fn write(outgoing: &mut Outgoing, octets: usize, out: &mut Vec<u8>) {
        let all: Vec<u8> = outgoing.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        let octets = octets.min(all.len());
        out.extend_from_slice(&all[..octets]);
        outgoing.written(octets);
    }

    #[test]
    fn keepalive_goes_in_front_of_the_table_but_not_into_a_message() {
        let mut outgoing = Outgoing::default();
        let (first, second, keepalive) = (message(2, 100), message(2, 60), message(4, 19));
        outgoing.table().unwrap().extend_from_slice(&[first.clone(), second.clone()].concat());
        let mut out = Vec::new();
        write(&mut outgoing, 30, &mut out);
        outgoing.control(&keepalive);
        write(&mut outgoing, usize::MAX, &mut out);
        assert_eq!(out, [first, keepalive, second].concat());
        assert!(outgoing.is_empty());
    }

    #[test]
    fn end_of_the_session_leaves_only_the_message_that_was_begun_and_the_notification() {
        let mut outgoing = Outgoing::default();
        outgoing.table().unwrap().extend_from_slice(&[message(2, 100), message(2, 60)].concat());
        let mut out = Vec::new();
        write(&mut outgoing, 1, &mut out);
        outgoing.drop_table();
        outgoing.control(&message(3, 21));
        write(&mut outgoing, usize::MAX, &mut out);
        assert_eq!(out, [message(2, 100), message(3, 21)].concat());
    }

    proptest! {
        #[test]
        fn every_split_of_writes_gives_whole_messages_in_order(
            lengths in prop::collection::vec(19_usize..120, 1..12),
            writes in prop::collection::vec((1_usize..150, any::<bool>()), 0..20),
        ) {
            let mut outgoing = Outgoing::default();
            let table: Vec<u8> = lengths.iter().flat_map(|length| message(2, *length)).collect();
            outgoing.table().unwrap().extend_from_slice(&table);
            let (mut out, mut keepalives) = (Vec::new(), 0);
            for (octets, keepalive) in writes {
                if keepalive {
                    outgoing.control(&message(4, 19));
                    keepalives += 1;
                }
                write(&mut outgoing, octets, &mut out);
            }
            write(&mut outgoing, usize::MAX, &mut out);
            let (mut at, mut updates, mut seen) = (0, Vec::new(), 0);
            while at < out.len() {
                let length = message_length(&out[at..]);
                match out[at + 18] {
                    2 => updates.extend_from_slice(&out[at..at + length]),
                    _ => seen += 1,
                }
                at += length;
            }
            prop_assert_eq!(at, out.len());
            prop_assert_eq!(updates, table);
            prop_assert_eq!(seen, keepalives);
        }
    }
}
