//! Writes on their way to the source, on a thread of their own so that a slow disk or API server delays no announcement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ferrolb_source::{ConfigurationState, Event, ObjectKey, Protocol, WriteError, Writer};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Writes that wait: those of a takeover of a thousand addresses, twice. Beyond them statuses are tried again later and
/// events are dropped and counted.
const PENDING: usize = 4096;

/// Something to write.
#[derive(Debug)]
pub(super) enum Write {
    Event(Event),
    /// With the interfaces or peers.
    Announced {
        namespace: Arc<str>,
        item: Item,
        places: Vec<String>,
    },
    Withdrawn {
        namespace: Arc<str>,
        item: Item,
    },
    State(ConfigurationState),
}

/// A Service that is announced in one way; it may be in another one too.
pub(super) type Item = (ObjectKey, Protocol);

/// What could not be written, and has to be tried again.
#[derive(Debug, Default)]
pub(super) struct Failed {
    pub(super) items: BTreeSet<Item>,
    pub(super) state: bool,
}

#[derive(Debug, Default)]
struct Results {
    /// How many writes wait or are under way.
    pending: AtomicUsize,
    lost: AtomicU64,
    failed: Mutex<Failed>,
}

/// See the module. Dropping it lets the thread finish what waits.
#[derive(Debug)]
pub(super) struct Queue {
    writes: mpsc::Sender<Write>,
    results: Arc<Results>,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(node: &str, writer: Writer, tasks: &TaskTracker) -> Self {
        let (writes, mut pending) = mpsc::channel(PENDING);
        let results = Arc::new(Results::default());
        let (node, outcome) = (node.to_owned(), Arc::clone(&results));
        let runtime = Handle::current();
        tasks.spawn_blocking(move || {
            while let Some(write) = pending.blocking_recv() {
                if let Err(error) = perform(&runtime, &writer, &node, &write) {
                    outcome.lost.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(error = ferrolb_daemon::sentence(&error), "not written");
                    let mut failed = outcome.failed.lock();
                    match write {
                        Write::Event(_) => {}
                        Write::Announced { item, .. } | Write::Withdrawn { item, .. } => {
                            failed.items.insert(item);
                        }
                        Write::State(_) => failed.state = true,
                    }
                }
                outcome.pending.fetch_sub(1, Ordering::Release);
            }
        });
        Self { writes, results }
    }

    /// Whether there was room for it.
    #[must_use]
    pub(super) fn push(&self, write: Write) -> bool {
        self.results.pending.fetch_add(1, Ordering::Relaxed);
        let queued = self.writes.try_send(write).is_ok();
        if !queued {
            self.results.pending.fetch_sub(1, Ordering::Relaxed);
            self.results.lost.fetch_add(1, Ordering::Relaxed);
        }
        queued
    }

    /// Whether everything was written or has failed.
    pub(super) fn is_idle(&self) -> bool {
        self.results.pending.load(Ordering::Acquire) == 0
    }

    /// What has failed since the last time somebody asked.
    pub(super) fn take_failed(&self) -> Failed {
        std::mem::take(&mut *self.results.failed.lock())
    }

    /// How much was not written since the last time somebody asked.
    pub(super) fn lost(&self) -> u64 {
        self.results.lost.swap(0, Ordering::Relaxed)
    }
}

fn perform(runtime: &Handle, writer: &Writer, node: &str, write: &Write) -> Result<(), WriteError> {
    match write {
        Write::Event(event) => writer.event(event),
        Write::Announced { namespace, item: (service, protocol), places } => {
            runtime.block_on(writer.announcement(*protocol, namespace, service, node, places))
        }
        Write::Withdrawn { namespace, item: (service, protocol) } => {
            runtime.block_on(writer.remove_announcement(*protocol, namespace, service, node))
        }
        Write::State(state) => runtime.block_on(writer.configuration_state(state)),
    }
}
