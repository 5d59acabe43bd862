//! How the lab runs daemons, with stand-ins that show what they were started with and obey signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ferrolb_integration::{Error, Event, Family, Lab, Options};

use crate::common::{assign, can_run, point_client_at};

/// Says how it was started, ends with status 3 at SIGTERM, and else waits.
const STAND_IN: &str = "#!/bin/sh\ntrap 'echo farewell; exit 3' TERM\necho started \"$@\"\nsleep 1000 & wait $!\n";
/// A command line tool whose `status` says that node-2 announces an address.
const CLI: &str = "#!/bin/sh\ncase \"$5$4\" in\n\
    *node-2*) echo '{\"services\": [{\"address\": \"10.10.52.0\", \"announce\": true}]}' ;;\n\
    *node-1*) echo '{\"services\": [{\"address\": \"10.10.52.0\", \"announce\": false}]}' ;;\n\
    *) echo no such socket >&2; exit 1 ;;\nesac\n";

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn lab_with_stand_ins(folder: &Path) -> Lab {
    for name in ["ferrolb-controller", "ferrolb-speaker"] {
        script(folder, name, STAND_IN);
    }
    script(folder, "ferrolb", CLI);
    let binaries = Some(folder.to_owned());
    let lab = Lab::up(Options { nodes: 3, binaries, values: Some("pools: []\n".to_owned()), ..Options::default() });
    lab.unwrap()
}

/// The log of a process once it has as many lines as `count`.
fn log_with(lab: &Lab, process: &str, word: &str, count: usize) -> String {
    lab.wait_for(&format!("{process} wrote {word} {count} times"), |lab| {
        let text = lab.logs(process).unwrap().unwrap();
        (text.matches(word).count() == count).then_some(text)
    })
    .unwrap()
}

fn pid_of(lab: &Lab, name: &str) -> Option<u32> {
    lab.state().unwrap().processes.iter().find(|process| process.name == name).unwrap().pid
}

#[test]
fn daemons_are_started_with_their_flags_stopped_restarted_and_healed() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = lab_with_stand_ins(folder.path());
    assert_eq!(lab.read("values.yaml").unwrap().as_deref(), Some("pools: []\n"));
    let speaker = log_with(&lab, "speaker-node-2", "started", 1);
    assert_eq!(
        speaker,
        "started --source dir=/run/lab/source --node-name node-2 --ml-bindaddr 10.10.0.12 --ml-bindport 7946 \
         --gossip-key-file /run/lab/gossip.key --cluster-id lab --admin-socket /run/lab/node-2.sock --port 0 \
         --health-probe-port 0\n"
    );
    let controller = log_with(&lab, "controller", "started", 1);
    assert_eq!(controller, "started --source dir=/run/lab/source --port 0 --health-probe-port 0\n");

    let stopped = lab.stop("node-2").unwrap();
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    log_with(&lab, "speaker-node-2", "farewell", 1);
    assert!(matches!(lab.stop("node-2"), Err(Error::Refused { .. })), "it does not run");
    lab.start("node-2").unwrap();
    assert!(matches!(lab.start("node-2"), Err(Error::Refused { .. })), "it runs");
    log_with(&lab, "speaker-node-2", "started", 2);

    let before = pid_of(&lab, "controller").unwrap();
    lab.restart_controller().unwrap();
    assert!(pid_of(&lab, "controller").is_some_and(|pid| pid != before));
    log_with(&lab, "controller", "started", 2);

    lab.kill("node-2").unwrap();
    assert_eq!(pid_of(&lab, "speaker-node-2"), None);
    assert!(pid_of(&lab, "speaker-node-1").is_some());
    lab.heal("node-2").unwrap();
    log_with(&lab, "speaker-node-2", "started", 3);
    assert!(lab.history().iter().all(|event| !matches!(event, Event::Ended { asked: false, .. })), "all was asked for");
}

