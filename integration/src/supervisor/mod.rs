//! The supervisor: builds the network, starts the processes, serves the control socket.
//!
//! It runs as pid 2 of the lab, in the network namespace of the switch; see `namespaces` for how it gets there. It
//! ends when somebody asks it to or when `lab up` closes its stream; the end of the supervisor is the end of the lab.

mod announced;
mod command;
mod daemons;
mod events;
mod faults;
mod manifests;
mod neighbours;
mod processes;
mod proxy;
mod topology;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::geteuid;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::command::Runner;
use self::daemons::admin_socket;
use self::events::Events;
use self::manifests::Manifests;
use self::processes::Processes;
use self::proxy::{Objects, Proxy};
use crate::error::{Error, chain, system};
use crate::layout::{Layout, SWITCH};
use crate::namespaces::{SOURCE_FOLDER, stream_to_holder};
use crate::protocol::{Event, HostState, Reply, Request, Setup, State};

/// A lab at work.
struct Supervisor {
    setup: Setup,
    init_pid: u32,
    layout: Layout,
    runner: Runner,
    events: Arc<Events>,
    processes: Processes,
    manifests: Manifests,
    /// What the proxy read last.
    objects: Arc<Mutex<Objects>>,
    /// Held while a fault is made.
    faults: tokio::sync::Mutex<()>,
    end: CancellationToken,
}

/// The hidden verb `supervise`.
pub(crate) fn supervise(init_pid: u32) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the asynchronous runtime"))?;
    runtime.block_on(serve(init_pid))
}

async fn serve(init_pid: u32) -> Result<u8, Error> {
    let listener = io::stdin().as_fd().try_clone_to_owned().map_err(system("take over the control socket"))?;
    let listener = std::os::unix::net::UnixListener::from(listener);
    listener.set_nonblocking(true).map_err(system("prepare the control socket"))?;
    let listener = UnixListener::from_std(listener).map_err(system("prepare the control socket"))?;
    let stream = stream_to_holder()?;
    stream.set_nonblocking(true).map_err(system("prepare the stream to `lab up`"))?;
    let (reader, writer) = UnixStream::from_std(stream).map_err(system("prepare the stream to `lab up`"))?.into_split();
    let events = Arc::new(Events::new(writer));
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await.map_err(system("hear what to make"))?;
    let setup: Setup = serde_json::from_str(&line)?;

    let result = tokio::select! {
        biased;
        () = holder_gone(reader) => return Ok(0),
        result = run(setup, init_pid, listener, Arc::clone(&events)) => result,
    };
    match result {
        Ok(()) => Ok(0),
        Err(error) => {
            events.emit(Event::Failed { reason: chain(&error) }).await;
            Ok(1)
        }
    }
}

/// Returns when `lab up` has ended or wants the lab to: it says nothing after the setup.
async fn holder_gone(mut stream: BufReader<OwnedReadHalf>) {
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
        line.clear();
    }
}

async fn run(setup: Setup, init_pid: u32, listener: UnixListener, events: Arc<Events>) -> Result<(), Error> {
    let layout = Layout::new(setup.nodes);
    let runner = Runner::new(&setup.lab);
    let objects = Arc::<Mutex<Objects>>::default();
    let supervisor = Arc::new(Supervisor {
        processes: Processes::new(runner.clone(), Arc::clone(&events)),
        manifests: Manifests::new(Path::new(SOURCE_FOLDER)),
        objects: Arc::clone(&objects),
        faults: tokio::sync::Mutex::new(()),
        end: CancellationToken::new(),
        init_pid,
        layout: layout.clone(),
        runner: runner.clone(),
        events: Arc::clone(&events),
        setup,
    });
    supervisor.build().await?;
    let proxy = Proxy::new(runner, events, layout, Path::new(SOURCE_FOLDER), objects);
    tokio::select! {
        biased;
        () = supervisor.end.cancelled() => Ok(()),
        result = accept(Arc::clone(&supervisor), listener) => result,
        result = proxy.run() => match result {
            Ok(never) => match never {},
            Err(error) => Err(system("follow the manifest directory")(io::Error::other(error))),
        },
        result = supervisor.start_everything() => result,
    }
}

/// Answers whoever connects; requests of one moment run side by side.
async fn accept(supervisor: Arc<Supervisor>, listener: UnixListener) -> Result<(), Error> {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.map_err(system("accept a control connection"))?;
                // The address is open to every user of the machine.
                if stream.peer_cred().is_ok_and(|peer| peer.uid() == geteuid().as_raw()) {
                    conversations.spawn(converse(Arc::clone(&supervisor), stream));
                }
            }
            Some(_) = conversations.join_next() => {}
        }
    }
}

