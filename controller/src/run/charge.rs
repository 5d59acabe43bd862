//! Whether this controller is the one that assigns addresses.

use std::time::Instant;

use ferrolb_source::{Cluster, Refresh};
use tokio::sync::watch;

use crate::lease::Held;

/// In charge of a directory from start to end; of an API server while the Lease is held and once everything was read
/// anew since: what somebody else wrote last must have been seen before anything is given out.
#[derive(Debug)]
pub(super) struct Charge {
    /// `None`: nobody else wants it.
    held: Option<watch::Receiver<Held>>,
    refresh: Refresh,
    state: State,
    /// Until when it was held as far as was last seen.
    until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Somebody else is in charge.
    Away,
    /// Waiting for a state that is at least so recent.
    Reading(u64),
    InCharge,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    None,
    /// It is our turn from now on.
    Begins,
    /// It is over.
    Ends,
}

// === impl Charge ===

impl Charge {
    /// `held` may be ours already; then whatever is read from now on is recent enough.
    pub(super) fn new(held: Option<watch::Receiver<Held>>, refresh: Refresh) -> Self {
        let mut charge = Self { held, refresh, state: State::Away, until: None };
        if charge.allows(now()) {
            charge.state = State::Reading(0);
        }
        charge
    }

    /// Whether writing is allowed at this very moment.
    pub(super) fn may_write(&self) -> bool {
        self.state == State::InCharge && self.allows(now())
    }

    /// Whether the book may be kept.
    pub(super) fn is_in_charge(&self) -> bool {
        self.state == State::InCharge
    }

    /// Looks at the Lease and at what was read.
    pub(super) fn turn(&mut self, cluster: &Cluster) -> Turn {
        let at = now();
        // Between two looks it may have been lost and won again; somebody else may have written in between.
        let lapsed = self.until.is_some_and(|until| at >= until);
        self.until = self.held.as_ref().and_then(|held| held.borrow().deadline());
        match (self.allows(at) && !lapsed, self.state) {
            (false, State::Away) | (true, State::InCharge) => Turn::None,
            (false, State::Reading(_)) => {
                self.state = State::Away;
                Turn::None
            }
            (false, State::InCharge) => {
                tracing::warn!("the Lease is lost; another controller may assign addresses now");
                self.state = State::Away;
                Turn::Ends
            }
            (true, State::Away) => {
                self.state = State::Reading(self.refresh.request());
                self.turn(cluster)
            }
            (true, State::Reading(wanted)) if cluster.reading || cluster.refreshed < wanted => Turn::None,
            (true, State::Reading(_)) => {
                tracing::info!("in charge of assigning addresses");
                self.state = State::InCharge;
                Turn::Begins
            }
        }
    }

    fn allows(&self, now: Instant) -> bool {
        self.held.as_ref().is_none_or(|held| held.borrow().allows(now))
    }

    /// Waits until it has to be looked at again.
    pub(super) async fn changed(&mut self) {
        let Some(held) = &mut self.held else { return std::future::pending().await };
        let deadline = held.borrow_and_update().deadline();
        let expired = async {
            match deadline {
                Some(deadline) if deadline > now() => tokio::time::sleep_until(deadline.into()).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = held.changed() => if changed.is_err() {
                // Nobody keeps the Lease any more: the process is ending.
                std::future::pending::<()>().await;
            },
            () = expired => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}
