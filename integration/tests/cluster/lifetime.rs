//! A second cluster beside the first: of the other family, with kube-proxy's other mode; it ends without a trace, whatever
//! ends it.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::fs;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ferrolb_integration::Family;
use ferrolb_integration::cluster::{Cluster, Options, ProxyMode, web};

use crate::common::{VALUES, can_run};

/// Folders of control groups whose name has `part`, in every hierarchy.
fn groups(part: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let roots =
        mounts.lines().filter(|line| line.split_whitespace().nth(2).is_some_and(|kind| kind.starts_with("cgroup")));
    let roots = roots.map(|line| PathBuf::from(line.split_whitespace().nth(1).unwrap()));
    let below = roots.flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    below.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(part)).collect()
}

/// Processes whose pid namespace, or an outer one of it, is that of the cluster: those that are below its first process.
fn processes(cluster: &Cluster) -> Vec<u32> {
    let state = cluster.lab().state().unwrap();
    let mut found = vec![state.holder_pid, state.init_pid];
    let all: Vec<u32> =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parent = |pid: u32| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
    };
    loop {
        let more: Vec<u32> = all
            .iter()
            .copied()
            .filter(|pid| !found.contains(pid) && parent(*pid).is_some_and(|parent| found.contains(&parent)))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:") && line.contains('Z')))
}

#[test]
fn a_cluster_of_ipv6_and_nftables_serves_and_leaves_nothing_when_its_holder_is_killed() {
    if !can_run() {
        return;
    }
    let options = Options { nodes: 1, proxy: ProxyMode::Nftables, family: Family::Ipv6, ..Options::default() };
    let cluster = Cluster::up(&options).unwrap();
    cluster.kubectl(&["label", "nodes", "--all", "web=yes"]).unwrap();
    cluster.install(VALUES, &[]).unwrap();
    cluster.apply(&web("web", "", "")).unwrap();
    cluster
        .wait_for("the client has an answer", |cluster| {
            let service = cluster.get(&["service", "web"]).ok()?;
            let address: Ipv6Addr = service.pointer("/status/loadBalancer/ingress/0/ip")?.as_str()?.parse().ok()?;
            let url = format!("http://[{address}]");
            let answer = cluster.lab().exec("client", &["curl", "--silent", "--max-time", "2", &url]).ok()?;
            answer.stdout.starts_with(b"node-1/web-").then_some(())
        })
        .unwrap();

    let holder = cluster.lab().state().unwrap().holder_pid;
    let group = format!("ferrolb-cluster.{}.{holder}", cluster.lab().name());
    assert!(!groups(&group).is_empty());
    assert!(!Path::new("/var/lib/kubelet").exists(), "what a node writes is in the lab");
    let processes = processes(&cluster);
    assert!(processes.len() > 10, "{processes:?}");
    assert!(Command::new("kill").args(["-9", &holder.to_string()]).status().unwrap().success());
    eventually("its processes are gone", || !processes.iter().any(|pid| is_alive(*pid)));
    eventually("its control groups are gone", || groups(&group).is_empty());
    drop(cluster);
}

/// Looks until `condition` holds; for what no cluster can be asked about any more.
#[expect(clippy::disallowed_methods, reason = "bounds a hang; another process's end cannot be awaited, only looked at")]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
