//! Crashes, and what a probe sees of them.

use std::time::Duration;

use ferrolb_integration::{Answers, Error, Event, Lab, ProbeOptions};

use crate::common::{VIP, ask, assign, lab, point_client_at, run, sleepers};

#[test]
fn a_probe_measures_the_time_between_a_crash_and_the_clients_new_way() {
    const OUTAGE: Duration = Duration::from_millis(300);
    let Some(lab) = lab(2) else { return };
    assign(&lab, VIP);
    lab.endpoints_on(&["node-2"]).unwrap();
    point_client_at(&lab, VIP, "node-1");
    lab.wait_for("it answers", |lab| ask(lab).ok()).unwrap();

    let target = format!("{VIP}:80").parse().unwrap();
    let options =
        ProbeOptions { duration: Duration::from_secs(60), answers: Answers::Counted, ..ProbeOptions::new(target) };
    let probe = lab.probe(&options).unwrap();
    probe.wait_until_running().unwrap();
    lab.kill("node-1").unwrap();
    while probe.progress().unwrap().silent < OUTAGE {}
    point_client_at(&lab, VIP, "node-2");
    probe.wait_until_steady(Duration::from_millis(500)).unwrap();
    let report = probe.finish().unwrap();

    let gap = report.gap.unwrap();
    assert!(gap.duration >= OUTAGE, "{report:?}");
    assert!(report.first_success.unwrap() <= gap.from && gap.to <= report.last_success.unwrap(), "{report:?}");
    assert!(report.attempts >= report.successes + report.failures, "{report:?}");
    assert_eq!(report.backends.keys().collect::<Vec<_>>(), ["node-2"], "{report:?}");

    lab.heal("node-1").unwrap();
    point_client_at(&lab, VIP, "node-1");
    lab.wait_for("the healed node forwards", |lab| ask(lab).ok()).unwrap();
    let report = lab.gap(target, |lab| lab.endpoints_on(&["node-1"])).unwrap();
    assert!(report.successes > 0, "{report:?}");
}

#[test]
fn a_crash_takes_the_link_and_every_process_and_healing_brings_both_back() {
    let Some(lab) = lab(2) else { return };
    let mut guest = lab.command("node-1", &["sleep", "1000"]).unwrap().spawn().unwrap();
    lab.wait_for("it runs", |lab| (sleepers(lab) == 1).then_some(())).unwrap();
    let link_is_up = |lab: &Lab| lab.state().unwrap().hosts.iter().find(|h| h.host.name == "node-1").unwrap().link_up;
    let pid_of = |lab: &Lab, name: &str| lab.state().unwrap().processes.iter().find(|p| p.name == name).unwrap().pid;
    let (before, other) = (pid_of(&lab, "backend-node-1"), pid_of(&lab, "backend-node-2"));

    lab.kill("node-1").unwrap();
    assert!(!link_is_up(&lab));
    assert_eq!(pid_of(&lab, "backend-node-1"), None);
    assert_eq!(pid_of(&lab, "backend-node-2"), other, "others are left alone");
    assert!(!guest.wait().unwrap().success(), "whoever started it");
    assert_eq!(lab.owner("10.10.0.11".parse().unwrap()).unwrap(), None);
    lab.kill("node-1").unwrap();

    lab.heal("node-1").unwrap();
    lab.wait_for("the link is up", |lab| link_is_up(lab).then_some(())).unwrap();
    assert!(pid_of(&lab, "backend-node-1").is_some_and(|pid| Some(pid) != before));
    lab.wait_for("it answers", |lab| lab.owner("10.10.0.11".parse().unwrap()).unwrap()).unwrap();
    let url = "http://10.244.1.2:8080";
    lab.wait_for("it serves", |lab| run(lab, "node-2", &["curl", "-s", url]).ok()).unwrap();
    assert!(matches!(lab.kill("node-3"), Err(Error::Refused { .. })));
    assert!(lab.history().iter().all(|event| !matches!(event, Event::Ended { asked: false, .. })));
}
