//! The end that somebody asks for.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Which signal ended the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminated {
    /// SIGTERM.
    Term,
    /// SIGINT, from a terminal.
    Interrupt,
}

/// Waits for SIGTERM or SIGINT and cancels `shutdown`. The handlers stand when this returns its future's first poll.
///
/// # Errors
/// The handlers cannot be installed.
pub async fn on_signal(shutdown: CancellationToken) -> std::io::Result<Terminated> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let which = tokio::select! {
        _ = term.recv() => Terminated::Term,
        _ = interrupt.recv() => Terminated::Interrupt,
    };
    tracing::info!(signal = ?which, "asked to stop");
    shutdown.cancel();
    Ok(which)
}
