//! The files below the directory and what stands in each, read again only when a file has changed.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferrolb_config::{ObjectRef, Problem};
use serde::Deserialize;
use serde_json::Value;

use super::STATUS;
use super::item::{Item, items};

/// Folders deeper than this are not looked into: a loop of links would never end.
const MAX_DEPTH: usize = 16;

/// Which changed files may be taken over. A file that is being written in place has no meaning until its writer has
/// closed it, so a change counts once the kernel has told of a close or a rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// All of them: at the start, and whenever events may have been missed.
    All,
    /// These.
    Paths(HashSet<PathBuf>),
}

impl Settled {
    fn contains(&self, path: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Paths(paths) => paths.contains(path),
        }
    }
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
#[derive(Debug)]
struct File {
    stamp: Stamp,
    items: Arc<Vec<Item>>,
    problem: Option<Problem>,
}

/// Everything below one directory.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    files: BTreeMap<String, File>,
}

// === impl Files ===

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: BTreeMap::new() }
    }

    /// Reads what is new or changed and forgets what is gone.
    pub(super) fn refresh(&mut self, settled: &Settled) -> io::Result<()> {
        let mut found = BTreeMap::new();
        scan(&self.root, "", 0, &mut found)?;
        self.files.retain(|name, _| found.contains_key(name));
        for (name, metadata) in found {
            let path = self.root.join(&name);
            let stamp = Stamp::from(&metadata);
            let known = self.files.get(&name);
            // A file can change twice within one tick of its clock, so what is said to have changed is read again.
            let named = matches!(settled, Settled::Paths(paths) if paths.contains(&path));
            if known.is_some_and(|file| (file.stamp == stamp && !named) || !settled.contains(&path)) {
                continue;
            }
            let before = known.map(|file| Arc::clone(&file.items)).unwrap_or_default();
            let file = match read(&path, &name, &before) {
                Ok(items) => File { stamp, items: Arc::new(items), problem: None },
                // Gone or replaced between the scan and now: the event of that is on its way.
                Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => File { stamp, items: before, problem: Some(error.problem(&name)) },
            };
            self.files.insert(name, file);
        }
        Ok(())
    }

    /// What stands in the manifests, in order of file name and document.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Item> {
        self.files.iter().filter(|(name, _)| !is_status(name)).flat_map(|(_, file)| file.items.iter())
    }

    /// What was written as status.
    pub(super) fn statuses(&self) -> impl Iterator<Item = &Item> {
        self.files.iter().filter(|(name, _)| is_status(name)).flat_map(|(_, file)| file.items.iter())
    }

    /// The files that cannot be read.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.values().filter_map(|file| file.problem.as_ref())
    }
}

fn is_status(name: &str) -> bool {
    name.strip_prefix(STATUS).is_some_and(|rest| rest.starts_with('/'))
}

fn scan(folder: &Path, prefix: &str, depth: usize, found: &mut BTreeMap<String, Metadata>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        // Of what is written there, only the addresses of Services are read back.
        if is_status(&name) && !name.starts_with("status/services") {
            continue;
        }
        // Follows links; what vanished in between is gone.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_dir() && depth < MAX_DEPTH {
            match scan(&entry.path(), &name, depth + 1, found) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        } else if metadata.is_file() && is_manifest(Path::new(&name)) {
            found.insert(name, metadata);
        }
    }
    Ok(())
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
        let message = match self {
            Self::Io(error) => format!("cannot be read: {error}"),
            Self::Syntax(error) => format!("is no YAML: {error}"),
        };
        Problem::new(ObjectRef::new("File", "", name), "", "", message)
    }
}

fn read(path: &Path, name: &str, before: &[Item]) -> Result<Vec<Item>, Unreadable> {
    let text = fs::read_to_string(path).map_err(Unreadable::Io)?;
    let mut all = Vec::new();
    for (number, document) in serde_yaml::Deserializer::from_str(&text).enumerate() {
        // Through YAML's own value first: it refuses a key that stands twice.
        let value = serde_yaml::Value::deserialize(document).map_err(Unreadable::Syntax)?;
        let value: Value = serde_yaml::from_value(value).map_err(Unreadable::Syntax)?;
        all.extend(items(&value, name, number));
    }
    for item in &mut all {
        item.fall_back_to(before);
    }
    Ok(all)
}
