//! Which of several controllers acts: the one that holds a Lease (`coordination.k8s.io/v1`).
//!
//! [`Candidate`] decides and knows no API server; [`Lease`] asks the API server and tells on a channel until when
//! acting is allowed. Two rules keep two controllers from acting at one instant, whatever happens to the network and
//! however long a process is stopped:
//!
//! * A holder acts until [`Terms::renew_deadline`] after the *beginning* of its last successful write, and looks at the
//!   clock before it acts. Nobody has to tell it that it lost.
//! * Others take over only when the lease has stood unchanged for [`Terms::duration`] by their own monotonic clock,
//!   which began no earlier than that write; the time that stands in the lease is compared with nobody's clock.
//!   The write carries the `resourceVersion` that was read, so of several that try one succeeds.
//!
//! A lease that somebody deletes by hand is the one exception: a candidate that never saw its holder takes it at once,
//! up to one retry period before the holder notices. Clocks that stand still while a machine is suspended are the
//! other; do not suspend machines of a control plane.
//!
//! ```text
//!   Create ──────┐                      ┌── Renew (every retry period)
//!   TakeOver ────┴─ write succeeded ──> held ── renew deadline passed, or another holder seen ──> not held
//! ```

mod candidate;
mod record;
mod task;

use std::time::{Duration, Instant};

pub use candidate::{Candidate, Step};
pub use record::Record;
pub use task::Lease;

/// How long everything takes. The defaults are those of Kubernetes' own components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long others wait without a sign of life from the holder; default 15 s. Whole seconds, as the API has it.
    pub duration: Duration,
    /// How long a holder acts after its last renewal; default 10 s. Shorter than `duration`: the difference is what
    /// an action that was begun in time may take, and what the clocks of two machines may differ in speed.
    pub renew_deadline: Duration,
    /// How often the holder renews and others look; default 2 s, up to a fifth more by chance.
    pub retry: Duration,
    /// After how long a call is given up; default 5 s.
    pub timeout: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Whether, and until when, this process may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held(Option<Instant>);

// === impl Held ===

impl Held {
    /// Held until then, unless it is renewed.
    pub fn until(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// Not held.
    pub fn no() -> Self {
        Self(None)
    }

    /// When it ends; `None`: it is not held.
    pub fn deadline(&self) -> Option<Instant> {
        self.0
    }

    /// Whether acting is allowed now. To be asked before every action, not once: a process may be stopped at any point.
    pub fn allows(&self, now: Instant) -> bool {
        self.0.is_some_and(|until| now < until)
    }
}
