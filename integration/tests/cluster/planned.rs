//! What is done on purpose loses nothing: updates, drained and excluded nodes.

use crate::common::{VALUES, WEB, stage};

/// What a cloud's load balancers leave out.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

#[test]
fn a_rolling_update_of_controllers_and_speakers_loses_no_connection() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let new = ["--set", "speaker.podAnnotations.round=second", "--set", "controller.podAnnotations.round=second"];
    let report = stage.under_load(address, |stage| {
        stage.cluster.install(VALUES, &new).unwrap();
        stage.speakers_are_whole();
    });
    assert_eq!(report.failures, 0, "{report:?}");
    assert_eq!(stage.address(WEB), address);
}

#[test]
fn addresses_leave_a_drained_node_without_a_loss() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    let report = stage.under_load(address, |stage| {
        let mut arguments = vec!["drain", first.as_str(), "--ignore-daemonsets", "--delete-emptydir-data"];
        arguments.extend(["--timeout", "2m"]);
        stage.cluster.kubectl(&arguments).unwrap();
        stage.owner_beside(address, &first);
    });
    stage.cluster.kubectl(&["uncordon", &first]).unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
}

#[test]
fn addresses_leave_an_excluded_node_without_a_loss() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    let report = stage.under_load(address, |stage| {
        stage.cluster.kubectl(&["label", "node", &first, &format!("{EXCLUDED}=")]).unwrap();
        stage.owner_beside(address, &first);
    });
    stage.cluster.kubectl(&["label", "node", &first, &format!("{EXCLUDED}-")]).unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
}
