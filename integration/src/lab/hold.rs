//! The `lab up` process that a [`Lab`](super::Lab) holds.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::binaries;
use crate::error::{Error, system};
use crate::layout::{Family, Layout, NODES_ASN, Router, routed, router_asn};
use crate::protocol::Event;

/// The values of a lab that was given none: what a legacy installation has, one pool with a range of each family.
///
/// With routers, a second pool is announced to them; a Service asks for it by the annotation `metallb.io/address-pool: routed`.
pub(crate) fn default_values(family: Family, routers: &[Router]) -> String {
    let ranges = family.of("    - 10.10.52.0/24\n", "    - fd00:10:10::52:0/112\n").concat();
    let mut text = format!(
        "configInline:\n\
         \x20 address-pools:\n\
         \x20 - name: default\n\
         \x20   protocol: layer2\n\
         \x20   addresses:\n{ranges}"
    );
    if routers.is_empty() {
        return text;
    }
    text.push_str("  - name: routed\n    protocol: bgp\n    auto-assign: false\n    addresses:\n");
    for prefix in routed(family) {
        writeln!(text, "    - {prefix}").ok();
    }
    text.push_str("  bfd-profiles:\n  - {name: fast, receive-interval: 50, transmit-interval: 50, detect-multiplier: 3}\n  peers:\n");
    let layout = Layout::new(0, family).with_routers(routers);
    for router in layout.routers() {
        for address in &router.addresses {
            let asn = router_asn(&router.name);
            writeln!(
                text,
                "  - {{my-asn: {NODES_ASN}, peer-asn: {asn}, peer-address: \"{address}\", bfd-profile: fast}}"
            )
            .ok();
        }
    }
    text
}

/// How a lab is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Name of the lab; a new one every time when not given. Labs with different names run side by side.
    pub name: Option<String>,
    /// Number of nodes, 1 to 80. Default 3.
    pub nodes: u8,
    /// Address families of hosts, pods and the service that a lab starts with. Default: IPv4.
    pub family: Family,
    /// Routers that the nodes speak BGP with: `tor-1`, `tor-2`, ... Default: none.
    pub routers: Vec<Router>,
    /// Services that a lab starts with: `default/web`, `default/web-2`, ..., all with the same endpoints. 1 to 2,000, default
    /// 1.
    pub services: u16,
    /// Gossip profile of the speakers (`--gossip-profile`). Default: theirs.
    pub profile: Option<String>,
    /// More flags of the speakers, where `{node}` stands for the node's name. Of a flag that is given twice the last
    /// counts. Default: none.
    pub speaker_flags: Vec<String>,
    /// Text of `values.yaml`. Default: one layer2 pool, 10.10.52.0/24 and fd00:10:10::52:0/112, as far as the lab has the
    /// family; with routers, a pool `routed` of 10.20.0.0/24 and fd00:10:20::/112 and peers besides.
    pub values: Option<String>,
    /// Where the daemons find their objects. Default: a directory of manifests.
    pub api: Api,
    /// Whether controller and speakers run. Default: they do.
    pub daemons: Daemons,
    /// Folder with the binaries of the daemons. Default: where `lab` is.
    pub binaries: Option<PathBuf>,
    /// Whether the lab's events are also printed to standard error. Default: they are not.
    pub echo: bool,
}

/// Where the daemons of a lab find their objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Api {
    /// In a directory of manifests.
    #[default]
    #[value(name = "dir")]
    Directory,
    /// On an API server: etcd and kube-apiserver run in the lab. [`apiserver::available`](crate::apiserver::available)
    /// says beforehand whether they can be had.
    Kube,
}

/// Whether controller and speakers run in a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Daemons {
    /// They run; their binaries lie beside `lab`.
    #[default]
    Run,
    /// Only the network, the backends and kube-proxy's rules.
    None,
}

/// A `lab up` whose standard input this process holds: when that closes, for whatever reason, the lab goes down.
#[derive(Debug)]
pub(super) struct Holder {
    process: Child,
    stdin: Option<ChildStdin>,
    history: Arc<Mutex<Vec<Event>>>,
    listener: Option<JoinHandle<()>>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            nodes: 3,
            family: Family::default(),
            routers: Vec::new(),
            services: 1,
            profile: None,
            speaker_flags: Vec::new(),
            values: None,
            api: Api::default(),
            daemons: Daemons::default(),
            binaries: None,
            echo: false,
        }
    }
}

