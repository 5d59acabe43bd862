//! The routers: each daemon of Debian with a configuration made from what a cell wants, and what it is asked about what it sees.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

mod configuration;

use crate::net::{Cable, OURS, eventually};

/// Whose daemon it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Frr,
    Bird,
    Gobgp,
    Exabgp,
    Openbgpd,
}

/// Who dials, as the router sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Active,
    Passive,
    Both,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an option of the daemons")]
/// What the router is told. AS 65000, router ID 192.0.2.2; we are AS 65001 unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    pub(crate) asn: u32,
    pub(crate) ours: u32,
    pub(crate) side: Side,
    /// The session runs over IPv6.
    pub(crate) over_ipv6: bool,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    /// IPv4 routes with IPv6 next hops.
    pub(crate) extended_next_hop: bool,
    pub(crate) password: Option<&'static str>,
    pub(crate) gtsm: bool,
    pub(crate) hold: u16,
    /// It restarts gracefully, and helps others.
    pub(crate) graceful_restart: bool,
    pub(crate) long_lived: bool,
    /// Several paths a prefix are taken.
    pub(crate) add_path: bool,
    pub(crate) four_octet_as: bool,
    /// Prefixes that it announces.
    pub(crate) announces: Vec<&'static str>,
    /// It listens to whatever router is on the interface.
    pub(crate) unnumbered: bool,
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) kind: Kind,
    children: Vec<Child>,
    folder: String,
    namespace: crate::net::Namespace,
    spec: Router,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            asn: 65000,
            ours: 65001,
            side: Side::Passive,
            over_ipv6: false,
            ipv4: true,
            ipv6: false,
            extended_next_hop: false,
            password: None,
            gtsm: false,
            hold: 90,
            graceful_restart: false,
            long_lived: false,
            add_path: false,
            four_octet_as: true,
            announces: Vec::new(),
            unnumbered: false,
        }
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Frr, Self::Bird, Self::Gobgp, Self::Exabgp, Self::Openbgpd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Frr => "FRR",
            Self::Bird => "BIRD",
            Self::Gobgp => "GoBGP",
            Self::Exabgp => "ExaBGP",
            Self::Openbgpd => "OpenBGPD",
        }
    }

    /// Its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Frr => "/usr/lib/frr/bgpd",
            Self::Bird => "/usr/sbin/bird",
            Self::Gobgp => "/usr/bin/gobgpd",
            Self::Exabgp => "/usr/sbin/exabgp",
            Self::Openbgpd => "/usr/sbin/bgpd",
        }
    }
}

impl Router {
    /// Starts a daemon that is told this, at the far end of the cable.
    pub(crate) fn start(self, kind: Kind, cable: &Cable) -> Daemon {
        let namespace = cable.b();
        let mut daemon = Daemon { kind, children: Vec::new(), folder: cable.path(""), namespace, spec: self };
        daemon.launch(cable);
        daemon
    }
}

