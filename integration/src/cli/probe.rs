//! `lab probe`: flags, and what is printed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio::io::AsyncReadExt;

use crate::error::{Error, system};
use crate::holder::stdin_pipe;
use crate::namespaces::PORT_LEDGER;
use crate::output::{Form, print};
use crate::probe::ports::Reservation;
use crate::probe::{self, Answers, ProbeLine, ProbeOptions, ProbeReport};

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// Where to connect to.
    target: SocketAddr,
    /// For how long.
    #[arg(long = "for", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    duration: Duration,
    /// Time between two connections.
    #[arg(long, value_name = "DURATION", default_value = "2ms", value_parser = duration)]
    every: Duration,
    /// Deadline of each connection.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    timeout: Duration,
    /// Ask each backend for its name.
    #[arg(long)]
    answers: bool,
    /// Say this often how it stands.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    progress: Option<Duration>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// Driven by a program: ends with standard input.
    #[arg(long, hide = true)]
    managed: bool,
}

impl ProbeArguments {
    fn options(&self) -> ProbeOptions {
        ProbeOptions {
            target: self.target,
            duration: self.duration,
            every: self.every,
            timeout: self.timeout,
            answers: if self.answers { Answers::Counted } else { Answers::Ignored },
        }
    }

    /// The command line with these arguments, for the process that runs on the client.
    pub(super) fn command(&self, lab: &Path) -> Vec<String> {
        let micros = |duration: Duration| format!("{}us", duration.as_micros());
        let mut words = vec![
            lab.to_string_lossy().into_owned(),
            "probe-here".to_owned(),
            self.target.to_string(),
            "--for".to_owned(),
            micros(self.duration),
            "--every".to_owned(),
            micros(self.every),
            "--timeout".to_owned(),
            micros(self.timeout),
            "--output".to_owned(),
            match self.output {
                Form::Table => "table".to_owned(),
                Form::Json => "json".to_owned(),
            },
        ];
        if let Some(progress) = self.progress {
            words.extend(["--progress".to_owned(), micros(progress)]);
        }
        words.extend(self.answers.then(|| "--answers".to_owned()));
        words.extend(self.managed.then(|| "--managed".to_owned()));
        words
    }
}

/// Probes from the network namespace that this process is in.
pub(super) fn here(arguments: &ProbeArguments) -> Result<u8, Error> {
    let options = arguments.options();
    let ports = Reservation::take(Path::new(PORT_LEDGER), options.ports())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the asynchronous runtime"))?;
    let form = arguments.output;
    let mut succeeded = false;
    let used = runtime.block_on(async {
        let mut stdin = if arguments.managed { Some(stdin_pipe()?) } else { None };
        let stop = async {
            let closed = async {
                match &mut stdin {
                    Some(stdin) => while stdin.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = closed => {}
                // Where signals cannot be listened for, Ctrl-C ends the process as usual.
                Ok(()) = tokio::signal::ctrl_c() => {}
            }
        };
        let tell = |line: ProbeLine| {
            if let ProbeLine::Report(report) = &line {
                succeeded = report.successes > 0;
            }
            print(&text(&line, form)?)
        };
        probe::run(options, ports.first(), arguments.progress, stop, tell).await
    })?;
    ports.keep_only(used)?;
    Ok(u8::from(!succeeded))
}

fn text(line: &ProbeLine, form: Form) -> Result<String, Error> {
    if form == Form::Json {
        return Ok(serde_json::to_string(line)? + "\n");
    }
    Ok(match line {
        ProbeLine::Running { at } => format!("first connection after {at:.1?}\n"),
        ProbeLine::Progress(progress) => format!(
            "{:7.1?}  {} attempts, {} failed, longest gap {:.1?}\n",
            progress.at, progress.attempts, progress.failures, progress.longest_gap
        ),
        ProbeLine::Report(report) => for_a_person(report),
    })
}

fn for_a_person(report: &ProbeReport) -> String {
    let mut text = format!(
        "{}: {} connections in {:.1?}, {} succeeded, {} failed\n",
        report.target, report.attempts, report.ran_for, report.successes, report.failures
    );
    for (kind, count) in &report.failures_by_kind {
        writeln!(text, "  {count} {kind}").ok();
    }
    match report.gap {
        Some(gap) => writeln!(
            text,
            "longest time without success: {:.1?} (from {:.1?} to {:.1?}; the probe itself paused at most {:.1?})",
            gap.duration, gap.from, gap.to, report.longest_pause
        ),
        None => writeln!(text, "no success at all"),
    }
    .ok();
    for (backend, count) in &report.backends {
        writeln!(text, "  {count} answers by {backend}").ok();
    }
    text
}

/// A duration as people write it: 5s, 2ms, 500us, 1m.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_none| format!("`{text}` does not begin with a number"))?;
    match unit {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(|| "too long".to_owned()),
        _ => Err(format!("`{text}` needs one of the units us, ms, s, m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(duration("2ms"), Ok(Duration::from_millis(2)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1500us"), Ok(Duration::from_micros(1500)));
        for wrong in ["", "5", "s", "-1s", "1h", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
