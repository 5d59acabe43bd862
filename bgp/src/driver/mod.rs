//! Sockets, clock and tasks around [`session`](crate::session) and [`rib`](crate::rib).
//!
//! Everything runs on one operating system thread with an event loop of its own, so that a busy speaker delays no keepalive:
//!
//! ```text
//!   Handle ──Desired──> worker ──level, orders, connections──> a task for each peer <──> its sockets
//!     ^                   │                                        │
//!     └──────Status───────┴──────── Shared: RIB, what peers tell <─┘
//! ```
//!
//! A peer's task owns its machine and its connections. It reads messages where they lie in its buffer, and takes the next part
//! of the table from the RIB only when the socket has taken the one before: a peer that does not read delays nobody and costs
//! one buffer.
//!
//! Needs `CAP_NET_BIND_SERVICE` to listen on port 179, `CAP_NET_RAW` for unnumbered peers and devices, and `CAP_NET_ADMIN` for
//! passwords, in the network namespace of the thread that calls [`spawn`].

mod config;
mod connection;
mod handle;
mod listener;
mod neighbor;
mod peer;
mod record;
mod shared;
mod socket;
mod status;
mod sys;
mod transport;
mod worker;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use self::config::{Bfd, Config, PeerConfig};
pub use self::handle::{Handle, OrderError};
pub use self::record::{Direction, Recorded};
pub use self::status::{ListenerStatus, Malformed, NeighborStatus, Octets, PeerStatus, Problem, Status};
pub use self::transport::{PORT, Password, PasswordLength, Remote, Transport, Ttl};

use self::config::Desired;
use self::shared::Shared;
use self::worker::Worker;

/// Why no driver could be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The operating system grants no event loop.
    #[error("the BGP thread gets no event loop")]
    Runtime(#[source] std::io::Error),
    /// It grants no thread.
    #[error("the BGP thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Starts without peers: nothing is dialled and nothing listens until the handle says so.
///
/// # Errors
/// When the operating system grants no thread or no event loop; nothing was started then.
pub fn spawn(config: Config) -> Result<Handle, SpawnError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(SpawnError::Runtime)?;
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared::new());
    let (desired, desired_rx) = watch::channel(Desired::default());
    let (status_tx, status) = watch::channel(Arc::default());
    let (orders, orders_rx) = mpsc::channel(handle::ORDERS);
    let worker = Worker::new(config, Arc::clone(&shared), desired_rx, status_tx, orders_rx, stop.clone());
    thread::Builder::new()
        .name("bgp".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(SpawnError::Thread)?;
    Ok(Handle::new(desired, status, orders, shared, stop))
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the driver is where the clock is read")]
    Instant::now()
}
