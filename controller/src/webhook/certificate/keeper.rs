//! Keeps the certificate: reads the Secret, does what [`decide`] says, serves what is there, injects the authority.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferrolb_daemon::tls::Identity;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::watcher::DefaultBackoff;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::webhook::certificate::authority::{MakeError, create, renew};
use crate::webhook::certificate::cluster::{CallError, Objects, Target, stored};
use crate::webhook::certificate::decision::{Decision, Names, Stored, decide};
use crate::webhook::certificate::inject::{Injected, into_conversion, into_webhooks};

/// All is looked at again after this long, whatever the watches say.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// And not sooner than this, whoever fights about the objects.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// A round that came to nothing; another one follows.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("no certificate")]
    Make(#[from] MakeError),
}

/// Keeps the certificate in a Secret and shows it as long as it runs.
pub struct Keeper {
    objects: Objects,
    names: Names,
    identity: watch::Sender<Option<Identity>>,
    /// What was last said of an object that nothing can be injected into.
    said: BTreeMap<Target, &'static str>,
}

// === impl Keeper ===

impl Keeper {
    /// A keeper of the certificate for `names` in the Secret `secret` of their namespace, and where it is shown.
    pub fn new(client: Client, names: Names, secret: &str) -> (Self, watch::Receiver<Option<Identity>>) {
        let (identity, receiver) = watch::channel(None);
        let objects = Objects::new(client, names.namespace(), secret);
        (Self { objects, names, identity, said: BTreeMap::new() }, receiver)
    }

    /// Keeps until `shutdown`. Owns nothing but what is in the cluster; may be dropped at any time.
    pub async fn run(mut self, tasks: TaskTracker, shutdown: CancellationToken) {
        let changed = Arc::new(Notify::new());
        self.objects.watch(&changed, &tasks, &shutdown);
        let mut backoff = DefaultBackoff::default();
        loop {
            let round = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                round = self.round() => round,
            };
            let wait = match round {
                Ok(wait) => {
                    backoff = DefaultBackoff::default();
                    wait
                }
                Err(RoundError::Call(CallError::Conflict { what })) => {
                    tracing::debug!(what, "somebody else was faster; looking again");
                    backoff.next().unwrap_or(LONGEST_WAIT)
                }
                Err(error) => {
                    let wait = backoff.next().unwrap_or(LONGEST_WAIT);
                    tracing::warn!(error = ferrolb_daemon::sentence(&error), retry = ?wait, "certificate not looked after");
                    wait
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(SHORTEST_WAIT) => {}
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = changed.notified() => {}
                () = tokio::time::sleep(wait.saturating_sub(SHORTEST_WAIT)) => {}
            }
        }
    }

    /// Looks at everything once; when to look again.
    async fn round(&mut self) -> Result<Duration, RoundError> {
        let now = Timestamp::now();
        let secret = self.objects.secret().await?;
        let before = secret.as_ref().map(stored).unwrap_or_default();
        let after = match decide(&before, &self.names, now) {
            Decision::Keep { identity, until } => {
                self.take_over(&before, identity).await?;
                let left = until.duration_since(now);
                return Ok(Duration::try_from(left).unwrap_or_default().min(LONGEST_WAIT));
            }
            Decision::Renew(reason) => match renew(&before, &self.names, now) {
                Ok(after) => {
                    tracing::info!(?reason, "renewing the certificate of the webhooks");
                    after
                }
                Err(error) => {
                    tracing::warn!(error = ferrolb_daemon::sentence(&error), ?reason, "beginning anew");
                    create(&before, &self.names, now)?
                }
            },
            Decision::Create(reason) => {
                tracing::info!(?reason, "making an authority and a certificate for the webhooks");
                create(&before, &self.names, now)?
            }
        };
        self.objects.write(secret, &after).await?;
        // What is in the Secret counts: read it again at once.
        Ok(Duration::ZERO)
    }

    /// Serves a certificate. One that replaces another is shown only after its authority is trusted.
    async fn take_over(&mut self, stored: &Stored, identity: Identity) -> Result<(), RoundError> {
        let first = self.identity.borrow().is_none();
        if first {
            self.show(identity.clone());
        }
        let webhooks = self.inject(Target::Webhooks, stored).await;
        let conversion = self.inject(Target::Conversion, stored).await;
        self.show(identity);
        Ok(webhooks.and(conversion)?)
    }

    fn show(&self, identity: Identity) {
        let changed = self.identity.send_if_modified(|current| {
            let changed = current.as_ref() != Some(&identity);
            *current = Some(identity);
            changed
        });
        if changed {
            tracing::info!("certificate of the webhooks in use");
        }
    }

    async fn inject(&mut self, target: Target, stored: &Stored) -> Result<(), CallError> {
        let Some(mut object) = self.objects.get(target).await? else {
            self.say(target, "is not there; waiting for it");
            return Ok(());
        };
        let bundle = STANDARD.encode(stored.authority.as_deref().unwrap_or_default());
        let injected = match target {
            Target::Webhooks => into_webhooks(&mut object.data, &self.names, &bundle),
            Target::Conversion => into_conversion(&mut object.data, &self.names, &bundle),
        };
        match injected {
            Injected::NotOurs => self.say(target, "calls no webhook of ours; left alone"),
            Injected::Unchanged => {
                self.said.remove(&target);
            }
            Injected::Changed => {
                self.said.remove(&target);
                self.objects.replace(target, &object).await?;
                tracing::info!(object = target.describe(), "authority put in");
            }
        }
        Ok(())
    }

    /// Says something about an object, once.
    fn say(&mut self, target: Target, what: &'static str) {
        if self.said.insert(target, what) != Some(what) {
            tracing::info!(object = target.describe(), "{what}");
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("names", &self.names).finish_non_exhaustive()
    }
}
