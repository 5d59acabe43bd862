//! Network namespaces with a cable between them, real BFD daemons in one and ours in another.

use std::fs::{self, File};
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use ferrolb_bfd::driver::{Handle, Observed, Options, Parameters, Peer, SessionStatus, spawn};
use ferrolb_bfd::{Config, State};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time;

/// Long enough for any machine: what does not happen within it never will.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const FRR: &str = "/usr/lib/frr";

/// Runs `test` in an event loop, unless namespaces cannot be made or a program it `needs` is missing.
pub(crate) fn run(needs: &[&str], test: impl Future<Output = ()>) {
    let status = fs::read_to_string("/proc/self/status").expect("the own status");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("effective capabilities");
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).expect("a mask");
    let needed = (1 << 12) | (1 << 13) | (1 << 21); // NET_ADMIN, NET_RAW, SYS_ADMIN
    if capabilities & needed != needed {
        println!("skipped: making network namespaces needs root");
        return;
    }
    if let Some(missing) = needs.iter().find(|path| !Path::new(path).exists()) {
        println!("skipped: {missing} is not installed (integration/setup.sh bgp)");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(test);
}

/// What FRR's tests need.
pub(crate) const BFDD: &[&str] = &["/usr/lib/frr/bfdd", "/usr/bin/vtysh"];
/// What BIRD's need.
pub(crate) const BIRD: &[&str] = &["/usr/sbin/bird", "/usr/sbin/birdc"];

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("did not happen: {what}"));
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Namespaces of this test. Everything is removed when it is dropped.
pub(crate) struct Lab {
    prefix: String,
    hosts: Vec<String>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { prefix: format!("bfd-{}-{number}", std::process::id()), hosts: Vec::new() }
    }

    pub(crate) fn host(&mut self, name: &str) -> Host {
        let namespace = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        self.hosts.push(namespace.clone());
        Host { namespace }
    }

    /// Two hosts with a cable between their `eth0`, as most tests want them: ours has .2 and ::2, the peer .1 and ::1; the
    /// link-local addresses end likewise.
    pub(crate) fn pair() -> (Self, Host, Host) {
        let mut lab = Self::new();
        let (ours, peers) = (lab.host("ours"), lab.host("peer"));
        ours.cable("eth0", &peers, "eth0");
        ours.address("eth0", 2);
        peers.address("eth0", 1);
        (lab, ours, peers)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            let deleted = Command::new("ip").args(["netns", "del", host]).status();
            if !deleted.is_ok_and(|status| status.success()) {
                eprintln!("namespace {host} could not be removed");
            }
        }
    }
}

/// A network namespace.
#[derive(Clone)]
pub(crate) struct Host {
    namespace: String,
}

