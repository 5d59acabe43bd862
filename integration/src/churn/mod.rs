//! Proof that no address is ever held twice, lost or changed without cause: Services come, change and go at a real API
//! server, while controllers, Lease holders and the API server are killed, and an observer with a watch of its own judges
//! every event.
//!
//! ```text
//!   clients ──create, edit, delete──> API server <──status── two controllers
//!                                      │      ^                   ^
//!   observer <──watch── every version ─┘      └── killed ─────────┘
//! ```
//!
//! What happens follows from a seed; when exactly it happens does not, so a seed repeats the kind of a run, not the run.

mod client;
mod error;
mod judge;
#[cfg(test)]
mod judge_tests;
mod observer;
mod plan;
mod pools;
mod replicas;
mod seen;
mod settled;
mod stage;
mod wish;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::client::Client;
pub use self::client::Deeds;
pub use self::error::Error;
pub use self::judge::{Rule, Tally, Violation};
use self::observer::Observed;
use self::plan::Fault;
pub use self::plan::Plan;
use self::replicas::Replicas;
use crate::apiserver::ControlPlane;

/// Namespace of the configuration and of the Lease.
const NAMESPACE: &str = "ferrolb-system";
/// Namespace of the Services.
const SERVICES: &str = "churn";
/// How many Services there may be at a time.
const NAMES: usize = 200;
/// Clients, each with its share of the names.
const CLIENTS: usize = 2;
/// How long everything may take to come to rest once nothing happens any more, however busy the machine is.
const REST: Duration = Duration::from_secs(120);
/// Before the first and after each fault, in milliseconds.
const PACE: std::ops::Range<u64> = 100..2000;
/// How long what was killed stays away, in milliseconds.
const AWAY: std::ops::Range<u64> = 0..400;

/// What a run that broke no rule saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The faults that happened.
    pub plan: Plan,
    /// What the clients did.
    pub deeds: Deeds,
    /// What the observer saw.
    pub tally: Tally,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, plan, deeds, tally } = self;
        writeln!(
            f,
            "seed {seed}: {} restarts, {} take-overs, {} hand-overs, {} freezes, {} outages of the API server",
            plan.restarts, plan.take_overs, plan.hand_overs, plan.freezes, plan.outages
        )?;
        writeln!(
            f,
            "clients: {} created, {} edited, {} deleted, {} requests tried again",
            deeds.created, deeds.edited, deeds.deleted, deeds.retried
        )?;
        write!(
            f,
            "observer: {} versions, {} addresses given, {} of them shared, {} taken with cause, {} gaps; no rule broken",
            tally.versions, tally.given, tally.shared, tally.taken, tally.gaps
        )
    }
}

/// Runs `plan` with the API server's programs in `programs` (see [`available`](crate::apiserver::available)).
///
/// # Errors
/// [`Error::Broken`] when a rule is; the others when the run itself fails.
pub async fn run(programs: PathBuf, plan: Plan, seed: u64) -> Result<Report, Error> {
    let mut cluster = stage::set(programs).await?;
    let observed = Observed::new();
    // Ends with this function.
    let mut watching = JoinSet::new();
    watching.spawn(observed.clone().follow(cluster.client().await?));
    let mut replicas = Replicas::start(&cluster).await?;
    let outcome = churn(&mut cluster, &mut replicas, &observed, plan, seed).await;
    if let Some(violation) = observed.violation().or_else(|| outcome.as_ref().err()?.violation().cloned()) {
        let logs = replicas.log_lines(&violation.words());
        return Err(Error::Broken { seed, violation: Box::new(violation), logs });
    }
    let deeds = outcome?;
    Ok(Report { seed, plan, deeds, tally: observed.tally() })
}

async fn churn(
    cluster: &mut ControlPlane,
    replicas: &mut Replicas,
    observed: &Observed,
    plan: Plan,
    seed: u64,
) -> Result<Deeds, Error> {
    let services: Api<Service> = Api::namespaced(cluster.client().await?, SERVICES);
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    for index in 0..CLIENTS {
        let names = (index..NAMES).step_by(CLIENTS).map(|number| format!("s-{number:03}")).collect();
        let offset = u64::try_from(index).unwrap_or_default() + 1;
        clients.spawn(Client::new(services.clone(), names, seed.wrapping_add(offset)).run(stop.clone()));
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut deeds = Deeds::default();
    tokio::select! {
        result = befall(cluster, replicas, &plan, &mut rng) => result?,
        () = observed.broken.cancelled() => {}
        // A client ends early only by an error.
        Some(ended) = clients.join_next() => deeds += ended??,
    }
    stop.cancel();
    while let Some(ended) = clients.join_next().await {
        deeds += ended??;
    }
    let broken = |violation| Error::Broken { seed, violation: Box::new(violation), logs: String::new() };
    if let Some(violation) = observed.violation() {
        return Err(broken(violation));
    }
    stage::mark(&services).await?;
    observed.serves(stage::MARKER, REST).await.map_err(broken)?;
    observed.settles(REST).await.map_err(broken)?;
    Ok(deeds)
}

/// One fault after the other.
async fn befall(
    cluster: &mut ControlPlane,
    replicas: &mut Replicas,
    plan: &Plan,
    rng: &mut StdRng,
) -> Result<(), Error> {
    let pause = async |range: std::ops::Range<u64>, rng: &mut StdRng| {
        sleep(Duration::from_millis(rng.random_range(range))).await;
    };
    for fault in plan.faults(rng) {
        pause(PACE, rng).await;
        match fault {
            Fault::Restart => replicas.kill_holder().await?,
            Fault::TakeOver => replicas.take_over().await?,
            Fault::HandOver => replicas.hand_over().await?,
            Fault::Freeze => replicas.freeze().await?,
            Fault::Outage => cluster.kill_api_server()?,
        }
        pause(AWAY, rng).await;
        match fault {
            Fault::Outage => cluster.start_api_server().await?,
            Fault::Restart | Fault::TakeOver | Fault::HandOver | Fault::Freeze => replicas.start_missing()?,
        }
    }
    pause(PACE, rng).await;
    Ok(())
}
