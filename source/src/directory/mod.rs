//! A directory of manifests in place of an API server.
//!
//! Every `*.yaml`, `*.yml` and `*.json` below the directory counts, except below `status/`, where status is written
//! (atomically) and read back. Hidden files and folders are left out, so that mounted
//! ConfigMaps, which keep versions in them, are read once.

mod files;
mod follow;
mod item;
mod load;
mod status;

pub use follow::follow;
pub use load::load;
pub(crate) use status::StatusDirectory;

/// The folder below the directory that status is written to.
const STATUS: &str = "status";