impl Host {
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.namespace));
    }

    /// A cable to another host.
    pub(crate) fn cable(&self, own: &str, other: &Self, name: &str) {
        self.ip(&format!("link add {own} type veth peer name {name} netns {}", other.namespace));
        for (host, name) in [(self, own), (other, name)] {
            host.ip(&format!("link set {name} addrgenmode none"));
            host.ip(&format!("link set {name} up"));
        }
    }

    /// Addresses 192.0.2.n, 2001:db8::n and fe80::n, which can be used at once.
    pub(crate) fn address(&self, interface: &str, n: u8) {
        self.ip(&format!("addr add 192.0.2.{n}/24 dev {interface}"));
        for address in [format!("2001:db8::{n}/64"), format!("fe80::{n}/64")] {
            self.ip(&format!("addr add {address} dev {interface} nodad"));
        }
    }

    pub(crate) fn sysctl(&self, setting: &str) {
        let status = Command::new("ip").args(["netns", "exec", &self.namespace, "sysctl", "-qw", setting]).status();
        assert!(status.expect("procps is installed").success(), "{setting}");
    }

    /// Runs `action` on a thread in this namespace; threads and sockets it makes are in it too.
    pub(crate) fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/var/run/netns/{}", self.namespace)).expect("the namespace");
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
                action()
            });
            inside.join().expect("the action")
        })
    }

    /// Starts a program here that ends when it is dropped.
    fn start(&self, program: &str, arguments: &str) -> Daemon {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).args(arguments.split_whitespace()).env("TZ", "UTC");
        Daemon(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a program"))
    }

    /// Ours.
    pub(crate) fn ours(&self) -> Ours {
        self.ours_with(Options::default())
    }

    /// Ours with options.
    pub(crate) fn ours_with(&self, options: Options) -> Ours {
        Ours { handle: self.inside(|| spawn(options)).expect("a driver") }
    }

    /// FRR's bfdd with `peers` as its configuration below `bfd`.
    pub(crate) fn bfdd(&self, peers: &str) -> Bfdd {
        let folder = tempfile::Builder::new().prefix("ferrolb-bfd-").tempdir().expect("a folder");
        // The daemons give up root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let path = folder.path().display().to_string();
        let configuration =
            format!("log file {path}/log\nlog timestamp precision 6\ndebug bfd peer\nbfd\n{peers}\n!\n");
        for (file, text) in [("zebra.conf", ""), ("vtysh.conf", ""), ("bfdd.conf", &*configuration)] {
            let file = folder.path().join(file);
            fs::write(&file, text).expect("a file");
            let owned = Command::new("chown").arg("frr:frr").arg(&file).status();
            assert!(owned.expect("coreutils are installed").success());
        }
        let zebra = self.start(
            &format!("{FRR}/zebra"),
            &format!("-f {path}/zebra.conf -z {path}/zserv --vty_socket {path} -i {path}/zebra.pid -P 0"),
        );
        let mut bfdd = Bfdd { folder, daemon: None, host: self.clone(), _zebra: zebra };
        bfdd.start();
        bfdd
    }

    /// BIRD with `bfd` inside `protocol bfd`, and whatever else.
    pub(crate) fn bird(&self, bfd: &str) -> Bird {
        let folder = tempfile::Builder::new().prefix("ferrolb-bird-").tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("bird.conf"), bird_configuration(bfd)).expect("a file");
        let arguments = format!("-f -c {path}/bird.conf -s {path}/ctl -P {path}/pid");
        let daemon = self.start("/usr/sbin/bird", &arguments);
        Bird { folder, daemon: Some(daemon), host: self.clone(), arguments }
    }
}

fn bird_configuration(bfd: &str) -> String {
    format!("router id 192.0.2.1;\nprotocol device {{}}\nprotocol bfd bfd1 {{\n{bfd}\n}}\n")
}

/// A program that is killed when dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a process");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// FRR's.
pub(crate) struct Bfdd {
    folder: TempDir,
    daemon: Option<Daemon>,
    host: Host,
    _zebra: Daemon,
}

impl Bfdd {
    /// Starts it; killed by [`crash`](Self::crash) before or not.
    pub(crate) fn start(&mut self) {
        let path = self.folder.path().display();
        let arguments = format!(
            "-f {path}/bfdd.conf -z {path}/zserv --vty_socket {path} -i {path}/bfdd.pid -P 0 --bfdctl {path}/ctl"
        );
        self.daemon = Some(self.host.start(&format!("{FRR}/bfdd"), &arguments));
    }

    pub(crate) fn crash(&mut self) {
        self.daemon = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.as_ref().expect("it runs").signal(signal);
    }

    /// What it says to commands.
    pub(crate) fn vtysh(&self, commands: &[&str]) -> String {
        let path = self.folder.path().display().to_string();
        let mut command = Command::new("vtysh");
        command.args(["--vty_socket", &path, "--config_dir", &path, "-d", "bfdd"]);
        for line in commands {
            command.args(["-c", line]);
        }
        String::from_utf8_lossy(&command.output().expect("vtysh runs").stdout).into_owned()
    }

    /// What it has written down.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Changes its only peer.
    pub(crate) fn configure(&self, peer: &str, line: &str) {
        self.vtysh(&["configure terminal", "bfd", peer, line]);
    }

