//! The control groups of a cluster's pods, which are outside every namespace: made before, removed after.
//!
//! Their name says whose they are. A guard, a small process of its own, removes them when `lab cluster up` has ended, in
//! whatever way: its standard input is a pipe whose other end only that process has. Should the guard be killed too, the
//! next start of a cluster of that name removes them, and so does `lab cluster down`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::binaries;
use crate::clock;
use crate::error::{Error, system};

/// What the name of each such group begins with; no other is ever removed.
const PREFIX: &str = "ferrolb-cluster.";
/// How often the guard tries, and the pause between two tries: processes that were just killed may be ending.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);
/// Processors of a machine, for the weight of its pods.
const PROCESSORS: usize = 2;
/// Files of a group of cpuset (version 1) without which no process can enter it.
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// The process that removes the groups; dropping this waits for it.
#[derive(Debug)]
pub(crate) struct Guard {
    process: Child,
}

/// A name for the groups of the cluster `name` that this process holds.
pub(crate) fn unique_name(name: &str) -> String {
    format!("{PREFIX}{name}.{}", std::process::id())
}

/// Makes the group in every hierarchy, and below it one for each node.
pub(crate) fn make(name: &str, nodes: &[&str]) -> Result<(), Error> {
    for root in hierarchies() {
        make_in(&root, name, nodes).map_err(system(format!("make the control group {name} in {}", root.display())))?;
    }
    Ok(())
}

fn make_in(root: &Path, name: &str, nodes: &[&str]) -> io::Result<()> {
    let group = root.join(name);
    fs::create_dir_all(&group)?;
    prepare(root, &group)?;
    weigh(&group, nodes.len())?;
    for node in nodes {
        let below = group.join(node);
        fs::create_dir_all(&below)?;
        prepare(&group, &below)?;
    }
    Ok(())
}

/// Gives the pods of all nodes the weight that they have on so many machines: there, all pods together weigh as much per
/// processor as everything beside them, of which here is as much as on one machine.
fn weigh(group: &Path, nodes: usize) -> io::Result<()> {
    for (file, usual) in [("cpu.shares", 1024), ("cpu.weight", 100)] {
        let file = group.join(file);
        if file.exists() {
            fs::write(file, (usual * PROCESSORS * nodes).to_string())?;
        }
    }
    Ok(())
}

/// What a group needs before others can be made in it.
fn prepare(parent: &Path, group: &Path) -> io::Result<()> {
    for file in CPUSET {
        if let Ok(value) = fs::read(parent.join(file))
            && group.join(file).exists()
        {
            fs::write(group.join(file), value)?;
        }
    }
    // Version 2: what is below gets the controllers that this one has.
    let Ok(controllers) = fs::read_to_string(group.join("cgroup.controllers")) else { return Ok(()) };
    for folder in [parent, group] {
        for controller in controllers.split_whitespace() {
            // One that is in use elsewhere is refused; kubelet says which it misses.
            fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}")).ok();
        }
    }
    Ok(())
}

/// Removes what pods that were killed have left below the group of a node: a machine that boots has no groups, and kubelet
/// spends seconds on each that is there.
pub(super) fn clear(group: &str) -> Result<(), Error> {
    let failed = || format!("clear the control group {group}");
    for root in hierarchies() {
        let folder = root.join(group.trim_start_matches('/'));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            remove_tree(&entry.path()).map_err(system(failed()))?;
        }
    }
    Ok(())
}

/// Removes what is left of clusters called `name` that nobody holds any more; how many there were.
pub(crate) fn sweep(name: &str) -> usize {
    let prefix = format!("{PREFIX}{name}.");
    let left = found(|group| group.strip_prefix(&prefix).is_some_and(is_gone));
    // One that cannot be removed is in use.
    left.iter().filter(|group| remove(group).is_ok()).count()
}

/// Whether a process has ended; what is no number is nobody's.
fn is_gone(pid: &str) -> bool {
    pid.parse::<u32>().is_ok_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// The groups of all hierarchies whose names satisfy `wanted`.
fn found(wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in hierarchies() {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            names.extend(entry.file_name().to_str().filter(|name| wanted(name)).map(str::to_owned));
        }
    }
    names
}

/// Removes a group and all below it from every hierarchy.
fn remove(name: &str) -> io::Result<()> {
    hierarchies().iter().try_for_each(|root| remove_tree(&root.join(name)))
}

fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Where control groups are mounted.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mount_points(&mounts)
}

fn mount_points(mounts: &str) -> Vec<PathBuf> {
    let point = |line: &str| {
        let mut words = line.split_whitespace();
        let point = words.nth(1)?;
        matches!(words.next()?, "cgroup" | "cgroup2").then(|| PathBuf::from(point))
    };
    mounts.lines().filter_map(point).collect()
}

// === impl Guard ===

impl Guard {
    /// Starts it for the groups called `name`.
    pub(crate) fn start(name: &str) -> Result<Self, Error> {
        let process = Command::new(binaries::lab()?)
            .args(["remove-cgroups", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends the cluster; the guard has its work to do then.
            .process_group(0)
            .spawn()
            .map_err(system("start the guard of the control groups"))?;
        Ok(Self { process })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nobody to tell if it was killed.
        self.process.wait().ok();
    }
}

/// The hidden verb `remove-cgroups`: waits for the end of standard input, then removes the groups.
pub(crate) fn remove_after_stdin(name: &str) -> Result<u8, Error> {
    if !name.starts_with(PREFIX) || name.contains('/') {
        return Err(Error::Refused { reason: format!("{name} is no control group of ours") });
    }
    // An error of the pipe is its end, too.
    while io::stdin().read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    for _try in 1..TRIES {
        if remove(name).is_ok() {
            return Ok(0);
        }
        clock::pause(PAUSE);
    }
    remove(name).map_err(system(format!("remove the control group {name}")))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_removes_no_group_but_ours() {
        for wrong in ["", "kubepods", "ferrolb-cluster./..", "../ferrolb-cluster.x"] {
            assert!(remove_after_stdin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_versions_of_control_groups_are_found_among_the_mounts() {
        let mounts = "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let expected: [PathBuf; 2] = ["/sys/fs/cgroup/cpu".into(), "/sys/fs/cgroup/unified".into()];
        assert_eq!(mount_points(mounts), expected);
    }

    #[test]
    fn the_groups_of_a_holder_that_lives_are_not_swept() {
        let own = unique_name("x");
        let pid = own.strip_prefix("ferrolb-cluster.x.").unwrap();
        assert!(!is_gone(pid));
        assert!(!is_gone("nobody"));
    }
}
