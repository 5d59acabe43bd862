//! `lab up`: the process that holds a lab.
//!
//! It makes the control socket in the caller's network namespace, starts the cradle (see `namespaces`), gives it its
//! user ids, prints what happens, and takes the lab down when it is told to end. It writes nothing to disk.

mod id_map;
mod report;

use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use self::report::{Kind, Report};
use crate::apiserver;
use crate::binaries::{self, Binaries};
use crate::cluster::{self, ProxyMode};
use crate::error::{Error, chain, system};
use crate::lab::Api;
use crate::layout::{Family, Router};
use crate::namespaces::{answer_handshake, await_handshake};
use crate::protocol::{Event, Setup};
use crate::requirements::{Missing, missing_requirements, missing_routers, needs_user_namespace, search_path};

/// How long a lab may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long the cradle may take to make its namespaces.
const CRADLE_DEADLINE: Duration = Duration::from_secs(10);

/// Who `lab up` works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person: text, ended by Ctrl-C or `lab down`.
    Person,
    /// A program: events as JSON lines, ended also by the end of standard input.
    Program,
}

/// What `lab up` was asked for.
#[derive(Debug)]
pub(crate) struct UpOptions {
    pub(crate) name: String,
    pub(crate) nodes: u8,
    pub(crate) family: Family,
    pub(crate) routers: Vec<Router>,
    pub(crate) services: u16,
    pub(crate) profile: Option<String>,
    /// More flags of the speakers.
    pub(crate) speaker_flags: Vec<String>,
    pub(crate) values: String,
    pub(crate) api: Api,
    pub(crate) with_daemons: bool,
    /// Folder of the daemons' binaries, when not that of `lab`.
    pub(crate) binaries: Option<PathBuf>,
    pub(crate) audience: Audience,
    /// A whole Kubernetes on the hosts, in the place of daemons.
    pub(crate) cluster: Option<ClusterUp>,
}

/// What more is asked for where a cluster is.
#[derive(Debug)]
pub(crate) struct ClusterUp {
    pub(crate) proxy: ProxyMode,
    /// An archive with the image, when it is not to be made of the binaries.
    pub(crate) image: Option<PathBuf>,
    /// Whether nodes have MetalLB's images as well.
    pub(crate) metallb: bool,
}

/// The address of a lab's control socket: abstract, so it leaves no file; one namespace of names per user.
pub(crate) fn control_address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("ferrolb-lab/{}/{name}", geteuid()))
}

/// Holds a lab until it ends or is told to. A program hears of a failure as an event.
pub(crate) fn up(options: &UpOptions) -> Result<u8, Error> {
    match (make_and_hold(options), options.audience) {
        (Err(error), Audience::Program) => {
            Report::new(Audience::Program, Kind::Lab, &options.name).event(&Event::Failed { reason: chain(&error) })?;
            Ok(1)
        }
        (result, _) => result,
    }
}

fn make_and_hold(options: &UpOptions) -> Result<u8, Error> {
    let missing = if options.cluster.is_some() { cluster::missing_requirements() } else { missing_requirements() };
    if let Some(missing) = missing.into_iter().next() {
        return Err(missing.into());
    }
    if let Some(missing) = missing_routers(&options.routers).into_iter().next() {
        return Err(missing.into());
    }
    let lab = binaries::lab()?;
    let address = control_address(&options.name).map_err(system("name the control socket"))?;
    let listener = UnixListener::bind_addr(&address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            Error::AlreadyUp { name: options.name.clone() }
        } else {
            system("make the control socket")(source)
        }
    })?;
    let folder = options.binaries.as_deref().or(lab.parent()).unwrap_or(Path::new("."));
    let binaries = if options.with_daemons { Some(Binaries::in_folder(folder)?) } else { None };
    let kubernetes = match options.api {
        Api::Directory => None,
        Api::Kube => Some(apiserver::available()?.ok_or(Missing::Kubernetes)?),
    };
    let cluster = options.cluster.as_ref().map(|wanted| cluster_setup(&options.name, wanted, folder)).transpose()?;
    cluster::sweep(&options.name);
    // Dropped last: it waits until the control groups are gone.
    let _guard = cluster.as_ref().map(|cluster| cluster::Guard::start(&cluster.cgroup)).transpose()?;
    let setup = Setup {
        name: options.name.clone(),
        nodes: options.nodes,
        family: options.family,
        routers: options.routers.clone(),
        services: options.services,
        profile: options.profile.clone(),
        speaker_flags: options.speaker_flags.clone(),
        values: options.values.clone(),
        kubernetes,
        cluster,
        lab: lab.clone(),
        binaries,
        holder_pid: std::process::id(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the asynchronous runtime"))?;
    runtime.block_on(hold(listener, lab, setup, options.audience))
}

fn cluster_setup(name: &str, wanted: &ClusterUp, folder: &Path) -> Result<cluster::Setup, Error> {
    let image =
        wanted.image.as_ref().map(|image| image.canonicalize().map_err(system(format!("find {}", image.display()))));
    Ok(cluster::Setup {
        programs: apiserver::cluster_programs()?.ok_or(Missing::Cluster)?,
        helm: apiserver::helm()?.ok_or(Missing::Cluster)?,
        proxy: wanted.proxy,
        cgroup: cluster::unique_name(name),
        image: image.transpose()?,
        binaries: Binaries::in_folder(folder)?,
        metallb: if wanted.metallb { Some(apiserver::metallb()?.ok_or(Missing::Cluster)?) } else { None },
    })
}

async fn hold(listener: UnixListener, lab: PathBuf, setup: Setup, audience: Audience) -> Result<u8, Error> {
    let mut orders = Orders::new(audience)?;
    let kind = if setup.cluster.is_some() { Kind::Cluster } else { Kind::Lab };
    let mut report = Report::new(audience, kind, &setup.name);
    report.event(&Event::Progress { text: "making namespaces".to_owned() })?;
    let (mut cradle, stream) = start_cradle(listener, &lab)?;
    let (reader, mut writer) = stream.into_split();
    let line = serde_json::to_string(&setup)? + "\n";
    writer.write_all(line.as_bytes()).await.map_err(system("tell the supervisor what to make"))?;

    let mut lines = BufReader::new(reader).lines();
    let mut failure = None;
    let asked_to_end = loop {
        tokio::select! {
            biased;
            () = orders.end() => break true,
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    let event = serde_json::from_str(&line)?;
                    report.event(&event)?;
                    if let Event::Failed { reason } = event {
                        failure = Some(reason);
                    }
                }
                Ok(None) | Err(_) => break false,
            }
        }
    };
    // The end of the stream is the supervisor's order to end.
    drop(writer);
    drop(lines);
    let status = end_of(&mut cradle).await?;
    match failure {
        Some(reason) => Err(Error::Ended { reason }),
        None if asked_to_end || status.success() => {
            report.down()?;
            Ok(0)
        }
        None => Err(Error::Ended { reason: format!("its supervisor ended with {status}") }),
    }
}

