//! The local admin socket: one JSON line asks, one JSON line answers. Mode 0600: whoever may read it is root already.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_config::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::plan::Verdict;

/// Where the socket is unless told otherwise.
pub const DEFAULT_PATH: &str = "/run/ferrolb/speaker.sock";
/// Questions that wait; an asker beyond them waits at the socket.
const PENDING: usize = 16;
/// Clients at a time; more wait to be let in.
const CLIENTS: usize = 32;
/// A speaker that listens takes a connection by then, if it is not overrun.
const PROBE_WITHIN: Duration = Duration::from_millis(500);
/// A client that has not asked by then is cut off.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// No question is longer.
const LONGEST_QUESTION: u64 = 4096;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub enum Question {
    /// [`Status`].
    Status,
    /// Only the members of it.
    Members,
    /// [`Layer2`].
    Layer2,
    /// [`Bgp`].
    Bgp,
    /// A list of [`BgpRoute`]: what a BGP peer has been told, or tells.
    BgpRoutes {
        /// Its name, as in the configuration.
        peer: String,
        /// Which way.
        direction: Direction,
    },
    /// [`Explanation`](crate::plan::Explanation) of a Service.
    Explain {
        /// `namespace/name`.
        service: String,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// As asked.
    Ok(Value),
    /// Why there is none.
    Error(String),
}

/// How this speaker is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// This node.
    pub node: String,
    /// The speaker's version.
    pub version: &'static str,
    /// Whether it knows enough to take part.
    pub ready: bool,
    /// Whether the newest configuration is not the one in force.
    pub config_stale: bool,
    /// What is wrong with the newest configuration.
    pub problems: Vec<Problem>,
    /// Living members.
    pub members: Vec<Member>,
    /// Every address of every Service that is ours.
    pub services: Vec<Verdict>,
    /// Every interface, and whether it announces.
    pub interfaces: Vec<Interface>,
}

/// A living member.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Node name.
    pub name: String,
    /// Where it gossips.
    pub address: String,
    /// When it was started.
    pub started: String,
    /// How often it was taken for dead since then and was not.
    pub rejoins: u32,
    /// How many addresses it owns.
    pub owns: usize,
    /// Whether this is the node that answers.
    pub me: bool,
    /// The version of its program; `None`: it has told nothing about itself.
    pub version: Option<String>,
    /// The interfaces that it can announce on; `None`: it has told nothing about itself.
    pub interfaces: Option<Vec<String>>,
    /// Whether it says that it is being emptied.
    pub draining: bool,
    /// Whether it was declared down again and again lately.
    pub flapping: bool,
}

/// Which way routes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// To the peer: Adj-RIB-Out.
    Advertised,
    /// From the peer: Adj-RIB-In.
    Received,
}

/// BGP and BFD of this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bgp {
    /// This node.
    pub node: String,
    /// Every peer that this node has a session with, or should.
    pub peers: Vec<BgpPeer>,
    /// Sockets that listen, and what is wrong with those that do not.
    pub listeners: Vec<BgpListener>,
    /// Connections from addresses that are no peer's.
    pub unknown_sources: u64,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpPeer {
    /// Its name in the configuration.
    pub name: String,
    /// `ADDRESS:PORT`, or `INTERFACE:PORT` of an unnumbered one.
    pub remote: String,
    /// The AS that it is in: as it says, else as configured.
    pub asn: Option<u32>,
    /// The AS that it sees.
    pub local_asn: u32,
    /// Idle, Connect, Active, OpenSent, OpenConfirm or Established.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How often it was established.
    pub established: u64,
    /// What went wrong last; it stays when the session is up again.
    pub last_error: Option<String>,
    /// When that was, RFC 3339.
    pub last_error_at: Option<String>,
    /// What keeps it from being tried at present.
    pub problem: Option<String>,
    /// What was agreed on, while it is up.
    pub session: Option<BgpSession>,
    /// By family.
    pub families: Vec<BgpFamily>,
    /// Messages of all kinds since the speaker was started, sent and received.
    pub messages: (u64, u64),
    /// The BFD session that watches it.
    pub bfd: Option<BfdSession>,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpSession {
    /// Our end.
    pub local: String,
    /// The peer's end.
    pub remote: String,
    /// Our BGP Identifier.
    pub router_id: String,
    /// The peer's.
    pub peer_router_id: String,
    /// The peer's name as it says.
    pub host: Option<String>,
    /// Seconds; 0: none.
    pub hold_time: u64,
    /// What both can do, in the usual words.
    pub capabilities: Vec<String>,
}

/// One family of routes in a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpFamily {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Prefixes that the peer shall be told.
    pub desired: usize,
    /// Prefixes that it has been told.
    pub sent: usize,
    /// Prefixes that it tells.
    pub received: usize,
    /// Why it is not told what it shall be told.
    pub unsent: Option<String>,
}

/// A BFD session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BfdSession {
    /// Up, Down, Init or AdminDown.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Why it is not up, or was not last time.
    pub cause: Option<String>,
    /// Milliseconds after which a silent peer is gone; `None` while it is not heard.
    pub detection_ms: Option<u64>,
    /// What keeps it from sending or receiving.
    pub problem: Option<String>,
}

