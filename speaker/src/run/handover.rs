//! The end on purpose: make before break. Others are told first; every address is answered for until a successor was
//! heard, and then no longer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::bgp::Bgp;
use super::speaker::{Parts, Speaker};
use super::{interfaces, now};
use crate::plan::Announcement;

/// The longest an address is answered for after everybody was told to take over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);
/// A peer that does not read must not keep a speaker from ending: whoever asked for the end waits for 5 s.
const BGP_ENDS_WITHIN: Duration = Duration::from_millis(2500);

// === impl Speaker ===

impl Speaker {
    /// Leaves, and answers on until others do. `false`: somebody was in a hurry, and asked for the end a second time.
    pub(super) async fn hand_over(&mut self) -> bool {
        self.parts.ready.set(false);
        let again = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = again => {
                tracing::warn!("asked to stop again; what is not handed over is given up");
                false
            }
            () = self.leave_everything() => true,
        }
    }

    /// Both ways of announcing are left side by side.
    async fn leave_everything(&mut self) {
        let mut bgp =
            std::mem::replace(&mut self.parts.bgp, Bgp::new(&self.parts.args.node_name, &self.parts.args.admin_socket));
        let bgp = async {
            if tokio::time::timeout(BGP_ENDS_WITHIN, bgp.end()).await.is_err() {
                tracing::warn!("ended although not every BGP peer was told");
            }
        };
        tokio::join!(bgp, self.leave());
    }

    async fn leave(&mut self) {
        let plan = Arc::clone(self.parts.brain.plan());
        let alone = self.parts.brain.snapshot().view.members.len() <= 1;
        if self.parts.gossip.leave().await.is_err() || alone {
            return;
        }
        let mut mine: Vec<&Announcement> = plan.l2.iter().collect();
        let deadline = now() + HAND_OVER_WITHIN;
        tracing::info!(addresses = mine.len(), "handing over");
        while !mine.is_empty() {
            let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
            tokio::select! {
                biased;
                changed = self.parts.gossip.view.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let view = Arc::clone(&self.parts.gossip.view.borrow_and_update());
                    let me = &self.parts.brain.snapshot().me;
                    let others = |vip: &IpAddr| view.owner(*vip).is_some_and(|owner| owner != me);
                    taken.extend(mine.iter().map(|announcement| announcement.claim).filter(others));
                }
                heard = self.parts.heard.recv() => match heard {
                    // Any other station may be a router that asks, or a stranger.
                    Some(heard) if self.is_another_node(heard.mac.octets()) => {
                        taken.extend(mine.iter().filter(|a| a.vip == heard.vip).map(|a| a.claim));
                    }
                    Some(_) => {}
                    None => break,
                },
                () = tokio::time::sleep_until(deadline.into()) => {
                    tracing::warn!(addresses = mine.len(), "nobody took over in time");
                    break;
                }
            }
            if !taken.is_empty() {
                mine.retain(|announcement| !taken.contains(&announcement.claim));
                self.parts
                    .l2
                    .announce(mine.iter().map(|announcement| interfaces::announcement(announcement)).collect());
            }
        }
    }

    fn is_another_node(&self, mac: [u8; 6]) -> bool {
        let snapshot = self.parts.brain.snapshot();
        snapshot.view.members.keys().any(|node| *node != snapshot.me && snapshot.is_of(node, mac))
    }

    /// Ends everything that has a thread of its own.
    pub(super) async fn end(self) {
        let Parts { gossip, l2, reporter, brain, .. } = self.parts;
        l2.shutdown().await;
        if let Err(error) = gossip.shutdown().await {
            tracing::error!(error = ferrolb_daemon::sentence(&error), "gossip ended badly");
        }
        drop(reporter);
        brain.end().await;
    }
}
