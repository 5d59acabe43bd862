//! The supervisor: builds the network, starts the processes, serves the control socket.
//!
//! It runs as pid 2 of the lab, in the network namespace of the switch; see `namespaces` for how it gets there. It
//! ends when somebody asks it to or when `lab up` closes its stream; the end of the supervisor is the end of the lab.

mod announced;
mod cables;
mod cluster;
mod command;
mod daemons;
mod defaults;
mod events;
mod faults;
mod ground;
mod kubernetes;
mod manifests;
mod neighbours;
mod processes;
mod proxy;
mod routers;
mod topology;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use self::command::Runner;
use self::daemons::admin_socket;
use self::events::Events;
use self::faults::Made;
use self::ground::Ground;
use self::manifests::Manifests;
use self::processes::Processes;
use self::proxy::{Objects, Proxy};
use self::topology::Uplink;
use crate::error::{Error, chain, system};
use crate::layout::{Layout, SWITCH};
use crate::namespaces::{SOURCE_FOLDER, stream_to_holder};
use crate::protocol::{Event, HostState, Reply, Request, Setup, State};

/// How long it may take until every node's rules follow from new endpoints; the bound of a hang.
const RULES_DEADLINE: Duration = Duration::from_secs(20);

/// A lab at work.
struct Supervisor {
    setup: Setup,
    init_pid: u32,
    layout: Layout,
    runner: Runner,
    events: Arc<Events>,
    processes: Processes,
    ground: Ground,
    /// What the proxy read last.
    objects: Arc<Mutex<Objects>>,
    /// What every node's proxy rules were made from.
    in_force: watch::Receiver<Objects>,
    /// Held while a fault is made.
    one_fault: tokio::sync::Mutex<()>,
    /// What was done and not mended yet.
    made: Mutex<Made>,
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
    let layout = match &setup.cluster {
        None => Layout::new(setup.nodes, setup.family),
        Some(_) => Layout::for_cluster(setup.nodes, setup.family),
    };
    let layout = layout.with_routers(&setup.routers);
    let runner = Runner::new(&setup.lab);
    let ground = build(&setup, &layout, &runner, &events).await?;
    let objects = Arc::<Mutex<Objects>>::default();
    // In a cluster the rules are kube-proxy's own.
    let served = if setup.cluster.is_some() { Layout::new(0, setup.family) } else { layout.clone() };
    let proxy = Proxy::new(runner.clone(), Arc::clone(&events), served, ground.source(), Arc::clone(&objects));
    let supervisor = Arc::new(Supervisor {
        processes: Processes::new(runner.clone(), Arc::clone(&events)),
        ground,
        objects,
        in_force: proxy.in_force(),
        one_fault: tokio::sync::Mutex::new(()),
        made: Mutex::default(),
        end: CancellationToken::new(),
        init_pid,
        layout,
        runner,
        events,
        setup,
    });
    tokio::select! {
        biased;
        () = supervisor.end.cancelled() => Ok(()),
        result = accept(Arc::clone(&supervisor), listener) => result,
        result = proxy.run() => result.map(|never| match never {}),
        result = supervisor.ground.follow_events() => result.map(|never| match never {}),
        result = supervisor.start_everything() => result,
    }
}

