//! BGP and BFD as the plan wants them. Neither of the two has a thread before a plan has a peer.
//!
//! ```text
//! NodePlan ──translate──> bgp (sessions, routes) ──Status──> metrics, status objects, admin socket
//!                              ^  │ neighbours of unnumbered peers
//!                    up, down  │  v
//!                             bfd (sessions)
//! ```

mod story;
mod translate;

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_bfd::driver::{self as bfd, Observed, Peer as BfdPeer};
use ferrolb_bgp::driver::{self as bgp, Bfd, PeerConfig, PeerStatus, Remote, Status};
use ferrolb_bgp::rib::{PeerName, RouteSet};
use ferrolb_bgp::session::{BfdFailure, State, Stop};
use ferrolb_fib::links::Links;
use tokio::sync::watch;

use self::translate::{Place, Translator};
use crate::plan::{BgpPlan, Snapshot};

/// How long routes are announced as going before they go, at the end of this process.
const SHUTDOWN_NOTICE: Duration = Duration::from_millis(500);

/// Which of the two has news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// What BGP does.
    Bgp,
    /// What BFD sees.
    Bfd,
    /// One of them has ended, which only a defect does.
    Ended(&'static str),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Bgp {
    node: String,
    /// Tells the next life of this speaker that there was one before it.
    marker: PathBuf,
    speaking: Option<(bgp::Handle, watch::Receiver<Arc<Status>>)>,
    watching: Option<(bfd::Handle, watch::Receiver<Arc<Observed>>)>,
    translator: Translator,
    /// The sessions that there shall be.
    plan: BgpPlan,
    peers: Vec<PeerConfig>,
    routes: BTreeMap<PeerName, Arc<RouteSet>>,
    place: Place,
    /// Which BFD session watches which peer, and what was last acted upon.
    watched: BTreeMap<PeerName, (BfdPeer, Heard)>,
}

/// What was heard of a BFD session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    up: bool,
    failures: u64,
}

// === impl Bgp ===

impl Bgp {
    /// Without peers. What has to outlive the process is kept beside the admin socket.
    pub(super) fn new(node: &str, admin_socket: &Path) -> Self {
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        Self {
            node: node.to_owned(),
            marker: admin_socket.with_extension("bgp"),
            speaking: None,
            watching: None,
            translator: Translator::default(),
            plan: BgpPlan::default(),
            peers: Vec::new(),
            routes: BTreeMap::new(),
            place: Place { node: node.to_owned(), internal: Vec::new(), forwards: translate::forwards(&uptime) },
            watched: BTreeMap::new(),
        }
    }

    /// What shall be, after a plan, the node's addresses or its links have changed.
    pub(super) fn set(&mut self, snapshot: &Snapshot, plan: &BgpPlan, links: &Links) -> Result<(), bgp::SpawnError> {
        // Before the kernel has told of its links nobody knows where sessions would come from.
        if links.is_empty() || (plan.sessions.is_empty() && self.speaking.is_none()) {
            return Ok(());
        }
        let node = snapshot.cluster.nodes.get(snapshot.me.as_str());
        self.place.internal = node.map(|node| node.internal_ips.clone()).unwrap_or_default();
        self.plan = plan.clone();
        self.peers = plan.sessions.values().map(|session| translate::peer(&session.peer, &self.place, links)).collect();
        let sets = plan.sessions.iter().map(|(name, session)| (name.as_ref(), &session.routes));
        self.routes = self.translator.translate(sets);
        if self.speaking.is_none() {
            let restarted = self.marker.exists();
            let handle = bgp::spawn(bgp::Config { restarted, seed: seed(&self.node), ..bgp::Config::default() })?;
            let status = handle.status();
            self.speaking = Some((handle, status));
        }
        if let Some((handle, _)) = &self.speaking {
            handle.set(self.peers.clone(), self.routes.clone());
        }
        self.watch(links);
        Ok(())
    }

    /// Has BFD watch the peers whose profiles ask for it.
    pub(super) fn watch(&mut self, links: &Links) {
        let Some((_, status)) = &self.speaking else { return };
        let status = Arc::clone(&status.borrow());
        let mut sessions = BTreeMap::new();
        let mut watched = BTreeMap::new();
        for session in self.plan.sessions.values() {
            let name = PeerName::from(session.peer.name.as_str());
            let Some((address, interface)) = whereabouts(&session.peer.endpoint, &status) else { continue };
            let interface = interface.as_deref();
            let Some((peer, parameters)) = translate::bfd(&session.peer, address, interface, &self.place, links) else {
                continue;
            };
            let heard = match self.watched.remove(&name) {
                Some((before, heard)) if before == peer => heard,
                _ => Heard::default(),
            };
            watched.insert(name, (peer.clone(), heard));
            sessions.insert(peer, parameters);
        }
        self.watched = watched;
        if self.watching.is_none() && !sessions.is_empty() {
            match bfd::spawn(bfd::Options::default()) {
                Ok(handle) => {
                    let observed = handle.observed();
                    self.watching = Some((handle, observed));
                }
                Err(error) => {
                    tracing::error!(
                        error = ferrolb_daemon::sentence(&error),
                        "BFD cannot be started; hold timers stay"
                    );
                }
            }
        }
        if let Some((handle, _)) = &self.watching {
            handle.set(sessions);
        }
        self.tell_failures();
    }

