//! Tries the nodes that are gone from gossip, and reports those that are dead to the controller: `--fail-endpoints`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrolb_api::v1alpha1::UnreachableNode;
use ferrolb_gossip::{NodeName, View};
use ferrolb_source::Writer;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{now, sleep_until};
use crate::health::{Dead, Health, Heard, Trial};

/// The kubelet's port: the one that is let through wherever one is. Nothing is sent; who listens is of no interest.
const PORT: u16 = 10250;
/// So many connections are begun, since a packet may be lost ...
const TRIALS: u32 = 3;
/// ... this long after one another, and awaited for as long after the last: longer than a round trip in a cluster.
const PATIENCE: Duration = Duration::from_millis(100);
/// A report that could not be written is written again after this.
const RETRY: Duration = Duration::from_secs(1);

/// The nodes that are held for dead.
pub(super) type Deaths = watch::Receiver<BTreeMap<NodeName, Dead>>;

/// Watches over the members of gossip until `cancel`.
pub(super) fn follow(
    node: &str,
    view: watch::Receiver<Arc<View>>,
    writer: Writer,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Deaths {
    let (publish, deaths) = watch::channel(BTreeMap::new());
    tasks.spawn(cancel.clone().run_until_cancelled_owned(observe(view, publish)));
    tasks.spawn(cancel.clone().run_until_cancelled_owned(report(node.to_owned(), writer, deaths.clone())));
    deaths
}

async fn observe(mut view: watch::Receiver<Arc<View>>, publish: watch::Sender<BTreeMap<NodeName, Dead>>) {
    let mut health = Health::default();
    let mut trials = JoinSet::new();
    view.mark_changed();
    loop {
        while let Some(trial) = health.poll(now()) {
            trials.spawn(async move { (listen(trial.ip).await, trial) });
        }
        let deadline = health.next_deadline();
        tokio::select! {
            changed = view.changed() => {
                // Gossip has ended: so does the process.
                if changed.is_err() { return }
                let view = Arc::clone(&view.borrow_and_update());
                health.view(now(), &view);
            }
            Some(Ok((heard, trial))) = trials.join_next() => {
                tell(&trial, heard);
                health.heard(now(), &trial, heard);
            }
            () = sleep_until(deadline), if deadline.is_some() => {}
        }
        let dead = health.dead();
        publish.send_if_modified(|published| {
            let changed = *published != dead;
            *published = dead;
            changed
        });
    }
}

fn tell(trial: &Trial, heard: Heard) {
    tracing::debug!(node = %trial.node, ip = %trial.ip, ?heard, "tried");
}

/// Whether a machine is there.
async fn listen(ip: IpAddr) -> Heard {
    let address = SocketAddr::new(ip, PORT);
    let mut connections = JoinSet::new();
    for _ in 0..TRIALS {
        connections.spawn(TcpStream::connect(address));
        if let Ok(Some(Ok(result))) = tokio::time::timeout(PATIENCE, connections.join_next()).await {
            return result.map_or_else(|error| heard(error.kind()), |_connected| Heard::Answer);
        }
    }
    Heard::Silence
}

fn heard(error: ErrorKind) -> Heard {
    if matches!(error, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) {
        Heard::Answer
    } else if matches!(error, ErrorKind::HostUnreachable | ErrorKind::TimedOut) {
        Heard::Silence
    } else {
        // No route, no permission, no descriptor: that is about us.
        Heard::Nothing
    }
}

/// Writes what is held for dead whenever it changes; at first that nothing is, so that the controller counts us.
async fn report(node: String, writer: Writer, mut deaths: Deaths) {
    let mut broken = false;
    loop {
        let dead = deaths.borrow_and_update().clone();
        match writer.node_health(&node, &unreachable(&dead, now(), Timestamp::now())).await {
            Ok(()) => {
                broken = false;
                if deaths.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut broken, true) {
                    tracing::warn!(error = ferrolb_daemon::sentence(&error), "report not written; trying again");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn unreachable(dead: &BTreeMap<NodeName, Dead>, now: Instant, time: Timestamp) -> Vec<UnreachableNode> {
    let at = |instant: Instant| {
        let ago = SignedDuration::try_from(now.duration_since(instant)).unwrap_or_default();
        MicroTime(time.checked_sub(ago).unwrap_or(time))
    };
    let node = |(node, dead): (&NodeName, &Dead)| UnreachableNode {
        node: node.to_string(),
        since: at(dead.since),
        checked: at(dead.checked),
    };
    dead.iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_living_kernel_answers_whoever_listens() {
        assert_eq!(listen([127, 0, 0, 1].into()).await, Heard::Answer);
    }

    #[test]
    fn what_is_wrong_here_says_nothing_about_there() {
        assert_eq!(heard(ErrorKind::HostUnreachable), Heard::Silence);
        for here in [ErrorKind::NetworkUnreachable, ErrorKind::PermissionDenied, ErrorKind::AddrNotAvailable] {
            assert_eq!(heard(here), Heard::Nothing, "{here}");
        }
    }

    #[test]
    fn times_are_those_of_the_wall_clock() {
        let (since, time) = (now(), Timestamp::from_second(1_700_000_000).unwrap());
        let (checked, now) = (since + Duration::from_secs(5), since + Duration::from_secs(7));
        let dead = BTreeMap::from([("n1".into(), Dead { since, checked })]);
        let reported = unreachable(&dead, now, time);
        let seconds = |time: &MicroTime| time.0.as_second() - 1_700_000_000;
        assert_eq!((seconds(&reported[0].since), seconds(&reported[0].checked)), (-7, -2));
        assert_eq!(reported[0].node, "n1");
    }
}
