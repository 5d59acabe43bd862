//! What people and other parts want of a peer: start, stop, another configuration, BFD, prefix limits.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{Connection, Phase};
use super::peer::Admin;
use super::{BfdFailure, Change, CloseHow, Config, ConnectionId, DownReason, Mode, Peer, State, Stop, graceful};
use crate::wire::Family;
use crate::wire::Notification;
use crate::wire::notification::cease;

// === impl Peer ===

impl Peer {
    /// The peer shall be up (events 1 to 7).
    pub(super) fn start(&mut self, now: Instant) {
        if self.admin != Admin::Stopped {
            return;
        }
        self.admin = Admin::Started;
        if self.restarted && self.restarting_until.is_none() {
            self.restarting_until = self.config.graceful_restart.map(|graceful| now + graceful.restart_time);
        }
        self.dial_soon(now);
    }

    /// It shall be down, or begin anew (events 2 and 8).
    pub(super) fn stop(&mut self, now: Instant, stop: &Stop) {
        let stays = match stop {
            Stop::Reset { .. } | Stop::Reconfigured => true,
            Stop::Shutdown { .. } | Stop::Disabled { .. } | Stop::Drained { .. } | Stop::Deleted => false,
        };
        let had = self.end_all(now, |session| (DownReason::Stopped(stop.clone()), graceful::farewell(session, stop)));
        if !stays {
            self.admin = Admin::Stopped;
        } else if self.admin != Admin::Stopped {
            self.admin = Admin::Started;
            self.begin_anew(now, had);
        }
    }

    /// Another configuration.
    pub(super) fn configure(&mut self, now: Instant, config: Arc<Config>) {
        let change = self.config.change(&config);
        if change == Change::Nothing || config.validate().is_err() {
            return;
        }
        let old = std::mem::replace(&mut self.config, config);
        if let Admin::Held { until } = &mut self.admin
            && old.prefix_limit_restart != self.config.prefix_limit_restart
        {
            *until = self.config.prefix_limit_restart.map(|pause| now + pause);
        }
        if change == Change::Reset {
            let farewell = Notification::cease(cease::CONFIGURATION);
            let had = self.end_all(now, |_| (DownReason::Configuration, Some(farewell.clone())));
            self.plain = false;
            self.begin_anew(now, had);
            return;
        }
        if old.mode != self.config.mode {
            self.mode_changed(now);
        }
        if old.keepalive != self.config.keepalive {
            self.keepalive_changed(now);
        }
    }

    /// Who dials is another one: it does so at once, or gives up what it dials.
    fn mode_changed(&mut self, now: Instant) {
        if self.config.mode == Mode::Passive {
            let dialled = |connection: &&Connection| !connection.is_connected();
            if let Some(id) = self.connections.iter().find(dialled).map(|connection| connection.id) {
                self.close(id, None, CloseHow::Abort);
            }
        } else {
            self.dial_soon(now);
        }
    }

    fn keepalive_changed(&mut self, now: Instant) {
        let up: Vec<_> = self.connections.iter().filter_map(|it| Some((it.id, it.session()?.hold_time))).collect();
        for (id, hold_time) in up {
            let next = self.next_keepalive(now, hold_time);
            if let Some(connection) = self.find(id) {
                connection.timers.keepalive = next;
            }
        }
    }

    /// BFD has failed.
    pub(super) fn bfd_down(&mut self, now: Instant, failure: BfdFailure) {
        let Some((id, session)) = self.established() else { return };
        let last = graceful::bfd_down(session, failure);
        self.fail(now, id, DownReason::Bfd(failure), last);
    }

    /// BFD is up: whoever waits need not wait any longer.
    pub(super) fn bfd_up(&mut self, now: Instant) {
        if self.retry_at.is_some() {
            self.dial_soon(now);
        }
    }

    /// Too many prefixes (RFC 4486 section 4): the session ends, and stays down as configured.
    pub(super) fn prefix_limit(&mut self, now: Instant, family: Family, max: u32) {
        let Some((id, _)) = self.established() else { return };
        self.fail(now, id, DownReason::PrefixLimit(family), Some(Notification::max_prefixes(family, max)));
        self.end_all(now, |_| (DownReason::PrefixLimit(family), Some(Notification::cease(cease::REJECTED))));
        self.admin = Admin::Held { until: self.config.prefix_limit_restart.map(|pause| now + pause) };
    }

    /// Ends all connections. Returns whether there was one with TCP up.
    fn end_all(
        &mut self,
        now: Instant,
        words: impl Fn(Option<&super::Session>) -> (DownReason, Option<Notification>),
    ) -> bool {
        let ids: Vec<ConnectionId> = self.connections.iter().map(|connection| connection.id).collect();
        let mut had = false;
        for id in ids {
            let Some(connection) = self.find(id) else { continue };
            let established = match &connection.phase {
                Phase::Established { session, .. } => Some(Arc::clone(session)),
                Phase::Connecting | Phase::Delayed { .. } | Phase::OpenSent { .. } | Phase::OpenConfirm { .. } => None,
            };
            had |= connection.is_connected();
            let (reason, last) = words(established.as_deref());
            if established.is_some() {
                self.fail(now, id, reason, last);
            } else {
                self.close(id, last, CloseHow::Flush);
            }
        }
        self.failures = 0;
        self.retry_at = None;
        had
    }

    /// Dials at once; after the usual pause where the peer has just been told to go.
    fn begin_anew(&mut self, now: Instant, had: bool) {
        self.waiting = State::Active;
        if had {
            self.retry_later(now);
        } else {
            self.dial_soon(now);
        }
    }
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
