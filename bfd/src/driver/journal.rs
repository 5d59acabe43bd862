//! What happened, for the log. A log that blocks (a pipe that nobody reads) must not stop the thread that keeps the
//! sessions up, so another one writes it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::error::Problem;
use super::peer::Peer;
use crate::session::Status;
use crate::wire::State;

/// Messages that may wait to be written. The newest are dropped, and counted.
const CAPACITY: usize = 1024;

/// Something to write down.
#[derive(Debug)]
pub(super) enum Entry {
    Changed { peer: Arc<Peer>, from: State, status: Box<Status> },
    Problem { peer: Arc<Peer>, problem: Arc<Problem> },
    Solved { peer: Arc<Peer> },
    Stalled { late: Duration },
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Journal {
    entries: SyncSender<Entry>,
    pub(super) lost: u64,
}

impl Journal {
    /// Starts the thread that writes; it ends with the journal, once all is written.
    pub(super) fn start() -> io::Result<Self> {
        let (entries, written) = sync_channel(CAPACITY);
        thread::Builder::new().name("bfd-log".to_owned()).spawn(move || write(&written))?;
        Ok(Self { entries, lost: 0 })
    }

    pub(super) fn note(&mut self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.lost += 1;
        }
    }
}

fn write(entries: &Receiver<Entry>) {
    for entry in entries {
        match entry {
            Entry::Changed { peer, from, status } => changed(&peer, from, &status),
            Entry::Problem { peer, problem } => tracing::warn!(
                %peer,
                error = &*problem as &dyn std::error::Error,
                source = std::error::Error::source(&*problem),
                "BFD cannot send or receive"
            ),
            Entry::Solved { peer } => tracing::info!(%peer, "BFD can send and receive again"),
            Entry::Stalled { late } => {
                tracing::warn!(?late, "the BFD thread woke up late: peers may have taken this node for dead");
            }
        }
    }
}

fn changed(peer: &Peer, from: State, status: &Status) {
    let (state, remote) = (status.state, status.remote_diagnostic);
    match (from, state) {
        (_, State::Up) => tracing::info!(%peer, "BFD session up"),
        (State::Up, _) if status.cause.is_some_and(crate::DownCause::is_failure) => {
            tracing::warn!(%peer, %state, reason = %status.diagnostic, %remote, "BFD session failed");
        }
        (State::Up, _) => tracing::info!(%peer, %state, reason = %status.diagnostic, %remote, "BFD session ended"),
        _ => tracing::debug!(%peer, %from, %state, "BFD state changed"),
    }
}
