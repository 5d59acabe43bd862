//! The directory of manifests: how it is changed and read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, system};

/// The directory.
#[derive(Debug, Clone)]
pub(super) struct Manifests {
    folder: PathBuf,
}

impl Manifests {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Writes or replaces a manifest; readers see the old text or the new one.
    pub(super) fn apply(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.inside(name)?;
        // No suffix of a manifest: nobody reads the half-written file.
        let temporary = path.with_extension("new");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(system(format!("make the folder of {name}")))?;
        }
        fs::write(&temporary, text).map_err(system(format!("write {name}")))?;
        fs::rename(&temporary, &path).map_err(system(format!("replace {name}")))
    }

    /// Adds to the end of a file.
    pub(super) fn append(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.inside(name)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(system(format!("make the folder of {name}")))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(system(format!("add to {name}")))
    }

    /// Removes a manifest.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        fs::remove_file(self.inside(name)?).map_err(system(format!("remove {name}")))
    }

    /// The text of a file, when it is there.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.inside(name)?) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(system(format!("read {name}"))(error)),
        }
    }

    /// The path of a file of the directory; a name that would lead out of it is refused.
    fn inside(&self, name: &str) -> Result<PathBuf, Error> {
        let harmless = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !harmless {
            return Err(Error::Refused {
                reason: format!("`{name}` is not a file name inside the manifest directory"),
            });
        }
        Ok(self.folder.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_directory_are_refused() {
        let manifests = Manifests::new(Path::new("/nowhere"));
        for name in ["", "/etc/passwd", "../x", "a/../../x", "."] {
            assert!(matches!(manifests.read(name), Err(Error::Refused { .. })), "{name}");
        }
        assert!(manifests.inside("status/services/default/web.yaml").is_ok());
    }
}
