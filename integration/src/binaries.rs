//! Where the executables are: beside the running `lab`, as cargo puts them.

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::requirements::Missing;

/// The binaries of ferrolb that a lab runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Binaries {
    /// `ferrolb-controller`.
    pub(crate) controller: PathBuf,
    /// `ferrolb-speaker`.
    pub(crate) speaker: PathBuf,
    /// `ferrolb`, the command line tool.
    pub(crate) cli: PathBuf,
}

/// The binary `lab`: this very program, or the one beside it (a test executable lies one folder deeper, in `deps`).
///
/// # Errors
/// [`Missing::Lab`] when neither is there.
pub(crate) fn lab() -> Result<PathBuf, Missing> {
    let own = env::current_exe().unwrap_or_default();
    if own.file_name().is_some_and(|name| name == "lab") {
        return Ok(own);
    }
    let folders = own.ancestors().skip(1).take(2).map(Path::to_owned);
    folders
        .map(|folder| folder.join("lab"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Missing::Lab { beside: own.clone() })
}

/// The command line tool `ferrolb`, beside `lab`.
///
/// # Errors
/// [`Missing::Daemon`] when it is not there.
pub(crate) fn ferrolb() -> Result<PathBuf, Missing> {
    let lab = lab()?;
    Ok(Binaries::in_folder(lab.parent().unwrap_or(Path::new(".")))?.cli)
}

impl Binaries {
    /// The binaries in `folder`.
    ///
    /// # Errors
    /// [`Missing::Daemon`] for the first that is not there.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Missing> {
        let folder = folder.canonicalize().unwrap_or_else(|_missing| folder.to_owned());
        let find = |name: &str, package: &'static str| {
            let path = folder.join(name);
            if path.is_file() { Ok(path) } else { Err(Missing::Daemon { path, package }) }
        };
        Ok(Self {
            controller: find("ferrolb-controller", "ferrolb-controller")?,
            speaker: find("ferrolb-speaker", "ferrolb-speaker")?,
            cli: find("ferrolb", "ferrolb-cli")?,
        })
    }
}
