//! What can go wrong with an image.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A path in the image is no such path, or is longer than a header holds.
    #[error("{path:?} cannot be a path in an image")]
    Path {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program failed; it has said why.
    #[error("{program} failed: {status}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A program printed something else than was expected.
    #[error("{program} printed what was not expected")]
    Printed {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No architecture of images is known for this target.
    #[error(
        "no image can be made for the target {0:?}; known are x86_64, aarch64, armv7, powerpc64le, s390x and riscv64gc on Linux"
    )]
    Target(String),
    /// A time before or after all calendars.
    #[error("{0} s is no time")]
    Time(i64),
    /// The same source gave two images.
    #[error("the second build differs from the first: {first} and {second}")]
    Different {
        /// Digest of one.
        first: String,
        /// Digest of the other.
        second: String,
    },
    /// Nobody reads what is printed.
    #[error("standard output is gone")]
    Gone,
    /// A package that is to be in the image is not in the workspace.
    #[error("there is no package {0} in the workspace")]
    NoPackage(String),
}

/// An error about this file.
pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}
