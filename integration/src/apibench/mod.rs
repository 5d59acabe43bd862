//! `lab apibench`: the controller on a real API server, beside the least that any controller has to do.
//!
//! ```text
//!   one etcd and kube-apiserver, one run
//!   1. samples     one Service after the other: created -> status seen
//!   2. the bar     10,000 patches of status, 16 under way, nothing watched, nothing decided
//!   3. bulk        the same 10,000 Services without addresses, ferrolb-controller started -> last status seen
//!   4. restart     10,000 addresses held: started again -> ready, and nothing may have changed
//!   5. the bar     once more, since a machine is not as fast at the end as at the beginning
//! ```
//!
//! Between them all addresses are taken away again, by patches of the same kind. What is measured is seen by a watch of
//! this process, on its clock.

mod controller;
mod observer;
mod phases;
mod report;
mod stage;
mod targets;
mod usage;

use std::io::{self, Write};
use std::path::PathBuf;

use self::phases::Bench;
use crate::apiserver;
use crate::binaries;
use crate::error::{Error, chain, system};
use crate::output::{Form, print};

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct ApiBenchOptions {
    /// How many Services wait at once.
    pub(crate) services: usize,
    /// How many are created one after the other.
    pub(crate) samples: usize,
    /// The controller to measure; `None`: the one beside this program.
    pub(crate) controller: Option<PathBuf>,
    /// How the figures are printed.
    pub(crate) form: Form,
}

/// Measures and prints; whether all targets were met. Where no API server can run, that is said and nothing is missed.
pub(crate) fn apibench(options: &ApiBenchOptions) -> Result<bool, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("make a runtime"))?;
    let controller = match &options.controller {
        Some(path) => path.canonicalize().map_err(system(format!("find {}", path.display())))?,
        None => binaries::lab()?.with_file_name("ferrolb-controller"),
    };
    let refused = |error: apiserver::Error| Error::Refused { reason: chain(&error) };
    let Some(programs) = apiserver::available().map_err(refused)? else { return Ok(true) };
    let report = runtime.block_on(async {
        let bench = Bench::prepare(programs, controller, options.services).await?;
        bench.run(options.samples).await
    });
    let report = report.map_err(refused)?;
    match options.form {
        Form::Json => print(&(serde_json::to_string_pretty(&report)? + "\n"))?,
        Form::Table => print(&report.text())?,
    }
    Ok(report.all_met())
}

/// Progress, on standard error: the figures go to standard output.
fn say(text: &str) {
    // When standard error is gone, nobody is left to tell.
    writeln!(io::stderr().lock(), "apibench: {text}").ok();
}
