//! The Kubernetes API as a source: one watch for each kind, each object reduced to what is used of it as it arrives.
//!
//! An API server that restarts, forgets its history (410 Gone), stalls or does not know a kind yet costs time and
//! nothing else: what was seen last stays until something newer is known. An object that cannot be read is a problem
//! of its own and leaves the others alone.

mod access;
mod cluster_id;
mod follow;
mod kind;
mod lean;
mod state;
mod watch;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use access::{AccessError, client, client_in_context, own_namespace};
use ferrolb_api::DEFAULT_NAMESPACE;
pub use kind::Audience;
use kube::Client;
use state::State;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
pub use writer::Identity;
pub(crate) use writer::{EventQueue, KubernetesWriter};

use crate::cluster::Cluster;
use crate::{Refresh, Source, Writer};

/// Changes that wait to be taken into account: two pages of a list. When they are as many, watches wait.
const WAITING: usize = 1024;

/// The namespace of the configuration: what was said, else that of the own pod, else the default.
pub fn namespace(said: Option<String>) -> String {
    said.or_else(own_namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// Opens the API as a source. The first state says that it is still [`reading`](Cluster::reading).
pub(crate) fn open(
    client: &Client,
    audience: Audience,
    identity: Identity,
    namespace: String,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Source {
    let first = Cluster { reading: true, namespace: namespace.clone(), ..Cluster::default() };
    let (sender, cluster) = tokio::sync::watch::channel(Arc::new(first));
    let (changes, waiting) = mpsc::channel(WAITING);
    let (refresh, asked) = tokio::sync::watch::channel(0);
    let kinds = audience.kinds();
    let failures = Arc::new(AtomicU64::new(0));
    let hub = watch::Hub {
        client: client.clone(),
        namespace: namespace.clone(),
        changes,
        refresh: asked,
        failures: Arc::clone(&failures),
        shutdown: shutdown.clone(),
    };
    for kind in &kinds {
        tasks.spawn(hub.clone().follow(*kind));
    }
    drop(hub);
    tasks.spawn(follow::follow(
        State::new(&namespace, &kinds, |kind| audience.needs(kind)),
        waiting,
        sender,
        shutdown.clone(),
    ));
    // Only speakers talk to each other beside the API server.
    let speaks = audience == Audience::Speaker;
    let cluster_id = speaks.then(|| cluster_id::find(client.clone(), tasks, shutdown.clone()));
    let writer = KubernetesWriter::new(client.clone(), namespace, identity, cluster.clone());
    let writer = Writer::kubernetes(writer, tasks, shutdown);
    Source { cluster, writer, refresh: Refresh::new(refresh), failures, cluster_id }
}
