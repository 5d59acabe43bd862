//! The speakers of a cluster, asked through an API server: answers, refusals, silence and broken answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod bundle;
mod server;

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::server::{Cluster, Manner, pod};

fn status(node: &str) -> Manner {
    let service = json!({
        "service": "default/web", "address": "192.0.2.1", "owner": "node-1", "announce": node == "node-1",
        "reason": "owner: node-1 announces it",
    });
    Manner::Prints(
        json!({
            "node": node, "version": "0.1.0", "ready": true, "configStale": false, "problems": [], "members": [{}, {}],
            "services": [service], "interfaces": [],
        })
        .to_string(),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lines with one space between words.
fn rows(output: &Output) -> Vec<String> {
    text(&output.stdout).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_node_is_a_row_also_one_that_never_answers() {
    let nodes = ["node-1", "node-2", "node-3", "node-4", "node-5", "node-6", "node-7"];
    let mut pods: Vec<Value> = nodes.iter().map(|node| pod("lb", node)).collect();
    let mut pending = pod("lb", "node-8");
    pending["status"]["phase"] = json!("Pending");
    pods.push(pending);
    let cluster = Cluster::serve(
        pods,
        vec![
            ("node-1", status("node-1")),
            ("node-2", status("node-2")),
            ("node-3", Manner::Silent),
            ("node-4", Manner::Breaks),
            ("node-5", Manner::Fails(1, "ferrolb: no speaker listens on /run/ferrolb/speaker.sock")),
            ("node-6", Manner::Refuses(403)),
            ("node-7", Manner::Refuses(502)),
        ],
    );
    let output = cluster.ferrolb(&["status", "--timeout", "3"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "ferrolb: 6 of 8 nodes did not answer\n");
    let rows = rows(&output);
    assert_eq!(rows[1], "node-1 ready 0.1.0 2 1");
    assert_eq!(rows[2], "node-2 ready 0.1.0 2 0");
    assert_eq!(rows[3], "node-3 unknown - - - no answer within 3 s");
    assert!(rows[4].starts_with("node-4 unknown - - - the connection ended before the answer"), "{}", rows[4]);
    assert_eq!(rows[5], "node-5 unknown - - - no speaker listens on /run/ferrolb/speaker.sock");
    assert!(rows[6].contains("the rights to get and create pods/exec are needed"), "{}", rows[6]);
    assert!(rows[7].contains("does not reach its kubelet (502)"), "{}", rows[7]);
    assert_eq!(rows[8], "node-8 unknown - - - its pod is Pending");
    assert_eq!(rows.last().unwrap(), "default/web 192.0.2.1 node-1 node-1 node-1 announces it");
}

#[test]
fn programs_get_what_each_node_said_and_one_node_can_be_asked_alone() {
    let pods = vec![pod("lb", "node-1"), pod("lb", "node-2")];
    let cluster = Cluster::serve(pods, vec![("node-1", status("node-1")), ("node-2", Manner::Deaf)]);
    let output = cluster.ferrolb(&["status", "--timeout", "2", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&all[0]["node"], &all[0]["answer"]["ready"]), (&json!("node-1"), &json!(true)));
    let silent = json!({"node": "node-2", "namespace": "lb", "pod": "speaker-node-2", "error": "no answer within 2 s"});
    assert_eq!(all[1], silent);
    let output = cluster.ferrolb(&["status", "--node", "node-1", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().len(), 1);
    let output = cluster.ferrolb(&["members", "--node", "node-9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there are some on: node-1, node-2"), "{}", text(&output.stderr));
}

#[test]
fn a_service_that_nobody_knows_is_bad_input_and_an_answer_that_is_no_json_is_said() {
    let unknown = || Manner::Fails(2, "ferrolb: there is no service default/none");
    let pods = vec![pod("lb", "node-1"), pod("lb", "node-2")];
    let cluster = Cluster::serve(pods.clone(), vec![("node-1", unknown()), ("node-2", unknown())]);
    let output = cluster.ferrolb(&["explain", "default/none"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "ferrolb: there is no service default/none\n");
    let garbage = Manner::Prints("exec format error".to_owned());
    let cluster = Cluster::serve(pods, vec![("node-1", garbage), ("node-2", unknown())]);
    let output = cluster.ferrolb(&["l2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("its answer is not understood"), "{}", text(&output.stdout));
}

#[test]
fn a_long_answer_arrives_whole() {
    let services: Vec<Value> = (0..20_000)
        .map(|n| json!({"service": format!("default/web-{n}"), "address": "192.0.2.1", "owner": "node-1", "reason": "owner: it is"}))
        .collect();
    let answer = json!({"ready": true, "services": services}).to_string();
    let cluster = Cluster::serve(vec![pod("lb", "node-1")], vec![("node-1", Manner::Prints(answer))]);
    let output = cluster.ferrolb(&["status", "--timeout", "120", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all[0]["answer"]["services"].as_array().unwrap().len(), 20_000);
}

#[test]
fn without_speakers_or_with_those_of_two_installations_the_remedy_is_said() {
    let output = Cluster::serve(Vec::new(), Vec::new()).ferrolb(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("install ferrolb with its Helm chart"), "{}", text(&output.stderr));
    let output = Cluster::serve(vec![pod("a", "node-1"), pod("b", "node-1")], Vec::new()).ferrolb(&["status"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("namespaces a and b; say with --namespace"), "{}", text(&output.stderr));
}

#[test]
fn on_a_node_the_socket_is_asked_unless_somebody_says_otherwise() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrolb"));
    command.env_remove("FERROLB_NAMESPACE").env_remove("FERROLB_ADMIN_SOCKET").env_remove("KUBECONFIG");
    let output = command.env("HOME", "/nonexistent").args(["status", "--socket", "/nonexistent/s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no speaker listens on /nonexistent/s"), "{}", text(&output.stderr));
}

/// `ferrolb` under another name.
fn under(name: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ferrolb"), &link).unwrap();
    Command::new(link).args(arguments).output().unwrap()
}

#[test]
fn as_a_plugin_of_kubectl_it_says_so_and_completes_words() {
    let help = text(&under("kubectl-ferrolb", &["explain", "--help"]).stdout);
    assert!(help.contains("Usage: kubectl ferrolb explain"), "{help}");
    let help = text(&under("ferrolb", &["explain", "--help"]).stdout);
    assert!(help.contains("Usage: ferrolb explain"), "{help}");
    let words = text(&under("kubectl_complete-ferrolb", &["expl"]).stdout);
    let lines: Vec<&str> = words.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("explain\t") && lines[1] == ":4", "{words}");
    let formats = text(&under("kubectl_complete-ferrolb", &["status", "--output", "y"]).stdout);
    assert_eq!(formats.lines().map(|line| line.split('\t').next().unwrap()).collect::<Vec<_>>(), ["yaml", ":4"]);
    assert_eq!(text(&under("kubectl_complete-ferrolb", &["validate", ""]).stdout), ":0\n");
}

#[test]
fn shells_get_scripts_that_they_can_read() {
    for (shell, check) in [("bash", Some("bash")), ("zsh", Some("zsh")), ("fish", Some("fish"))] {
        let output = under("ferrolb", &["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && script.contains("support-bundle"), "{shell}: {script}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        std::fs::write(&file, &script).unwrap();
        // Where the shell is there, it reads the script without a word.
        let Some(Ok(read)) = check.map(|shell| Command::new(shell).arg("-n").arg(&file).output()) else { continue };
        assert!(read.status.success() && read.stderr.is_empty(), "{shell}: {}", text(&read.stderr));
    }
}

#[test]
fn a_format_that_does_not_exist_is_refused_with_those_that_do() {
    let output = under("ferrolb", &["status", "--output", "jsn"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("invalid value 'jsn'") && said.contains("table, json, yaml"), "{said}");
}
