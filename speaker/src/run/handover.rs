//! The end on purpose: make before break. Others are told first; every address is answered for until a successor was
//! heard, and then no longer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Speaker, interfaces, now};
use crate::plan::Announcement;

/// The longest an address is answered for after everybody was told to take over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

// === impl Speaker ===

impl Speaker {
    /// Leaves, and answers on until others do.
    pub(super) async fn hand_over(&mut self) {
        let plan = Arc::clone(self.brain.plan());
        let alone = self.brain.snapshot().view.members.len() <= 1;
        if self.gossip.leave().await.is_err() || alone {
            return;
        }
        let mut mine: Vec<&Announcement> = plan.l2.iter().collect();
        let deadline = now() + HAND_OVER_WITHIN;
        tracing::info!(addresses = mine.len(), "handing over");
        while !mine.is_empty() {
            let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
            tokio::select! {
                biased;
                changed = self.gossip.view.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let view = Arc::clone(&self.gossip.view.borrow_and_update());
                    let me = &self.brain.snapshot().me;
                    let others = |vip: &IpAddr| view.owner(*vip).is_some_and(|owner| owner != me);
                    taken.extend(mine.iter().map(|announcement| announcement.claim).filter(others));
                }
                heard = self.heard.recv() => match heard {
                    Some(heard) => taken.extend(mine.iter().filter(|a| a.vip == heard.vip).map(|a| a.claim)),
                    None => break,
                },
                () = tokio::time::sleep_until(deadline.into()) => {
                    tracing::warn!(addresses = mine.len(), "nobody took over in time");
                    break;
                }
            }
            if !taken.is_empty() {
                mine.retain(|announcement| !taken.contains(&announcement.claim));
                self.l2.announce(mine.iter().map(|announcement| interfaces::announcement(announcement)).collect());
            }
        }
    }

    /// Ends everything that has a thread of its own.
    pub(super) async fn end(self) {
        let Self { gossip, l2, reporter, .. } = self;
        l2.shutdown().await;
        if let Err(error) = gossip.shutdown().await {
            tracing::error!(error = ferrolb_daemon::sentence(&error), "gossip ended badly");
        }
        drop(reporter);
    }
}
