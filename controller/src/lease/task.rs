//! The edge: reads and writes the Lease, and tells until when acting is allowed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Candidate, Held, Record, Step, Terms};

/// How long giving the lease up may take: who waits for it waits no longer than for a crashed holder.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// A Lease object, and this process as a candidate for it.
#[derive(Clone)]
pub struct Lease {
    api: Api<LeaseObject>,
    name: Arc<str>,
    identity: Arc<str>,
    terms: Terms,
}

/// A round that led to nothing; the next one tries again.
#[derive(Debug, Error)]
enum RoundError {
    #[error("the API server does not answer within {0:?}")]
    Timeout(Duration),
    #[error("the API server refused")]
    Api(#[from] Box<kube::Error>),
}

// === impl Lease ===

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Lease {
    /// The lease `namespace/name`, wanted by `identity`, which has to be different for every process, also for two in
    /// turn on one host: the pod's name and something random. The client should neither retry by itself nor wait
    /// longer than [`Terms::timeout`].
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            identity: identity.into(),
            terms: Terms::default(),
        }
    }

    /// The same with other times than the default.
    #[must_use]
    pub fn with_terms(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Tries to get and to keep the lease until `release` is cancelled, then gives it up, so that another candidate
    /// need not wait. Cancel it when nothing is being written any more.
    ///
    /// The channel wakes on every renewal and as soon as the lease is lost. What it says is true only while
    /// [`Held::allows`]: a process that was stopped has to ask again.
    pub fn spawn(self, tasks: &TaskTracker, release: CancellationToken) -> watch::Receiver<Held> {
        let (sender, receiver) = watch::channel(Held::no());
        let candidate = Candidate::new(self.identity.as_ref(), self.terms, now());
        tasks.spawn(Keeper { lease: self, candidate, object: None, held: sender }.run(release));
        receiver
    }
}

/// Owns the candidate; waits for the API server and the clock. Nothing is lost when a round is dropped: the next one
/// reads again, and what a dropped write did is seen then.
struct Keeper {
    lease: Lease,
    candidate: Candidate,
    /// As it was last written, with its `resourceVersion`: a holder renews without reading.
    object: Option<LeaseObject>,
    held: watch::Sender<Held>,
}

// === impl Keeper ===

impl Keeper {
    async fn run(mut self, release: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = release.cancelled() => break,
                result = self.round() => if let Err(error) = result {
                    let error = ferrolb_daemon::sentence(&error);
                    tracing::warn!(lease = %self.lease.name, error, "lease round failed");
                },
            }
            self.publish();
            let rest = self.candidate.rest(now());
            tokio::select! {
                biased;
                () = release.cancelled() => break,
                () = self.watching(tokio::time::sleep(rest)) => {}
            }
        }
        self.give_up().await;
    }

    /// Reads, decides, writes.
    async fn round(&mut self) -> Result<(), RoundError> {
        let renewing = self.candidate.step(now()) == Step::Renew;
        let mut object = self.object.take().filter(|_| renewing);
        if object.is_none() {
            object = self.call(self.lease.api.get_opt(&self.lease.name)).await?;
            self.candidate.observe(object.as_ref().map(Record::of), now());
        }
        let step = self.candidate.step(now());
        if let Step::Wait(_) = step {
            return Ok(());
        }
        let mut next = object.unwrap_or_default();
        next.metadata.name = Some(self.lease.name.to_string());
        self.candidate.proposal(Timestamp::now()).write_to(&mut next);
        let began = now();
        let post = PostParams::default();
        let written = if step == Step::Create {
            self.call(self.lease.api.create(&post, &next)).await
        } else {
            self.call(self.lease.api.replace(&self.lease.name, &post, &next)).await
        };
        match written {
            Ok(object) => {
                self.candidate.written(Record::of(&object), began, now());
                self.object = Some(object);
                Ok(())
            }
            // Somebody was faster: who, the next round sees.
            Err(RoundError::Api(error)) if is_conflict(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, RoundError> {
        let timeout = self.lease.terms.timeout;
        match self.watching(tokio::time::timeout(timeout, call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RoundError::Api(Box::new(error))),
            Err(_elapsed) => Err(RoundError::Timeout(timeout)),
        }
    }

    /// Awaits something, and tells meanwhile when holding ends.
    async fn watching<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let deadline = self.held.borrow().deadline();
            let Some(deadline) = deadline else { return future.await };
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = tokio::time::sleep_until(deadline.into()) => self.publish(),
            }
        }
    }

    fn publish(&self) {
        let held = self.candidate.held(now());
        let before = self.held.send_replace(held);
        match (before.deadline().is_some(), held.deadline().is_some()) {
            (false, true) => tracing::info!(lease = %self.lease.name, "lease held"),
            (true, false) => tracing::warn!(lease = %self.lease.name, "lease lost"),
            _ => {}
        }
    }

    async fn give_up(mut self) {
        let released = self.candidate.release();
        self.held.send_replace(Held::no());
        let Some(released) = released else { return };
        let release = async {
            // A write that was dropped on the way may have changed it.
            let Some(mut object) = self.lease.api.get_opt(&self.lease.name).await? else { return Ok(()) };
            if Record::of(&object).holder.as_deref() == Some(self.lease.identity.as_ref()) {
                released.write_to(&mut object);
                self.lease.api.replace(&self.lease.name, &PostParams::default(), &object).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(RELEASE_TIMEOUT, release).await {
            Ok(Ok(())) => tracing::info!(lease = %self.lease.name, "lease released"),
            Ok(Err(error)) => {
                let error = ferrolb_daemon::sentence(&error);
                tracing::warn!(lease = %self.lease.name, error, "lease not released");
            }
            Err(_elapsed) => tracing::warn!(lease = %self.lease.name, "lease not released in time"),
        }
    }
}

/// The clock that tokio's timers follow.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Whether a write was refused because the object is not as it was read: changed (409), created (409) or deleted (404).
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}
