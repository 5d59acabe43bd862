//! One interface as the announcer sees it: a socket for each family, and what is announced there.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::conflict::Defences;
use super::detection::Detection;
use super::io::{Config, Family, InterfaceCounters};
use super::pacer::Pace;
use super::schedule::Schedule;
use crate::filter::{
    BpfInstruction, MAX_INSTRUCTIONS, MIN_BUDGET, MIN_NDP_BUDGET, Range, arp_for_ranges, ndp_for_ranges,
};
use crate::interface::Interface;

/// Whether frames can be sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The interface is down, or the family is not needed; there is no socket.
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
    pub(super) schedule: Schedule,
    pub(super) detection: Detection,
    pub(super) defences: Defences,
    pub(super) pace: Pace,
    pub(super) counters: InterfaceCounters,
    pub(super) arp: Side,
    pub(super) ndp: Side,
    /// The groups the driver was told of.
    pub(super) groups: BTreeSet<Ipv6Addr>,
}

impl Port {
    pub(super) fn new(interface: Interface, config: &Config) -> Self {
        Self {
            interface,
            schedule: Schedule::new(config.refresh),
            detection: Detection::new(config.announce_in_use),
            defences: Defences::default(),
            pace: Pace::new(),
            counters: InterfaceCounters::default(),
            arp: Side::new(Family::Ipv4),
            ndp: Side::new(Family::Ipv6),
            groups: BTreeSet::new(),
        }
    }

    pub(super) fn side(&self, family: Family) -> &Side {
        match family {
            Family::Ipv4 => &self.arp,
            Family::Ipv6 => &self.ndp,
        }
    }

    pub(super) fn side_mut(&mut self, family: Family) -> &mut Side {
        match family {
            Family::Ipv4 => &mut self.arp,
            Family::Ipv6 => &mut self.ndp,
        }
    }

    pub(super) fn is_open(&self, family: Family) -> bool {
        self.side(family).state == State::Open
    }

    /// Falls silent about all but the addresses of `keep`. Says whether there was anything else.
    pub(super) fn silence(&mut self, keep: impl Fn(IpAddr) -> bool) -> bool {
        let in_use = self.detection.retain(&keep);
        self.defences.retain(&keep);
        self.schedule.retain(&keep) || in_use
    }
}

/// The socket of one family.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) state: State,
    family: Family,
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

impl Side {
    fn new(family: Family) -> Self {
        Self { state: State::Down, family, filtered: None, budget: MAX_INSTRUCTIONS }
    }

    /// The program to attach if what shall pass differs from what does.
    pub(super) fn filter(&mut self, wanted: Filtered) -> Option<Vec<BpfInstruction>> {
        if self.filtered.as_ref() == Some(&wanted) {
            return None;
        }
        let program = match self.family {
            Family::Ipv4 => arp_for_ranges(&wanted.targets, &wanted.senders, self.budget),
            Family::Ipv6 => ndp_for_ranges(&wanted.targets, &wanted.senders, self.budget),
        };
        self.filtered = Some(wanted);
        Some(program)
    }

    /// Next time the filter is made anew.
    pub(super) fn forget_filter(&mut self) {
        self.filtered = None;
    }

    /// The kernel refused a filter of the present budget: if a smaller one can be tried, it is made next time.
    pub(super) fn shrink_filter(&mut self) {
        let least = match self.family {
            Family::Ipv4 => MIN_BUDGET,
            Family::Ipv6 => MIN_NDP_BUDGET,
        };
        let smaller = (self.budget / 2).max(least);
        if smaller < self.budget {
            self.forget_filter();
        }
        self.budget = smaller;
    }
}
