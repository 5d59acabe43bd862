//! A switch and some hosts in network namespaces of their own, and announcers running on the hosts.

use std::fs::File;
use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use ferrolb_l2::driver::{Handle, Observed, spawn};
use ferrolb_l2::{Announcement, Config, Heard, Interface, MacAddr};
use nix::sched::{CloneFlags, setns};
use tokio::sync::mpsc;
use tokio::time;

/// Long enough for any machine: what does not happen within it never will.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `test` in an event loop, unless namespaces cannot be made.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let status = std::fs::read_to_string("/proc/self/status").expect("the own status");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("effective capabilities");
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).expect("a mask");
    let needed = (1 << 12) | (1 << 13) | (1 << 21); // NET_ADMIN, NET_RAW, SYS_ADMIN
    if capabilities & needed != needed {
        println!("skipped: making network namespaces needs root");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(test);
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("did not happen: {what}"));
}

fn command(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().expect("iproute2 and procps are installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    output
}

/// A switch to which hosts are attached. Everything is removed when it is dropped.
pub(crate) struct Lab {
    prefix: String,
    namespaces: Vec<String>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut lab = Self { prefix: format!("l2-{}-{number}", std::process::id()), namespaces: Vec::new() };
        let switch = lab.namespace("switch");
        switch.ip("link add br0 type bridge stp_state 0");
        switch.ip("link set br0 up");
        lab
    }

    fn namespace(&mut self, name: &str) -> Host {
        let namespace = format!("{}-{name}", self.prefix);
        command("ip", &["netns", "add", &namespace]);
        self.namespaces.push(namespace.clone());
        Host { namespace, port: format!("p-{name}"), mac: MacAddr::zero() }
    }

    /// A host whose `eth0` is attached to the switch. It has `address` if one is given.
    pub(crate) fn host(&mut self, name: &str, address: Option<&str>) -> Host {
        let mut host = self.namespace(name);
        self.attach(&mut host);
        if let Some(address) = address {
            host.add_address(address);
        }
        host
    }

    /// Gives `host` a new `eth0`, with a new hardware address.
    pub(crate) fn attach(&self, host: &mut Host) {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let switch = Host { namespace: format!("{}-switch", self.prefix), ..host.clone() };
        let [a, b, c, d] = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        host.mac = MacAddr(2, 0xfe, a, b, c, d);
        let Host { namespace, port, mac } = &*host;
        switch.ip(&format!("link add {port} type veth peer name eth0 address {mac} netns {namespace}"));
        switch.ip(&format!("link set {port} master br0 up"));
        host.ip("link set eth0 up");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let deleted = Command::new("ip").args(["netns", "del", namespace]).status();
            if !deleted.is_ok_and(|status| status.success()) {
                eprintln!("namespace {namespace} could not be removed");
            }
        }
    }
}

/// A network namespace.
#[derive(Clone)]
pub(crate) struct Host {
    namespace: String,
    port: String,
    pub(crate) mac: MacAddr,
}

