//! The files of a record: `record-00000001.jsonl`, the next one when one is large enough, and the oldest removed so that
//! all together stay below a limit.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file is large enough when it takes this part of the limit.
const PART: u64 = 8;
/// What happens has this part of the limit at least, however large the state is that a file begins with.
const LEAST_PART: u64 = 16;

/// The numbers of the files in a folder, in order, and their sizes.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn list(folder: &Path) -> io::Result<VecDeque<(u64, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("record-")?.strip_suffix(".jsonl"));
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            files.push((number, entry.metadata()?.len()));
        }
    }
    files.sort_unstable();
    Ok(files.into())
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("record-{number:08}.jsonl"))
}

/// A folder of files, the last of which is written to.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    limit: u64,
    /// Numbers and sizes, the one that is written to last.
    all: VecDeque<(u64, u64)>,
    open: Option<File>,
    /// The size at which the open one is large enough.
    enough: u64,
}

// === impl Files ===

impl Files {
    pub(super) fn new(folder: &Path, limit: u64) -> Self {
        Self { folder: folder.to_owned(), limit, all: VecDeque::new(), open: None, enough: 0 }
    }

    /// Begins the next file with `text`. Only root may read it: it says what there is in a cluster.
    ///
    /// # Errors
    /// It cannot be written; then none is open.
    pub(super) fn begin(&mut self, text: &[u8]) -> io::Result<()> {
        self.open = None;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        self.all = list(&self.folder)?;
        let number = self.all.back().map_or(1, |(number, _)| number.saturating_add(1));
        let options = OpenOptions::new().append(true).create_new(true).mode(0o600).clone();
        self.open = Some(options.open(path(&self.folder, number))?);
        self.all.push_back((number, 0));
        let begin = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.enough = (self.limit / PART).max(begin.saturating_add(self.limit / LEAST_PART));
        let written = self.append(text);
        if written.is_err() {
            // A file without its beginning is of no use to anybody.
            drop(fs::remove_file(path(&self.folder, number)));
        }
        written
    }

    /// Writes a line at the end of the open file.
    ///
    /// # Errors
    /// It cannot be written; then none is open any more, and the file ends with the line before.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.make_room(line).and_then(|()| self.write(line));
        if written.is_err() {
            self.open = None;
        }
        written
    }

    /// Whether the open file is large enough.
    pub(super) fn is_enough(&self) -> bool {
        self.all.back().is_some_and(|(_, size)| *size >= self.enough)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let (Some(file), Some((_, size))) = (&mut self.open, self.all.back_mut()) else {
            return Err(io::Error::from(io::ErrorKind::NotConnected));
        };
        if let Err(error) = file.write_all(line) {
            // Half a line is worth nothing; where it stays, readers know.
            drop(file.set_len(*size));
            return Err(error);
        }
        *size += u64::try_from(line.len()).unwrap_or_default();
        Ok(())
    }

    /// Removes the oldest files until there is room for the line.
    fn make_room(&mut self, line: &[u8]) -> io::Result<()> {
        let line = u64::try_from(line.len()).unwrap_or(u64::MAX);
        while self.all.iter().map(|(_, size)| size).sum::<u64>().saturating_add(line) > self.limit {
            let oldest = if self.all.len() > 1 { self.all.pop_front() } else { None };
            let Some((number, _)) = oldest else {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "--record-limit is too small for it"));
            };
            match fs::remove_file(path(&self.folder, number)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(folder: &Path) -> u64 {
        list(folder).unwrap().iter().map(|(_, size)| size).sum()
    }

    #[test]
    fn the_oldest_make_room_and_the_limit_holds_at_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path(), 1000);
        for number in 1..20 {
            files.begin(&[b'x'; 60]).unwrap();
            while !files.is_enough() {
                files.append(&[b'y'; 10]).unwrap();
                assert!(size(folder.path()) <= 1000);
            }
            assert_eq!(list(folder.path()).unwrap().back().unwrap().0, number);
        }
        assert_eq!(list(folder.path()).unwrap().len(), 7, "each is an eighth at least");
    }

    #[test]
    fn what_does_not_fit_at_all_is_an_error_and_leaves_no_file_without_a_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path(), 100);
        files.begin(b"begin\n").unwrap();
        let refused = files.append(&[b'x'; 100]).unwrap_err();
        assert!(refused.to_string().contains("--record-limit"), "{refused}");
        assert!(!files.is_open());
        files.begin(&[b'x'; 101]).unwrap_err();
        assert!(list(folder.path()).unwrap().is_empty(), "what was there made room");
        files.begin(b"begin\n").unwrap();
        assert!(files.is_open());
    }

    #[test]
    fn a_name_is_never_given_twice_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("record-00000041.jsonl"), "old\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "keep").unwrap();
        let mut files = Files::new(folder.path(), 100);
        files.begin(b"begin\n").unwrap();
        assert_eq!(list(folder.path()).unwrap(), [(41, 4), (42, 6)]);
        files.begin(&[b'x'; 98]).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [(43, 98)]);
        assert!(folder.path().join("notes.txt").exists());
    }
}
