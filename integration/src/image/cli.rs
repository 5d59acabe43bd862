//! The command `image`, which `make image` runs.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;

use super::PACKAGES;
use super::archive::{Contents, Platform, Source, Written, archive};
use super::build::{Build, build};
use super::error::{Error, file};
use super::sbom::sbom;
use crate::output;

/// Where the bill of materials is in the image.
const SBOM: &str = "usr/local/share/doc/ferrolb/sbom.cdx.json";
/// Where the licence is in the image.
const LICENSE: &str = "usr/local/share/doc/ferrolb/LICENSE";
const MEBIBYTE: usize = 1024 * 1024;

/// Builds static programs and writes them as a container image.
#[derive(Debug, Parser)]
#[command(name = "image")]
struct Arguments {
    /// Target of the compiler.
    #[arg(long, default_value_t = default_target())]
    target: String,
    /// Take the programs of this folder instead of building them.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Where the archive and the bill of materials go.
    #[arg(long, value_name = "FOLDER", default_value = "target/image")]
    output: PathBuf,
    /// Name and tag of the image.
    #[arg(long, default_value = concat!("ferrolb:", env!("CARGO_PKG_VERSION")))]
    name: String,
    /// Build a second time from a copy of the last commit in another folder, and fail unless the bytes are the same.
    #[arg(long, conflicts_with = "programs")]
    twice: bool,
}

/// What of this machine runs this.
fn default_target() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("image: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            say(&text);
            ExitCode::FAILURE
        }
    }
}

/// A line for the person, on standard error.
fn say(text: &str) {
    use std::io::Write;
    // When standard error is gone, nobody is left to tell.
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().map_err(file(&root))?;
    let written = image(arguments, &root, &arguments.output.join("build"))?;
    let platform = Platform::of(&arguments.target)?;
    let variant = platform.variant.unwrap_or_default();
    let file_name = format!("{}-linux-{}{variant}.tar", arguments.name.replace([':', '/'], "-"), platform.architecture);
    let path = arguments.output.join(file_name);
    fs::write(&path, &written.archive).map_err(file(&path))?;
    let text = format!(
        "{}\n  image   {} {}\n  layer   {} compressed, {} of files\n",
        path.display(),
        arguments.name,
        written.digest,
        mebibytes(written.compressed),
        mebibytes(written.size),
    );
    output::print(&text).map_err(|_gone| Error::Gone)?;
    if arguments.twice {
        let again = tempfile::tempdir().map_err(file(env::temp_dir()))?;
        let copy = again.path().join("copy-of-the-source");
        command(Command::new("git").args(["clone", "--quiet"]).arg(&root).arg(&copy))?;
        let second = image(arguments, &copy, &again.path().join("build"))?;
        if second != written {
            return Err(Error::Different { first: written.digest, second: second.digest });
        }
        output::print("  built twice, in two places: the same bytes\n").map_err(|_gone| Error::Gone)?;
    }
    Ok(())
}

/// Builds what is to be built from the source at `root`, and puts it together.
fn image(arguments: &Arguments, root: &Path, directory: &Path) -> Result<Written, Error> {
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => build(&Build {
            root: root.to_owned(),
            directory: directory.to_owned(),
            target: arguments.target.clone(),
            packages: PACKAGES.map(str::to_owned).into(),
        })?,
    };
    let bill = sbom(root, &PACKAGES, &arguments.target)?;
    let bill = format!("{bill:#}\n").into_bytes();
    fs::create_dir_all(&arguments.output).map_err(file(&arguments.output))?;
    let path = arguments.output.join("sbom.cdx.json");
    fs::write(&path, &bill).map_err(file(&path))?;
    let license = root.join("LICENSE");
    let license = fs::read(&license).map_err(file(license))?;
    let mut contents = Contents::new(&programs, &arguments.name, Platform::of(&arguments.target)?);
    contents.files.insert(SBOM.to_owned(), Source::Document(bill));
    contents.files.insert(LICENSE.to_owned(), Source::Document(license));
    contents.created = created(root);
    contents.labels = labels(root);
    archive(&contents)
}

/// When: `SOURCE_DATE_EPOCH`, else the last commit's time, else second 0.
fn created(root: &Path) -> i64 {
    let said = env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = said.or_else(|| git(root, &["log", "-1", "--format=%ct"]));
    seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

fn labels(root: &Path) -> BTreeMap<String, String> {
    let label = |name: &str, value: String| (format!("org.opencontainers.image.{name}"), value);
    let mut labels: BTreeMap<String, String> = [
        label("title", "ferrolb".to_owned()),
        label("description", "External addresses for Services of type LoadBalancer on bare metal".to_owned()),
        label("version", env!("CARGO_PKG_VERSION").to_owned()),
        label("licenses", env!("CARGO_PKG_LICENSE").to_owned()),
    ]
    .into();
    labels.extend(git(root, &["rev-parse", "HEAD"]).map(|commit| label("revision", commit)));
    labels
}

/// What git says, if it is there and this is a repository.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(text).filter(|text| output.status.success() && !text.is_empty())
}

fn command(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed { program, status }),
        Err(source) => Err(Error::Run { program, source }),
    }
}

/// To a tenth.
fn mebibytes(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(MEBIBYTE);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
