//! A speaker to try things with: a few peers, prefixes from a file, commands from standard input.
//!
//! ```text
//! speak --asn 65001 --router-id 192.0.2.1 --peer 192.0.2.2=65000 [--peer ...] [--passive | --both] [--prefixes FILE]
//!       [--listen PORT] [--commands FIFO]
//! ```
//!
//! Commands, one a line: `announce` (all prefixes of the file), `withdraw` (all), `count N` (the first N), `status`, `quit`. It
//! begins with all announced. `RUST_LOG=debug` shows every message but UPDATEs. With `--commands` they come from a pipe, which is opened again when its writer closes it.
#![expect(clippy::print_stdout, reason = "what a person asked for goes to standard output")]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ferrolb_bgp::driver::{self, Handle, PeerConfig, Remote, Transport};
use ferrolb_bgp::rib::{PeerName, Policy, Route, RouteSet};
use ferrolb_bgp::session::{self, Mode, RemoteAs, Stop};
use ipnet::IpNet;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// What was asked for.
struct Options {
    asn: u32,
    router_id: Ipv4Addr,
    peers: Vec<(IpAddr, u32)>,
    mode: Mode,
    prefixes: Vec<IpNet>,
    listen: u16,
    commands: Option<String>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            asn: 65001,
            router_id: Ipv4Addr::new(192, 0, 2, 1),
            peers: Vec::new(),
            mode: Mode::Active,
            prefixes: Vec::new(),
            listen: driver::PORT,
            commands: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--asn" => options.asn = value()?.parse()?,
                "--router-id" => options.router_id = value()?.parse()?,
                "--peer" => {
                    let value = value()?;
                    let (address, asn) = value.split_once('=').ok_or("--peer wants ADDRESS=ASN")?;
                    options.peers.push((address.parse()?, asn.parse()?));
                }
                "--passive" => options.mode = Mode::Passive,
                "--both" => options.mode = Mode::Both,
                "--listen" => options.listen = value()?.parse()?,
                "--commands" => options.commands = Some(value()?),
                "--prefixes" => {
                    let text = std::fs::read_to_string(value()?)?;
                    options.prefixes = text.lines().map(str::parse).collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("unknown argument {argument}").into()),
            }
        }
        Ok(options)
    }

    fn peers(&self) -> Vec<PeerConfig> {
        let peer = |(address, asn): &(IpAddr, u32)| {
            let mut config = session::Config::new(self.asn, RemoteAs::Exactly(*asn), self.router_id);
            config.mode = self.mode;
            PeerConfig {
                name: address.to_string().into(),
                transport: Transport::new(Remote::Address(*address)),
                session: Arc::new(config),
                policy: Policy::default(),
                disabled: None,
            }
        };
        self.peers.iter().map(peer).collect()
    }

    /// The first so many prefixes, for every peer.
    fn routes(&self, count: usize) -> BTreeMap<PeerName, Arc<RouteSet>> {
        let route = Arc::new(Route::default());
        let set: RouteSet = self.prefixes.iter().take(count).map(|prefix| (*prefix, Arc::clone(&route))).collect();
        let set = Arc::new(set);
        self.peers.iter().map(|(address, _)| (address.to_string().into(), Arc::clone(&set))).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let log = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    log.with_writer(std::io::stderr).init();
    let options = Options::parse()?;
    let handle = driver::spawn(driver::Config { listen_port: options.listen, ..driver::Config::default() })?;
    handle.set(options.peers(), options.routes(usize::MAX));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(obey(&options, handle))
}

async fn obey(options: &Options, handle: Handle) -> Result<(), Box<dyn Error>> {
    loop {
        let input: Box<dyn tokio::io::AsyncRead + Unpin> = match &options.commands {
            Some(pipe) => Box::new(File::open(pipe).await?),
            None => Box::new(tokio::io::stdin()),
        };
        let mut lines = BufReader::new(input).lines();
        while let Some(line) = lines.next_line().await? {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["announce"] => handle.set(options.peers(), options.routes(usize::MAX)),
                ["withdraw"] => handle.set(options.peers(), options.routes(0)),
                ["count", count] => handle.set(options.peers(), options.routes(count.parse()?)),
                ["status"] => show(&handle),
                ["quit"] => {
                    handle.shutdown(Stop::Drained { text: "bye".to_owned() }).await;
                    return Ok(());
                }
                _ => println!("unknown command {line}"),
            }
        }
        if options.commands.is_none() {
            handle.shutdown(Stop::Drained { text: "bye".to_owned() }).await;
            return Ok(());
        }
    }
}

fn show(handle: &Handle) {
    for (name, peer) in &handle.status().borrow().peers {
        let error = peer.session.last_error.as_ref().map(|error| error.reason.to_string()).unwrap_or_default();
        println!(
            "{name} {} sent {:?} received {:?} {error}",
            peer.session.state, peer.routes.sent, peer.routes.received
        );
    }
}
