//! What was recorded is played back, and compared.

use std::fs;
use std::time::Duration;

use ferrolb_speaker::record::{ReplayError, replay};

use crate::life::{Life, PASSWORD, files, played, resources, start};

fn lived(folder: &std::path::Path) {
    let mut life = Life::new(folder, 1 << 20);
    life.live();
    life.end();
}

#[test]
fn a_life_played_back_leads_to_the_same_decisions_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    lived(folder.path());
    let playback = played(folder.path());
    assert!(playback.steps > 12, "{playback:#?}");
    assert_eq!((playback.identical, playback.differing, playback.lost), (playback.steps, 0, 0), "{playback:#?}");
    let told = |what: &str| playback.acts.iter().any(|act| act.told.iter().any(|told| told.contains(what)));
    for what in
        ["node-a: --strategy balanced", "-node-b", "10.0.0.1 claimed by node-b", "its time came", "ended on purpose"]
    {
        assert!(told(what), "{what}: {playback:#?}");
    }
    let decided = |what: &str| playback.acts.iter().any(|act| act.decided.iter().any(|line| line.contains(what)));
    for what in
        ["claim 10.0.0.1", "default/web 10.0.0.1: announced: this node owns the address", "announced from here until"]
    {
        assert!(decided(what), "{what}: {playback:#?}");
    }
}

#[test]
fn a_decision_that_is_not_the_recorded_one_is_named_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    lived(folder.path());
    let file = files(folder.path()).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    // As if the build that recorded had chosen another owner.
    let changed =
        text.replacen("\"owners\":{\"set\":{\"10.0.0.1\":\"node-b\"}}", "\"owners\":{\"set\":{\"10.0.0.1\":\"x\"}}", 1);
    assert_ne!(text, changed);
    fs::write(&file, changed).unwrap();
    let playback = played(folder.path());
    let differences: Vec<&String> = playback.acts.iter().flat_map(|act| &act.differences).collect();
    assert_eq!(differences, ["owners 10.0.0.1: recorded \"x\", this build \"node-b\""], "{playback:#?}");
    assert_eq!(playback.differing, 1);
    let act = playback.acts.iter().find(|act| !act.differences.is_empty()).unwrap();
    assert!(act.place.starts_with("record-00000001.jsonl:"), "{act:?}");
}

#[test]
fn a_deadline_that_another_build_would_set_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    lived(folder.path());
    let file = files(folder.path()).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let at = text.find("\"next\":7").unwrap();
    let mut changed = text.clone();
    changed.replace_range(at..at + 8, "\"next\":8");
    fs::write(&file, changed).unwrap();
    let playback = played(folder.path());
    assert_eq!(playback.differing, 1);
    let differences: Vec<&String> = playback.acts.iter().flat_map(|act| &act.differences).collect();
    assert!(differences[0].starts_with("next deadline: recorded 2026-11-21T18:00:08"), "{differences:?}");
}

#[test]
fn what_happened_and_was_not_recorded_shows_where_the_next_file_begins() {
    let folder = tempfile::tempdir().unwrap();
    let mut life = Life::new(folder.path(), 1 << 18);
    life.live();
    while files(folder.path()).len() < 2 {
        life.serve("busy", &format!("10.0.1.{}", life.written.get() % 250));
        life.tell_cluster();
        life.settle();
    }
    life.end();
    let files = files(folder.path());
    assert_eq!(played(folder.path()).differing, 0);
    let text = fs::read_to_string(&files[0]).unwrap();
    let end = text.trim_end().rfind('\n').unwrap();
    fs::write(&files[0], &text[..=end]).unwrap();
    let playback = played(folder.path());
    let differences: Vec<&String> = playback.acts.iter().flat_map(|act| &act.differences).collect();
    assert_eq!(differences, ["what the brain knows here is not what the file before leads to"]);
}

#[test]
fn a_record_holds_no_password_and_says_that_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(resources("10.0.0.0/24").bgp_peers[0].spec.password.as_deref(), Some(PASSWORD));
    lived(folder.path());
    let text: String = files(folder.path()).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(text.contains("\"password\":\"(kept back)\""), "{text}");
}

#[test]
fn a_file_of_another_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let header = "{\"format\":2,\"program\":\"ferrolb-speaker\",\"version\":\"9.9.9\",\"news\":[]}\n";
    fs::write(folder.path().join("record-00000001.jsonl"), header).unwrap();
    let refused = replay(folder.path(), start()).unwrap_err();
    assert!(matches!(refused, ReplayError::Format { format: 2, .. }));
    let text = refused.to_string();
    assert!(
        text.ends_with(
            "record-00000001.jsonl: written by ferrolb-speaker 9.9.9 in format 2; this build reads format 1"
        ),
        "{text}"
    );
}

#[test]
fn a_record_that_ends_in_the_middle_of_a_line_is_played_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    lived(folder.path());
    let whole = played(folder.path());
    let file = files(folder.path()).remove(0);
    let text = fs::read(&file).unwrap();
    fs::write(&file, &text[..text.len() - 20]).unwrap();
    let playback = played(folder.path());
    assert_eq!((playback.steps, playback.differing), (whole.steps - 1, 0));
    assert_eq!(playback.acts.last().unwrap().told, ["the file ends in the middle of a line"]);
}

#[test]
fn a_program_that_ended_without_a_word_is_told() {
    let folder = tempfile::tempdir().unwrap();
    lived(folder.path());
    let file = files(folder.path()).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"end\"\n", "")).unwrap();
    let mut life = Life::new(folder.path(), 1 << 20);
    life.forward(Duration::from_secs(1));
    life.tell_cluster();
    life.end();
    // Another life of the program began at another time.
    let second = files(folder.path()).remove(1);
    let text = fs::read_to_string(&second).unwrap();
    let at = text.find("\"run\":").unwrap() + 6;
    fs::write(&second, [&text[..at], "9", &text[at..]].concat()).unwrap();
    let playback = played(folder.path());
    let told = |what: &str| playback.acts.iter().any(|act| act.told.iter().any(|told| told.contains(what)));
    assert!(told("the program before ended without a word"), "{playback:#?}");
    assert_eq!(playback.differing, 0);
}
