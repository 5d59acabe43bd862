//! etcd and the API server killed under traffic.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::time::Duration;

use ferrolb_integration::ProbeOptions;
use ferrolb_integration::cluster::web;

use crate::common::{Stage, WEB, stage};

/// How long they are away, in the probe's time.
const AWAY: Duration = Duration::from_secs(3);
/// How long a connection may take. Processes that start all at once can stall a speaker of a busy machine, and its address
/// moves: that is no fault of the API server's absence.
const PATIENCE: Duration = Duration::from_secs(5);

/// SIGKILL to processes of the control plane, and waits for their end.
fn kill(stage: &Stage, names: &[&str]) {
    let lab = stage.cluster.lab();
    let pid = |name: &str| {
        let process = lab.state().unwrap().processes.into_iter().find(|process| process.name == name);
        process.unwrap().pid
    };
    for name in names {
        lab.exec("control", &["kill", "-9", &pid(name).unwrap().to_string()]).unwrap();
    }
    stage.cluster.wait_for("they are gone", |_| names.iter().all(|name| pid(name).is_none()).then_some(())).unwrap();
}

#[test]
fn addresses_stay_announced_while_etcd_and_the_api_server_are_away() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    for names in [["kube-apiserver"].as_slice(), &["etcd"], &["etcd", "kube-apiserver"]] {
        let target = ProbeOptions { timeout: PATIENCE, ..ProbeOptions::new((address, 80).into()) };
        let report = stage.under_load_of(&target, |stage| {
            kill(stage, names);
            assert!(stage.cluster.kubectl(&["get", "nodes", "--request-timeout", "1s"]).is_err(), "{names:?}");
            let probe = ProbeOptions { duration: AWAY, every: Duration::from_millis(20), ..target.clone() };
            let away = stage.cluster.lab().probe(&probe).unwrap().wait().unwrap();
            assert_eq!(away.failures, 0, "while {names:?} are away: {away:?}");
            // On a busy machine it may have moved; it needs no API server for that.
            assert!(stage.cluster.lab().owner(address).unwrap().is_some(), "while {names:?} are away");
            stage.cluster.lab().heal("control").unwrap();
            stage.cluster.wait_for("the API server is back", |cluster| cluster.get(&["nodes"]).ok()).unwrap();
        });
        assert_eq!(report.failures, 0, "{names:?}: {report:?}");
    }
    // And everything works on.
    stage.cluster.apply(&web("later", "", "")).unwrap();
    let later = stage.address("default/later");
    stage.owner(later);
    stage.cluster.kubectl(&["delete", "service,daemonset", "later"]).unwrap();
}
