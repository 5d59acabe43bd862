//! What these tests share.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ferrolb_integration::{Lab, Options, missing_requirements};
use serde_json::Value;

/// The service of the lab.
pub(crate) const WEB: &str = "default/web";

/// A lab with three nodes and everything running, and the address of its service; none, with the reason printed, where
/// the machine cannot run one.
pub(crate) fn lab() -> Option<(Lab, IpAddr)> {
    lab_with(Options::default())
}

/// The same with these options.
pub(crate) fn lab_with(options: Options) -> Option<(Lab, IpAddr)> {
    let missing = missing_requirements();
    for what in &missing {
        println!("skipped: {what}");
    }
    if !missing.is_empty() {
        return None;
    }
    let lab = Lab::up(options).unwrap();
    let vip = lab.wait_for("the service has an address", |lab| lab.service_address(WEB).unwrap()).unwrap();
    Some((lab, vip))
}

/// The one node that announces `vip`, once exactly one does and all nodes that run say the same.
pub(crate) fn settled_owner(lab: &Lab, vip: IpAddr) -> String {
    lab.wait_for("exactly one node announces the address", |lab| {
        let announcers = lab.announcers(vip).unwrap();
        let [owner] = announcers.as_slice() else { return None };
        let agrees = |node: &String| owner_by(lab, node).is_none_or(|told| told == *owner);
        nodes(lab).iter().all(agrees).then(|| owner.clone())
    })
    .unwrap()
}

/// What a node's speaker says who owns the service's address; none where no speaker answers.
fn owner_by(lab: &Lab, node: &str) -> Option<String> {
    let story: Value = serde_json::from_str(&ferrolb(lab, node, &["explain", WEB, "--output", "json"]).ok()?).unwrap();
    Some(story["owner"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn nodes(lab: &Lab) -> Vec<String> {
    lab.layout().nodes().map(|node| node.name.clone()).collect()
}

/// The nodes but one.
pub(crate) fn beside(lab: &Lab, node: &str) -> Vec<String> {
    nodes(lab).into_iter().filter(|other| other != node).collect()
}

/// What `ferrolb` prints on a node, or complains about.
pub(crate) fn ferrolb(lab: &Lab, node: &str, arguments: &[&str]) -> Result<String, String> {
    let program = binary("ferrolb").display().to_string();
    let socket = format!("/run/lab/{node}.sock");
    let mut command = vec![program.as_str()];
    command.extend_from_slice(arguments);
    command.extend_from_slice(&["--socket", &socket]);
    let output = lab.exec(node, &command).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A binary of the workspace, beside the test's own folder.
pub(crate) fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join(name)
}

pub(crate) fn target(vip: IpAddr) -> SocketAddr {
    SocketAddr::new(vip, 80)
}

/// The client gets an answer.
pub(crate) fn client_is_served(lab: &Lab, vip: IpAddr) {
    lab.wait_for("the client is served", |lab| {
        let url = format!("http://{}", target(vip));
        let output = lab.exec("client", &["curl", "--no-progress-meter", "--max-time", "2", &url]).unwrap();
        output.stdout.starts_with(b"node-").then_some(())
    })
    .unwrap();
}

/// SIGKILL to one process of the lab.
pub(crate) fn kill_process(lab: &Lab, name: &str) {
    let processes = lab.state().unwrap().processes;
    let pid = processes.iter().find(|process| process.name == name).unwrap().pid.unwrap();
    let killed = lab.exec("switch", &["sh", "-c", &format!("kill -9 {pid}")]).unwrap();
    assert!(killed.status.success());
}

/// Waits until as many members live as are expected, by the word of `node`.
pub(crate) fn wait_for_members(lab: &Lab, node: &str, count: usize) {
    lab.wait_for(&format!("{node} sees {count} members"), |lab| {
        let members = ferrolb(lab, node, &["members", "--output", "json"]).ok()?;
        let members: Vec<Value> = serde_json::from_str(&members).unwrap();
        (members.len() == count).then_some(())
    })
    .unwrap();
}

/// The exit code of a command in the lab, and what it prints.
pub(crate) fn run(lab: &Lab, node: &str, command: &[&str]) -> (Option<i32>, String) {
    let output = lab.exec(node, command).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}
