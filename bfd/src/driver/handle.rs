//! The caller's end: says what shall be, sees what is.

use std::collections::BTreeMap;
use std::sync::Arc;

use nix::sys::eventfd::EventFd;
use tokio::sync::watch;

use super::observed::Observed;
use super::peer::{Parameters, Peer};

/// All that shall be.
#[derive(Debug, Clone, Default)]
pub(super) struct Desired {
    pub(super) sessions: Arc<BTreeMap<Peer, Parameters>>,
    pub(super) stop: bool,
}

/// Controls a running driver. Dropping it stops the driver as [`shutdown`](Self::shutdown) does, without waiting.
#[derive(Debug)]
pub struct Handle {
    desired: watch::Sender<Desired>,
    observed: watch::Receiver<Arc<Observed>>,
    waker: Arc<EventFd>,
}

impl Handle {
    pub(super) fn new(
        desired: watch::Sender<Desired>,
        observed: watch::Receiver<Arc<Observed>>,
        waker: Arc<EventFd>,
    ) -> Self {
        Self { desired, observed, waker }
    }

    /// The sessions there shall be, all of them; replaces what was said before and returns at once. A session that is
    /// there already and has other parameters takes them over while it runs; one that is gone ends in AdminDown, which is
    /// told to the peer so that it does not take it for a failure.
    pub fn set(&self, sessions: BTreeMap<Peer, Parameters>) {
        self.desired.send_modify(|desired| desired.sessions = Arc::new(sessions));
        self.wake();
    }

    /// How every session stands. Changes of state show at once, counters every second while packets flow. The sender is gone
    /// once the driver has ended.
    pub fn observed(&self) -> watch::Receiver<Arc<Observed>> {
        self.observed.clone()
    }

    /// Waits until the driver has ended, for whatever reason. Without [`shutdown`](Self::shutdown) that is a defect.
    pub async fn closed(&self) {
        self.desired.closed().await;
    }

    /// Ends every session in AdminDown: when this returns each peer has confirmed that, or its detection time (at most 3 s
    /// are waited) is over, and the thread has ended.
    pub async fn shutdown(self) {
        self.stop();
        self.desired.closed().await;
    }

    fn stop(&self) {
        self.desired.send_modify(|desired| desired.stop = true);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when the counter is full: then it wakes anyway.
        let _full = self.waker.write(1);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
