//! The files below the directory and what stands in each, read again only when a file has changed.
//!
//! A file that is being written has no meaning until its writer has closed it, and a file that vanishes may only be about
//! to be replaced. So a change counts once the kernel has told of a close or a rename, or once the file has rested for
//! [`QUIET`]; a file that is gone keeps counting for [`GRACE`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_config::{ObjectRef, Problem};
use serde::Deserialize;
use serde_json::Value;

use super::STATUS;
use super::item::{Item, items};

/// A changed file that nobody is known to be writing counts after this long without another change.
pub(super) const QUIET: Duration = Duration::from_millis(200);
/// A file that is gone is forgotten after this long: programs that save by removing and creating take less.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// What a link to a place outside leads to changes without a word from the kernel: it is looked at this often.
pub(super) const LOOK_OUTSIDE: Duration = Duration::from_secs(2);
/// After a look at single files, all are looked at this much later: behind links the kernel tells of nothing.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// Folders deeper than this are not looked into.
const MAX_DEPTH: usize = 16;

/// What the kernel has told since the last look.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// Closed or renamed into place: their content counts.
    pub(super) settled: HashSet<PathBuf>,
    /// Opened and not yet closed: their content does not.
    pub(super) open: HashSet<PathBuf>,
    /// Files of which anything was told; the others are as they were.
    pub(super) touched: HashSet<PathBuf>,
    /// Nobody knows which files are concerned: all are looked at.
    pub(super) anywhere: bool,
    /// Everything counts as it stands: at the start, and when a mounted ConfigMap was switched as a whole.
    pub(super) all: bool,
}

/// Tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One file as it was last read.
#[derive(Debug, Default)]
struct File {
    /// The version that was read; none of a file that has not been read yet.
    stamp: Option<Stamp>,
    /// A newer version, and since when it has rested.
    candidate: Option<(Stamp, Instant)>,
    /// Since when it is not there any more.
    gone: Option<Instant>,
    items: Arc<Vec<Item>>,
    problem: Option<Box<Problem>>,
}

/// Files by name, and what the kernel says of them; `None`: they are not there.
type Found = BTreeMap<String, Option<Metadata>>;

/// Everything below one directory.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    by_name: BTreeMap<String, File>,
    /// The folders that were looked into, by name; the root's is empty.
    folders: BTreeSet<String>,
    /// When all files are to be looked at although nothing more happens.
    around: Option<Instant>,
    unreadable: Vec<Problem>,
    /// The directory could not be read: what was due then has to wait.
    not_before: Option<Instant>,
}

