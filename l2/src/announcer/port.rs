//! One interface as the announcer sees it.

use std::time::Duration;

use super::io::InterfaceCounters;
use super::schedule::Schedule;
use crate::filter::{BpfInstruction, MAX_INSTRUCTIONS, MIN_BUDGET, Range, arp_for_ranges};
use crate::interface::Interface;

/// Whether frames can be sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The interface is down; there is no socket.
    Down,
    /// The driver was told to open a socket.
    Opening,
    /// It did.
    Open,
}

/// One interface.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) interface: Interface,
    pub(super) state: State,
    pub(super) schedule: Schedule,
    pub(super) counters: InterfaceCounters,
    /// What the filter in place lets through.
    filtered: Option<Filtered>,
    /// Instructions the kernel is known to have memory for, as far as it has been asked.
    budget: usize,
}

/// The addresses a filter was made for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filtered {
    pub(super) targets: Vec<Range>,
    pub(super) senders: Vec<Range>,
}

impl Port {
    pub(super) fn new(interface: Interface, refresh: Duration) -> Self {
        Self {
            interface,
            state: State::Down,
            schedule: Schedule::new(refresh),
            counters: InterfaceCounters::default(),
            filtered: None,
            budget: MAX_INSTRUCTIONS,
        }
    }

    /// The program to attach if what shall pass differs from what does.
    pub(super) fn filter(&mut self, wanted: Filtered) -> Option<Vec<BpfInstruction>> {
        if self.filtered.as_ref() == Some(&wanted) {
            return None;
        }
        let program = arp_for_ranges(&wanted.targets, &wanted.senders, self.budget);
        self.filtered = Some(wanted);
        Some(program)
    }

    /// Next time the filter is made anew.
    pub(super) fn forget_filter(&mut self) {
        self.filtered = None;
    }

    /// The kernel refused a filter of the present budget. Says whether a smaller one can be tried.
    pub(super) fn shrink_filter(&mut self) -> bool {
        let smaller = (self.budget / 2).max(MIN_BUDGET);
        let shrunk = smaller < self.budget;
        self.budget = smaller;
        if shrunk {
            self.forget_filter();
        }
        shrunk
    }
}
