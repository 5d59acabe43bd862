//! The first steps of `docs/install.md`, as somebody pastes them.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::fs;

use crate::common::{WEB, stage};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/install.md");
/// Addresses of the document are of nobody's network; these are of the lab's.
const ADDRESSES: [&str; 2] = ["192.0.2.", "10.10.54."];
const VALUES: [&str; 2] = ["/tmp/values.yaml", "/run/lab/cluster/values.yaml"];

/// The blocks of commands of a section.
fn blocks(document: &str, section: &str) -> Vec<String> {
    let (_, text) = document.split_once(&format!("\n## {section}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.map(|block| block.replace(ADDRESSES[0], ADDRESSES[1]).replace(VALUES[0], VALUES[1])).collect()
}

#[test]
fn the_first_steps_lead_to_an_answer_from_the_network_of_the_nodes() {
    let Some(stage) = stage() else { return };
    let blocks = blocks(&fs::read_to_string(DOCUMENT).unwrap(), "Quickstart");
    let [steps, questions] = blocks.as_slice() else { panic!("{blocks:?}") };
    // Nodes of this cluster come with the image.
    let (image, steps) = steps.split_once('\n').unwrap();
    assert!(image.starts_with("make image"), "{image}");

    stage.cluster.kubectl(&["delete", "service,daemonset", "web"]).unwrap();
    stage.cluster.uninstall().unwrap();
    let printed = stage.cluster.paste(steps).unwrap();
    assert_eq!(stage.address(WEB).to_string(), "10.10.54.10", "{printed}");
    assert!(printed.ends_with("web\n"), "the last step prints what the pod answers: {printed}");

    let address = stage.address(WEB);
    let owner = stage.owner(address);
    let printed = stage.cluster.paste(questions).unwrap();
    assert!(printed.contains("speaker-node-1") && printed.contains("Valid"), "{printed}");
    assert_eq!(printed.matches(&format!("announced from {owner}")).count(), 2, "{printed}");

    stage.cluster.kubectl(&["delete", "service,deployment", "web"]).unwrap();
    stage.cluster.uninstall().unwrap();
}
