//! The observer: its own watch on Services and pools, which tells the [`Judge`] everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrolb_api::v1beta1::{IPAddressPool, IPAddressPoolStatus};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::judge::{Judge, Rule, Tally, Violation};
use super::seen::Seen;
use super::settled::{Unmet, unmet};
use super::{NAMESPACE, SERVICES};

/// Before a watch that broke is opened again; the API server may be gone on purpose.
const AGAIN: Duration = Duration::from_millis(100);

/// What the observer has seen; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    seen: Arc<Mutex<State>>,
    /// Counts what was taken into account.
    changes: watch::Sender<u64>,
    /// Cancelled as soon as a rule is broken.
    pub(super) broken: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    judge: Judge,
    counters: BTreeMap<String, IPAddressPoolStatus>,
}

// === impl Observed ===

impl Observed {
    pub(super) fn new() -> Self {
        Self { seen: Arc::default(), changes: watch::Sender::new(0), broken: CancellationToken::new() }
    }

    /// Follows Services and pools until it is dropped.
    pub(super) async fn follow(self, client: Client) {
        let services = watcher(Api::<Service>::namespaced(client.clone(), SERVICES), watcher::Config::default());
        let pools = watcher(Api::<IPAddressPool>::namespaced(client, NAMESPACE), watcher::Config::default());
        let (mut services, mut pools) = (std::pin::pin!(services), std::pin::pin!(pools));
        let mut listed = None;
        loop {
            let failed = tokio::select! {
                Some(event) = services.next() => event.map(|event| self.service(event, &mut listed)).is_err(),
                Some(event) = pools.next() => event.map(|event| self.pool(event)).is_err(),
                else => return,
            };
            if failed {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn service(&self, event: Event<Service>, listed: &mut Option<Vec<Seen>>) {
        let mut state = self.seen.lock();
        match event {
            Event::Init => *listed = Some(Vec::new()),
            Event::InitApply(service) => listed.get_or_insert_default().push(Seen::of(&service)),
            Event::InitDone => state.judge.listed(listed.take().unwrap_or_default()),
            Event::Apply(service) => state.judge.applied(Seen::of(&service)),
            Event::Delete(service) => state.judge.deleted(&Seen::of(&service)),
        }
        if state.judge.violation().is_some() {
            self.broken.cancel();
        }
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    fn pool(&self, event: Event<IPAddressPool>) {
        let mut state = self.seen.lock();
        match event {
            Event::Apply(pool) | Event::InitApply(pool) => {
                let name = pool.metadata.name.unwrap_or_default();
                state.counters.insert(name, pool.status.unwrap_or_default());
            }
            Event::Delete(pool) => {
                state.counters.remove(&pool.metadata.name.unwrap_or_default());
            }
            Event::Init | Event::InitDone => {}
        }
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.seen.lock().judge.violation().cloned()
    }

    pub(super) fn tally(&self) -> Tally {
        self.seen.lock().judge.tally
    }

    /// Waits until a Service has an address.
    pub(super) async fn serves(&self, name: &str, deadline: Duration) -> Result<(), Violation> {
        let unserved = |state: &State| {
            let served = state.judge.services.get(name).is_some_and(|tracked| !tracked.now.holds().is_empty());
            let what = format!("{name} has no address");
            (!served).then(|| Unmet { service: name.to_owned(), ips: Vec::new(), what })
        };
        self.until(deadline, |state| unserved(state).into_iter().collect()).await
    }

    /// Waits until everything is as it should be once nothing changes any more.
    pub(super) async fn settles(&self, deadline: Duration) -> Result<(), Violation> {
        self.until(deadline, |state| unmet(&state.judge, &state.counters)).await
    }

    async fn until(&self, deadline: Duration, missing: impl Fn(&State) -> Vec<Unmet>) -> Result<(), Violation> {
        let mut changes = self.changes.subscribe();
        let arrived = tokio::time::timeout(deadline, async {
            while !missing(&self.seen.lock()).is_empty() && !self.broken.is_cancelled() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        let in_time = arrived.await.is_ok();
        let state = self.seen.lock();
        match (state.judge.violation(), in_time) {
            (Some(violation), _) => Err(violation.clone()),
            (None, true) => Ok(()),
            (None, false) => Err(unsettled(&state.judge, &missing(&state), deadline)),
        }
    }
}

fn unsettled(judge: &Judge, unmet: &[Unmet], deadline: Duration) -> Violation {
    let what: Vec<&str> = unmet.iter().map(|unmet| unmet.what.as_str()).collect();
    let history = unmet.iter().flat_map(|unmet| judge.history_of(&unmet.service, &unmet.ips)).collect();
    Violation { rule: Rule::Unsettled, what: format!("after {deadline:?}: {}", what.join("; ")), history }
}
