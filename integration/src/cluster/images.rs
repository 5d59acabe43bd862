//! The images of a cluster, made of programs that were built anyway: no second, static build is needed to test.
//!
//! A program that is linked with libraries brings them along, at the paths where its loader looks. What `make image` writes
//! is taken where it is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Setup;
use crate::binaries;
use crate::error::{Error, system};
use crate::image::{Compression, Contents, NAMES, PROGRAMS, Platform, Source, archive};

/// What holds the namespaces of a pod, and what answers in a pod that serves: the program `lab`.
pub(crate) const PAUSE_IMAGE: &str = "ferrolb-lab:latest";
/// MetalLB's, made of its programs: `metallb-controller:test` and `metallb-speaker:test`.
const METALLB: [&str; 2] = ["controller", "speaker"];
/// What the installation's first steps run under this name answers on port 80 here, too.
const WEB_IMAGE: &str = "nginx:1.29";
const FERROLB: &str = concat!("ferrolb:", env!("CARGO_PKG_VERSION"));

/// Writes the archives into `folder`.
pub(crate) fn write(setup: &Setup, folder: &Path) -> Result<(), Error> {
    let lab = binaries::lab()?;
    let command = vec![format!("/{PROGRAMS}/lab"), "hold-pod".to_owned()];
    write_one(folder, "ferrolb-lab.tar", PAUSE_IMAGE, &[("lab", &lab)], Some(command))?;
    let command = ["backend", "--listen", "[::]:80", "--answer", "web"].map(str::to_owned);
    let command = [format!("/{PROGRAMS}/lab")].into_iter().chain(command).collect();
    write_one(folder, "web.tar", WEB_IMAGE, &[("lab", &lab)], Some(command))?;
    if let Some(metallb) = &setup.metallb {
        for program in METALLB {
            let (file, name) = (format!("metallb-{program}.tar"), format!("metallb-{program}:test"));
            write_one(folder, &file, &name, &[(program, &metallb.join(program))], None)?;
        }
    }
    if let Some(image) = &setup.image {
        let target = folder.join("ferrolb.tar");
        return fs::copy(image, &target).map(drop).map_err(system(format!("copy {}", image.display())));
    }
    let binaries = &setup.binaries;
    let programs = [&binaries.cli, &binaries.controller, &binaries.speaker];
    let programs: Vec<(&str, &Path)> = NAMES.into_iter().zip(programs.map(PathBuf::as_path)).collect();
    write_one(folder, "ferrolb.tar", FERROLB, &programs, None)
}

fn write_one(
    folder: &Path,
    file: &str,
    name: &str,
    programs: &[(&str, &Path)],
    command: Option<Vec<String>>,
) -> Result<(), Error> {
    let platform =
        Platform::of(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).map_err(|error| refused(&error))?;
    // Without what only debuggers read, which is most of a program of a test.
    let stripped = tempfile::tempdir().map_err(system("make a temporary folder"))?;
    let mut files = BTreeMap::new();
    for (program, path) in programs {
        for library in libraries(path)? {
            let inside = library.strip_prefix("/").unwrap_or(&library).display().to_string();
            files.insert(inside, Source::Program(library));
        }
        let bare = stripped.path().join(program);
        let source = if strip(path, &bare) { bare } else { path.to_path_buf() };
        files.insert(format!("{PROGRAMS}/{program}"), Source::Program(source));
    }
    let mut contents = Contents::new(stripped.path(), name, platform);
    contents.files = files;
    contents.compression = Compression::None;
    if let Some(command) = command {
        contents.command = command;
    }
    if name != FERROLB {
        // As most images: a port below 1024, and files of the node.
        "0:0".clone_into(&mut contents.user);
    }
    let written = archive(&contents).map_err(|error| refused(&error))?;
    let path = folder.join(file);
    fs::write(&path, written.archive).map_err(system(format!("write {}", path.display())))
}

fn refused(error: &crate::image::Error) -> Error {
    Error::Refused { reason: crate::error::chain(error) }
}

/// Whether it worked; a machine may lack the program.
fn strip(from: &Path, to: &Path) -> bool {
    Command::new("strip").arg("-o").arg(to).arg(from).output().is_ok_and(|output| output.status.success())
}

/// The libraries that a program is linked with; none of one that is static.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = Command::new("ldd").arg(program).output().map_err(system("run ldd"))?;
    Ok(paths(&String::from_utf8_lossy(&output.stdout)))
}

/// Of what `ldd` prints: `libc.so.6 => /lib/libc.so.6 (0x..)` and `/lib64/ld-linux-x86-64.so.2 (0x..)`.
fn paths(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let line = line.split_once("=>").map_or(line, |(_, path)| path);
        let path = line.split_whitespace().next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_program_are_those_with_a_path() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let expected: [PathBuf; 2] = ["/lib/x86_64-linux-gnu/libm.so.6".into(), "/lib64/ld-linux-x86-64.so.2".into()];
        assert_eq!(paths(text), expected);
        assert!(paths("\tstatically linked\n").is_empty());
    }
}
