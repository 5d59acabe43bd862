//! The collections of manifests: what is wrong is refused with object and field, what is right is accepted in silence.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The files of a collection in order of name.
fn collection(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/manifests").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `ferrolb COMMAND` over a directory that holds nothing but this file.
fn ferrolb(command: &[&str], file: &Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(file, folder.path().join("manifest.yaml")).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
    process.env_remove("FERROLB_NAMESPACE").env_remove("METALLB_NAMESPACE");
    process.arg(command[0]).arg(folder.path()).args(&command[1..]).output().unwrap()
}

fn validate(file: &Path) -> (Option<i32>, Value, String) {
    let output = ferrolb(&["validate", "--output", "json"], file);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// The first line of a file without its `# `, up to the colon that ends the name of the field, and after it.
fn announced(file: &Path) -> (String, String) {
    let text = fs::read_to_string(file).unwrap();
    let (where_it_is, what) = text.lines().next().unwrap().strip_prefix("# ").unwrap().split_once(": ").unwrap();
    (where_it_is.to_owned(), what.to_owned())
}

#[test]
fn what_is_wrong_is_refused_with_object_and_field() {
    let files: Vec<PathBuf> = collection("broken").into_iter().chain(collection("missing")).collect();
    assert!(files.len() >= 150, "{}", files.len());
    let mut failures = Vec::new();
    for file in files {
        let (place, what) = announced(&file);
        let (object, field) = place.split_once(", ").unwrap();
        let (kind, name) = object.split_once(' ').unwrap();
        assert!(!what.is_empty(), "{}", file.display());
        let (code, problems, said) = validate(&file);
        let names_it = problems.as_array().into_iter().flatten().any(|problem| {
            problem["kind"] == kind
                && problem["name"] == name
                && problem["namespace"] == "ferrolb-system"
                && problem["field"] == field
                && problem["message"].as_str().is_some_and(|message| !message.is_empty())
        });
        if code != Some(2) || !names_it {
            failures.push(format!("{}: exit {code:?}, {problems:#}\n{said}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn legacy_configuration_that_is_wrong_is_refused_with_the_line_that_the_user_wrote() {
    for file in collection("broken-legacy") {
        let (field, _) = announced(&file);
        let (code, problems, said) = validate(&file);
        assert_eq!(code, Some(2), "{}: {said}", file.display());
        let fields: Vec<&str> =
            problems.as_array().unwrap().iter().map(|problem| problem["field"].as_str().unwrap()).collect();
        assert!(fields.contains(&field.as_str()), "{}: {fields:?}", file.display());
    }
}

#[test]
fn what_is_right_is_accepted_in_silence() {
    let files = collection("good");
    assert!(files.len() >= 20, "{}", files.len());
    for file in files {
        assert_eq!(validate(&file), (Some(0), json!([]), String::new()), "{}", file.display());
        let plan = ferrolb(&["plan", "--node", "a", "--members", "a", "--output", "json"], &file);
        assert_eq!(plan.status.code(), Some(0), "{}", file.display());
    }
}

#[test]
fn passwords_in_manifests_show_nowhere() {
    for name in ["broken/schema-bgppeer-password-number.yaml", "broken/bgppeer-password-twice.yaml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/manifests").join(name);
        for format in ["table", "json", "yaml"] {
            let output = ferrolb(&["validate", "--output", format], &file);
            let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(shown.contains("assword") && !shown.contains("12345") && !shown.contains("example"), "{shown}");
        }
    }
}
