//! The probe: how long is an address out of reach, as seen by new connections?
//!
//! It opens a TCP connection every few milliseconds, each with its own socket, source port and deadline, so that a lost
//! one delays no other. A success is the completed handshake: what a moved address breaks in established flows is
//! conntrack's business, not the announcement's.
//!
//! The figure is the **gap**: the longest time between two successive successes. A run that ends in an outage counts
//! the time up to its end.

pub(crate) mod ports;
mod run;
mod tally;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::run::run;

/// What to probe, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Where connections go.
    pub target: SocketAddr,
    /// For how long new connections are opened. Default 5 s.
    pub duration: Duration,
    /// Time between two connections. Default 2 ms. `duration / every` is at most 60,000: no source port is used twice.
    pub every: Duration,
    /// Deadline of each connection. Default 1 s.
    pub timeout: Duration,
    /// Whether to ask each backend for its name.
    pub answers: Answers,
}

/// Whether a probe talks to the backend after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answers {
    /// No: the handshake is all. The default.
    #[default]
    Ignored,
    /// It sends an HTTP request and counts who answered.
    Counted,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Where connections went.
    pub target: SocketAddr,
    /// How long connections were opened.
    #[serde(rename = "ran_for_ms", with = "millis")]
    pub ran_for: Duration,
    /// Connections tried.
    pub attempts: u64,
    /// Handshakes completed.
    pub successes: u64,
    /// Connections that failed.
    pub failures: u64,
    /// The failures by their kind: `timeout`, `connection refused`, ...
    pub failures_by_kind: BTreeMap<String, u64>,
    /// From the first connection that failed to the last, by when they were begun: how long some failed, although others
    /// may have succeeded.
    pub failing: Option<Gap>,
    /// The longest time without a success; none when there was no success at all.
    pub gap: Option<Gap>,
    /// When the first handshake was complete, from the start of the run.
    #[serde(rename = "first_success_ms", with = "optional_millis")]
    pub first_success: Option<Duration>,
    /// When the last handshake was complete, from the start of the run.
    #[serde(rename = "last_success_ms", with = "optional_millis")]
    pub last_success: Option<Duration>,
    /// The longest time between the starts of two attempts: what the probe itself missed. A gap that is not much longer
    /// was the machine's.
    #[serde(rename = "longest_pause_ms", with = "millis")]
    pub longest_pause: Duration,
    /// How often each backend answered, where asked ([`Answers::Counted`]).
    pub backends: BTreeMap<String, u64>,
}

/// A time in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// How long.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// The connection before it or at its beginning, from the start of the run.
    #[serde(rename = "from_ms", with = "millis")]
    pub from: Duration,
    /// The connection after it or at its end, or the end of the run.
    #[serde(rename = "to_ms", with = "millis")]
    pub to: Duration,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Since the start of the run.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// Connections tried so far.
    pub attempts: u64,
    /// Handshakes completed so far.
    pub successes: u64,
    /// Connections that failed so far.
    pub failures: u64,
    /// Time since the last success, or since the start.
    #[serde(rename = "silent_ms", with = "millis")]
    pub silent: Duration,
    /// The longest gap so far.
    #[serde(rename = "longest_gap_ms", with = "millis")]
    pub longest_gap: Duration,
}

/// A line of `lab probe --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeLine {
    /// The first handshake is complete.
    Running {
        /// Since the start of the run.
        #[serde(rename = "at_ms", with = "millis")]
        at: Duration,
    },
    /// How the run stands (`--progress`).
    Progress(Progress),
    /// The result; the last line.
    Report(ProbeReport),
}

impl ProbeOptions {
    /// A probe of `target` with the defaults.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            duration: Duration::from_secs(5),
            every: Duration::from_millis(2),
            timeout: Duration::from_secs(1),
            answers: Answers::default(),
        }
    }

    /// The source ports that a run needs at most.
    pub(crate) fn ports(&self) -> u32 {
        let every = self.every.max(Duration::from_micros(1));
        u32::try_from(self.duration.as_micros() / every.as_micros()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

impl ProbeReport {
    /// The gap's length; the whole run when nothing ever succeeded.
    pub fn longest_gap(&self) -> Duration {
        self.gap.map_or(self.ran_for, |gap| gap.duration)
    }
}

/// Durations as a number of milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64() * 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1000.0).map_err(serde::de::Error::custom)
    }
}

/// The same where there may be none.
mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::millis::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let millis = Option::<f64>::deserialize(deserializer)?;
        let duration = millis.map(|millis| Duration::try_from_secs_f64(millis / 1000.0)).transpose();
        duration.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_needs_a_port_for_every_attempt() {
        let options = ProbeOptions::new("10.10.52.0:80".parse().unwrap());
        assert_eq!(options.ports(), 2501);
        let endless = ProbeOptions { duration: Duration::MAX, every: Duration::ZERO, ..options };
        assert_eq!(endless.ports(), u32::MAX);
    }

    #[test]
    fn lines_survive_json_with_times_in_milliseconds() {
        let progress = Progress {
            at: Duration::from_micros(1_500),
            attempts: 3,
            successes: 2,
            failures: 0,
            silent: Duration::from_millis(1),
            longest_gap: Duration::from_millis(2),
        };
        let text = serde_json::to_string(&ProbeLine::Progress(progress.clone())).unwrap();
        assert!(text.contains("\"at_ms\":1.5"), "{text}");
        assert_eq!(serde_json::from_str::<ProbeLine>(&text).unwrap(), ProbeLine::Progress(progress));
    }
}
