//! Sockets, clock and thread around an [`Announcer`](crate::Announcer): an `AF_PACKET` socket per interface and family, with a filter
//! in the kernel so that only packets that concern us wake the process.
//!
//! Everything runs on one operating system thread with an event loop of its own, so that a busy speaker cannot delay an
//! answer. State goes in and comes out as the latest truth, never as a queue:
//!
//! ```text
//!   Handle ──Desired──> worker ──Observed──> whoever looks
//!                         │ └────Heard─────> the one receiver, bounded
//!                         v
//!                 Announcer <──> ports, one per interface and family
//! ```
//!
//! Needs `CAP_NET_RAW` in the network namespace of the thread that calls [`spawn`].

mod error;
mod groups;
mod handle;
mod observed;
mod port;
mod stall;
mod sys;
mod sysctl;
mod timer;
mod worker;

use std::thread;

use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use self::error::{PortError, SpawnError};
pub use self::handle::Handle;
pub use self::observed::{InterfaceStatus, Observed};
pub use self::sysctl::conditions;

use self::handle::Desired;
use self::timer::Timer;
use self::worker::Worker;
use crate::announcer::{Config, Heard};

/// How many claims may wait for the receiver. Taking over 1,000 addresses makes their successor speak 2,000 times in the
/// first second; when full, the newest are dropped and counted in [`Observed::heard_dropped`].
pub const HEARD_CAPACITY: usize = 4096;

/// Starts announcing: nothing yet, on no interface, until the handle says so. The receiver gets what others say about
/// addresses that are announced or watched.
///
/// # Errors
/// [`SpawnError`] if the operating system grants no thread or no event loop; nothing was started then.
pub fn spawn(config: Config) -> Result<(Handle, mpsc::Receiver<Heard>), SpawnError> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build().map_err(SpawnError::Runtime)?;
    let cancel = CancellationToken::new();
    let (desired, desired_rx) = watch::channel(Desired::default());
    let (observed_tx, observed) = watch::channel(std::sync::Arc::default());
    let (heard_tx, heard) = mpsc::channel(HEARD_CAPACITY);
    let timer = {
        let _context = runtime.enter();
        Timer::new().map_err(SpawnError::Runtime)?
    };
    let worker = Worker::new(timer, config, desired_rx, observed_tx, heard_tx, cancel.clone());
    thread::Builder::new()
        .name("l2".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(SpawnError::Thread)?;
    Ok((Handle::new(desired, observed, cancel), heard))
}
