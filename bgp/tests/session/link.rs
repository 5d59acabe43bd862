//! A TCP connection as far as a session notices it: bytes in order, or an end.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use ferrolb_bgp::session::ConnectionId;

/// A connection between the two nodes.
#[derive(Debug)]
pub(crate) struct Link {
    /// Who dialled.
    pub(crate) dialler: usize,
    /// By node.
    pub(crate) ends: [End; 2],
}

/// One end of it.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) life: Life,
    /// How the session of the node calls it, while it knows it.
    pub(crate) connection: Option<ConnectionId>,
    /// Written by the process, not yet taken by the kernel.
    pub(crate) unsent: BytesMut,
    /// On the way to the other end.
    pub(crate) on_the_way: VecDeque<Segment>,
    /// Octets of it.
    pub(crate) in_flight: usize,
    /// Read, but not a whole message yet.
    pub(crate) read: BytesMut,
}

/// What an end is to its kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// Not connected yet.
    #[default]
    Opening,
    /// Connected.
    Open,
    /// Closed by its process; the kernel still answers.
    Closed,
    /// The kernel knows nothing of it: whatever comes is answered with a reset, if the node is up.
    Gone,
}

/// A part of the stream.
#[derive(Debug)]
pub(crate) enum Segment {
    Data(Bytes),
    Fin,
}

/// The kernel takes so many octets before the other end reads them.
pub(crate) const WINDOW: usize = 3000;

impl Link {
    pub(crate) fn new(dialler: usize) -> Self {
        Self { dialler, ends: Default::default() }
    }

    /// Some way of it still matters.
    pub(crate) fn is_alive(&self) -> bool {
        self.ends.iter().any(|end| end.life == Life::Open)
    }
}

impl End {
    /// Moves what the window allows to the kernel, in parts of at most `part` octets. Returns how many parts.
    pub(crate) fn flush(&mut self, part: usize) -> usize {
        let mut parts = 0;
        while !self.unsent.is_empty() && self.in_flight < WINDOW {
            let octets = self.unsent.len().min(part).min(WINDOW - self.in_flight);
            self.on_the_way.push_back(Segment::Data(self.unsent.split_to(octets).freeze()));
            self.in_flight += octets;
            parts += 1;
        }
        parts
    }

    /// All that is left goes to the kernel, and the end after it.
    pub(crate) fn finish(&mut self) -> usize {
        let rest = self.unsent.split().freeze();
        let mut parts = 1;
        if rest.has_remaining() {
            self.in_flight += rest.len();
            self.on_the_way.push_back(Segment::Data(rest));
            parts += 1;
        }
        self.on_the_way.push_back(Segment::Fin);
        self.life = Life::Closed;
        self.connection = None;
        parts
    }

    /// The other side has closed, and so does this.
    pub(crate) fn finish_silently(&mut self) {
        *self = Self { life: Life::Closed, ..Self::default() };
    }

    /// Nothing is left of it.
    pub(crate) fn vanish(&mut self) {
        *self = Self { life: Life::Gone, ..Self::default() };
    }
}
