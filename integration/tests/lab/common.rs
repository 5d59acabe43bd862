//! What the tests of the lab share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ferrolb_integration::{Daemons, Family, Lab, Options, missing_requirements};

/// The address that the tests give to `default/web`.
pub(crate) const VIP: &str = "10.10.52.0";

/// A lab without daemons, or none, with the reason printed, where the machine cannot run one.
pub(crate) fn lab(nodes: u8) -> Option<Lab> {
    can_run().then(|| Lab::up(Options { nodes, daemons: Daemons::None, ..Options::default() }).unwrap())
}

/// The same with other families.
pub(crate) fn lab_of(family: Family, nodes: u8) -> Option<Lab> {
    can_run().then(|| Lab::up(Options { nodes, family, daemons: Daemons::None, ..Options::default() }).unwrap())
}

/// Whether a lab can run; prints why not.
pub(crate) fn can_run() -> bool {
    let missing = missing_requirements();
    for what in &missing {
        println!("skipped: {what}");
    }
    missing.is_empty()
}

/// Writes the status that the controller would write: `default/web` has `address`.
pub(crate) fn assign(lab: &Lab, address: &str) {
    let status = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: default}}\n\
         status: {{loadBalancer: {{ingress: [{{ip: {address}}}]}}}}\n"
    );
    lab.apply("status/services/default/web.yaml", &status).unwrap();
}

/// Makes the client send to `node` for `address`: what an announcement would do.
pub(crate) fn point_client_at(lab: &Lab, address: &str, node: &str) {
    let mac = lab.mac_of(node).unwrap().to_string();
    let done = run(lab, "client", &["ip", "neigh", "replace", address, "lladdr", &mac, "dev", "eth0"]);
    assert_eq!(done, Ok(String::new()));
}

/// What a command printed; or what it complained about when it failed.
pub(crate) fn run(lab: &Lab, place: &str, command: &[&str]) -> Result<String, String> {
    let output = lab.exec(place, command).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// What the client gets from the service.
pub(crate) fn ask(lab: &Lab) -> Result<String, String> {
    run(lab, "client", &["curl", "--no-progress-meter", "--max-time", "5", &format!("http://{VIP}")])
}

/// How many processes of the lab are `sleep`.
pub(crate) fn sleepers(lab: &Lab) -> usize {
    run(lab, "switch", &["sh", "-c", "cat /proc/[0-9]*/comm"]).unwrap_or_default().matches("sleep").count()
}

/// Looks until `condition` holds; for what no lab can be asked about any more.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds a hang; no result depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "another process's end cannot be awaited, only looked at")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// What a lab consists of, as seen from outside.
#[derive(Debug)]
pub(crate) struct Footprint {
    /// The four processes that hold a lab, outermost first: `lab up`, cradle, init, supervisor.
    pub(crate) chain: [u32; 4],
    processes: BTreeSet<u32>,
    network_namespaces: BTreeSet<PathBuf>,
    socket: String,
}

impl Footprint {
    pub(crate) fn of(lab: &Lab) -> Self {
        let state = lab.state().unwrap();
        let pid_namespace = namespace(state.init_pid, "pid").unwrap();
        let mut processes: BTreeSet<u32> =
            all_processes().filter(|pid| namespace(*pid, "pid").as_ref() == Some(&pid_namespace)).collect();
        let network_namespaces = processes.iter().filter_map(|pid| namespace(*pid, "net")).collect();
        let cradle = parent(state.init_pid).unwrap();
        let supervisor = processes.iter().copied().find(|pid| parent(*pid) == Some(state.init_pid)).unwrap();
        processes.extend([cradle, state.holder_pid]);
        Self {
            chain: [state.holder_pid, cradle, state.init_pid, supervisor],
            processes,
            network_namespaces,
            socket: format!("/{}", lab.name()),
        }
    }

    /// How many processes there are.
    pub(crate) fn size(&self) -> usize {
        self.processes.len()
    }

    /// What is still there of it, in words.
    pub(crate) fn remains(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.processes.iter().filter(|pid| is_alive(**pid)).map(|pid| format!("process {pid}")).collect();
        found.extend(
            all_processes()
                .filter(|pid| namespace(*pid, "net").is_some_and(|its| self.network_namespaces.contains(&its)))
                .map(|pid| format!("process {pid} in a network namespace of the lab")),
        );
        found.extend(self.visible_outside());
        let sockets = fs::read_to_string("/proc/net/unix").unwrap();
        found.extend(sockets.lines().filter(|line| line.ends_with(&self.socket)).map(str::to_owned));
        found
    }

    /// Mounts and files of it that can be seen outside; there is never any.
    pub(crate) fn visible_outside(&self) -> Vec<String> {
        let namespaces: Vec<String> = self.network_namespaces.iter().map(|name| name.display().to_string()).collect();
        let is_ours = |line: &&str| line.contains(" - tmpfs lab ") || namespaces.iter().any(|name| line.contains(name));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut found: Vec<String> = mounts.lines().filter(is_ours).map(str::to_owned).collect();
        found.extend(Path::new("/run/lab").exists().then(|| "the folder /run/lab".to_owned()));
        found
    }
}

fn all_processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn namespace(pid: u32, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// A process that has ended but was not collected by its parent yet is not alive.
fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:") && line.contains('Z')))
}