impl Daemon {
    fn launch(&mut self, cable: &Cable) {
        let log = || File::options().create(true).append(true).open(cable.path("log")).expect("a log");
        let spawn = |program: &str, arguments: &[&str]| {
            let mut command = self.namespace.command(program);
            command.args(arguments).stdin(Stdio::null()).stdout(log()).stderr(log());
            command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
        };
        let folder = cable.path("");
        let mut children = Vec::new();
        match self.kind {
            Kind::Frr => children = self.launch_frr(cable, spawn),
            Kind::Bird => {
                let configuration = cable.write("bird.conf", &self.spec.bird());
                let (control, pid) = (cable.path("bird.ctl"), cable.path("bird.pid"));
                let mut arguments = vec!["-f", "-c", &configuration, "-s", &control, "-P", &pid];
                if fs::exists(cable.path("restarted")).unwrap_or_default() {
                    arguments.push("-R");
                }
                children.push(spawn("/usr/sbin/bird", &arguments));
            }
            Kind::Gobgp => {
                let configuration = cable.write("gobgpd.toml", &self.spec.gobgp());
                let mut arguments = vec!["-f", &configuration, "--api-hosts", "127.0.0.1:50051", "--pprof-disable"];
                if self.spec.graceful_restart && fs::exists(cable.path("restarted")).unwrap_or_default() {
                    arguments.push("-r");
                }
                children.push(spawn("/usr/bin/gobgpd", &arguments));
            }
            Kind::Exabgp => {
                // What it says goes to a file; what is written to the pipe are commands.
                let (commands, said) = (cable.path("commands"), cable.path("said"));
                if !fs::exists(&commands).unwrap_or_default() {
                    nix::unistd::mkfifo(commands.as_str(), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
                }
                cable.write("watch.sh", &format!("exec 4<&0\ncat <&4 >>{said} &\nexec 3<>{commands}\nexec cat <&3\n"));
                let configuration = cable.write("exabgp.conf", &self.spec.exabgp(&folder));
                let mut command = self.namespace.command("env");
                command.args(["exabgp.daemon.user=root", "exabgp.daemon.drop=false", "exabgp.api.ack=false"]);
                command.args([
                    "exabgp.tcp.attempts=0",
                    "exabgp.log.destination=stdout",
                    "exabgp.api.cli=false",
                    "exabgp.log.all=true",
                    "exabgp.log.level=DEBUG",
                ]);
                command.args(["exabgp.tcp.delay=0", "/usr/sbin/exabgp", &configuration]);
                command.stdin(Stdio::null()).stdout(log()).stderr(log());
                children.push(command.spawn().expect("exabgp"));
            }
            Kind::Openbgpd => {
                // Its processes live there; Debian's service makes it.
                fs::create_dir_all("/run/openbgpd").expect("its home");
                let configuration = cable.write("openbgpd.conf", &self.spec.openbgpd(&folder));
                fs::set_permissions(&configuration, fs::Permissions::from_mode(0o600)).expect("its own file");
                children.push(spawn("/usr/sbin/bgpd", &["-d", "-f", &configuration]));
            }
        }
        self.children = children;
        if self.kind == Kind::Gobgp {
            // It takes prefixes from its command only.
            for prefix in &self.spec.announces {
                let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
                let add = format!("global rib add -a {family} {prefix}");
                eventually("GoBGP takes a prefix", || self.ask(&add).trim().is_empty()).expect("GoBGP");
            }
        }
    }

    fn launch_frr(&self, cable: &Cable, spawn: impl Fn(&str, &[&str]) -> Child) -> Vec<Child> {
        let mut children = Vec::new();
        let own = cable.path("").trim_end_matches('/').to_owned();
        cable.write("vtysh.conf", "");
        let configuration = cable.write("bgpd.conf", &self.spec.frr());
        let zserv = cable.path("zserv");
        let shared = ["--vty_socket", &own, "-P", "0", "-z", &zserv, "--log", "stdout"];
        let (zebra, bgpd) = (cable.path("zebra.pid"), cable.path("bgpd.pid"));
        let empty = cable.write("zebra.conf", "");
        // Its daemons work as a user of their own, who has to read and write there.
        let user = nix::unistd::User::from_name("frr").ok().flatten().expect("FRR's user");
        for path in [&own, &empty, &configuration] {
            nix::unistd::chown(path.as_str(), Some(user.uid), Some(user.gid)).expect("a file for FRR");
        }
        if self.spec.unnumbered || self.spec.ipv6 || self.spec.extended_next_hop {
            let more = ["-f", &empty, "-i", &zebra];
            children.push(spawn("/usr/lib/frr/zebra", &[&shared[..], &more].concat()));
            eventually("zebra listens", || fs::exists(&zserv).unwrap_or_default()).expect("zebra");
        }
        let mut more = vec!["-f", &configuration, "-i", &bgpd];
        if children.is_empty() {
            more.push("-Z");
        }
        children.push(spawn("/usr/lib/frr/bgpd", &[&shared[..], &more].concat()));
        children
    }

    /// Output of a command of the daemon.
    pub(crate) fn ask(&self, command: &str) -> String {
        let own = self.folder.trim_end_matches('/');
        let (program, mut arguments) = match self.kind {
            Kind::Frr => ("vtysh", vec!["--vty_socket", own, "--config_dir", own, "-c"]),
            Kind::Bird => ("birdc", vec!["-s"]),
            Kind::Gobgp => ("gobgp", Vec::new()),
            Kind::Openbgpd => ("bgpctl", vec!["-s"]),
            Kind::Exabgp => {
                use std::io::Write as _;
                let mut pipe = File::options().write(true).open(format!("{own}/commands")).expect("the pipe");
                writeln!(pipe, "{command}").expect("a command");
                return String::new();
            }
        };
        let (bird, control) = (format!("{own}/bird.ctl"), format!("{own}/control"));
        match self.kind {
            Kind::Frr => arguments.push(command),
            Kind::Bird => arguments.extend([bird.as_str()].into_iter().chain(command.split(' '))),
            Kind::Openbgpd => arguments.extend([control.as_str()].into_iter().chain(command.split(' '))),
            Kind::Gobgp | Kind::Exabgp => arguments.extend(command.split(' ')),
        }
        let output = self.namespace.command(program).args(&arguments).stdin(Stdio::null()).output().expect(program);
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Whether it knows that the session is down.
    pub(crate) fn is_down(&self) -> bool {
        let (command, up) = match self.kind {
            Kind::Frr => ("show bgp neighbors", "BGP state = Established"),
            Kind::Bird => ("show protocols p", "Established"),
            Kind::Gobgp => ("neighbor", "Establ"),
            Kind::Openbgpd => ("show neighbor 192.0.2.1", "BGP state = Established"),
            Kind::Exabgp => {
                return self
                    .said()
                    .lines()
                    .rfind(|line| line.contains("\"state\""))
                    .is_some_and(|line| line.contains("down"));
            }
        };
        let answer = self.ask(command);
        !answer.is_empty() && !answer.contains(up)
    }

    /// Changes the configuration of a running FRR.
    pub(crate) fn tell(&self, lines: &str) {
        let own = self.folder.trim_end_matches('/');
        let mut command = self.namespace.command("vtysh");
        command.args(["--vty_socket", own, "--config_dir", own, "-c", "configure terminal"]);
        for line in lines.lines() {
            command.args(["-c", line]);
        }
        let output = command.stdin(Stdio::null()).output().expect("vtysh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// What it knows of a prefix: text in its own words, empty when it has no route.
    pub(crate) fn route(&self, prefix: &str) -> String {
        let ipv6 = prefix.contains(':');
        match self.kind {
            Kind::Frr => {
                let family = if ipv6 { "ipv6" } else { "ipv4" };
                let text = self.ask(&format!("show bgp {family} unicast {prefix}"));
                if text.contains("Paths:") { text } else { String::new() }
            }
            Kind::Bird => {
                let text = self.ask(&format!("show route {prefix} all protocol p"));
                if text.contains(prefix) { text } else { String::new() }
            }
            Kind::Gobgp => {
                let family = if ipv6 { "ipv6" } else { "ipv4" };
                let text = self.ask(&format!("global rib -a {family} {prefix}"));
                if text.contains("not in table") || !text.contains(prefix) { String::new() } else { text }
            }
            Kind::Openbgpd => {
                let text = self.ask(&format!("show rib detail {prefix}"));
                if text.contains(prefix) { text } else { String::new() }
            }
            Kind::Exabgp => self.exabgp_route(prefix),
        }
    }

    /// The last thing that was said of a prefix, unless it was that it is withdrawn or that the session went down.
    fn exabgp_route(&self, prefix: &str) -> String {
        let said = self.said();
        let named = format!("\"nlri\": \"{prefix}\"");
        let last = said.lines().rfind(|line| line.contains(&named) || line.contains("\"state\": \"down\""));
        match last {
            Some(line) if line.contains("\"announce\"") => line.to_owned(),
            _ => String::new(),
        }
    }

    /// All that ExaBGP said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(format!("{}said", self.folder)).unwrap_or_default()
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(format!("{}log", self.folder)).unwrap_or_default()
    }

    /// Gives a running daemon another key.
    pub(crate) fn change_password(&mut self, cable: &Cable, password: &'static str) {
        self.spec.password = Some(password);
        match self.kind {
            Kind::Frr => self.tell(&format!("router bgp {}\nneighbor {OURS} password {password}\n", self.spec.asn)),
            Kind::Bird => {
                cable.write("bird.conf", &self.spec.bird());
                self.ask("configure");
            }
            Kind::Gobgp | Kind::Exabgp | Kind::Openbgpd => panic!("its key stays"),
        }
    }

    /// Stops it without a word, as a crash.
    pub(crate) fn kill(&mut self) {
        for child in &mut self.children {
            // `ip netns exec` becomes the daemon; its children, if any, end with it.
            for pid in descendants(child.id()) {
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
            }
            child.kill().ok();
            child.wait().ok();
        }
        self.children.clear();
        for file in ["zserv", "bird.ctl", "control"] {
            fs::remove_file(format!("{}{file}", self.folder)).ok();
        }
    }

    /// Starts it again, as after a restart.
    pub(crate) fn start_again(&mut self, cable: &Cable) {
        cable.write("restarted", "");
        self.launch(cable);
    }

    /// The processes are stopped: they neither read nor write.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { nix::sys::signal::Signal::SIGSTOP } else { nix::sys::signal::Signal::SIGCONT };
        for child in &self.children {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
            for pid in descendants(child.id()).into_iter().chain([pid]) {
                nix::sys::signal::kill(pid, signal).ok();
            }
        }
    }
}

/// Processes that a process started.
fn descendants(parent: u32) -> Vec<nix::unistd::Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(nix::unistd::Pid::from_raw).collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for child in &self.children {
            // Daemons with several processes end the others when they are asked to end.
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
        }
        let children = &mut self.children;
        let ended = eventually("the daemon ends", || {
            children.iter_mut().all(|child| child.try_wait().is_ok_and(|status| status.is_some()))
        });
        if ended.is_err() {
            eprintln!("{} did not end by itself", self.kind.name());
            for child in children {
                child.kill().ok();
                child.wait().ok();
            }
        }
    }
}