/// A name that no other lab of this machine's user has.
pub(super) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("lab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

// === impl Holder ===

impl Holder {
    /// Starts `lab up` and waits until the lab is ready.
    pub(super) fn start(options: Options) -> Result<(String, Self, Layout), Error> {
        let name = options.name.clone().unwrap_or_else(unique_name);
        let mut command = up(binaries::lab()?, &name, &options);
        let Options { values, echo, .. } = options;
        let (holder, layout) = Self::start_command(&mut command, values, echo)?;
        Ok((name, holder, layout))
    }

    /// The same with a command line that was made elsewhere.
    pub(super) fn start_command(
        command: &mut Command,
        values: Option<String>,
        echo: bool,
    ) -> Result<(Self, Layout), Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(system("start `lab up`"))?;
        let mut stdin = process.stdin.take();
        let stdout = process.stdout.take();
        let mut holder = Self { process, stdin: None, history: Arc::default(), listener: None };
        if let (Some(stdin), Some(values)) = (&mut stdin, values) {
            let line = serde_json::to_string(&values)? + "\n";
            stdin.write_all(line.as_bytes()).map_err(system("hand over the values"))?;
        }
        holder.stdin = stdin;
        let mut lines = BufReader::new(stdout.ok_or_else(|| Error::Ended { reason: "it has no output".to_owned() })?);
        let layout = holder.await_ready(&mut lines, echo)?;
        holder.listen(lines, echo)?;
        Ok((holder, layout))
    }

    /// Closes the lab's standard input and waits until it is gone.
    pub(super) fn end(mut self) -> Result<(), Error> {
        self.finish()
    }

    pub(super) fn history(&self) -> Vec<Event> {
        self.history.lock().clone()
    }

    fn await_ready(&mut self, lines: &mut BufReader<ChildStdout>, echo: bool) -> Result<Layout, Error> {
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).map_err(system("hear from `lab up`"))? == 0 {
                return Err(Error::Ended { reason: "it was never ready".to_owned() });
            }
            let event = remember(&self.history, &line, echo)?;
            if let Event::Ready { layout } = event {
                return Ok(layout);
            }
            if let Event::Failed { reason } = event {
                return Err(Error::Ended { reason });
            }
        }
    }

    /// Reads on in the background: a lab whose events nobody reads would come to a halt.
    fn listen(&mut self, lines: BufReader<ChildStdout>, echo: bool) -> Result<(), Error> {
        let history = Arc::clone(&self.history);
        let listener = std::thread::Builder::new().name("lab-events".to_owned()).spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                // A line that cannot be read is one event less in the history.
                remember(&history, &line, echo).ok();
            }
        });
        self.listener = Some(listener.map_err(system("start the thread that hears events"))?);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.stdin = None;
        let status = self.process.wait().map_err(system("wait for the lab's end"))?;
        if let Some(listener) = self.listener.take() {
            listener.join().map_err(|_panic| Error::Ended { reason: "its listener panicked".to_owned() })?;
        }
        if status.success() { Ok(()) } else { Err(Error::Ended { reason: format!("`lab up` ended with {status}") }) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Nobody is left to tell.
        self.finish().ok();
    }
}

fn up(lab: PathBuf, name: &str, options: &Options) -> Command {
    let mut command = Command::new(lab);
    command.args(["--name", name, "up", "--managed", "--nodes"]).arg(options.nodes.to_string());
    command.args(["--family", &options.family.to_string()]);
    for router in &options.routers {
        command.args(["--router", router.name()]);
    }
    command.args(["--services", &options.services.to_string()]);
    if let Some(profile) = &options.profile {
        command.args(["--profile", profile]);
    }
    command.args(options.speaker_flags.iter().map(|flag| format!("--speaker-flag={flag}")));
    if options.values.is_some() {
        command.args(["--values", "-"]);
    }
    if options.daemons == Daemons::None {
        command.arg("--no-daemons");
    }
    if options.api == Api::Kube {
        command.args(["--api", "kube"]);
    }
    if let Some(folder) = &options.binaries {
        command.arg("--binaries").arg(folder);
    }
    command
}

#[expect(clippy::print_stderr, reason = "asked for by `Options::echo`; tests capture it")]
fn remember(history: &Mutex<Vec<Event>>, line: &str, echo: bool) -> Result<Event, Error> {
    let event: Event = serde_json::from_str(line)?;
    if echo {
        eprintln!("lab: {event}");
    }
    history.lock().push(event.clone());
    Ok(event)
}