#[test]
fn a_paused_speaker_stands_still_until_it_is_let_go_on_or_told_to_end() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = lab_with_stand_ins(folder.path());
    log_with(&lab, "speaker-node-1", "started", 1);
    let pid = pid_of(&lab, "speaker-node-1").unwrap();
    let stands_still = || {
        let status = lab.exec("switch", &["cat", &format!("/proc/{pid}/status")]).unwrap().stdout;
        String::from_utf8(status).unwrap().contains("State:\tT")
    };
    lab.pause("node-1").unwrap();
    lab.wait_for("it stands still", |_| stands_still().then_some(())).unwrap();
    let phase = || lab.state().unwrap().processes.iter().find(|p| p.name == "speaker-node-1").unwrap().phase.clone();
    assert_eq!(phase(), "paused");
    lab.resume("node-1").unwrap();
    lab.wait_for("it goes on", |_| (!stands_still()).then_some(())).unwrap();
    assert_eq!(phase(), "running");
    lab.pause_for("node-1", std::time::Duration::from_millis(1)).unwrap();
    assert_eq!(phase(), "running");

    lab.pause("node-1").unwrap();
    assert_eq!(lab.stop("node-1").unwrap().code, Some(3), "it hears of the signal");
    assert!(matches!(lab.pause("node-1"), Err(Error::Refused { .. })), "it does not run");
    lab.pause("node-2").unwrap();
    lab.heal("node-2").unwrap();
    lab.heal("node-1").unwrap();
    assert_eq!(phase(), "running");
}

#[test]
fn speakers_are_started_with_the_profile_that_was_asked_for() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["ferrolb-controller", "ferrolb-speaker"] {
        script(folder.path(), name, STAND_IN);
    }
    script(folder.path(), "ferrolb", CLI);
    let (binaries, profile) = (Some(folder.path().to_owned()), Some("fast".to_owned()));
    let lab = Lab::up(Options { nodes: 1, binaries, profile, family: Family::Ipv6, ..Options::default() }).unwrap();
    let speaker = log_with(&lab, "speaker-node-1", "started", 1);
    assert!(speaker.ends_with(" --gossip-profile fast\n"), "{speaker}");
    assert!(speaker.contains("--ml-bindaddr fd00:10:10::11 "), "{speaker}");
}

#[test]
fn a_daemon_that_dies_by_itself_is_told_of_and_not_restarted() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = lab_with_stand_ins(folder.path());
    let pid = pid_of(&lab, "speaker-node-1").unwrap().to_string();
    assert!(lab.exec("switch", &["sh", "-c", &format!("kill -9 {pid}")]).unwrap().status.success());
    lab.wait_for("its death is told of", |lab| {
        lab.history()
            .into_iter()
            .find(|event| matches!(event, Event::Ended { process, asked: false, .. } if process == "speaker-node-1"))
    })
    .unwrap();
    assert_eq!(pid_of(&lab, "speaker-node-1"), None);
}

#[test]
fn the_status_shows_who_announces_and_which_speaker_is_silent() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = lab_with_stand_ins(folder.path());
    assign(&lab, "10.10.52.0");
    lab.wait_for("the address is seen", |lab| lab.service_address("default/web").unwrap()).unwrap();
    point_client_at(&lab, "10.10.52.0", "node-3");
    assert_eq!(lab.announcers("10.10.52.0".parse().unwrap()).unwrap(), ["node-2"]);
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_lab")).args(["--name", lab.name(), "status"]).output();
    let status = String::from_utf8(status.unwrap().stdout).unwrap();
    let service = status.lines().find(|line| line.starts_with("default/web")).unwrap();
    assert!(service.contains("10.10.52.0  80     3          node-2        node-3 (02:00:00:00:00:03)"), "{status}");
    assert!(status.contains("the speaker of node-3 does not say what it announces"), "{status}");
    assert!(status.contains("no such socket"), "{status}");
}

#[test]
fn a_missing_daemon_is_named_with_its_remedy() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let binaries = Some(folder.path().to_owned());
    let error = Lab::up(Options { binaries, ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("ferrolb-controller is not there: run `cargo build -p ferrolb-controller`"), "{error}");
}
