//! Disks that are too small, too slow or not there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::life::{Life, files, played};

#[test]
fn all_files_together_stay_below_the_limit_and_what_is_left_can_be_played() {
    const LIMIT: u64 = 1 << 17;
    let folder = tempfile::tempdir().unwrap();
    let mut life = Life::new(folder.path(), LIMIT);
    life.live();
    while !folder.path().join("record-00000012.jsonl").exists() {
        let number = life.written.get();
        life.serve(&format!("s{}", number % 7), &format!("10.0.2.{}", number % 250));
        life.tell_cluster();
        life.settle();
        let size: u64 = files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(size <= LIMIT, "{size} bytes after {number}");
    }
    life.end();
    let files = files(folder.path());
    assert!(files.len() > 2 && !files[0].ends_with("record-00000001.jsonl"), "{files:?}");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files[0]), 0o600);
    let playback = played(folder.path());
    assert!(playback.steps > 20, "{}", playback.steps);
    assert_eq!((playback.identical, playback.differing, playback.lost), (playback.steps, 0, 0));
}

#[test]
fn a_record_goes_on_behind_that_of_the_life_before() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut life = Life::new(folder.path(), 1 << 20);
        life.live();
        life.end();
    }
    let files = files(folder.path());
    assert_eq!(files.len(), 2);
    let playback = played(folder.path());
    assert_eq!((playback.identical, playback.differing), (playback.steps, 0));
}

#[test]
fn a_folder_that_cannot_be_made_stops_nothing_and_every_step_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let mut life = Life::new(&folder.path().join("file/record"), 1 << 20);
    life.tell_cluster();
    life.tell_view();
    life.end();
    assert_eq!(life.lost.get(), 2);
}
