//! The container image: static programs and nothing else, written without a container engine.
//!
//! ```text
//!   cargo build (static)  ──programs──┐
//!   cargo metadata        ──SBOM──────┼──> layer.tar.gz ──> one archive: OCI layout and `docker save` in one
//!   LICENSE               ────────────┘
//! ```
//!
//! The same source gives the same bytes: files have fixed owners, times and order, and the programs are built with the
//! places of source and registry cut out ([`build`]). What is written can be loaded by `docker load`, `podman load`,
//! `ctr images import`, `kind load image-archive` and `skopeo copy`.

mod archive;
mod build;
mod cli;
mod error;
mod sbom;

pub use self::archive::{Compression, Contents, Platform, Source, Written, archive};
pub use self::build::{Build, build};
pub use self::cli::main;
pub use self::error::Error;
pub use self::sbom::sbom;

/// Where the programs are in the image; its `PATH`.
pub const PROGRAMS: &str = "usr/local/bin";
/// The packages whose programs are in the image; a program has its package's name, but for the command line tool.
pub const PACKAGES: [&str; 3] = ["ferrolb-cli", "ferrolb-controller", "ferrolb-speaker"];
/// Their programs.
pub const NAMES: [&str; 3] = ["ferrolb", "ferrolb-controller", "ferrolb-speaker"];