/// One request, one reply. A caller that hangs up early gets none; what it asked for is done all the same.
async fn converse(supervisor: Arc<Supervisor>, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    if !BufReader::new(reader).read_line(&mut line).await.is_ok_and(|count| count > 0) {
        return;
    }
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            supervisor.answer(request).await.unwrap_or_else(|error| Reply::Refused { reason: chain(&error) })
        }
        Err(error) => Reply::Refused { reason: format!("the request cannot be read: {error}") },
    };
    let ends = matches!(serde_json::from_str(&line), Ok(Request::Down));
    if let Ok(text) = serde_json::to_string(&reply) {
        writer.write_all((text + "\n").as_bytes()).await.ok();
    }
    if ends {
        supervisor.end.cancel();
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// The network and the manifests.
    async fn build(&self) -> Result<(), Error> {
        self.events.progress(&format!("connecting {} nodes, a gateway and a client", self.setup.nodes)).await;
        topology::build(&self.runner, &self.layout).await?;
        self.manifests.write_defaults(&self.layout, &self.setup.values)?;
        let (path, key) = daemons::gossip_key();
        fs::write(path, key).map_err(system("write the gossip key"))
    }

    /// Starts the processes and says that the lab is up; never returns when that works.
    async fn start_everything(&self) -> Result<(), Error> {
        self.events.progress("starting processes").await;
        let backends = daemons::backends(&self.setup.lab, &self.layout);
        let daemons = self.setup.binaries.as_ref().map(|binaries| daemons::daemons(binaries, &self.layout));
        for spec in backends.into_iter().chain(daemons.unwrap_or_default()) {
            self.processes.start(spec).await?;
        }
        self.events.emit(Event::Ready { layout: self.layout.clone() }).await;
        std::future::pending().await
    }

    async fn answer(&self, request: Request) -> Result<Reply, Error> {
        match request {
            Request::State => return Ok(Reply::State { state: Box::new(self.state().await?) }),
            Request::Apply { name, text } => self.manifests.apply(&name, &text)?,
            Request::Remove { name } => self.manifests.remove(&name)?,
            Request::Read { path } => return Ok(Reply::Text { text: self.manifests.read(&path)? }),
            Request::Logs { name } => return Ok(Reply::Text { text: self.processes.log(&name)? }),
            Request::EndpointsOn { nodes } => {
                let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
                self.manifests.endpoints_on(&self.layout, &nodes)?;
            }
            Request::Kill { node } => self.kill_node(&node).await?,
            Request::Heal { node } => self.heal_node(&node).await?,
            Request::Stop { node } => return Ok(Reply::Stopped { stopped: self.stop_speaker(&node).await? }),
            Request::Start { node } => self.start_speaker(&node).await?,
            Request::RestartController => self.restart_controller().await?,
            Request::ClientArp { address } => {
                return Ok(Reply::Mac { mac: neighbours::entry(&self.runner, "client", address).await? });
            }
            // Asked by the gateway: the client's own table stays as it is.
            Request::Owner { address } => {
                return Ok(Reply::Mac { mac: neighbours::resolve(&self.runner, "gateway", address).await? });
            }
            Request::Announced => {
                let cli = self.setup.binaries.as_ref().map(|binaries| binaries.cli.as_path());
                let announced = match cli {
                    Some(cli) => announced::ask(cli, &self.layout).await,
                    None => Vec::new(),
                };
                return Ok(Reply::Announced { announced });
            }
            Request::Down => self.events.progress("going down").await,
        }
        Ok(Reply::Done)
    }

    async fn state(&self) -> Result<State, Error> {
        let links = self.runner.ip_json(SWITCH, &["link", "show"]).await?;
        let links = links.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_up = |name: &str| {
            let port = links.iter().find(|link| link.get("ifname").is_some_and(|port| port == name));
            port.and_then(|link| link.get("operstate")).is_some_and(|state| state == "UP")
        };
        let host = |host: &crate::layout::Host| HostState { host: host.clone(), link_up: is_up(&host.name) };
        Ok(State {
            name: self.setup.name.clone(),
            holder_pid: self.setup.holder_pid,
            init_pid: self.init_pid,
            hosts: self.layout.hosts().iter().map(host).collect(),
            processes: self.processes.states(),
            services: proxy::service_states(&self.objects.lock()),
        })
    }
}
