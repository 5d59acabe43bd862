//! `ferrolb-speaker`: announces addresses from this node.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ferrolb_speaker::run::{RunError, SpeakerArgs, run};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything ends within this time after the addresses were handed over.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Announces the addresses of Services from this node.
#[derive(Debug, Parser)]
#[command(version, name = "ferrolb-speaker")]
struct Cli {
    #[command(flatten)]
    args: SpeakerArgs,
}

fn main() -> ExitCode {
    let Cli { args } = Cli::parse();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ferrolb_daemon::complain("ferrolb-speaker", &error, []);
            ExitCode::from(code(&error))
        }
    }
}

fn serve(args: &SpeakerArgs) -> Result<(), RunError> {
    ferrolb_daemon::init_logging(args.daemon.log_level, "ferrolb-speaker", env!("CARGO_PKG_VERSION"));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let signals = tasks.spawn(ferrolb_daemon::on_signal(shutdown.clone()));
        let result = run(args, &tasks, shutdown.clone()).await;
        shutdown.cancel();
        signals.abort();
        tasks.close();
        drop(tokio::time::timeout(SHUTDOWN, tasks.wait()).await);
        result
    })
}

/// 2 where somebody has to say something else, 1 otherwise.
fn code(error: &RunError) -> u8 {
    match error {
        RunError::Source(_)
        | RunError::Key(_)
        | RunError::NoAddress(_)
        | RunError::Admin(_)
        | RunError::Http(_)
        | RunError::Gossip(ferrolb_gossip::Error::InUse { .. } | ferrolb_gossip::Error::NotOurs { .. }) => 2,
        RunError::Gossip(_) | RunError::L2(_) | RunError::Metrics(_) | RunError::Runtime(_) | RunError::Ended(_) => 1,
    }
}
