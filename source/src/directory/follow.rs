//! Follows a directory: a change is taken over at once, more that come meanwhile together.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files::{Files, News, is_manifest, is_read};
use super::load::{canonical, combine, open};
use crate::SourceError;
use crate::cluster::Cluster;

/// Changes that wait while files are being read. When it is full everything is looked at again, so nothing is lost.
const PENDING_EVENTS: usize = 4096;
/// The link behind which a mounted ConfigMap or Secret changes as a whole.
const MOUNTED: &str = "..data";

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
    let mut news = News { all: true, ..News::default() };
    // Watching began before the first reading, so no change falls between the two.
    files.refresh(now(), &news).map_err(|error| SourceError::Directory(path.to_owned(), error))?;
    news.all = false;
    let (sender, receiver) = watch::channel(Arc::new(combine(&files, namespace.as_deref())));
    tasks.spawn(async move {
        let _watcher = watcher;
        loop {
            let deadline = files.next_deadline();
            let first = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                event = pending.recv() => match event {
                    Some(event) => Some(event),
                    None => return,
                },
                () = sleep_until(deadline), if deadline.is_some() => None,
            };
            let mut concerns = first.is_none();
            for event in first.into_iter().chain(std::iter::from_fn(|| pending.try_recv().ok())) {
                concerns |= hear(&mut news, &event, &root);
            }
            if overflow.swap(false, Ordering::SeqCst) {
                // Closes may be among what was missed; files that rest count by the clock.
                news.open.clear();
                (concerns, news.anywhere) = (true, true);
            }
            if concerns {
                let read = refresh(&mut files, &news, namespace.as_deref(), &sender);
                news = News { open: news.open, anywhere: !read, ..News::default() };
            }
        }
    });
    Ok(receiver)
}

/// Whether everything that is told of could be looked at.
fn refresh(files: &mut Files, news: &News, namespace: Option<&str>, sender: &watch::Sender<Arc<Cluster>>) -> bool {
    if let Err(error) = files.refresh(now(), news) {
        tracing::error!(error = &error as &dyn std::error::Error, "manifests not read; the last state stays");
        return false;
    }
    let cluster = combine(files, namespace);
    sender.send_if_modified(|current| {
        let changed = **current != cluster;
        if changed {
            *current = Arc::new(cluster);
        }
        changed
    });
    true
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

/// Takes an event into account; whether the files have to be looked at.
fn hear(news: &mut News, event: &notify::Event, root: &Path) -> bool {
    if event.need_rescan() || event.paths.is_empty() {
        news.open.clear();
        news.anywhere = true;
        return true;
    }
    let mut concerns = false;
    for (place, path) in event.paths.iter().enumerate() {
        if path.file_name().is_some_and(|name| name == MOUNTED) {
            news.all = true;
            concerns = true;
        }
        let name = path.strip_prefix(root).unwrap_or(path);
        let hidden = |part: &OsStr| part.to_str().is_some_and(|part| part.starts_with('.'));
        if name.iter().any(hidden) || !is_read(name) {
            continue;
        }
        if is_manifest(path) {
            let counts = hear_of_manifest(news, event.kind, place, path);
            if counts {
                news.touched.insert(path.clone());
            }
            concerns |= counts;
        } else {
            // A folder, most likely; looking decides nothing.
            (concerns, news.anywhere) = (true, true);
        }
    }
    concerns
}

/// Whether the file's state has changed in a way that counts.
fn hear_of_manifest(news: &mut News, kind: EventKind, place: usize, path: &Path) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => settle(news, path),
        EventKind::Modify(ModifyKind::Name(mode)) => match (mode, place) {
            (RenameMode::To, _) | (RenameMode::Both, 1..) => settle(news, path),
            (RenameMode::From | RenameMode::Both | RenameMode::Any | RenameMode::Other, _) => {
                news.open.remove(path);
                true
            }
        },
        EventKind::Modify(ModifyKind::Data(_)) => {
            news.open.insert(path.to_owned());
            news.settled.remove(path);
            false
        }
        // A hard link or a link is complete as it appears, and nobody will close it.
        EventKind::Create(CreateKind::File) if is_linked(path) => settle(news, path),
        EventKind::Create(CreateKind::File) => {
            news.open.insert(path.to_owned());
            false
        }
        EventKind::Remove(_) => {
            news.open.remove(path);
            true
        }
        EventKind::Any
        | EventKind::Access(_)
        | EventKind::Create(_)
        | EventKind::Modify(ModifyKind::Any | ModifyKind::Metadata(_) | ModifyKind::Other)
        | EventKind::Other => true,
    }
}

fn settle(news: &mut News, path: &Path) -> bool {
    news.open.remove(path);
    news.settled.insert(path.to_owned());
    true
}

fn is_linked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink() || metadata.nlink() > 1)
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}
