//! What becomes of routes when a session ends, and how to end one (RFC 4724, RFC 8538, RFC 5882 section 4.3, RFC 9494).

use super::{BfdFailure, DownReason, Session, Stop};
use crate::rib::Keep;
use crate::wire::notification::cease;
use crate::wire::{Notification, PerFamily};

/// What becomes of the routes that the peer told.
pub(super) fn keep(session: &Session, reason: &DownReason) -> PerFamily<Keep> {
    if !survives(session, reason) {
        return PerFamily::default();
    }
    PerFamily::from_fn(|family| match session.restart.get(family) {
        Some(restart) => Keep::Stale { restart_time: restart.restart_time, long_lived: restart.long_lived },
        None => Keep::Drop,
    })
}

/// Whether the end is a restart, where that was agreed on.
fn survives(session: &Session, reason: &DownReason) -> bool {
    match reason {
        DownReason::Closed(_) | DownReason::Replaced => true,
        // RFC 4724 section 4: a NOTIFICATION ends everything; RFC 8538 section 4: unless both know better and it is no Hard
        // Reset.
        DownReason::Received(notification) | DownReason::Sent(notification) => {
            session.notification_restart && !notification.is_hard_reset()
        }
        DownReason::HoldTimer
        | DownReason::SendHoldTimer
        | DownReason::Configuration
        | DownReason::Stopped(Stop::Reset { .. } | Stop::Reconfigured) => session.notification_restart,
        DownReason::Bfd(failure) => shares_fate(*failure),
        DownReason::Stopped(Stop::Shutdown { .. } | Stop::Disabled { .. } | Stop::Drained { .. } | Stop::Deleted)
        | DownReason::PrefixLimit(_)
        | DownReason::ConnectFailed(_) => false,
    }
}

/// RFC 5882 section 4.3: BFD of a peer without the C bit goes down when its control plane restarts, so that is what it may be.
fn shares_fate(failure: BfdFailure) -> bool {
    !failure.control_plane_independent
}

/// The last words of a session, or of a connection that has not become one; none: TCP is closed, and the peer keeps the routes.
pub(super) fn farewell(session: Option<&Session>, stop: &Stop) -> Option<Notification> {
    let hard = session.is_some_and(|session| session.notification_restart);
    let final_words = |inner: Notification| if hard { inner.hard_reset() } else { inner };
    match stop {
        Stop::Shutdown { .. } if session.is_some_and(|session| session.peer_helps.iter().any(|(_, helps)| *helps)) => {
            None
        }
        Stop::Shutdown { text } | Stop::Disabled { text } => Some(Notification::cease_with(cease::SHUTDOWN, text)),
        Stop::Drained { text } => Some(final_words(Notification::cease_with(cease::SHUTDOWN, text))),
        Stop::Deleted => Some(final_words(Notification::cease(cease::DECONFIGURED))),
        Stop::Reset { text } => Some(Notification::cease_with(cease::RESET, text)),
        Stop::Reconfigured => Some(Notification::cease(cease::CONFIGURATION)),
    }
}

/// What a peer is told when BFD fails (RFC 9384). Nothing where it may be restarting and would take it for the end of its
/// graceful restart.
pub(super) fn bfd_down(session: &Session, failure: BfdFailure) -> Option<Notification> {
    let restarts = session.restart.iter().any(|(_, restart)| restart.is_some());
    let silent = shares_fate(failure) && restarts && !session.notification_restart;
    (!silent).then(|| Notification::cease(cease::BFD_DOWN))
}

#[cfg(test)]
#[path = "graceful_tests.rs"]
mod tests;