/// Starts the cradle and gives it its user ids. Blocking, for a moment; nothing else goes on yet. In the runtime's
/// context and on the main thread, whose end is what the cradle's death signal follows.
fn start_cradle(listener: UnixListener, lab: &PathBuf) -> Result<(Child, tokio::net::UnixStream), Error> {
    let (mut ours, theirs) = UnixStream::pair().map_err(system("make the stream to the supervisor"))?;
    let cradle = Command::new(lab)
        .arg("cradle")
        .env("PATH", search_path())
        // Ctrl-C is for this process alone; the lab ends when this one says so.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .kill_on_drop(true)
        .spawn()
        .map_err(system("start the lab's cradle"))?;
    // `Command` held the other copies of both descriptors; they are closed by now.
    ours.set_read_timeout(Some(CRADLE_DEADLINE)).map_err(system("set a deadline for the cradle"))?;
    await_handshake(&mut ours).map_err(system("wait for the lab's namespaces"))?;
    if needs_user_namespace() {
        let pid = cradle.id().ok_or_else(|| Error::Ended { reason: "the cradle ended at once".to_owned() })?;
        id_map::give_ids(pid)?;
    }
    answer_handshake(&mut ours).map_err(system("let the cradle go on"))?;
    ours.set_nonblocking(true).map_err(system("prepare the stream to the supervisor"))?;
    let stream = tokio::net::UnixStream::from_std(ours).map_err(system("prepare the stream to the supervisor"))?;
    Ok((cradle, stream))
}

/// Waits until the whole lab is gone; kills it when it does not go by itself.
async fn end_of(cradle: &mut Child) -> Result<ExitStatus, Error> {
    if let Ok(status) = timeout(GRACE, cradle.wait()).await {
        return status.map_err(system("wait for the lab's end"));
    }
    cradle.kill().await.map_err(system("kill the lab"))?;
    cradle.wait().await.map_err(system("wait for the lab's end"))
}

/// The ways to tell `lab up` to end.
struct Orders {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    stdin: Option<tokio::net::unix::pipe::Receiver>,
}

impl Orders {
    fn new(audience: Audience) -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(system("listen for signals"));
        let stdin = match audience {
            Audience::Person => None,
            Audience::Program => Some(stdin_pipe()?),
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
            stdin,
        })
    }

    /// Returns when one of them was given. Cancel-safe: each is a state, not a message.
    async fn end(&mut self) {
        let closed = async {
            match &mut self.stdin {
                Some(stdin) => while stdin.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            () = closed => {}
        }
    }
}

/// Standard input as a pipe that can be awaited.
pub(crate) fn stdin_pipe() -> Result<tokio::net::unix::pipe::Receiver, Error> {
    use std::os::fd::AsFd;
    let fd = io::stdin().as_fd().try_clone_to_owned().map_err(system("take over standard input"))?;
    tokio::net::unix::pipe::Receiver::from_owned_fd(fd).map_err(system("watch standard input, which must be a pipe"))
}
