//! The folder of a control plane, and the guard that removes it however the test process ends.
//!
//! A destructor does not run when a process is killed, nor for a `static`. So a small process of its own holds the
//! reading end of a pipe whose writing end only the test process has: the end of the pipe is the end of the test.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::error::{Error, system};
use crate::{binaries, clock};

/// What the name of each such folder begins with; the guard removes no other.
const PREFIX: &str = "ferrolb-apiserver-";
/// How often the guard tries, and the pause between two tries: processes killed together with the test may be writing
/// for a moment.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A temporary folder, readable by its owner alone, that is removed when this value is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    guard: Child,
}

// === impl Folder ===

impl Folder {
    pub(super) fn make() -> Result<Self, Error> {
        let lab = binaries::lab()?;
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir().map_err(system("make a temporary folder"))?;
        let guard = Command::new(lab)
            .arg("remove-after")
            .arg(made.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends the tests; the guard has its work to do then.
            .process_group(0)
            .spawn()
            .map_err(system("start the guard of the temporary folder"))?;
        Ok(Self { path: made.keep(), guard })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only its owner may read.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        write_private(&path, content)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nobody to tell if it was killed.
        self.guard.wait().ok();
    }
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(system(format!("write {}", path.display())))
}

/// The hidden verb `remove-after`: waits for the end of standard input, then removes the folder.
pub(crate) fn remove_after_stdin(folder: &Path) -> Result<u8, crate::Error> {
    let ours = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    if !ours {
        return Err(crate::Error::Refused { reason: format!("{} is no folder of ours", folder.display()) });
    }
    // An error of the pipe is its end, too.
    while io::stdin().read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    for _try in 1..TRIES {
        if remove(folder).is_ok() {
            return Ok(0);
        }
        clock::pause(PAUSE);
    }
    remove(folder).map_err(crate::error::system(format!("remove {}", folder.display())))?;
    Ok(0)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_removes_no_folder_but_ours() {
        for wrong in ["/tmp", "/", "/tmp/..", "/tmp/other"] {
            assert!(remove_after_stdin(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