// === impl Files ===

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        let (by_name, folders, unreadable) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { root: root.to_owned(), by_name, folders, around: None, unreadable, not_before: None }
    }

    /// Reads what is new or changed, as far as it counts by now, and forgets what has been gone for long enough.
    pub(super) fn refresh(&mut self, now: Instant, news: &News) -> io::Result<()> {
        let found = if let Some(found) = self.concerned(now, news) {
            let around = now + LOOK_AROUND;
            self.around = Some(self.around.map_or(around, |earlier| earlier.min(around)));
            found
        } else {
            let found = self.scan(now);
            self.not_before = found.is_err().then(|| now + GRACE);
            found?
        };
        for (name, metadata) in &found {
            if let (None, Some(file)) = (metadata, self.by_name.get_mut(name)) {
                file.gone.get_or_insert(now);
            }
        }
        self.by_name.retain(|_, file| file.gone.is_none_or(|since| now < since + GRACE));
        for (name, metadata) in found {
            let Some(metadata) = metadata else { continue };
            let path = self.root.join(&name);
            let file = self.by_name.entry(name.clone()).or_default();
            file.gone = None;
            file.look(now, news, &path, &name, Stamp::from(&metadata));
        }
        Ok(())
    }

    /// The files that were told of or that something is due for, as they are now; `None`: they do not say everything.
    fn concerned(&self, now: Instant, news: &News) -> Option<Found> {
        if news.all || news.anywhere || self.around.is_some_and(|at| at <= now) {
            return None;
        }
        let waiting = |(name, file): (&String, &File)| {
            (file.candidate.is_some() || file.gone.is_some()).then(|| (name.clone(), self.root.join(name)))
        };
        let mut concerned: BTreeMap<String, PathBuf> = self.by_name.iter().filter_map(waiting).collect();
        for path in &news.touched {
            let name = path.strip_prefix(&self.root).ok()?.to_str()?;
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            // A folder that was a file or the other way round, or one that is reached in two ways, needs a look at all.
            if self.folders.contains(name) || !self.folders.contains(folder) {
                return None;
            }
            concerned.insert(name.to_owned(), path.clone());
        }
        let look = |(name, path): (String, PathBuf)| match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Some((name, Some(metadata))),
            Ok(_) => None,
            // What cannot be looked at is gone.
            Err(_) => Some((name, None)),
        };
        concerned.into_iter().map(look).collect()
    }

    /// All files that there are, and those that there were.
    fn scan(&mut self, now: Instant) -> io::Result<Found> {
        let mut scan = Scan::new(&self.root);
        scan.folder(&self.root, "", 0)?;
        self.around = scan.leads_outside.then(|| now + LOOK_OUTSIDE);
        (self.unreadable, self.folders) = (scan.unreadable, scan.folders);
        let gone = self.by_name.keys().filter(|name| !scan.found.contains_key(*name)).cloned().collect::<Vec<_>>();
        let there = scan.found.into_iter().map(|(name, metadata)| (name, Some(metadata)));
        Ok(there.chain(gone.into_iter().map(|name| (name, None))).collect())
    }

    /// When [`Files::refresh`] has something to do although nothing more happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.by_name.values().flat_map(|file| {
            let rest = file.candidate.map(|(_, since)| since + QUIET);
            [rest, file.gone.map(|since| since + GRACE)]
        });
        let first = deadlines.flatten().chain(self.around).min()?;
        Some(self.not_before.map_or(first, |earliest| first.max(earliest)))
    }

    /// What stands in the manifests, in order of file name and document; then what stood in files that have just gone.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&Item, Presence)> {
        let of = |presence: Presence| {
            let wanted = presence == Presence::Gone;
            let files =
                self.by_name.iter().filter(move |(name, file)| !is_status(name) && file.gone.is_some() == wanted);
            files.flat_map(|(_, file)| file.items.iter()).map(move |item| (item, presence))
        };
        of(Presence::There).chain(of(Presence::Gone))
    }

    /// What was written as status.
    pub(super) fn statuses(&self) -> impl Iterator<Item = &Item> {
        let files = self.by_name.iter().filter(|(name, file)| is_status(name) && file.gone.is_none());
        files.flat_map(|(_, file)| file.items.iter())
    }

    /// The files and folders that cannot be read.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.by_name.values().filter_map(|file| file.problem.as_deref()).chain(&self.unreadable)
    }
}

/// Whether a file is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is.
    There,
    /// It has just vanished; what it said counts only where no other file says it.
    Gone,
}

// === impl File ===

impl File {
    fn look(&mut self, now: Instant, news: &News, path: &Path, name: &str, stamp: Stamp) {
        let settled = news.all || news.settled.contains(path);
        // A file can change twice within one tick of its clock, so one that was closed just now is read again.
        if self.stamp == Some(stamp) && !news.settled.contains(path) {
            self.candidate = None;
            return;
        }
        let since = match self.candidate {
            Some((known, since)) if known == stamp => since,
            _ => now,
        };
        self.candidate = Some((stamp, since));
        if news.open.contains(path) && !news.all {
            // Its close will be told; nothing is to be awaited by the clock.
            self.candidate = None;
            return;
        }
        let rested = now >= since + QUIET;
        // Emptied is what a file is between the opening and the first write of somebody who replaces its content.
        let emptied = stamp.size == 0 && !self.items.is_empty();
        if news.all || rested || (settled && !emptied) {
            self.read(path, name, stamp);
        }
    }

