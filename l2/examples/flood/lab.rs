//! Two namespaces with a cable between them, and what the announcer's thread costs.

use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ferrolb_l2::driver::{Handle, spawn};
use ferrolb_l2::{Config, Interface, MacAddr};
use nix::sched::{CloneFlags, setns};

const MAC: MacAddr = MacAddr(2, 0xfe, 0, 0, 0, 1);

/// What a membership protocol that wants to be fast tolerates.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(400);

/// Removed when dropped.
pub(crate) struct Lab {
    inside: String,
    outside: String,
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Lab {
    pub(crate) fn new() -> Self {
        let pid = std::process::id();
        let lab = Self { inside: format!("l2-flood-{pid}-in"), outside: format!("l2-flood-{pid}-out") };
        let Self { inside, outside } = &lab;
        ip(&format!("netns add {inside}"));
        ip(&format!("netns add {outside}"));
        ip(&format!("-n {inside} link add eth0 address {MAC} type veth peer name eth0 netns {outside}"));
        for namespace in [inside, outside] {
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} link set eth0 up"));
        }
        lab
    }

    /// Runs `action` in one of the namespaces.
    pub(crate) fn outside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        within(&self.outside, action)
    }

    /// The kernel's index of the other end of the cable.
    pub(crate) fn outside_index(&self) -> u32 {
        index(&self.outside)
    }

    /// An announcer at one end.
    pub(crate) fn announcer(&self) -> Handle {
        let config = Config { stall_tolerance: Some(TOLERANCE), ..Config::default() };
        let (handle, _unheard) = within(&self.inside, || spawn(config)).expect("an announcer");
        let interface =
            Interface { name: "eth0".into(), index: index(&self.inside), mac: MAC, up: true, link_local: None };
        handle.interfaces(vec![interface]);
        handle
    }

    /// Waits until `count` addresses are announced, and their bursts are over.
    pub(crate) fn settle(handle: &Handle, count: usize) {
        let observed = handle.observed();
        let announced = || {
            let observed = observed.borrow();
            observed.vips.len() == count && observed.vips.values().all(|vip| vip.interfaces.contains("eth0"))
        };
        while !announced() {
            // Where others keep the processors busy.
            handle.confirm(observed.borrow().stalls);
            pause(Duration::from_millis(10));
        }
        if count > 0 {
            pause(Duration::from_secs(8));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.inside, &self.outside] {
            drop(Command::new("ip").args(["netns", "del", namespace]).status());
        }
    }
}

fn index(namespace: &str) -> u32 {
    let line = ip(&format!("-n {namespace} -o link show dev eth0"));
    line.split(':').next().and_then(|index| index.trim().parse().ok()).expect("an index")
}

fn within<T: Send>(namespace: &str, action: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/var/run/netns/{namespace}")).expect("the namespace");
    thread::scope(|scope| {
        let inside = scope.spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
            action()
        });
        inside.join().expect("the action")
    })
}

/// What the announcer's thread has cost so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) busy: Duration,
    pub(crate) wake_ups: u64,
}

/// Looks at the thread called `l2` of this process (`proc_pid_schedstat(5)`, `proc_pid_status(5)`).
pub(crate) fn thread_cost() -> Cost {
    let tasks = fs::read_dir("/proc/self/task").expect("the own threads");
    let task = tasks.filter_map(Result::ok).map(|task| task.path());
    let mut named = task.filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "l2"));
    let path = named.next().expect("the announcer's thread");
    let schedule = fs::read_to_string(path.join("schedstat")).expect("scheduler statistics");
    let busy = schedule.split_whitespace().next().and_then(|busy| busy.parse().ok()).expect("nanoseconds");
    let status = fs::read_to_string(path.join("status")).expect("the thread's status");
    let waits = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let wake_ups = waits.and_then(|waits| waits.trim().parse().ok()).expect("a number");
    Cost { busy: Duration::from_nanos(busy), wake_ups }
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures over time")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}
