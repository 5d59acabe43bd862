//! Sockets, clock and thread around the [sessions](crate::Session).
//!
//! One operating system thread with a loop of its own and, where the system grants it, real-time priority: a busy speaker
//! must not make its node look dead. State goes in and comes out as the latest truth, never as a queue:
//!
//! ```text
//!   Handle ──which sessions──> worker ──Observed──> whoever looks
//!                                │ └──what happened──> journal: a thread that may block, for the log
//!                                v
//!                 Session <──> one socket per port, family and VRF to receive, one per session to send
//! ```
//!
//! **Silence is judged by what was read.** Each turn looks at the clock, then reads everything that waits, then asks the
//! sessions what is due at the time it had looked: a thread that stood still declares nobody down whose packets are there.
//!
//! **What is let in** (RFC 5881 section 5, RFC 5883): the TTL or hop limit of each packet is looked at, since Linux
//! enforces `IP_MINTTL` for TCP only. A packet belongs to the session that its Your Discriminator names, else to that of
//! its sender, interface and destination; in both cases these must agree.
//!
//! Needs no capability; `CAP_SYS_NICE` for the real-time priority, `CAP_NET_RAW` before Linux 5.7 for interfaces and VRFs.

mod demux;
mod error;
mod handle;
mod journal;
mod observed;
mod peer;
mod receiver;
mod running;
mod sender;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ScheduleParams, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::watch;

pub use self::error::{Problem, SpawnError};
pub use self::handle::Handle;
pub use self::observed::{Observed, Rejections, SessionStatus};
pub use self::peer::{Parameters, Peer};

use self::handle::Desired;
use self::journal::Journal;
use self::worker::{Ports, Worker};
use crate::wire::{MULTIHOP_PORT, SINGLE_HOP_PORT};

/// Above everything of ours that is real-time, below what the kernel runs by default for interrupts (50).
const PRIORITY: i32 = 10;

/// How the driver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether to ask for `SCHED_FIFO`. Default true; a refusal is logged once and seen in [`Observed::realtime`].
    pub realtime: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { realtime: true }
    }
}

/// Starts without a session, in the network namespace of the calling thread.
///
/// # Errors
/// [`SpawnError`] if the system grants no thread or descriptor; nothing was started then.
pub fn spawn(options: Options) -> Result<Handle, SpawnError> {
    let waker = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
    let waker = Arc::new(waker.map_err(|error| SpawnError::Waker(error.into()))?);
    let (desired_tx, desired) = watch::channel(Desired::default());
    let (observed_tx, observed) = watch::channel(Arc::default());
    let journal = Journal::start().map_err(SpawnError::Thread)?;
    let ports = Ports { single_hop: SINGLE_HOP_PORT, multihop: MULTIHOP_PORT };
    let mut worker = Worker::new(Box::new(now), ports, Arc::clone(&waker), desired, observed_tx, journal);
    thread::Builder::new()
        .name("bfd".to_owned())
        .spawn(move || {
            worker.realtime = options.realtime && raise();
            worker.run();
        })
        .map_err(SpawnError::Thread)?;
    Ok(Handle::new(desired_tx, observed, waker))
}

/// Asks for real-time priority for the calling thread.
fn raise() -> bool {
    let priority = ThreadPriority::from_posix(ScheduleParams { sched_priority: PRIORITY });
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let raised = set_thread_priority_and_policy(thread_native_id(), priority, fifo);
    if let Err(error) = &raised {
        tracing::warn!(
            error = ?error,
            "no real-time priority for BFD: intervals below 50 ms are not safe on a busy host; grant CAP_SYS_NICE"
        );
    }
    raised.is_ok()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn system(error: nix::Error) -> io::Error {
    io::Error::from(error)
}
