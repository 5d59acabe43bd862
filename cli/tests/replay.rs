//! `ferrolb replay` as people and scripts use it: what it says of folders that hold no record it can play.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn replay(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ferrolb")).arg("replay").arg(folder).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_is_no_record_of_this_build_is_bad_input_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = replay(&folder.path().join("nowhere"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nowhere"), "{said}");
    let (code, said) = replay(folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there is no record-*.jsonl"), "{said}");
    for (text, expected) in [
        (
            "{\"format\":7,\"program\":\"ferrolb-speaker\",\"version\":\"3.0.0\"}\n",
            "by ferrolb-speaker 3.0.0 in format 7",
        ),
        ("{\"format\":1}\n", "record-00000001.jsonl:1: missing field"),
        ("nonsense\n", "record-00000001.jsonl:1: "),
    ] {
        fs::write(folder.path().join("record-00000001.jsonl"), text).unwrap();
        let (code, said) = replay(folder.path());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
