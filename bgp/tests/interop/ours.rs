//! Our speaker at the near end of the cable.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_bgp::driver::{self, Handle, PeerConfig, PeerStatus, Remote, Status, Transport};
use ferrolb_bgp::rib::{Import, Learned, PeerName, Policy, Route, RouteSet};
use ferrolb_bgp::session::{self, DownReason, GracefulRestart, Mode, RemoteAs, Retry, State};
use ferrolb_bgp::wire::{Family, PerFamily};

use crate::net::{Cable, THEIRS, eventually};

/// A route that we announce, and one of the router's.
pub(crate) const OUR_ROUTE: &str = "203.0.113.1/32";
pub(crate) const OUR_ROUTE6: &str = "2001:db8:1::1/128";
pub(crate) const THEIR_ROUTE: &str = "198.51.100.0/24";

/// A running speaker with one peer.
pub(crate) struct Ours {
    pub(crate) handle: Handle,
    pub(crate) config: PeerConfig,
    routes: Arc<RouteSet>,
}

/// What is usual in a cell: AS 65001 to AS 65000 over IPv4, dialling, both families.
pub(crate) fn peer() -> PeerConfig {
    let mut session = session::Config::new(65001, RemoteAs::Exactly(65000), Ipv4Addr::new(192, 0, 2, 1));
    session.connect_retry = Retry { first: Duration::from_millis(200), max: Duration::from_secs(1) };
    PeerConfig {
        name: PeerName::from("router"),
        transport: Transport::new(Remote::Address(THEIRS.parse().expect("an address"))),
        session: Arc::new(session),
        policy: Policy { import: Import::Everything, ..Policy::default() },
        disabled: None,
    }
}

/// The same with another configuration of the session.
pub(crate) fn with(mut peer: PeerConfig, change: impl FnOnce(&mut session::Config)) -> PeerConfig {
    change(Arc::make_mut(&mut peer.session));
    peer
}

pub(crate) fn mode(mode: Mode) -> PeerConfig {
    with(peer(), |session| session.mode = mode)
}

/// Graceful restart of both families, kept for so long.
pub(crate) fn restarting(seconds: u64) -> PeerConfig {
    with(peer(), |session| {
        session.graceful_restart = Some(GracefulRestart {
            families: PerFamily { ipv4: true, ipv6: true },
            restart_time: Duration::from_secs(seconds),
            ..GracefulRestart::default()
        });
    })
}

/// These prefixes, each with the same route.
pub(crate) fn set(prefixes: &[&str], route: &Route) -> Arc<RouteSet> {
    let route = Arc::new(route.clone());
    Arc::new(prefixes.iter().map(|prefix| (prefix.parse().expect("a prefix"), Arc::clone(&route))).collect())
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop").block_on(future)
}

impl Ours {
    /// Starts at the near end with these routes.
    pub(crate) fn start(cable: &Cable, config: PeerConfig, routes: Arc<RouteSet>) -> Self {
        Self::start_as(cable, config, routes, false)
    }

    pub(crate) fn start_as(cable: &Cable, config: PeerConfig, routes: Arc<RouteSet>, restarted: bool) -> Self {
        let handle = cable
            .a()
            .inside(|| driver::spawn(driver::Config { restarted, ..driver::Config::default() }))
            .expect("a driver");
        let ours = Self { handle, config, routes };
        ours.apply();
        ours
    }

    fn apply(&self) {
        let routes = BTreeMap::from([(self.config.name.clone(), Arc::clone(&self.routes))]);
        self.handle.set(vec![self.config.clone()], routes);
    }

    pub(crate) fn announce(&mut self, routes: Arc<RouteSet>) {
        self.routes = routes;
        self.apply();
    }

    pub(crate) fn configure(&mut self, config: PeerConfig) {
        self.config = config;
        self.apply();
    }

    /// What is to be seen of the driver.
    pub(crate) fn status(&self) -> Arc<Status> {
        self.handle.status().borrow().clone()
    }

    /// What is to be seen of the peer; while it is not there yet, none.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&PeerStatus) -> T) -> Option<T> {
        self.status().peers.get(&self.config.name).map(look)
    }

    /// Waits until something is to be seen of the peer.
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut(&PeerStatus) -> bool) -> Result<(), String> {
        let seen = eventually(what, || self.see(&mut condition).unwrap_or_default());
        seen.map_err(|error| {
            let session = self.see(|peer| {
                let error = peer.session.last_error.as_ref().map(|error| error.reason.to_string());
                let heard = peer.session.session.as_ref().map(|session| session.received.capabilities.clone());
                format!("{} {error:?} {:?} {heard:?} {:?}", peer.session.state, peer.problem, peer.routes.unsent)
            });
            format!("{error}; our session: {session:?}")
        })
    }

    pub(crate) fn up(&self) -> Result<(), String> {
        self.wait("our session is up", |peer| peer.session.state == State::Established)
    }

    /// How often the session was up.
    pub(crate) fn times_up(&self) -> u64 {
        self.see(|peer| peer.session.established).unwrap_or_default()
    }

    /// Waits until the last thing that went wrong is this.
    pub(crate) fn fails(&self, what: &str, reason: impl Fn(&DownReason) -> bool) -> Result<(), String> {
        self.wait(what, |peer| peer.session.last_error.as_ref().is_some_and(|error| reason(&error.reason)))
    }

    /// The router's routes.
    pub(crate) fn received(&self) -> Vec<Learned> {
        self.handle.received(&self.config.name).unwrap_or_default()
    }

    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.received().iter().any(|learned| learned.prefix.to_string() == prefix)
    }

    pub(crate) fn reset(&self) {
        block_on(self.handle.reset(&self.config.name, "once more")).expect("the peer is there");
    }

    pub(crate) fn refresh(&self, family: Family) {
        block_on(self.handle.refresh(&self.config.name, family)).expect("the peer is there");
    }

    /// Ends in order.
    pub(crate) fn shutdown(self, stop: session::Stop) {
        block_on(self.handle.shutdown(stop));
    }
}
