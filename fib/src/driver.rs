//! Follows the kernel's links by rtnetlink (`rtnetlink(7)`), and asks for neighbours.
//!
//! ```text
//!   connect ──> dump ──> follow notifications ──┐
//!      ^         ^                              │
//!      │         └── overrun, or a minute passed┤
//!      └── backoff <── socket ended, dump failed┘
//! ```
//!
//! Notifications are subscribed to before the dump, so that none is missed in between; those that wait when a dump
//! begins are thrown away, since the dump knows better; those that come while it runs are folded in after it, which at
//! worst repeats what it said.

mod message;
mod neighbours;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{AsyncSocket as _, SocketAddr};
use rtnetlink::{Handle, MulticastGroup, new_multicast_connection};
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::neighbours::{Neighbour, NeighbourError, neighbours};
use crate::links::Links;

/// What is subscribed to.
const GROUPS: [MulticastGroup; 3] = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];

/// Asked of the kernel for notifications that wait, in bytes; it grants at most `net.core.rmem_max`. When it is full
/// the kernel drops notifications and says so, and everything is dumped anew.
const RECEIVE_BUFFER: usize = 1 << 20;

/// How often everything is dumped although no notification is known to be lost: a safety net, for one that could not be
/// decoded.
const RESYNC: Duration = Duration::from_secs(60);

/// How long a dump may take; it takes milliseconds.
const DUMP_TIMEOUT: Duration = Duration::from_secs(10);

/// Time until a new socket is tried; doubled each time up to [`BACKOFF_MAX`], until a dump succeeds.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

type Messages = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// Why links cannot be followed at present. The table keeps its last state meanwhile.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("cannot open a netlink socket")]
    Connect(#[source] io::Error),
    #[error("cannot list links and addresses")]
    Dump(#[source] rtnetlink::Error),
    #[error("listing links and addresses took more than {DUMP_TIMEOUT:?}")]
    DumpTimeout,
    #[error("the netlink socket has ended")]
    Ended,
}

/// Follows the links of the network namespace of the thread that runs the task, until `cancel`. The table is empty until
/// the first dump is there.
///
/// The task lives on `tracker` and owns the netlink socket. It may be dropped at any point: nothing but the socket is
/// lost then.
pub fn follow_links(tracker: &TaskTracker, cancel: CancellationToken) -> watch::Receiver<Arc<Links>> {
    let (publish, links) = watch::channel(Arc::default());
    tracker.spawn(async move {
        cancel.run_until_cancelled(run(&publish)).await;
    });
    links
}

async fn run(publish: &watch::Sender<Arc<Links>>) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let mut synced = false;
        let error = connected(publish, &mut synced).await;
        if synced {
            backoff = BACKOFF_MIN;
        }
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            source = std::error::Error::source(&error),
            retry = ?backoff,
            "links cannot be followed"
        );
        time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// One socket's life. `synced` tells whether a dump succeeded.
async fn connected(publish: &watch::Sender<Arc<Links>>, synced: &mut bool) -> FollowError {
    let (mut connection, handle, messages) = match new_multicast_connection(&GROUPS) {
        Ok(connected) => connected,
        Err(error) => return FollowError::Connect(error),
    };
    if let Err(error) = connection.socket_mut().socket_mut().set_rx_buf_sz(RECEIVE_BUFFER) {
        tracing::debug!(error = &error as &dyn std::error::Error, "receive buffer kept its size");
    }
    let following = pin!(follow(&handle, messages, publish, synced));
    tokio::select! {
        // In this order, so that all that has come is in the channel when the follower looks.
        biased;
        () = connection => FollowError::Ended,
        error = following => error,
    }
}

/// Dumps, then folds notifications, and so on.
async fn follow(
    handle: &Handle,
    mut messages: Messages,
    publish: &watch::Sender<Arc<Links>>,
    synced: &mut bool,
) -> FollowError {
    loop {
        // Older than the dump that follows, and with gaps if it follows an overrun.
        while let Some(Some(_)) = messages.next().now_or_never() {}
        let mut links = match time::timeout(DUMP_TIMEOUT, dump(handle)).await {
            Ok(Ok(links)) => links,
            Ok(Err(error)) => return FollowError::Dump(error),
            Err(_) => return FollowError::DumpTimeout,
        };
        *synced = true;
        publish_if_changed(publish, &links);
        let mut resync = pin!(time::sleep(RESYNC));
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = &mut resync => break,
            };
            // All that waits is folded before anything is published.
            let mut next = Some(message);
            let mut overrun = false;
            while let Some(message) = next {
                let Some((message, _)) = message else { return FollowError::Ended };
                overrun |= fold(&mut links, message);
                next = messages.next().now_or_never();
            }
            if overrun {
                tracing::info!("netlink notifications were lost, listing links anew");
                break;
            }
            publish_if_changed(publish, &links);
        }
    }
}

/// Folds a notification into the table. Says whether notifications were lost.
fn fold(links: &mut Links, message: NetlinkMessage<RouteNetlinkMessage>) -> bool {
    if let NetlinkPayload::InnerMessage(message) = message.payload {
        if let Some(change) = message::change(message) {
            links.apply(change);
        }
        return false;
    }
    matches!(message.payload, NetlinkPayload::Overrun(_))
}

/// Links first, then addresses: the kernel runs one dump at a time for a socket, and an address needs its link.
async fn dump(handle: &Handle) -> Result<Links, rtnetlink::Error> {
    let mut table = Links::default();
    let mut links = pin!(handle.link().get().execute());
    while let Some(message) = links.try_next().await? {
        message::change(RouteNetlinkMessage::NewLink(message)).map(|change| table.apply(change));
    }
    let mut addresses = pin!(handle.address().get().execute());
    while let Some(message) = addresses.try_next().await? {
        message::change(RouteNetlinkMessage::NewAddress(message)).map(|change| table.apply(change));
    }
    Ok(table)
}

fn publish_if_changed(publish: &watch::Sender<Arc<Links>>, links: &Links) {
    publish.send_if_modified(|published| {
        let changed = **published != *links;
        if changed {
            *published = Arc::new(links.clone());
        }
        changed
    });
}
