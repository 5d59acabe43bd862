//! Follows a directory: a change is taken over at once, more that come meanwhile together.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::STATUS;
use super::files::{Files, Settled, is_manifest};
use super::load::{canonical, combine, open};
use crate::SourceError;
use crate::cluster::Cluster;

/// Changes that wait while files are being read. When it is full everything is read again, so nothing is lost.
const PENDING_EVENTS: usize = 1024;

/// Reads the directory and follows it until `shutdown`.
///
/// # Errors
/// It cannot be read or watched.
pub fn follow(
    path: &Path,
    namespace: Option<String>,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<watch::Receiver<Arc<Cluster>>, SourceError> {
    let (events, mut pending) = mpsc::channel(PENDING_EVENTS);
    let overflow = Arc::new(AtomicBool::new(false));
    let root = canonical(path)?;
    let watcher = watcher(&root, events, Arc::clone(&overflow)).map_err(|e| SourceError::Watch(path.to_owned(), e))?;
    let mut files = open(path)?;
    // Watching began before the first reading, so no change falls between the two.
    files.refresh(&Settled::All).map_err(|error| SourceError::Directory(path.to_owned(), error))?;
    let (sender, receiver) = watch::channel(Arc::new(combine(&files, namespace.as_deref())));
    tasks.spawn(async move {
        let _watcher = watcher;
        loop {
            let first = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                event = pending.recv() => event,
            };
            let Some(first) = first else { return };
            let mut settled = Settling::new(&root);
            settled.add(&first);
            while let Ok(event) = pending.try_recv() {
                settled.add(&event);
            }
            if overflow.swap(false, Ordering::SeqCst) {
                settled.all = true;
            }
            let Some(settled) = settled.finish() else { continue };
            refresh(&mut files, &settled, namespace.as_deref(), &sender);
        }
    });
    Ok(receiver)
}

fn refresh(files: &mut Files, settled: &Settled, namespace: Option<&str>, sender: &watch::Sender<Arc<Cluster>>) {
    if let Err(error) = files.refresh(settled) {
        tracing::error!(error = &error as &dyn std::error::Error, "manifests not read; the last state stays");
        return;
    }
    let cluster = combine(files, namespace);
    sender.send_if_modified(|current| {
        let changed = **current != cluster;
        if changed {
            *current = Arc::new(cluster);
        }
        changed
    });
}

fn watcher(
    root: &Path,
    events: mpsc::Sender<notify::Event>,
    overflow: Arc<AtomicBool>,
) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = event.unwrap_or_else(|_lost| notify::Event::new(EventKind::Other));
        let concerns = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
                true
            }
        };
        if concerns && events.try_send(event).is_err() {
            overflow.store(true, Ordering::SeqCst);
        }
    })?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Sorts events into files whose new content counts.
struct Settling<'a> {
    root: &'a Path,
    paths: HashSet<PathBuf>,
    all: bool,
}

impl<'a> Settling<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, paths: HashSet::new(), all: false }
    }

    fn add(&mut self, event: &notify::Event) {
        if event.need_rescan() || event.paths.is_empty() || matches!(event.kind, EventKind::Other | EventKind::Any) {
            self.all = true;
        }
        let writing = matches!(event.kind, EventKind::Modify(notify::event::ModifyKind::Data(_)));
        for path in event.paths.iter().filter(|_| !writing) {
            let hidden = |path: &Path| {
                path.strip_prefix(self.root)
                    .is_ok_and(|path| path.iter().any(|part| part.to_str().is_some_and(|part| part.starts_with('.'))))
            };
            if is_manifest(path) && !hidden(path) {
                self.paths.insert(path.clone());
            } else if !self.is_own_temporary(path) {
                // A folder, or the link behind which a mounted ConfigMap changes as a whole.
                self.all = true;
            }
        }
    }

    /// Files that ferrolb writes below `status/` before it renames them, and the events it appends.
    fn is_own_temporary(&self, path: &Path) -> bool {
        path.starts_with(self.root.join(STATUS)) && !path.is_dir()
    }

    fn finish(self) -> Option<Settled> {
        if self.all { Some(Settled::All) } else { (!self.paths.is_empty()).then_some(Settled::Paths(self.paths)) }
    }
}
