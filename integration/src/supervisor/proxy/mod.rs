//! kube-proxy's place: on every node, nftables rules that lead an address of a load balancer to its endpoints.
//!
//! Level-triggered: at every change of services and endpoints it reads all of them, works out every node's rules, and
//! loads those that differ.

mod feed;
mod objects;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::feed::Feed;
pub(super) use self::feed::Source;
pub(super) use self::objects::Objects;
use super::command::Runner;
use super::events::Events;
use crate::error::{Error, chain};
use crate::layout::Layout;
use crate::protocol::{Event, ServiceState};

/// One token: "look again". What comes while one waits is the same wish.
const WISHES: usize = 1;
/// How long changes gather before rules are loaded. kube-proxy takes up to a second (`minSyncPeriod`); here all nodes share one
/// machine, and no node's rules are to take the time in which another one announces.
const GATHER: Duration = Duration::from_millis(20);
/// How soon to look again after a change. A folder that is made and filled at once is filled before its watch exists.
const SECOND_LOOK: Duration = Duration::from_millis(100);
/// How soon to try again where rules could not be loaded: the node was just killed, and `nft` on it.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the rules of all nodes.
pub(super) struct Proxy {
    runner: Runner,
    events: Arc<Events>,
    layout: Layout,
    source: Source,
    /// What was read last; shared with whoever asks for the state.
    latest: Arc<Mutex<Objects>>,
    /// What is loaded on every node.
    loaded: BTreeMap<String, String>,
    /// What all nodes' rules were made from, once they are loaded.
    in_force: watch::Sender<Objects>,
}

impl Proxy {
    pub(super) fn new(
        runner: Runner,
        events: Arc<Events>,
        layout: Layout,
        source: Source,
        latest: Arc<Mutex<Objects>>,
    ) -> Self {
        Self { runner, events, layout, source, latest, loaded: BTreeMap::new(), in_force: watch::Sender::default() }
    }

    /// What the rules of all nodes were made from; changes when they are loaded.
    pub(super) fn in_force(&self) -> watch::Receiver<Objects> {
        self.in_force.subscribe()
    }

    /// Follows the source until it is dropped. Cancel-safe in the only way that matters here: a node's rules are
    /// loaded as a whole or not at all.
    pub(super) async fn run(mut self) -> Result<Infallible, Error> {
        let (wish, mut wishes) = mpsc::channel(WISHES);
        let feed = Feed::open(&self.source, wish).await?;
        let mut look_again = Some(SECOND_LOOK);
        loop {
            let complete = self.converge(&feed).await;
            let changed = match look_again {
                Some(soon) => timeout(soon, wishes.recv()).await.is_ok(),
                None => wishes.recv().await.is_some(),
            };
            if changed {
                sleep(GATHER).await;
            }
            look_again = match (changed, complete) {
                (true, _) => Some(SECOND_LOOK),
                (false, true) => None,
                (false, false) => Some(RETRY),
            };
        }
    }

    /// Brings every node to what the source says; whether that worked everywhere.
    async fn converge(&mut self, feed: &Feed) -> bool {
        let objects = match feed.objects() {
            Ok(objects) => objects,
            Err(error) => {
                self.warn(format!("services and endpoints cannot be read: {error}")).await;
                return false;
            }
        };
        let before = std::mem::replace(&mut *self.latest.lock(), objects.clone());
        self.tell_differences(&before, &objects).await;

        let mut loads = JoinSet::new();
        for node in self.layout.nodes() {
            let rules = rules::rules(&node.name, &objects);
            if self.loaded.get(&node.name) != Some(&rules) {
                let (runner, name) = (self.runner.clone(), node.name.clone());
                loads.spawn(async move {
                    let result = runner.nft(&name, &rules).await;
                    (name, rules, result)
                });
            }
        }
        let mut complete = true;
        while let Some(Ok((name, rules, result))) = loads.join_next().await {
            match result {
                Ok(()) => drop(self.loaded.insert(name, rules)),
                Err(error) => {
                    complete = false;
                    self.warn_of(&name, &error).await;
                }
            }
        }
        if complete {
            self.in_force.send_replace(objects);
        }
        complete
    }

    /// Says which addresses came and went, and which files cannot be read any more.
    async fn tell_differences(&self, before: &Objects, now: &Objects) {
        for problem in now.problems.difference(&before.problems) {
            self.warn(problem.clone()).await;
        }
        let keys: BTreeSet<&String> = before.services.keys().chain(now.services.keys()).collect();
        for key in keys {
            let addresses =
                |objects: &Objects| objects.services.get(key).map(|s| s.addresses.clone()).unwrap_or_default();
            let (old, new) = (addresses(before), addresses(now));
            if old != new {
                self.events.emit(Event::Addresses { service: key.clone(), addresses: new }).await;
            }
        }
    }

    async fn warn(&self, text: String) {
        self.events.emit(Event::Warning { text }).await;
    }

    async fn warn_of(&self, node: &str, error: &Error) {
        self.warn(format!("the proxy rules of {node} were not loaded: {}", chain(error))).await;
    }
}

/// Whether the endpoints of the service `name` are those of `nodes`; so they are of one that does not exist.
pub(super) fn endpoints_are_on(objects: &Objects, name: &str, nodes: &BTreeSet<String>) -> bool {
    objects.services.get(name).is_none_or(|service| {
        service.ports.iter().all(|port| {
            let there: BTreeSet<String> = port.endpoints.iter().filter_map(|endpoint| endpoint.node.clone()).collect();
            there == *nodes
        })
    })
}

/// The services for display.
pub(super) fn service_states(objects: &Objects) -> Vec<ServiceState> {
    let states = objects.services.iter().map(|(name, service)| {
        let endpoints: BTreeSet<_> =
            service.ports.iter().flat_map(|port| port.endpoints.iter().map(|endpoint| endpoint.address)).collect();
        ServiceState {
            name: name.clone(),
            addresses: service.addresses.clone(),
            ports: service.ports.iter().map(|port| port.number).collect(),
            endpoints: endpoints.into_iter().collect(),
        }
    });
    states.collect()
}
