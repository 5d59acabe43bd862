//! `migrate`: a load balancer is replaced by ferrolb where it stands, with no address changed and no resource lost.
//!
//! Nothing remembers how far a migration got but the cluster itself: each run looks at what is there, says what is next, and
//! does it if told to. So a run that was interrupted is simply repeated.

mod backup;
mod checks;
mod found;
mod objects;
mod plan;
mod release;

use std::time::Duration;

use clap::{Args, Subcommand};
use found::{Found, Holdings};
use kube::Client;
use plan::{Plan, Terms};

use crate::access::{Access, block_on};
use crate::output::{Failure, Printer, remark};

/// Between two looks at what is to become well.
const LOOK: Duration = Duration::from_secs(1);

/// What is replaced.
#[derive(Debug, Clone, Subcommand)]
pub enum Migrate {
    /// MetalLB: look what is there and say what would be done; with --apply, do it.
    ///
    /// Run with --apply before ferrolb is installed in MetalLB's namespace, and again afterwards.
    Metallb(Metallb),
}

/// How MetalLB is replaced.
#[derive(Debug, Clone, Args)]
pub struct Metallb {
    #[command(flatten)]
    access: Access,
    /// Do it.
    #[arg(long)]
    apply: bool,
    /// Go back to MetalLB, once ferrolb is uninstalled; with --apply, do it.
    #[arg(long)]
    rollback: bool,
    /// Go on although peers and advertisements by BGP are configured.
    #[arg(long)]
    without_bgp: bool,
    /// The Helm release that ferrolb is, or will be.
    #[arg(long, value_name = "NAME", default_value = "ferrolb")]
    release: String,
    /// Seconds until everything has to be announced by ferrolb.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Replaces what is named there, in `namespace` or where it is found.
///
/// # Errors
/// Something forbids it, the API server refuses it, or afterwards not all is as it was.
pub fn migrate(what: &Migrate, namespace: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let Migrate::Metallb(options) = what;
    block_on(Box::pin(options.run(namespace, printer)))
}

// === impl Metallb ===

impl Metallb {
    async fn run(&self, namespace: Option<&str>, printer: Printer) -> Result<(), Failure> {
        let client = &self.access.client().await?;
        let found = Found::look(client, namespace).await?;
        let terms = Terms { release: &self.release, without_bgp: self.without_bgp };
        let plan = if self.rollback { Plan::back(&found, &terms) } else { Plan::forward(&found, &terms) }?;
        printer.print(&plan, |printer| plan.draw(printer))?;
        if !plan.problems.is_empty() {
            return Err(Failure::BadInput("nothing was changed: there are problems".to_owned()));
        }
        if !self.apply {
            if plan.changes.is_empty() {
                remark(format_args!("\nNext: {}", plan.next));
            } else {
                remark(format_args!("\nNothing was changed; with --apply it is."));
            }
            return Ok(());
        }
        for change in &plan.changes {
            change.apply(client).await?;
            remark(format_args!("{}: done", objects::called(&change.object)));
        }
        let before = found.backup.map_or(found.holdings, |backup| backup.holdings);
        self.verify(client, &found.namespace, &before).await?;
        remark(format_args!("Next: {}", plan.next));
        Ok(())
    }

    /// Waits until all is well.
    async fn verify(&self, client: &Client, namespace: &str, before: &Holdings) -> Result<(), Failure> {
        let begin = now();
        loop {
            let found = Found::look(client, Some(namespace)).await?;
            let switched =
                found.ferrolb.speaker.is_some() && found.metallb.speaker.as_ref().is_none_or(plan::is_stopped);
            let wrong = if switched {
                checks::shortcomings(client, before, &found).await
            } else {
                before.lost_in(&found.holdings)
            };
            if wrong.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > Duration::from_secs(self.timeout) {
                let message = format!("after {} s not all is well:\n  {}", self.timeout, wrong.join("\n  "));
                return Err(Failure::Failed(message));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
