//! Connects the [`Brain`] to gossip, links, the ARP and NDP announcer, the source and whoever asks.

mod answers;
mod args;
mod bgp;
mod confirmation;
mod exclusion;
mod gateways;
mod handover;
mod health;
mod ignored;
mod interfaces;
mod keys;
mod mind;
mod priority;
mod reporter;
mod speaker;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use args::{RunError, SpeakerArgs};
use bgp::Bgp;
use exclusion::Exclusion;
pub use exclusion::ExclusionError;
use ferrolb_daemon::{Access, Readiness};
use ferrolb_gossip::{DriverConfig, KeyRing, NodeName, Profile};
use ferrolb_source::kubernetes::{self, Audience, Identity};
use ferrolb_source::permission::{Permission, Permissions};
use ferrolb_source::{Location, Source, SourceError, configured_namespace};
pub use ignored::IgnoredArgs;
use keys::Keys;
pub use keys::KeysError;
use mind::Mind;
use prometheus::Registry;
use reporter::{Place, Reporter};
use speaker::{Parts, Speaker};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::brain::Brain;
use crate::metrics::Metrics;

/// A disk that hangs must not keep a speaker from ending.
const WRITES_END_WITHIN: Duration = Duration::from_secs(1);
/// Who says so in events.
const COMPONENT: &str = "ferrolb-speaker";

/// Works until `shutdown`, then hands over and ends.
///
/// # Errors
/// Something without which there is nothing to do.
pub async fn run(args: &SpeakerArgs, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<(), RunError> {
    for (name, value) in args.ignored.given() {
        tracing::info!(name, value, "accepted, but it has no meaning here");
    }
    let keys = Keys::new(args.gossip_key_file.as_ref(), args.ml_secret_key_path.as_ref())?;
    let (ring, profile) = (keys.read()?, args.profile()?);
    let exclusion = Exclusion::read(args.interface_exclude_file.as_deref(), &args.interface_exclude)?;
    // What outlives the wish to stop: handing over needs all of it.
    let (last, edges) = (CancellationToken::new(), TaskTracker::new());
    let registry = Registry::new();
    let (metrics, ready) = (Metrics::new(&registry)?, Readiness::default());
    let questions = admin::listen(&args.admin_socket, tasks, shutdown.clone()).await?;
    let (mut source, place) = open(args, &edges, &last, registry, &ready, (tasks, &shutdown)).await?;
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        () = source.read() => {}
    }
    let Some(cluster_id) = cluster_id(args, &source, &shutdown).await else { return Ok(()) };
    let first = Arc::clone(&source.cluster.borrow());
    let address = args.gossip_address(&first)?;
    let links = ferrolb_fib::driver::follow_links(&edges, last.clone());
    let l2_config = l2_config(args, &profile);
    let gossip = gossip_config(args, address, cluster_id, profile.clone(), ring)?;
    let start = || (ferrolb_l2::driver::spawn(l2_config), ferrolb_gossip::spawn(gossip));
    let (l2, gossip) = priority::in_real_time(start).map_err(ferrolb_l2::driver::SpawnError::Thread)?;
    let ((l2, heard), gossip) = (l2?, gossip?);
    let me = NodeName::from(args.node_name.as_str());
    let view = Arc::clone(&gossip.view.borrow());
    let follow = || health::follow(&args.node_name, gossip.view.clone(), source.writer.clone(), tasks, &shutdown);
    let deaths = args.fail_endpoints.then(follow);
    let mut speaker = Speaker::new(Parts {
        bgp: Bgp::new(&args.node_name, &args.admin_socket),
        brain: Mind::new(Brain::new(me, args.options(), view), args.recorder(&metrics)?),
        observed: l2.observed(),
        gateways: gateways::follow(links.clone(), &edges, last.clone()),
        links,
        metrics,
        ready,
        reporter: Reporter::new(&args.node_name, source.writer.clone(), place, &edges, now()),
        keys: keys.follow(&edges, last.clone()),
        exclusion,
        deaths,
        profile,
        args: args.clone(),
        address,
        gossip,
        l2,
        heard,
        questions,
        source,
    });
    let result = speaker.work(&shutdown).await;
    shutdown.cancel();
    let orderly = result.is_ok() && speaker.hand_over().await;
    speaker.end().await;
    last.cancel();
    edges.close();
    if orderly && tokio::time::timeout(WRITES_END_WITHIN, edges.wait()).await.is_err() {
        tracing::warn!("ended although the status could not be written; is its disk stuck?");
    }
    result
}

/// Opens the source, and serves health and metrics as its kind asks for: on an API server metrics are for whoever it
/// admits.
async fn open(
    args: &SpeakerArgs,
    edges: &TaskTracker,
    last: &CancellationToken,
    registry: Registry,
    ready: &Readiness,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
) -> Result<(Source, Place), RunError> {
    let namespace = configured_namespace(args.namespace.clone());
    match args.source.parse()? {
        Location::Directory(path) => {
            let source = ferrolb_source::open_directory(&path, namespace, edges, last.clone())?;
            ferrolb_daemon::serve(&args.daemon, registry, ready.clone(), tasks, shutdown).await?;
            Ok((source, Place::Own))
        }
        Location::Kubernetes => {
            let client = kubernetes::client(args.kubeconfig.as_deref()).await.map_err(SourceError::from)?;
            let permissions = Permissions::new(client.clone());
            let ask = move |token, path| {
                let asked = permissions.clone().may_get(token, path);
                async move { asked.await.map(access) }
            };
            let guard = ferrolb_daemon::guard(&args.guard, &args.tls, ask, tasks, shutdown)?;
            let health = IpAddr::V4(Ipv4Addr::LOCALHOST);
            ferrolb_daemon::serve_guarded(&args.daemon, guard, health, registry, ready.clone(), tasks, shutdown)
                .await?;
            let identity = Identity { component: COMPONENT.to_owned(), pod: args.pod_name.clone() };
            let (audience, namespace) = (Audience::Speaker, kubernetes::namespace(namespace));
            let source = ferrolb_source::open_kubernetes(&client, audience, identity, namespace, edges, last.clone());
            Ok((source, Place::Shared))
        }
    }
}

fn access(permission: Permission) -> Access {
    match permission {
        Permission::Granted => Access::Granted,
        Permission::Unauthenticated => Access::Unauthenticated,
        Permission::Forbidden => Access::Forbidden,
    }
}

fn l2_config(args: &SpeakerArgs, profile: &Profile) -> ferrolb_l2::Config {
    ferrolb_l2::Config {
        refresh: Duration::from_secs(args.gratuitous_arp_interval),
        seed: args.node_name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))),
        announce_in_use: args.announce_in_use,
        stall_tolerance: Some(profile.stall_tolerance()),
    }
}

/// What keeps this cluster's gossip apart from that of another; `None`: it was not found out before `shutdown`. All
/// speakers need the same, so nobody guesses.
async fn cluster_id(args: &SpeakerArgs, source: &Source, shutdown: &CancellationToken) -> Option<String> {
    if let Some(said) = &args.cluster_id {
        return Some(said.clone());
    }
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        found = source.cluster_id() => Some(found.unwrap_or_else(|| "default".to_owned())),
    }
}

fn gossip_config(
    args: &SpeakerArgs,
    address: SocketAddr,
    cluster_id: String,
    profile: Profile,
    keys: KeyRing,
) -> Result<DriverConfig, RunError> {
    let name = NodeName::from(args.node_name.as_str());
    Ok(DriverConfig::new(name, address, profile, cluster_id, keys)?)
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}
