//! Publishes what the watches see, as often as the work behind it allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::WAITING;
use super::kind::Kind;
use super::state::{Change, State};
use crate::cluster::Cluster;

/// Publishing and what follows from it cost about a microsecond for each object there is. Pausing for five times that
/// leaves most of the processor to others while everything changes; the first change after a pause goes at once.
const PAUSE_PER_OBJECT: Duration = Duration::from_micros(5);
/// Where there are many objects, more changes come together, and one publishing does for all of them: from here on the
/// pause is longer, so that what it costs stays a small part of the work (a quarter of a second with 10,000 objects).
const MANY: usize = 1_000;
const PAUSE_PER_FURTHER_OBJECT: Duration = Duration::from_micros(25);

/// Works until shutdown, or until all watches have ended.
pub(super) async fn follow(
    mut state: State,
    mut changes: mpsc::Receiver<(Kind, Change)>,
    cluster: watch::Sender<Arc<Cluster>>,
    shutdown: CancellationToken,
) {
    let mut dirty = false;
    let mut not_before = now();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            change = changes.recv() => {
                let Some((kind, change)) = change else { return };
                dirty |= state.apply(kind, change);
                // As many as may wait, so that a stream of them cannot keep the state from being published.
                for (kind, change) in std::iter::from_fn(|| changes.try_recv().ok()).take(WAITING) {
                    dirty |= state.apply(kind, change);
                }
            }
            () = tokio::time::sleep_until(not_before.into()), if dirty && state.is_complete() => {}
        }
        let at = now();
        if dirty && at >= not_before && state.is_complete() {
            cluster.send_replace(Arc::new(state.cluster()));
            dirty = false;
            not_before = at + pause(state.len());
        }
    }
}

/// How long nothing is published after so many objects were.
fn pause(objects: usize) -> Duration {
    let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (first, further) = (objects.min(MANY), objects.saturating_sub(MANY));
    PAUSE_PER_OBJECT * times(first) + PAUSE_PER_FURTHER_OBJECT.saturating_mul(times(further))
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_objects_are_published_more_often_than_many() {
        assert_eq!([0, 500, MANY].map(pause), [0, 2_500, 5_000].map(Duration::from_micros));
        assert_eq!(pause(10_000), Duration::from_millis(230));
        assert!(pause(usize::MAX) > pause(100_000));
    }
}
