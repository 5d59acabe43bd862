//! What real speakers recorded is played back elsewhere.

use std::fs;
use std::net::IpAddr;
use std::time::Instant;

use ferrolb_integration::{Lab, Options};
use ferrolb_speaker::record::{Playback, replay};

use crate::common::{beside, binary, client_is_served, lab_with, nodes, run, settled_owner, wait_for_members};

/// Where the speakers record, in the lab.
pub(crate) const RECORD: &str = "/run/lab/record";

fn lab() -> Option<(Lab, IpAddr)> {
    let speaker_flags = vec![format!("--record={RECORD}/{{node}}")];
    lab_with(Options { speaker_flags, ..Options::default() })
}

/// Plays back what a node's speaker has recorded so far.
#[expect(clippy::disallowed_methods, reason = "any time will do")]
pub(crate) fn played(lab: &Lab, node: &str) -> Playback {
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = run(lab, node, &["ls", &format!("{RECORD}/{node}")]);
    for file in files.lines() {
        let copied = lab.exec(node, &["cat", &format!("{RECORD}/{node}/{file}")]).unwrap();
        fs::write(folder.path().join(file), copied.stdout).unwrap();
    }
    replay(folder.path(), Instant::now()).unwrap()
}

fn tells(playback: &Playback, what: &str) -> bool {
    playback.acts.iter().any(|act| act.told.iter().chain(&act.decided).any(|line| line.contains(what)))
}

#[test]
fn a_run_with_a_crash_a_drain_and_other_endpoints_is_played_back_to_the_same_decisions() {
    let Some((lab, vip)) = lab() else { return };
    let first = settled_owner(&lab, vip);
    lab.endpoints_on(&beside(&lab, &first)).unwrap();
    lab.kill(&first).unwrap();
    let second = settled_owner(&lab, vip);
    lab.heal(&first).unwrap();
    wait_for_members(&lab, &second, 3);
    lab.drain(&second).unwrap();
    let third = lab
        .wait_for("another node announces the address", |lab| {
            lab.announcers(vip).unwrap().into_iter().find(|node| *node != second)
        })
        .unwrap();
    lab.undrain(&second).unwrap();
    assert_eq!(lab.stop(&third).unwrap().code, Some(0));
    lab.start(&third).unwrap();
    settled_owner(&lab, vip);
    client_is_served(&lab, vip);
    for node in nodes(&lab) {
        lab.stop(&node).unwrap();
    }

    for node in nodes(&lab) {
        let playback = played(&lab, &node);
        assert!(playback.steps > 5, "{node}: {playback:#?}");
        assert_eq!((playback.identical, playback.differing), (playback.steps, 0), "{node}: {playback:#?}");
        assert_eq!(playback.lost, 0, "{node}");
        assert!(tells(&playback, "the program ended on purpose"), "{node}: {playback:#?}");
        let ferrolb = binary("ferrolb").display().to_string();
        let (code, timeline) = run(&lab, &node, &[&ferrolb, "replay", &format!("{RECORD}/{node}")]);
        assert_eq!(code, Some(0), "{timeline}");
        assert!(timeline.contains("endpoints ~default/web"), "{timeline}");
    }
    assert!(tells(&played(&lab, &first), "the program before ended without a word"));
    assert!(tells(&played(&lab, &second), &format!("claim {vip}")));
    assert!(tells(&played(&lab, &second), &format!("nodes ~{second}")));
    assert!(tells(&played(&lab, &third), &format!("default/web {vip}: announced: this node owns the address")));

    // As if another build had decided otherwise. Claims that were told name owners too: they stay what they were.
    let file = format!("{RECORD}/{second}/record-00000001.jsonl");
    let owned = |owner: &str| format!(r#""announce":true,"why":"owner","owner":"{owner}""#);
    let edit = format!("s/{}/{}/", owned(&second), owned("somebody"));
    assert_eq!(run(&lab, &second, &["sed", "-i", &edit, &file]), (Some(0), String::new()));
    let ferrolb = binary("ferrolb").display().to_string();
    let replay = [ferrolb.as_str(), "replay", "--differences", &format!("{RECORD}/{second}")];
    let (code, said) = run(&lab, &second, &replay);
    assert_eq!(code, Some(1), "{said}");
    for what in ["this build decides otherwise after", "verdicts default/web", "\"owner\":\"somebody\""] {
        assert!(said.contains(what), "{what}: {said}");
    }
}

#[test]
fn a_speaker_whose_record_has_no_room_goes_on_says_so_and_records_again() {
    let Some((lab, vip)) = lab() else { return };
    let node = settled_owner(&lab, vip);
    assert_eq!(lab.stop(&node).unwrap().code, Some(0));
    let folder = format!("{RECORD}/{node}");
    let script = format!(
        "rm -r {folder} && mkdir {folder} && mount -t tmpfs -o size=64k tmpfs {folder} && \
         dd if=/dev/zero of={folder}/ballast bs=1k count=60 2>&1"
    );
    let (code, said) = run(&lab, &node, &["sh", "-c", &script]);
    assert_eq!(code, Some(0), "{said}");
    lab.start(&node).unwrap();
    wait_for_members(&lab, &node, 3);
    // It takes part although nothing is recorded.
    for other in beside(&lab, &node) {
        lab.stop(&other).unwrap();
    }
    assert_eq!(settled_owner(&lab, vip), node);
    client_is_served(&lab, vip);
    run(&lab, &node, &["rm", &format!("{folder}/ballast")]);
    for other in beside(&lab, &node) {
        lab.start(&other).unwrap();
    }
    // Something has to happen that can be recorded.
    lab.wait_for("it records again", |lab| {
        for cordoned in [true, false] {
            if cordoned { lab.drain(&node).unwrap() } else { lab.undrain(&node).unwrap() }
        }
        run(lab, &node, &["sh", "-c", &format!("grep -l '\"lost\":' {folder}/*.jsonl")]).0.filter(|code| *code == 0)
    })
    .unwrap();
    lab.stop(&node).unwrap();
    let playback = played(&lab, &node);
    assert!(playback.lost > 0 && tells(&playback, "No space left on device"), "{playback:#?}");
    assert_eq!((playback.identical, playback.differing), (playback.steps, 0), "{playback:#?}");
}
