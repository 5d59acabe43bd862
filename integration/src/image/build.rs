//! Programs that need no library of the system, and are the same wherever they are built.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, file};

/// Without libraries; and with a tenth of the table that says where addresses stand in a program that may be loaded anywhere:
/// all of it is read at the start and would count as memory.
const FLAGS: [&str; 2] = ["-Ctarget-feature=+crt-static", "-Clink-arg=-Wl,-z,pack-relative-relocs"];

/// What to build.
#[derive(Debug, Clone)]
pub struct Build {
    /// The workspace.
    pub root: PathBuf,
    /// Where Cargo keeps what it builds; of these programs alone, as their flags differ from those of others.
    pub directory: PathBuf,
    /// Target of the compiler, e.g. `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// Packages whose programs are built.
    pub packages: Vec<String>,
}

/// Cargo, as the one that runs this process where there is one.
pub(super) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the programs and returns the folder that they are in.
///
/// # Errors
/// Cargo cannot be run or fails; it says why.
pub fn build(build: &Build) -> Result<PathBuf, Error> {
    let root = build.root.canonicalize().map_err(file(&build.root))?;
    std::fs::create_dir_all(&build.directory).map_err(file(&build.directory))?;
    let directory = build.directory.canonicalize().map_err(file(&build.directory))?;
    let places = places(&root, &directory);
    let mut command = Command::new(cargo());
    command.args(["build", "--release", "--locked", "--target", &build.target]);
    command.args(build.packages.iter().flat_map(|package| ["--package", package]));
    // Flags of the user would be in the way of the same bytes everywhere.
    command.current_dir(&root).env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", &directory);
    command.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&places)).env("CARGO_INCREMENTAL", "0");
    command.env(format!("CFLAGS_{}", build.target.replace('-', "_")), c_flags(&places));
    let status = command.status().map_err(|source| Error::Run { program: "cargo build".to_owned(), source })?;
    if !status.success() {
        return Err(Error::Failed { program: "cargo build".to_owned(), status });
    }
    Ok(directory.join(&build.target).join("release"))
}

/// Folders of this machine whose names get into programs (in what panics say), and what is put in their place. Of two
/// that fit the compiler takes the last.
fn places(root: &Path, directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let mut places = vec![(root.to_owned(), "/ferrolb"), (directory.to_owned(), "/target")];
    places.extend(home.map(|home| (home.canonicalize().unwrap_or(home), "/cargo")));
    places
}

/// Flags of the compiler, one behind the other with the separator that Cargo wants. With a target named, none of them
/// reaches build scripts and macros, which cannot be static.
fn rust_flags(places: &[(PathBuf, &str)]) -> String {
    let cut = places.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    FLAGS.map(str::to_owned).into_iter().chain(cut).collect::<Vec<_>>().join("\x1f")
}

fn c_flags(places: &[(PathBuf, &str)]) -> String {
    let cut = places.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    cut.collect::<Vec<_>>().join(" ")
}
