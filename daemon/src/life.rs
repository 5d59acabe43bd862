//! The life of a daemon: runtime, signals, work, an end within bounds.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::shutdown::on_signal;

/// What is left when the work is done has this long to end.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// The kernel grants no threads.
#[derive(Debug, Error)]
#[error("cannot start the runtime")]
pub struct RuntimeError(#[source] std::io::Error);

/// The threads that a daemon's tasks share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One: nothing is handed from thread to thread, which can cost as much as the work itself where the work is to
    /// wait for others.
    One,
    /// One for the work, two for its tasks: what takes long in a task does not delay the work.
    Three,
}

/// Runs `work` until it ends; SIGTERM and SIGINT cancel its token. The tracker is for tasks that end with the token.
///
/// # Errors
/// What `work` returns, or [`RuntimeError`].
pub fn live<E, F>(threads: Threads, work: impl FnOnce(TaskTracker, CancellationToken) -> F) -> Result<(), E>
where
    E: From<RuntimeError>,
    F: Future<Output = Result<(), E>>,
{
    crate::memory::be_frugal();
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Three => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build().map_err(RuntimeError)?;
    let result = runtime.block_on(async {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let signals = tasks.spawn(on_signal(shutdown.clone()));
        let result = work(tasks.clone(), shutdown.clone()).await;
        shutdown.cancel();
        signals.abort();
        tasks.close();
        if tokio::time::timeout(LEFTOVERS, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "ended before all tasks had");
        }
        result
    });
    // A blocking write that hangs is left behind.
    runtime.shutdown_background();
    result
}

/// Runs a short piece of work to its end, without signals and other tasks.
///
/// # Errors
/// What `work` returns, or [`RuntimeError`].
pub fn alone<T, E: From<RuntimeError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(RuntimeError)?.block_on(work)
}
