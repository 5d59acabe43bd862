//! Membership of one interface in solicited-node groups: for the network card, by the packet socket, and for switches that
//! forward groups only to members (RFC 4541 §3), by the kernel's Multicast Listener Discovery (RFC 3810), which speaks
//! for whoever joins with a UDP socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;
use crate::wire::ndp::group_mac;

/// Groups that are joined before frames have their turn.
const BATCH: usize = 64;

/// Time until refused groups are tried again: IPv6 may be enabled meanwhile.
const RETRY: Duration = Duration::from_secs(30);

/// The groups of one interface.
#[derive(Debug)]
pub(super) struct Groups {
    index: u32,
    wanted: BTreeSet<Ipv6Addr>,
    /// Those the packet socket receives.
    received: BTreeSet<Ipv6Addr>,
    /// Those that are reported, and by which of the sockets.
    reported: BTreeMap<Ipv6Addr, usize>,
    /// More than one where the kernel grants each only so many groups (`net.core.optmem_max`).
    reporters: Vec<Socket>,
    /// Whether there may be something to join or leave.
    pending: bool,
    /// After a refusal.
    retry: Option<Instant>,
    refused: bool,
}

impl Groups {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            wanted: BTreeSet::new(),
            received: BTreeSet::new(),
            reported: BTreeMap::new(),
            reporters: Vec::new(),
            pending: false,
            retry: None,
            refused: false,
        }
    }

    /// Be a member of exactly these, step by step.
    pub(super) fn want(&mut self, groups: BTreeSet<Ipv6Addr>) {
        self.wanted = groups;
        self.pending = true;
    }

    /// The packet socket is gone, and its memberships with it.
    pub(super) fn socket_closed(&mut self) {
        self.received.clear();
        self.pending = true;
    }

    /// Reports everything anew: after the interface got or lost its link-local address, reports made before were sent from
    /// nowhere, which switches may ignore, or not at all (RFC 3590).
    pub(super) fn report_anew(&mut self) {
        self.reporters.clear();
        self.reported.clear();
        self.retry = None;
        self.pending = true;
    }

    /// When there is more to do; `None` = when something else happens.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.pending.then(|| self.retry.unwrap_or(now))
    }

    fn is_done(&self) -> bool {
        self.received == self.wanted && self.reported.keys().eq(&self.wanted)
    }

    /// Joins and leaves some. Without a `socket` there is nothing to receive with, and nothing is done.
    pub(super) fn work(&mut self, now: Instant, interface: &str, socket: &Socket) {
        if self.retry.is_some_and(|at| at > now) {
            return;
        }
        self.retry = None;
        let mut result = Ok(());
        let leave: Vec<Ipv6Addr> = self.received.difference(&self.wanted).take(BATCH).copied().collect();
        for group in leave {
            self.received.remove(&group);
            result = result.and(sys::receive_group(socket, self.index, group_mac(group), false));
        }
        let join: Vec<Ipv6Addr> = self.wanted.difference(&self.received).take(BATCH).copied().collect();
        for group in join {
            let joined = sys::receive_group(socket, self.index, group_mac(group), true);
            if joined.is_ok() {
                self.received.insert(group);
            }
            result = result.and(joined);
        }
        result = result.and(self.report());
        self.pending = !self.is_done();
        match result {
            Ok(()) if self.refused && !self.pending => {
                tracing::info!(interface, groups = self.wanted.len(), "solicited-node groups joined");
                self.refused = false;
            }
            Ok(()) => {}
            Err(error) => self.postpone(now, interface, &error),
        }
    }

    fn report(&mut self) -> io::Result<()> {
        let leave: Vec<Ipv6Addr> =
            self.reported.keys().filter(|group| !self.wanted.contains(*group)).take(BATCH).copied().collect();
        for group in leave {
            let reporter = self.reported.remove(&group).and_then(|number| self.reporters.get(number));
            if let Some(reporter) = reporter {
                // One that is no member any more has left.
                drop(reporter.leave_multicast_v6(&group, self.index));
            }
        }
        let join: Vec<Ipv6Addr> =
            self.wanted.iter().filter(|group| !self.reported.contains_key(*group)).take(BATCH).copied().collect();
        for group in join {
            let number = self.join(group)?;
            self.reported.insert(group, number);
        }
        Ok(())
    }

    /// Joins with the newest socket, or with a new one if that has its fill.
    fn join(&mut self, group: Ipv6Addr) -> io::Result<usize> {
        if let Some(newest) = self.reporters.len().checked_sub(1)
            && let Some(reporter) = self.reporters.last()
        {
            match reporter.join_multicast_v6(&group, self.index) {
                Ok(()) => return Ok(newest),
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM)) => {}
                Err(error) => return Err(error),
            }
        }
        let reporter = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        reporter.join_multicast_v6(&group, self.index)?;
        self.reporters.push(reporter);
        Ok(self.reporters.len() - 1)
    }

    /// Announcing goes on meanwhile: most networks forward all groups to everybody.
    fn postpone(&mut self, now: Instant, interface: &str, error: &io::Error) {
        self.retry = Some(now + RETRY);
        if !self.refused {
            tracing::warn!(
                interface,
                error = error as &dyn std::error::Error,
                "solicited-node groups cannot be joined: switches that snoop MLD will not forward questions; is IPv6 disabled on the interface?"
            );
        }
        self.refused = true;
    }
}