    /// Waits until one of the two has news; for ever while there are no peers.
    pub(super) async fn changed(&mut self) -> News {
        let (speaking, watching) = (&mut self.speaking, &mut self.watching);
        let of_bgp = async {
            match speaking {
                Some((_, status)) => status.changed().await,
                None => pending().await,
            }
        };
        let of_bfd = async {
            match watching {
                Some((_, observed)) => observed.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = of_bfd => changed.map_or(News::Ended("BFD"), |()| News::Bfd),
            changed = of_bgp => changed.map_or(News::Ended("BGP"), |()| News::Bgp),
        }
    }

    /// Hands BFD's verdicts to BGP.
    pub(super) fn tell_failures(&mut self) {
        let (Some((bgp, _)), Some((_, observed))) = (&self.speaking, &self.watching) else { return };
        let observed = Arc::clone(&observed.borrow());
        for (name, (peer, heard)) in &mut self.watched {
            let Some(session) = observed.sessions.get(peer) else { continue };
            let status = &session.status;
            let (failures, up) = (status.counters.failures, status.state == ferrolb_bfd::State::Up);
            if failures > heard.failures {
                let control_plane_independent = status.remote_control_plane_independent;
                tracing::info!(peer = %name, address = %peer.address, "BFD session failed");
                bgp.bfd(name, Bfd::Down(BfdFailure { control_plane_independent }));
            }
            if up && (!heard.up || failures > heard.failures) {
                bgp.bfd(name, Bfd::Up);
            }
            *heard = Heard { up, failures };
        }
    }

    /// What BGP does; `None` while there are no peers.
    pub(super) fn status(&self) -> Option<Arc<Status>> {
        self.speaking.as_ref().map(|(_, status)| Arc::clone(&status.borrow()))
    }

    /// What BFD sees; `None` while nothing is watched.
    pub(super) fn observed(&self) -> Option<Arc<Observed>> {
        self.watching.as_ref().map(|(_, observed)| Arc::clone(&observed.borrow()))
    }

    /// The peers that are configured here, with what is known of each.
    pub(super) fn peers(&self) -> &[PeerConfig] {
        &self.peers
    }

    /// The BFD session that watches a peer.
    pub(super) fn watching(&self, peer: &PeerName) -> Option<&BfdPeer> {
        self.watched.get(peer).map(|(watched, _)| watched)
    }

    pub(super) fn handle(&self) -> Option<&bgp::Handle> {
        self.speaking.as_ref().map(|(handle, _)| handle)
    }

    /// Leaves a sign for the next life of this speaker, once the first session is up.
    pub(super) fn mark(&self, status: &Status) {
        let up = status.peers.values().any(|peer| peer.session.state == State::Established);
        if up && !self.marker.exists() {
            // Without it the next life says that it is the first, which costs its peers nothing but a hint.
            fs::write(&self.marker, "").ok();
        }
    }

    /// The end on purpose. Peers that keep the routes of a speaker that is started again lose the connection without a word;
    /// the others hear that the routes are about to go (RFC 8326), and a moment later that the session is over (Cease 6/2).
    pub(super) async fn end(&mut self) {
        if let Some((handle, status)) = self.speaking.take() {
            let now = Arc::clone(&status.borrow());
            let mut told = false;
            for peer in &mut self.peers {
                peer.policy.graceful_shutdown = now.peers.get(&peer.name).is_some_and(loses_routes);
                told |= peer.policy.graceful_shutdown;
            }
            if told {
                handle.set(self.peers.clone(), self.routes.clone());
                tokio::time::sleep(SHUTDOWN_NOTICE).await;
            }
            handle.shutdown(Stop::Shutdown { text: format!("ferrolb-speaker of {} ends", self.node) }).await;
        }
        // Last: a peer whose BFD session ends first would take that for the end of the other.
        if let Some((handle, _)) = self.watching.take() {
            handle.shutdown().await;
        }
    }
}

/// Whether a peer with which the session is up withdraws the routes when that ends.
fn loses_routes(peer: &PeerStatus) -> bool {
    let session = peer.session.session.as_ref();
    session.is_some_and(|session| !session.peer_helps.iter().any(|(_, helps)| *helps))
}

/// The address at which a peer is, and the interface where that has to be said.
fn whereabouts(endpoint: &ferrolb_config::PeerEndpoint, status: &Status) -> Option<(IpAddr, Option<String>)> {
    match endpoint {
        ferrolb_config::PeerEndpoint::Address(address) => Some((*address, None)),
        ferrolb_config::PeerEndpoint::Interface(interface) => {
            let neighbor = status.neighbors.get(interface)?.neighbor?;
            Some((neighbor.into(), Some(interface.clone())))
        }
    }
}

/// How a peer's remote end is written in metrics and tables: `ADDRESS:PORT`, an unnumbered one by its interface.
pub(super) fn label(peer: &PeerConfig) -> String {
    let port = peer.transport.port;
    match &peer.transport.remote {
        Remote::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        remote @ (Remote::Address(_) | Remote::LinkLocal { .. } | Remote::Interface(_)) => format!("{remote}:{port}"),
    }
}

/// Jitter differs from node to node.
fn seed(node: &str) -> u64 {
    node.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