impl Host {
    /// `ip` in this namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments.split_whitespace());
        String::from_utf8(command("ip", &all).stdout).expect("text")
    }

    /// Gives `eth0` an address that can be used at once.
    pub(crate) fn add_address(&self, address: &str) {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.ip(&format!("addr add {address} dev eth0 {nodad}"));
    }

    /// Many commands of `ip` at once.
    pub(crate) fn batch(&self, commands: &str) {
        let child = Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]).stdin(Stdio::piped()).spawn();
        let mut child = child.expect("iproute2 is installed");
        child.stdin.take().expect("piped").write_all(commands.as_bytes()).expect("ip reads");
        assert!(child.wait().expect("ip ends").success());
    }

    /// A command in this namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Plugs the cable out at the switch, or in again.
    pub(crate) fn cable(&self, lab: &Lab, state: &str) {
        command("ip", &["-n", &format!("{}-switch", lab.prefix), "link", "set", &self.port, state]);
    }

    /// Sets options of the switch's port that this host is attached to; see `bridge(8)`.
    pub(crate) fn port(&self, lab: &Lab, options: &str) {
        let switch = format!("{}-switch", lab.prefix);
        let mut all = vec!["-n", &switch, "link", "set", "dev", &self.port];
        all.extend(options.split_whitespace());
        command("bridge", &all);
    }

    /// Runs `action` on a thread in this namespace; threads it starts are in it too.
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

    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        let setting = format!("{key}={value}");
        command("ip", &["netns", "exec", &self.namespace, "sysctl", "-qw", &setting]);
    }

    /// A counter of `eth0`.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let path = format!("/sys/class/net/eth0/statistics/{name}");
        let output = command("ip", &["netns", "exec", &self.namespace, "cat", &path]);
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    }

    /// The kernel's index of `eth0`.
    pub(crate) fn index(&self) -> u32 {
        let line = self.ip("-o link show dev eth0");
        line.split(':').next().and_then(|index| index.trim().parse().ok()).expect("an index")
    }

    /// `eth0` as an announcer is told of it.
    pub(crate) fn interface(&self) -> Interface {
        Interface { name: "eth0".into(), index: self.index(), mac: self.mac, up: true, link_local: self.link_local() }
    }

    fn link_local(&self) -> Option<Ipv6Addr> {
        let addresses = self.ip("-6 -o addr show dev eth0 scope link");
        addresses.split_whitespace().find_map(|word| word.split('/').next()?.parse().ok())
    }

    /// The client's entry for `address`.
    pub(crate) fn neighbour(&self, address: impl Into<IpAddr>) -> String {
        self.ip(&format!("neigh show {} dev eth0", address.into()))
    }

    /// Whether the client believes that `address` is at `mac`.
    pub(crate) fn believes(&self, address: impl Into<IpAddr>, mac: MacAddr) -> bool {
        self.neighbour(address).contains(&mac.to_string())
    }

    /// Makes the kernel ask for each of `addresses`, by sending something to it.
    pub(crate) fn ask<T: Into<IpAddr> + Copy + Sync>(&self, addresses: &[T]) {
        self.inside(|| {
            let bind = |address| UdpSocket::bind(address).expect("a socket");
            let (v4, v6) = (bind("0.0.0.0:0"), bind("[::]:0"));
            for address in addresses {
                let address: IpAddr = (*address).into();
                let socket = if address.is_ipv4() { &v4 } else { &v6 };
                // A full neighbour queue or an earlier failure is no matter: the question is out.
                drop(socket.send_to(b"?", (address, 9)));
            }
        });
    }

    /// An announcer on `eth0`.
    pub(crate) fn announcer(&self) -> Announcer {
        self.announcer_with(Config::default())
    }

    /// One with a configuration of its own.
    pub(crate) fn announcer_with(&self, config: Config) -> Announcer {
        let (handle, heard) = self.inside(|| spawn(config)).expect("an announcer");
        handle.interfaces(vec![self.interface()]);
        Announcer { handle, heard }
    }
}

/// A running announcer.
pub(crate) struct Announcer {
    pub handle: Handle,
    heard: mpsc::Receiver<Heard>,
}

impl Announcer {
    /// Announces exactly `addresses` and waits until that is so.
    pub(crate) async fn announce<T: Into<IpAddr> + Copy>(&self, addresses: &[T]) {
        let announcement = |address: &T| Announcement::everywhere((*address).into());
        self.handle.announce(addresses.iter().map(announcement).collect());
        self.observe("announced", |observed| {
            observed.vips.len() == addresses.len() && observed.vips.values().all(|vip| vip.interfaces.contains("eth0"))
        })
        .await;
    }

    /// Waits for `condition`.
    pub(crate) async fn observe(&self, what: &str, condition: impl Fn(&Observed) -> bool) -> Arc<Observed> {
        let mut observed = self.handle.observed();
        let wait = observed.wait_for(|observed| condition(observed));
        let found = time::timeout(DEADLINE, wait).await;
        let found = found.unwrap_or_else(|_| panic!("did not happen: {what}: {:?}", self.handle.observed().borrow()));
        found.expect("the announcer runs").clone()
    }

    /// The next thing heard.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = time::timeout(DEADLINE, self.heard.recv()).await.expect("something is heard in time");
        heard.expect("the announcer runs")
    }
}
