//! `ferrolb-controller`: gives every Service of type LoadBalancer its addresses.

use std::process::ExitCode;

use clap::Parser;
use ferrolb_controller::run::{ControllerArgs, RunError, once, run};
use ferrolb_daemon::Threads;

/// Gives every Service of type LoadBalancer its addresses from pools.
#[derive(Debug, Parser)]
#[command(version, name = "ferrolb-controller")]
struct Cli {
    #[command(flatten)]
    args: ControllerArgs,
}

fn main() -> ExitCode {
    let Cli { args }: Cli = ferrolb_daemon::flags::parse();
    let result = if args.once { ferrolb_daemon::alone(once(&args)) } else { serve(&args).map(|()| Vec::new()) };
    match result {
        Ok(remarks) => {
            ferrolb_daemon::remark(remarks);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn serve(args: &ControllerArgs) -> Result<(), RunError> {
    ferrolb_daemon::init_logging(args.daemon.log_level, "ferrolb-controller", env!("CARGO_PKG_VERSION"));
    ferrolb_daemon::live(Threads::One, |tasks, shutdown| async move { run(args, &tasks, shutdown).await })
}

/// Says what is wrong; 2 where somebody has to write something else, 1 otherwise.
fn fail(error: &RunError) -> ExitCode {
    let (problems, code) = match error {
        RunError::Refused(problems) => (problems.as_slice(), 2),
        RunError::Source(_)
        | RunError::OnceNeedsDirectory
        | RunError::Http(_)
        | RunError::Webhook(_)
        | RunError::Guard(_) => (&[][..], 2),
        RunError::Write(_) | RunError::Charge(_) | RunError::Runtime(_) | RunError::Metrics(_) => (&[][..], 1),
    };
    ferrolb_daemon::complain("ferrolb-controller", error, problems.iter().map(ToString::to_string));
    ExitCode::from(code)
}
