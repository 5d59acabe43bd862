//! The house stands as drawn: who may know whom, leaves without kube, every file reached by a module.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every room and the rooms it may know; an edge that is not here is a new decision, to be made here.
const MAY_KNOW: [(&str, &[&str]); 13] = [
    ("api", &[]),
    ("config", &["api"]),
    ("source", &["api", "config"]),
    ("controller", &["api", "config", "source", "daemon"]),
    ("speaker", &["api", "config", "source", "daemon", "gossip", "l2", "bgp", "bfd", "fib"]),
    ("gossip", &[]),
    ("l2", &[]),
    ("bgp", &[]),
    ("bfd", &[]),
    ("fib", &[]),
    ("daemon", &[]),
    ("cli", &["api", "config", "source", "speaker", "bgp"]),
    (
        "integration",
        &["api", "config", "source", "controller", "speaker", "gossip", "l2", "bgp", "bfd", "fib", "daemon", "cli"],
    ),
];

/// Crates that a pure core must not bring in.
const NOT_IN_A_CORE: [&str; 8] = ["tokio", "kube", "k8s-openapi", "hyper", "socket2", "rtnetlink", "libc", "notify"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata(arguments: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn rooms_know_only_whom_they_may() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_KNOW.iter().map(|(room, known)| (*room, known.iter().copied().collect())).collect();
    let metadata = metadata(&["--no-deps"]);
    for package in metadata["packages"].as_array().unwrap() {
        let room = package["name"].as_str().unwrap().strip_prefix("ferrolb-").unwrap();
        let may = allowed.get(room).unwrap_or_else(|| panic!("room {room} is not in the plan of the house"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(known) = dependency["name"].as_str().unwrap().strip_prefix("ferrolb-") else { continue };
            assert!(may.contains(known), "{room} must not know {known}; see docs/architecture.md");
        }
    }
}

#[test]
fn a_leaf_without_its_driver_is_pure() {
    for leaf in ["gossip", "l2", "bgp", "bfd", "fib"] {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let package = format!("ferrolb-{leaf}");
        let output = Command::new(cargo)
            .args([
                "tree",
                "--locked",
                "--no-default-features",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "-p",
                &package,
            ])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        for line in tree.lines() {
            let name = line.split_whitespace().next().unwrap_or_default();
            // ring brings libc in for its own use of the processor, no socket.
            let excused = name == "libc";
            assert!(excused || !NOT_IN_A_CORE.contains(&name), "{leaf} without driver brings in {name}");
        }
    }
}

/// Rust files below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Files that `file` declares as modules, and theirs.
fn reached(file: &Path, found: &mut BTreeSet<PathBuf>) {
    if !found.insert(file.to_owned()) {
        return;
    }
    let text = std::fs::read_to_string(file).unwrap();
    let folder = file.parent().unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let own = if ["mod", "lib", "main"].contains(&stem) { folder.to_owned() } else { folder.join(stem) };
    let mut path: Option<String> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(given) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            path = Some(given.to_owned());
            continue;
        }
        let declared = line.split_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        if let Some(name) = declared.and_then(|(_, rest)| rest.strip_suffix(';')) {
            let candidates = match path.take() {
                Some(given) => vec![folder.join(given)],
                None => [&own, folder]
                    .iter()
                    .flat_map(|base| [base.join(format!("{name}.rs")), base.join(name).join("mod.rs")])
                    .collect(),
            };
            for candidate in candidates.iter().filter(|candidate| candidate.exists()) {
                reached(candidate, found);
            }
        }
    }
}

#[test]
fn every_file_belongs_to_a_module_and_is_short_enough_to_read() {
    const LONGEST: usize = 600;
    let metadata = metadata(&["--no-deps"]);
    let mut all = Vec::new();
    let mut found = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
        for below in ["src", "tests", "examples", "benches"] {
            if folder.join(below).is_dir() {
                sources(&folder.join(below), &mut all);
            }
        }
        for target in package["targets"].as_array().unwrap() {
            reached(Path::new(target["src_path"].as_str().unwrap()), &mut found);
        }
    }
    let orphans: Vec<&PathBuf> = all.iter().filter(|file| !found.contains(*file)).collect();
    assert!(orphans.is_empty(), "no module reaches {orphans:?}");
    for file in all {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines; split it by concept", file.display());
    }
}