/// The network, the API server where one is wanted, and the objects that a lab starts with.
async fn build(setup: &Setup, layout: &Layout, runner: &Runner, events: &Events) -> Result<Ground, Error> {
    events.progress(&format!("connecting {} nodes, a gateway and a client", setup.nodes)).await;
    let uplink = if setup.kubernetes.is_some() || setup.cluster.is_some() { Uplink::ApiServer } else { Uplink::None };
    topology::build(runner, layout, uplink).await?;
    let manifests = Manifests::new(Path::new(SOURCE_FOLDER));
    if let Some(kubernetes) = &setup.cluster {
        return Ok(Ground::Cluster(Box::new(kubernetes::prepare(kubernetes, layout, manifests).await?)));
    }
    let ground = match &setup.kubernetes {
        None => Ground::Directory(manifests),
        Some(programs) => {
            events.progress("starting etcd and kube-apiserver").await;
            let cluster = Cluster::start(programs, manifests, layout).await?;
            events.progress(&format!("the API server at {} has the CRDs and the roles", cluster.address())).await;
            Ground::Cluster(Box::new(cluster))
        }
    };
    for (name, text) in defaults::all(layout, setup.services, &setup.values) {
        ground.apply(name, &text).await?;
    }
    let (path, key) = daemons::gossip_key();
    fs::write(path, key).map_err(system("write the gossip key"))?;
    Ok(ground)
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
    /// Starts the processes and says that the lab is up; never returns when that works.
    async fn start_everything(&self) -> Result<(), Error> {
        for spec in routers::specs(&self.layout)? {
            self.processes.start(spec).await?;
        }
        if let Some(kubernetes) = &self.setup.cluster {
            self.start_kubernetes(kubernetes).await?;
            self.events.emit(Event::Ready { layout: self.layout.clone() }).await;
            return std::future::pending().await;
        }
        self.events.progress("starting processes").await;
        let backends = daemons::backends(&self.setup.lab, &self.layout);
        let origin = self.ground.origin().await?;
        let (profile, more) = (self.setup.profile.as_deref(), self.setup.speaker_flags.as_slice());
        let binaries = self.setup.binaries.as_ref();
        let daemons = binaries.map(|binaries| daemons::daemons(binaries, &self.layout, &origin, profile, more));
        for spec in backends.into_iter().chain(daemons.unwrap_or_default()) {
            self.processes.start(spec).await?;
        }
        self.events.emit(Event::Ready { layout: self.layout.clone() }).await;
        std::future::pending().await
    }

    async fn answer(&self, request: Request) -> Result<Reply, Error> {
        match request {
            Request::State => return Ok(Reply::State { state: Box::new(self.state().await?) }),
            Request::Apply { name, text } => self.ground.apply(&name, &text).await?,
            Request::Remove { name } => self.ground.remove(&name).await?,
            Request::Read { path } => return Ok(Reply::Text { text: self.ground.read(&path).await? }),
            Request::Logs { name } => return Ok(Reply::Text { text: self.log(&name)? }),
            Request::EndpointsOn { nodes } => self.endpoints_on(&nodes).await?,
            Request::Kill { node } => self.kill_node(&node).await?,
            Request::Heal { node } => self.heal_node(&node).await?,
            Request::HealAll => self.heal_all().await?,
            Request::Cut { node } => self.cut(&node, true).await?,
            Request::Uncut { node } => self.cut(&node, false).await?,
            Request::Partition { groups } => self.partition(groups).await?,
            Request::Loss { percent, node } => self.lose(percent, node.as_deref()).await?,
            Request::Pause { node } => self.pause_speaker(&node, true).await?,
            Request::Resume { node } => self.pause_speaker(&node, false).await?,
            Request::Carrier { node, carrier } => self.carrier(&node, carrier).await?,
            Request::Rename { node, interface } => self.rename(&node, &interface).await?,
            Request::ChangeMac { node, mac } => self.change_mac(&node, mac).await?,
            Request::Drain { node } => self.drain(&node, true).await?,
            Request::Undrain { node } => self.drain(&node, false).await?,
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

    /// Moves the endpoints of the services that the lab started with, and waits until every node's rules say so.
    async fn endpoints_on(&self, nodes: &[String]) -> Result<(), Error> {
        self.needs_own_objects()?;
        let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let (name, text) = defaults::endpoints_on(&self.layout, self.setup.services, &names)?;
        self.ground.apply(name, &text).await?;
        let wanted: BTreeSet<String> = nodes.iter().cloned().collect();
        let mut in_force = self.in_force.clone();
        let followed = in_force.wait_for(|objects| {
            defaults::service_keys(self.setup.services).all(|key| proxy::endpoints_are_on(objects, &key, &wanted))
        });
        let waited = timeout(RULES_DEADLINE, followed).await;
        let what = || "every node's rules follow from the endpoints".to_owned();
        // The proxy lives as long as this does.
        waited.map(drop).map_err(|_elapsed| Error::TimedOut { what: what(), after: RULES_DEADLINE })
    }

    /// Refuses what only a lab can do whose Nodes and endpoints are its own manifests.
    fn needs_own_objects(&self) -> Result<(), Error> {
        match self.setup.cluster {
            None => Ok(()),
            Some(_) => Err(Error::Refused { reason: "in a cluster that is done by kubectl".to_owned() }),
        }
    }

    /// What a process wrote; none when there is no such process.
    fn log(&self, process: &str) -> Result<Option<String>, Error> {
        let elsewhere = match &self.setup.cluster {
            Some(_) => kubernetes::has_log(process, &self.layout),
            None => self.ground.cluster().is_some_and(|cluster| cluster.runs(process)),
        };
        if elsewhere {
            return processes::read_log(process).map(Some);
        }
        self.processes.log(process)
    }

    async fn state(&self) -> Result<State, Error> {
        let links = self.runner.ip_json(SWITCH, &["link", "show"]).await?;
        let links = links.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_up = |name: &str| {
            let port = links.iter().find(|link| link.get("ifname").is_some_and(|port| port == name));
            port.and_then(|link| link.get("operstate")).is_some_and(|state| state == "UP")
        };
        let made = self.made.lock();
        let host = |host: &crate::layout::Host| HostState {
            host: made.host(host),
            link_up: is_up(&host.name),
            faults: made.at(&host.name),
        };
        Ok(State {
            name: self.setup.name.clone(),
            holder_pid: self.setup.holder_pid,
            init_pid: self.init_pid,
            family: self.layout.family(),
            hosts: self.layout.hosts().iter().map(host).collect(),
            processes: self.processes.states(),
            api_server: self.ground.cluster().map(Cluster::address),
            services: proxy::service_states(&self.objects.lock()),
        })
    }
}
