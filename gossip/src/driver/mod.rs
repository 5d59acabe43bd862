//! The edge: a UDP socket and a thread of its own, so that a busy speaker cannot delay the answers to probes.
//!
//! The thread's priority and processor are left to the caller. Everything that enters is bounded; what leaves is the
//! latest view.

mod error;
mod handle;
mod run;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use self::error::{Error, KeyFileError, Stopped};
pub use self::handle::Handle;

use self::run::{Port, run};
use crate::config::Config;
use crate::counters::Counters;
use crate::identity::{NodeName, canonical};
use crate::key::Key;
use crate::machine::Gossip;
use crate::profile::Profile;
use crate::ring::KeyRing;

/// Commands that wait for the thread. It takes all of them between two batches of datagrams, well within a millisecond,
/// so this many never wait; when they do, the caller waits.
const COMMANDS: usize = 64;

/// Wished size of the socket's receive buffer in bytes: the greetings of a few hundred nodes at once. The kernel grants
/// what net.core.rmem_max allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// What a running driver needs.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// The machine's configuration.
    pub core: Config,
    /// Address and port of the socket. The other nodes must see our datagrams coming from `core.advertise`, so normally
    /// this is the same. Port 0 takes any free port, and if `core.advertise` has port 0 too, that one is advertised.
    pub bind: SocketAddr,
}

/// Binds the socket and starts the thread.
///
/// # Errors
/// When the socket cannot be bound or the thread cannot be started. Nothing runs then.
pub fn spawn(config: DriverConfig) -> Result<Handle, Error> {
    let DriverConfig { mut core, bind } = config;
    let socket = UdpSocket::bind(bind).map_err(|source| Error::from_bind(bind, source))?;
    socket.set_nonblocking(true).map_err(|source| Error::Socket { addr: bind, source })?;
    let local = socket.local_addr().map_err(|source| Error::Socket { addr: bind, source })?;
    if core.advertise.port() == 0 {
        core.advertise.set_port(local.port());
    }
    core.advertise = canonical(core.advertise);
    // A smaller buffer costs datagrams in rare bursts, which are repaired.
    socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).ok();

    let advertise = core.advertise;
    let gossip = Gossip::new(core, now());
    let (views, view) = watch::channel(gossip.view());
    let (counts, counters) = watch::channel(Counters::default());
    let (commands, orders) = mpsc::channel(COMMANDS);
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|source| Error::Thread { source })?;
    let port = {
        let _entered = runtime.enter();
        let readiness = socket
            .try_clone()
            .and_then(tokio::net::UdpSocket::from_std)
            .map_err(|source| Error::Socket { addr: bind, source })?;
        Port { socket, readiness, orders, views, counts, stop: stop.clone() }
    };
    let thread = thread::Builder::new()
        .name("gossip".to_owned())
        .spawn(move || runtime.block_on(run(gossip, port)))
        .map_err(|source| Error::Thread { source })?;
    Ok(Handle::new(view, counters, commands, stop, thread, local, advertise))
}

// === impl DriverConfig ===

impl DriverConfig {
    /// A configuration for this start of the process: draws session and seed, and reads the wall clock for the boot
    /// stamp. The socket is bound to `advertise`.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(
        name: NodeName,
        advertise: SocketAddr,
        profile: Profile,
        cluster_id: String,
        keys: impl Into<KeyRing>,
    ) -> Result<Self, Error> {
        let mut session = [0; 16];
        let mut seed = [0; 8];
        let random = SystemRandom::new();
        random.fill(&mut session).and_then(|()| random.fill(&mut seed)).or(Err(Error::NoRandomNumbers))?;
        let core = Config {
            name,
            advertise,
            profile,
            cluster_id,
            keys: keys.into(),
            boot: boot_stamp(),
            session,
            seed: u64::from_ne_bytes(seed),
        };
        Ok(Self { core, bind: advertise })
    }
}

// === impl Key ===

impl Key {
    /// Reads a key file: base64 of 32 bytes.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key; the message names the path and what is expected, and shows nothing
    /// of the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        let path = path.as_ref();
        Self::from_base64(&read(path)?).map_err(|source| KeyFileError::Content { path: path.into(), source })
    }
}

// === impl KeyRing ===

impl KeyRing {
    /// Reads a key file: base64 of 32 bytes a line, the first of which seals; see [`KeyRing::from_lines`].
    ///
    /// # Errors
    /// When the file cannot be read, a line holds no key, or there are none or too many; the message names the path and
    /// what is expected, and shows nothing of the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        let path = path.as_ref();
        Self::from_lines(&read(path)?).map_err(|source| KeyFileError::Ring { path: path.into(), source })
    }
}

/// The text of a key file. What is not text is not base64 either.
fn read(path: &Path) -> Result<String, KeyFileError> {
    let text = std::fs::read(path).map_err(|source| KeyFileError::Read { path: path.into(), source })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the core")]
fn boot_stamp() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the driver reads the clock for the core")]
fn now() -> Instant {
    Instant::now()
}

/// Latest views are shared, never copied.
type SharedView = Arc<crate::view::View>;
