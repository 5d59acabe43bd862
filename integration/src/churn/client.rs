//! A client: creates, edits and deletes its Services, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::wish::Wish;

/// Before a request is tried again that the API server did not answer: it is gone on purpose.
const AGAIN: Duration = Duration::from_millis(100);
/// Between two requests, in milliseconds.
const PACE: std::ops::Range<u64> = 2..30;

/// What a client did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Services created.
    pub created: usize,
    /// Services edited.
    pub edited: usize,
    /// Services deleted.
    pub deleted: usize,
    /// Requests that were tried again.
    pub retried: usize,
}

pub(super) struct Client {
    api: Api<Service>,
    rng: StdRng,
    names: Vec<String>,
    /// What there is.
    wishes: BTreeMap<String, Wish>,
    edit: u64,
    deeds: Deeds,
}

// === impl Deeds ===

impl std::ops::AddAssign for Deeds {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.edited += other.edited;
        self.deleted += other.deleted;
        self.retried += other.retried;
    }
}

// === impl Client ===

impl Client {
    /// A client for the Services of these names, which nobody else touches.
    pub(super) fn new(api: Api<Service>, names: Vec<String>, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { api, rng, names, wishes: BTreeMap::new(), edit: 0, deeds: Deeds::default() }
    }

    /// Goes on until `stop`, and says what it did. A request that was begun is brought to its end.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<Deeds, Error> {
        while !stop.is_cancelled() {
            self.step().await?;
            let pause = Duration::from_millis(self.rng.random_range(PACE));
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        Ok(self.deeds)
    }

    async fn step(&mut self) -> Result<(), Error> {
        let Some(name) = self.names.choose(&mut self.rng).cloned() else { return Ok(()) };
        self.edit += 1;
        match self.wishes.remove(&name) {
            None => {
                let wish = Wish::new(&mut self.rng);
                self.create(&name, wish.object(&name, self.edit)).await?;
                self.deeds.created += 1;
                self.wishes.insert(name, wish);
            }
            Some(_) if self.rng.random_ratio(1, 4) => {
                self.delete(&name).await?;
                self.deeds.deleted += 1;
            }
            Some(mut wish) => {
                for _ in 0..self.rng.random_range(1..=2) {
                    wish.edit(&mut self.rng);
                }
                self.patch(&name, &wish.patch(self.edit)).await?;
                self.deeds.edited += 1;
                self.wishes.insert(name, wish);
            }
        }
        Ok(())
    }

    async fn create(&mut self, name: &str, object: Value) -> Result<(), Error> {
        let what = || format!("create Service {name}");
        let object: Service =
            serde_json::from_value(object).map_err(|source| Error::Object { what: what(), source })?;
        loop {
            // A request that was not answered may have been carried out.
            match self.api.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                    return Ok(());
                }
                result => {
                    if self.answered(what, result.map(drop)).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn patch(&mut self, name: &str, patch: &Value) -> Result<(), Error> {
        loop {
            let result = self.api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
            if self.answered(|| format!("patch Service {name} with {patch}"), result.map(drop)).await? {
                return Ok(());
            }
        }
    }

    async fn delete(&mut self, name: &str) -> Result<(), Error> {
        loop {
            match self.api.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                result => {
                    if self.answered(|| format!("delete Service {name}"), result.map(drop)).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether a request was answered; after a pause, if not. A refusal is an error of this program: what it writes is
    /// meant to be right.
    async fn answered(&mut self, what: impl Fn() -> String, result: kube::Result<()>) -> Result<bool, Error> {
        let error = match result {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        if let kube::Error::Api(status) = &error {
            // 409: the controller wrote between reading and writing of the patch. 429 and above 499: not ready.
            let passes = matches!(status.code, 409 | 429 | 500..) || status.message.contains("failed to allocate");
            if !passes {
                return Err(Error::Api { what: what(), source: Box::new(error) });
            }
        }
        self.deeds.retried += 1;
        sleep(AGAIN).await;
        Ok(false)
    }
}