/// A socket that listens for peers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpListener {
    /// Its port.
    pub port: u16,
    /// The device that it is bound to.
    pub device: Option<String>,
    /// Why it could not be opened; it is tried again.
    pub error: Option<String>,
}

/// A route that a peer has been told, or tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpRoute {
    /// The prefix.
    pub prefix: String,
    /// Path identifier (RFC 7911); 0 without.
    pub path_id: u32,
    /// Where packets go.
    pub next_hop: String,
    /// The ASes, the last first.
    pub as_path: String,
    /// `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// LOCAL_PREF; within an AS.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Standard, extended and large communities.
    pub communities: Vec<String>,
    /// What else there is to say: `best`, `stale`, or why it is not taken.
    pub remarks: Vec<String>,
}

/// What is announced here by ARP and NDP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer2 {
    /// This node.
    pub node: String,
    /// Every address that is to be announced from here.
    pub addresses: Vec<Address>,
    /// Addresses that strangers hold.
    pub in_use: Vec<InUse>,
    /// Every interface, and whether it announces.
    pub interfaces: Vec<Interface>,
    /// Whether nothing is announced because this process stood still and does not know yet what is still its own.
    pub stalled: bool,
    /// Settings of the kernel with which addresses are not reached, or are announced by the wrong node.
    pub conditions: Vec<Condition>,
}

/// A setting that should be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The interface that it concerns.
    pub interface: String,
    /// A word for it.
    pub kind: String,
    /// What follows from it, and the remedy.
    pub message: String,
}

/// An address that is to be announced from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The Services it is announced for, as `namespace/name`.
    pub services: Vec<String>,
    /// The interfaces that it is really announced on.
    pub interfaces: Vec<String>,
    /// Questions for it.
    pub requests_received: u64,
    /// Answers.
    pub responses_sent: u64,
    /// Gratuitous frames.
    pub gratuitous_sent: u64,
    /// Requests to gateways.
    pub gateway_sent: u64,
    /// Frames that could not be sent.
    pub dropped: u64,
    /// Frames by which somebody else claimed it.
    pub conflicts: u64,
}

/// An address that a stranger holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InUse {
    /// The address.
    pub address: IpAddr,
    /// Who answers for it.
    pub mac: String,
    /// Where.
    pub interface: String,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: String,
    /// Whether addresses are announced on it.
    pub announces: bool,
    /// Why not, where not.
    pub reason: String,
}

/// The socket cannot be had.
#[derive(Debug, Error)]
#[error("admin socket {path}: {what}; choose another with --admin-socket", path = .path.display())]
pub struct AdminError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

/// A question and where its answer goes.
pub type Asked = (Question, oneshot::Sender<Answer>);

/// Listens until `shutdown`. What a dead process left behind is replaced; a living one is left alone. Whoever may not use
/// the socket never sees it: it takes its place when its mode is set.
///
/// # Errors
/// Somebody listens there, or the place cannot be written.
pub async fn listen(
    path: &Path,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<mpsc::Receiver<Asked>, AdminError> {
    let failed = |what| move |source| AdminError { path: path.to_owned(), what, source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("its folder cannot be made"))?;
    }
    // One that is too busy to take us in lives, too.
    let probe = tokio::time::timeout(PROBE_WITHIN, UnixStream::connect(path)).await;
    if !matches!(probe, Ok(Err(_))) {
        let source = io::Error::from(io::ErrorKind::AddrInUse);
        return Err(failed("another speaker listens there")(source));
    }
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    drop(fs::remove_file(&new));
    let listener = UnixListener::bind(&new).map_err(failed("cannot be listened on"))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).map_err(failed("cannot be protected"))?;
    let inode = fs::symlink_metadata(&new).map_err(failed("cannot be listened on"))?.ino();
    fs::rename(&new, path).map_err(failed("what stands there cannot be replaced"))?;
    let (sender, receiver) = mpsc::channel(PENDING);
    let (path, clients) = (path.to_owned(), tasks.clone());
    tasks.spawn(async move {
        serve(&listener, &sender, &clients, &shutdown).await;
        // Another speaker may have taken the place.
        if fs::symlink_metadata(&path).is_ok_and(|there| there.ino() == inode) {
            drop(fs::remove_file(path));
        }
    });
    Ok(receiver)
}

async fn serve(
    listener: &UnixListener,
    sender: &mpsc::Sender<Asked>,
    clients: &TaskTracker,
    shutdown: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) } => accepted,
        };
        let (Ok(place), Ok((stream, _))) = accepted else {
            // Out of descriptors, most likely: let others finish.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (sender, shutdown) = (sender.clone(), shutdown.clone());
        clients.spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                answered = tokio::time::timeout(ASK_WITHIN, answer(stream, sender)) => match answered {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(error = ferrolb_daemon::sentence(&error), "client gone"),
                    Err(_elapsed) => tracing::debug!("client too slow"),
                }
            }
            drop(place);
        });
    }
}

async fn answer(stream: UnixStream, sender: mpsc::Sender<Asked>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(LONGEST_QUESTION)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => {
            let (reply, answer) = oneshot::channel();
            let asked = sender.send((question, reply)).await.is_ok();
            let answer = if asked { answer.await.ok() } else { None };
            answer.unwrap_or_else(|| Answer::Error("the speaker is stopping".to_owned()))
        }
        Err(error) => Answer::Error(format!("not understood: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writer.write_all(&text).await
}
