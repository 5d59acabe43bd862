//! A process that is stopped and goes on (`SIGSTOP`, `SIGCONT`) does not answer what was asked meanwhile.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use ferrolb_l2::driver::spawn;
use ferrolb_l2::{Announcement, Config, Interface, MacAddr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Host, Lab, eventually, run};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

/// Less than the three seconds after which the client's kernel gives up asking, more than a busy machine delays a thread
/// for. Should it do so nevertheless, that is confirmed like the other.
const TOLERANCE: Duration = Duration::from_secs(1);

/// What the process under test says is marked so that it can be told from the harness's words.
const MARK: &str = "announcer:";

/// Tells the process under test which interface is its own.
const INTERFACE: &str = "FERROLB_TEST_INTERFACE";

/// The process under test: announces and tells how it is, line by line, whenever it is asked to.
#[test]
#[ignore = "the process that another test starts and stops"]
fn process_under_test() {
    let described = std::env::var(INTERFACE).expect("started by the other test");
    let (index, mac) = described.split_once(' ').expect("index and address");
    let (index, mac) = (index.parse().expect("an index"), mac.parse::<MacAddr>().expect("an address"));
    let config = Config { stall_tolerance: Some(TOLERANCE), ..Config::default() };
    let (handle, _heard) = spawn(config).expect("an announcer");
    handle.interfaces(vec![Interface { name: "eth0".into(), index, mac, up: true, link_local: None }]);
    handle.announce(vec![Announcement::everywhere(VIP.into())]);
    let observed = handle.observed();
    for line in std::io::stdin().lines() {
        match line.expect("a line").as_str() {
            "confirm" => {
                let stalls = observed.borrow().stalls;
                handle.confirm(stalls);
            }
            // As somebody would who has not heard of the standstill.
            "announce" => handle.announce(vec![Announcement::everywhere(VIP.into())]),
            _ => {}
        }
        let observed = observed.borrow();
        let vip = observed.vips.get(&IpAddr::V4(VIP)).cloned().unwrap_or_default();
        println!("{MARK} {} {} {}", observed.stalls, observed.stalled, !vip.interfaces.is_empty());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    stalls: u64,
    stalled: bool,
    announced: bool,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(host: &Host) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut child = host
            .command(this.to_str().expect("a path"))
            .args(["--exact", "stall::process_under_test", "--ignored", "--nocapture"])
            .env(INTERFACE, format!("{} {}", host.index(), host.mac))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, input, output }
    }

    fn tell(&mut self, command: &str) -> State {
        writeln!(self.input, "{command}").expect("it reads");
        let said = self.output.find_map(|line| line.expect("text").split_once(MARK).map(|(_, said)| said.to_owned()));
        let said = said.expect("it lives");
        let words: Vec<&str> = said.split_whitespace().collect();
        let [stalls, stalled, announced] = words[..] else { panic!("{said}") };
        State { stalls: stalls.parse().expect("a number"), stalled: stalled == "true", announced: announced == "true" }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("it lives");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            eprintln!("the process under test could not be ended: {error}");
        }
    }
}

#[test]
fn process_that_was_stopped_answers_nothing_until_ownership_is_confirmed() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some("192.0.2.3/24"));
        let mut process = Process::start(&host);
        eventually("announced", || process.tell("confirm").announced).await;
        client.ask(&[VIP]);
        eventually("answered", || client.believes(VIP, host.mac)).await;

        let before = process.tell("").stalls;
        process.signal(Signal::SIGSTOP);
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("nobody answers", || client.neighbour(VIP).contains("FAILED")).await;
        process.signal(Signal::SIGCONT);
        eventually("the standstill is noticed", || process.tell("").stalls > before).await;
        let state = process.tell("announce");
        assert!(state.stalled && !state.announced, "{state:?}");
        // The questions that waited were thrown away before the standstill was told of: an answer would be here.
        assert!(!client.believes(VIP, host.mac));

        // A question from after the standstill is not answered either.
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("nobody answers yet", || client.neighbour(VIP).contains("FAILED")).await;
        let state = process.tell("");
        assert!(state.stalled && !state.announced, "{state:?}");

        eventually("announced again", || process.tell("confirm").announced).await;
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("answered again", || client.believes(VIP, host.mac)).await;
    });
}
