//! Reads links over netlink and follows them. Any change makes everything be read again: the kernel may drop change
//! messages, never the answer to a dump.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, State};
use rtnetlink::{Handle, MulticastGroup};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::links::{Link, Links};

/// After a failure the kernel is asked again after this long.
const RETRY: Duration = Duration::from_millis(500);

/// The kernel's links cannot be read.
#[derive(Debug, Error)]
pub enum Error {
    /// No netlink socket.
    #[error("cannot open a netlink socket")]
    Socket(#[source] io::Error),
    /// The kernel refuses the dump.
    #[error("cannot read the kernel's links")]
    Dump(#[source] Box<rtnetlink::Error>),
    /// The task that reads has ended.
    #[error("the task that follows links has ended")]
    Ended,
}

/// Reads the links of this network namespace and follows them until `shutdown`. The first state is there at once.
///
/// # Errors
/// They cannot be read at all. Later failures are logged and tried again.
pub async fn follow(tasks: &TaskTracker, shutdown: CancellationToken) -> Result<watch::Receiver<Arc<Links>>, Error> {
    let (sender, receiver) = watch::channel(Arc::default());
    let (ready, first) = oneshot::channel();
    let mut ready = Some(ready);
    tasks.spawn(async move {
        loop {
            let ended = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                ended = session(&sender, &mut ready) => ended,
            };
            let Err(error) = ended else { return };
            if let Some(ready) = ready.take() {
                // Nobody waits any more if this cannot be delivered.
                drop(ready.send(Err(error)));
                return;
            }
            tracing::warn!(error = &error as &dyn std::error::Error, "following links again");
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    });
    first.await.unwrap_or(Err(Error::Ended))?;
    Ok(receiver)
}

/// One netlink connection's life; ends well only when nobody is interested any more.
async fn session(
    sender: &watch::Sender<Arc<Links>>,
    ready: &mut Option<oneshot::Sender<Result<(), Error>>>,
) -> Result<(), Error> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, handle, mut changes) = rtnetlink::new_multicast_connection(&groups).map_err(Error::Socket)?;
    let follow = async {
        loop {
            let links = Arc::new(dump(&handle).await?);
            sender.send_if_modified(|current| {
                let changed = *current != links;
                if changed {
                    *current = links;
                }
                changed
            });
            if let Some(ready) = ready.take() {
                drop(ready.send(Ok(())));
            }
            if changes.next().await.is_none() {
                return Err(Error::Socket(io::ErrorKind::ConnectionAborted.into()));
            }
            // Changes that are already here are covered by the one dump that follows.
            while let Some(Some(_)) = changes.next().now_or_never() {}
            if sender.is_closed() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        () = connection => Err(Error::Socket(io::ErrorKind::ConnectionAborted.into())),
        ended = follow => ended,
    }
}

async fn dump(handle: &Handle) -> Result<Links, Error> {
    let failed = |error| Error::Dump(Box::new(error));
    let messages: Vec<LinkMessage> = handle.link().get().execute().try_collect().await.map_err(failed)?;
    let mut links: Links = messages.iter().map(link).collect();
    let addresses: Vec<AddressMessage> = handle.address().get().execute().try_collect().await.map_err(failed)?;
    for message in &addresses {
        if let Some(address) = address(message) {
            links.add_address(message.header.index, address);
        }
    }
    Ok(links)
}

fn link(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        arp: !flags.contains(LinkFlags::Noarp),
        broadcast: flags.contains(LinkFlags::Broadcast),
        loopback: flags.contains(LinkFlags::Loopback),
        ..Link::default()
    };
    for attribute in &message.attributes {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a link has some sixty more attributes")]
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().ok(),
            LinkAttribute::Controller(master) if *master != 0 => link.master = Some(*master),
            LinkAttribute::OperState(state) => link.carrier &= matches!(state, State::Up | State::Unknown),
            _ => {}
        }
    }
    link
}

fn address(message: &AddressMessage) -> Option<IpNet> {
    let mut found = None;
    for attribute in &message.attributes {
        // On a point-to-point link `Address` is the other end.
        if let AddressAttribute::Local(ip) = attribute {
            found = Some(*ip);
        } else if let (AddressAttribute::Address(ip), None) = (attribute, found) {
            found = Some(*ip);
        }
    }
    let known = matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6);
    IpNet::new(found.filter(|_| known)?, message.header.prefix_len).ok()
}
