//! A cable with a network namespace on each end: `a` is ours, `b` the router's.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

/// Long enough for any machine: what does not happen within it never will.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Addresses of our end and of the router's.
pub(crate) const OURS: &str = "192.0.2.1";
pub(crate) const THEIRS: &str = "192.0.2.2";
pub(crate) const OURS6: &str = "2001:db8::1";
pub(crate) const THEIRS6: &str = "2001:db8::2";

/// Why nothing can be tried here, if so.
pub(crate) fn obstacle() -> Option<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).ok()?;
    let needed = (1 << 12) | (1 << 13) | (1 << 21); // NET_ADMIN, NET_RAW, SYS_ADMIN
    (capabilities & needed != needed).then_some("making network namespaces needs root")
}

/// Both ends. Removed when dropped.
pub(crate) struct Cable {
    prefix: String,
    folder: TempDir,
}

/// One end.
#[derive(Clone)]
pub(crate) struct Namespace(String);

impl Cable {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("bgp-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let cable = Self { prefix, folder: TempDir::with_prefix("ferrolb-bgp-").expect("a folder") };
        let (a, b) = (cable.a(), cable.b());
        for namespace in [&a, &b] {
            run(Command::new("ip").args(["netns", "add", &namespace.0]));
        }
        run(Command::new("ip")
            .args(["link", "add", "eth0", "netns", &a.0, "type", "veth", "peer", "name", "eth0", "netns", &b.0]));
        for (namespace, v4, v6) in [(&a, OURS, OURS6), (&b, THEIRS, THEIRS6)] {
            namespace.command("sysctl").args(["-qw", "net.ipv6.conf.eth0.accept_dad=0"]).output().expect("sysctl");
            namespace.ip("link set lo up");
            namespace.ip(&format!("addr add {v4}/24 dev eth0"));
            namespace.ip(&format!("addr add {v6}/64 dev eth0 nodad"));
            namespace.ip("link set eth0 up");
        }
        cable
    }

    pub(crate) fn a(&self) -> Namespace {
        Namespace(format!("{}-a", self.prefix))
    }

    pub(crate) fn b(&self) -> Namespace {
        Namespace(format!("{}-b", self.prefix))
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_string_lossy().into_owned()
    }

    /// Writes a file of a daemon.
    pub(crate) fn write(&self, file: &str, text: &str) -> String {
        let path = self.path(file);
        std::fs::write(&path, text).expect("a file of the test");
        path
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if std::env::var_os("KEEP").is_some() {
            self.folder.disable_cleanup(true);
            println!("kept {}", self.folder.path().display());
        }
        for namespace in [self.a(), self.b()] {
            let deleted = Command::new("ip").args(["netns", "del", &namespace.0]).status();
            if !deleted.is_ok_and(|status| status.success()) {
                eprintln!("namespace {} could not be removed", namespace.0);
            }
        }
    }
}

impl Namespace {
    /// A command that runs here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut command = Command::new("ip");
        command.args(["-n", &self.0]).args(arguments.split_whitespace());
        String::from_utf8_lossy(&run(&mut command).stdout).into_owned()
    }

    /// Runs `action` on a thread here; threads it starts are here too.
    pub(crate) fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/var/run/netns").join(&self.0)).expect("the namespace");
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
                action()
            });
            inside.join().expect("the action")
        })
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("iproute2 is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Waits until `condition` holds; otherwise says what did not happen.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "a deadline of a test")]
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > DEADLINE {
            return Err(format!("did not happen: {what}"));
        }
        #[expect(clippy::disallowed_methods, reason = "other programs are asked again and again until they say so")]
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