    fn read(&mut self, path: &Path, name: &str, stamp: Stamp) {
        let result = read(path, name, &self.items);
        // Somebody began to write while it was read: the next look decides.
        if fs::metadata(path).map_or(true, |metadata| Stamp::from(&metadata) != stamp) {
            return;
        }
        self.candidate = None;
        let before = self.stamp.replace(stamp);
        match result {
            Ok(items) => {
                self.items = Arc::new(items);
                self.problem = None;
            }
            // What we wrote and somebody else broke is written again.
            Err(_) if is_status(name) && before.is_some() => {
                self.items = Arc::default();
                self.problem = None;
            }
            Err(error) => self.problem = Some(Box::new(error.problem(name))),
        }
    }
}

fn is_status(name: &str) -> bool {
    name.strip_prefix(STATUS).is_some_and(|rest| rest.starts_with('/'))
}

/// Walks the folders.
#[derive(Debug)]
struct Scan<'a> {
    root: &'a Path,
    found: BTreeMap<String, Metadata>,
    visited: BTreeSet<(u64, u64)>,
    folders: BTreeSet<String>,
    unreadable: Vec<Problem>,
    /// A link leads to a place that is not watched, or to nothing, which may come.
    leads_outside: bool,
}

// === impl Scan ===

impl<'a> Scan<'a> {
    fn new(root: &'a Path) -> Self {
        let (found, visited, folders) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { root, found, visited, folders, unreadable: Vec::new(), leads_outside: false }
    }

    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        let metadata = fs::metadata(folder)?;
        if !self.visited.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        self.folders.insert(prefix.to_owned());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            if !is_read(Path::new(&name)) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                let inside = |target: PathBuf| target.starts_with(self.root);
                self.leads_outside |= !fs::canonicalize(entry.path()).is_ok_and(inside);
            }
            // Follows links; what vanished in between is gone.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            if metadata.is_dir() && depth < MAX_DEPTH {
                match self.folder(&entry.path(), &name, depth + 1) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let message = format!("cannot be read: {error}; give access, or move it out of the directory");
                        let object = ObjectRef::new("Folder", "", name);
                        self.unreadable.push(Problem::new(object, "", "", message));
                    }
                    Ok(()) => {}
                }
            } else if metadata.is_file() && is_manifest(Path::new(&name)) {
                self.found.insert(name, metadata);
            }
        }
        Ok(())
    }
}

/// Whether a file or folder of this name is looked at: of what is written as status, only what others may not change
/// without being noticed.
pub(super) fn is_read(name: &Path) -> bool {
    let mut parts = name.iter();
    let status = parts.next().is_some_and(|first| first == STATUS);
    !status || parts.next().is_none_or(|folder| folder == "services" || folder == "ipaddresspools")
}

/// Whether a file's name says that manifests stand in it.
pub(super) fn is_manifest(name: &Path) -> bool {
    name.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

#[derive(Debug)]
enum Unreadable {
    Io(io::Error),
    Syntax(serde_yaml::Error),
}

impl Unreadable {
    fn problem(&self, name: &str) -> Problem {
        let remedy = if is_status(name) { "; repair or delete it: its addresses are then assigned anew" } else { "" };
        let message = match self {
            Self::Io(error) => format!("cannot be read: {error}{remedy}"),
            Self::Syntax(error) => format!("is no YAML: {error}{remedy}"),
        };
        Problem::new(ObjectRef::new("File", "", name), "", "", message)
    }
}

fn read(path: &Path, name: &str, before: &[Item]) -> Result<Vec<Item>, Unreadable> {
    let text = fs::read_to_string(path).map_err(Unreadable::Io)?;
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut all = Vec::new();
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        // Through YAML's own value first: it refuses a key that stands twice.
        let value = serde_yaml::Value::deserialize(document).map_err(Unreadable::Syntax)?;
        let value: Value = serde_yaml::from_value(value).map_err(Unreadable::Syntax)?;
        all.extend(items(&value, name, number));
    }
    for item in &mut all {
        item.fall_back_to(before);
    }
    all.shrink_to_fit();
    Ok(all)
}
