//! `ferrolb-speaker`: announces addresses from this node.

use std::process::ExitCode;

use clap::Parser;
use ferrolb_daemon::Threads;
use ferrolb_speaker::run::{RunError, SpeakerArgs, run};

/// Announces the addresses of Services from this node.
#[derive(Debug, Parser)]
#[command(version, name = "ferrolb-speaker")]
struct Cli {
    #[command(flatten)]
    args: SpeakerArgs,
}

fn main() -> ExitCode {
    let Cli { args }: Cli = ferrolb_daemon::flags::parse();
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
    ferrolb_daemon::live(Threads::Three, |tasks, shutdown| async move { run(args, &tasks, shutdown).await })
}

/// 2 where somebody has to say something else, 1 otherwise.
fn code(error: &RunError) -> u8 {
    match error {
        RunError::Source(_)
        | RunError::Key(_)
        | RunError::Profile(_)
        | RunError::Exclusion(_)
        | RunError::Guard(_)
        | RunError::NoAddress(_)
        | RunError::Admin(_)
        | RunError::Http(_)
        | RunError::Gossip(ferrolb_gossip::Error::InUse { .. } | ferrolb_gossip::Error::NotOurs { .. }) => 2,
        RunError::Gossip(_)
        | RunError::L2(_)
        | RunError::Record(_)
        | RunError::Metrics(_)
        | RunError::Runtime(_)
        | RunError::Bgp(_)
        | RunError::Ended(_) => 1,
    }
}
