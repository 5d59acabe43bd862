//! A network namespace and somebody who follows its links.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ferrolb_fib::driver::follow_links;
use ferrolb_fib::links::Links;
use nix::sched::{CloneFlags, setns};
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Long enough for any machine, and shorter than the interval at which everything is listed anew anyhow.
const DEADLINE: Duration = Duration::from_secs(45);

/// A network namespace, removed when dropped.
pub(crate) struct Lab {
    namespace: String,
}

impl Lab {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lab = Self { namespace: format!("fib-{}-{number}", std::process::id()) };
        let status = Command::new("ip").args(["netns", "add", &lab.namespace]).status().expect("iproute2 is installed");
        assert!(status.success(), "a namespace is made");
        lab
    }

    /// `ip` in this namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        let output = Command::new("ip").args(["-n", &self.namespace]).args(arguments.split_whitespace()).output();
        let output = output.expect("iproute2 is installed");
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Many commands of `ip` at once.
    pub(crate) fn batch(&self, commands: &str) {
        let child = Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]).stdin(Stdio::piped()).spawn();
        let mut child = child.expect("iproute2 is installed");
        child.stdin.take().expect("piped").write_all(commands.as_bytes()).expect("ip reads");
        assert!(child.wait().expect("ip ends").success());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "del", &self.namespace]).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("namespace {} could not be removed", self.namespace);
        }
    }
}

/// The table as it is published.
pub(crate) struct Watcher(watch::Receiver<Arc<Links>>);

impl Watcher {
    /// Waits until `condition` holds.
    pub(crate) async fn see(&mut self, what: &str, condition: impl Fn(&Links) -> bool) -> Arc<Links> {
        let found = time::timeout(DEADLINE, self.0.wait_for(|links| condition(links))).await;
        let Ok(seen) = found.map(|seen| seen.expect("the task runs").clone()) else {
            let latest = self.latest();
            let links = latest.iter().map(|link| (&link.name, link.up, link.carrier, link.addresses.len()));
            panic!("not seen: {what}: {:?}", links.collect::<Vec<_>>());
        };
        seen
    }

    pub(crate) fn latest(&self) -> Arc<Links> {
        self.0.borrow().clone()
    }
}

/// Runs `test` with a namespace whose links are followed, unless namespaces cannot be made. The task is ended after it.
pub(crate) fn run(test: impl AsyncFnOnce(&Lab, Watcher)) {
    let status = std::fs::read_to_string("/proc/self/status").expect("the own status");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("effective capabilities");
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).expect("a mask");
    let needed = (1 << 12) | (1 << 21); // NET_ADMIN, SYS_ADMIN
    if capabilities & needed != needed {
        println!("skipped: making network namespaces needs root");
        return;
    }
    let lab = Lab::new();
    // Each test has a thread of its own, and the loop that runs the task is on it.
    let namespace = File::open(format!("/var/run/netns/{}", lab.namespace)).expect("the namespace");
    setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(async {
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let links = follow_links(&tracker, cancel.clone());
        test(&lab, Watcher(links.clone())).await;
        cancel.cancel();
        tracker.close();
        time::timeout(DEADLINE, tracker.wait()).await.expect("the task ends when it is told to");
        assert!(links.has_changed().is_err(), "nothing is published any more");
    });
}