    /// Waits until it says so about its peers.
    pub(crate) async fn says(&self, what: &str) {
        eventually(&format!("bfdd says {what}"), || self.vtysh(&["show bfd peers"]).contains(what)).await;
    }
}

/// BIRD.
pub(crate) struct Bird {
    folder: TempDir,
    daemon: Option<Daemon>,
    host: Host,
    arguments: String,
}

impl Bird {
    pub(crate) fn control(&self, command: &str) -> String {
        let socket = self.folder.path().join("ctl");
        let output = Command::new("birdc").arg("-s").arg(socket).args(command.split_whitespace()).output();
        String::from_utf8_lossy(&output.expect("birdc runs").stdout).into_owned()
    }

    /// Takes another configuration while it runs.
    pub(crate) fn configure(&self, bfd: &str) {
        fs::write(self.folder.path().join("bird.conf"), bird_configuration(bfd)).expect("a file");
        self.control("configure");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.as_ref().expect("it runs").signal(signal);
    }

    pub(crate) fn crash(&mut self) {
        self.daemon = None;
    }

    pub(crate) fn start(&mut self) {
        self.daemon = Some(self.host.start("/usr/sbin/bird", &self.arguments));
    }

    /// Waits until it says so about its sessions.
    pub(crate) async fn says(&self, what: &str) {
        eventually(&format!("bird says {what}"), || self.control("show bfd sessions").contains(what)).await;
    }
}

/// A running driver of ours.
pub(crate) struct Ours {
    pub(crate) handle: Handle,
}

impl Ours {
    /// Watches exactly `peer`, at this interval.
    pub(crate) fn watch(&self, peer: &Peer, interval: u64) {
        self.set(peer, config(interval));
    }

    pub(crate) fn set(&self, peer: &Peer, session: Config) {
        self.handle.set([(peer.clone(), Parameters { session, ..Parameters::default() })].into());
    }

    /// Waits for `condition`.
    pub(crate) async fn observe(&self, what: &str, condition: impl Fn(&Observed) -> bool) -> Arc<Observed> {
        let mut observed = self.handle.observed();
        let found = time::timeout(DEADLINE, observed.wait_for(|observed| condition(observed))).await;
        let found = found.unwrap_or_else(|_| panic!("did not happen: {what}: {:?}", self.handle.observed().borrow()));
        found.expect("the driver runs").clone()
    }

    /// Waits until the session with `peer` is so.
    pub(crate) async fn session(
        &self,
        peer: &Peer,
        what: &str,
        condition: impl Fn(&SessionStatus) -> bool,
    ) -> SessionStatus {
        let observed = self.observe(what, |observed| observed.sessions.get(peer).is_some_and(&condition)).await;
        observed.sessions[peer].clone()
    }

    pub(crate) async fn up(&self, peer: &Peer) -> SessionStatus {
        self.session(peer, "up", |session| session.status.state == State::Up).await
    }

    /// Waits until it has failed `failures` times.
    pub(crate) async fn failed(&self, peer: &Peer, failures: u64) -> SessionStatus {
        self.session(peer, "failed", |session| session.status.counters.failures >= failures).await
    }

    /// Waits until both ends agree on how often we send and receive, in milliseconds.
    pub(crate) async fn agreed(&self, peer: &Peer, transmit: u64, receive: u64) -> SessionStatus {
        self.session(peer, "agreed", |session| {
            session.status.negotiated.is_some_and(|negotiated| {
                negotiated.transmit_interval == Duration::from_millis(transmit)
                    && negotiated.receive_interval == Duration::from_millis(receive)
                    && !negotiated.polling
            })
        })
        .await
    }
}

/// What tests use: patient enough for a busy machine, on which daemons without real-time priority wait for their turn.
pub(crate) fn config(interval: u64) -> Config {
    let interval = Duration::from_millis(interval);
    Config { transmit_interval: interval, receive_interval: interval, detect_multiplier: 20, passive: false }
}
