//! Metrics for the network: over TLS, for whoever may get them. Who that is, somebody else knows; what was said is
//! believed for a while, and questions are paced, so that made-up tokens cost whoever is asked next to nothing.

mod memory;

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::Args;
use parking_lot::Mutex;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::memory::{Key, Memory, Pace};
use crate::tls::{self, Identity, IdentityError, TlsArgs, TlsError};

/// Flags of metrics for the network.
#[derive(Debug, Clone, Default, Args)]
pub struct GuardArgs {
    /// Directory of tls.crt and tls.key (PEM) for metrics, followed as it changes [default: a self-signed certificate].
    #[arg(long, value_name = "DIR")]
    pub metrics_cert_dir: Option<PathBuf>,
}

/// Metrics that cannot be guarded.
#[derive(Debug, Error)]
pub enum GuardError {
    /// A flag cannot be followed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no certificate for metrics, and none can be made.
    #[error("metrics cannot be served over TLS")]
    Identity(#[from] IdentityError),
}

/// Who may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever asked may know.
    Granted,
    /// Nobody known has asked.
    Unauthenticated,
    /// Whoever asked may not know.
    Forbidden,
    /// It could not be found out.
    Unanswered,
}

/// Decides who may get a path by the bearer token that was sent.
pub trait Authorize: Send + Sync {
    /// Whether the owner of `token` may get `path`.
    fn authorize(&self, token: String, path: String) -> Pin<Box<dyn Future<Output = Access> + Send + '_>>;
}

impl<F, A> Authorize for F
where
    F: Fn(String, String) -> A + Send + Sync,
    A: Future<Output = Access> + Send + 'static,
{
    fn authorize(&self, token: String, path: String) -> Pin<Box<dyn Future<Output = Access> + Send + '_>> {
        Box::pin(self(token, path))
    }
}

/// How metrics are guarded where the network can reach them.
#[derive(Clone)]
pub struct Guard {
    /// The TLS that is spoken.
    pub tls: Arc<ServerConfig>,
    /// Who gets an answer.
    pub authorize: Arc<dyn Authorize>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// A guard that asks `ask(token, path)`, which somebody else answers, through a [`Doorkeeper`]. A certificate in files
/// is followed on `tasks` until `shutdown`.
///
/// # Errors
/// A flag cannot be followed, or no certificate can be made. Nothing was started then.
pub fn guard<F, A, E>(
    args: &GuardArgs,
    tls: &TlsArgs,
    ask: F,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Guard, GuardError>
where
    F: Fn(String, String) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Access, E>> + Send + 'static,
    E: Error + Send + 'static,
{
    let config = match &args.metrics_cert_dir {
        Some(dir) => {
            let (follower, identity) = tls::follow(dir);
            let config = tls.server_config(identity)?;
            tasks.spawn(follower.run(shutdown.clone()));
            config
        }
        None => tls.server_config(watch::channel(Some(Identity::self_signed("localhost")?)).1)?,
    };
    Ok(Guard { tls: config, authorize: Arc::new(Doorkeeper::new(ask)) })
}

/// Passes questions on to somebody who knows, and remembers the answers: that a token may, for a minute; that it may
/// not, for ten seconds. Questions that nobody has answered before go one after the other, at most ten a second after
/// the first twenty; those of tokens that were once good do not wait behind them.
pub struct Doorkeeper<F> {
    ask: F,
    memory: Mutex<Memory>,
    /// Whoever waits for the lock waits in the order of coming, so nobody waits for ever.
    pace: tokio::sync::Mutex<Pace>,
}

// === impl Doorkeeper ===

impl<F> std::fmt::Debug for Doorkeeper<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doorkeeper").finish_non_exhaustive()
    }
}

impl<F> Doorkeeper<F> {
    /// One that asks `ask` with token and path.
    pub fn new(ask: F) -> Self {
        Self { ask, memory: Mutex::default(), pace: tokio::sync::Mutex::default() }
    }
}

impl<F, A, E> Authorize for Doorkeeper<F>
where
    F: Fn(String, String) -> A + Send + Sync,
    A: Future<Output = Result<Access, E>> + Send + 'static,
    E: Error + Send + 'static,
{
    fn authorize(&self, token: String, path: String) -> Pin<Box<dyn Future<Output = Access> + Send + '_>> {
        Box::pin(self.decide(token, path))
    }
}

impl<F, A, E> Doorkeeper<F>
where
    F: Fn(String, String) -> A + Send + Sync,
    A: Future<Output = Result<Access, E>> + Send + 'static,
    E: Error + Send + 'static,
{
    async fn decide(&self, token: String, path: String) -> Access {
        let key = Key::new(&token, &path);
        if let Some(access) = self.memory.lock().recall(&key, Instant::now()) {
            return access;
        }
        if !self.memory.lock().was_good(&key) {
            self.wait_for_turn().await;
            // Somebody before us may have asked the same.
            if let Some(access) = self.memory.lock().recall(&key, Instant::now()) {
                return access;
            }
        }
        match (self.ask)(token, path.clone()).await {
            Ok(access) => {
                self.memory.lock().learn(key, access, Instant::now());
                access
            }
            Err(error) => {
                tracing::warn!(path, error = crate::sentence(&error), "token not checked");
                Access::Unanswered
            }
        }
    }

    /// The wait is bounded by how many may ask at a time: that is by the connections of the server.
    async fn wait_for_turn(&self) {
        let mut pace = self.pace.lock().await;
        let turn = pace.next(Instant::now());
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    /// A doorkeeper that lets in whoever says `good`, and how often it had to ask.
    fn doorkeeper() -> (Arc<dyn Authorize>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let ask = move |token: String, _path: String| {
            counter.fetch_add(1, Ordering::Relaxed);
            let access = if token == "good" { Access::Granted } else { Access::Unauthenticated };
            ready(Ok::<_, Infallible>(access))
        };
        (Arc::new(Doorkeeper::new(ask)), asked)
    }

    async fn metrics(keeper: &Arc<dyn Authorize>, token: impl Into<String>) -> Access {
        keeper.authorize(token.into(), "/metrics".to_owned()).await
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_tokens_wait_and_good_ones_do_not() {
        let (keeper, asked) = doorkeeper();
        assert_eq!(metrics(&keeper, "good").await, Access::Granted);
        // Long enough for the answer to need a new look, and for the burst to be allowed again.
        tokio::time::sleep(Duration::from_secs(120)).await;
        let flood = Instant::now();
        let mut strangers = JoinSet::new();
        for number in 0..64 {
            let keeper = Arc::clone(&keeper);
            strangers.spawn(async move { metrics(&keeper, number.to_string()).await });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(metrics(&keeper, "good").await, Access::Granted);
        assert_eq!(flood.elapsed(), Duration::from_millis(1));
        assert!(strangers.join_all().await.into_iter().all(|access| access == Access::Unauthenticated));
        assert_eq!(flood.elapsed(), Duration::from_millis(4400), "64 questions: 20 at once, 44 at ten a second");
        assert_eq!(asked.load(Ordering::Relaxed), 66);
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_show_the_same_token_ask_once() {
        let (keeper, asked) = doorkeeper();
        for _ in 0..1000 {
            assert_eq!(metrics(&keeper, "made up").await, Access::Unauthenticated);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
