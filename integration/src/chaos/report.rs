//! What came of the faults, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use crate::output::table;

/// One fault and what clients saw of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was done.
    pub fault: Fault,
    /// The longest time between two successful connections.
    pub gap: Duration,
    /// Connections that failed.
    pub lost: u64,
    /// Why they did: `timeout`, `connection refused`.
    pub failures: BTreeMap<String, u64>,
    /// Connections tried.
    pub attempts: u64,
    /// From the fault until everything was as it should be.
    pub rest: Duration,
    /// What the client itself missed because the machine stalled.
    pub pause: Duration,
    /// The longest that one of ferrolb's processes waited for a processor.
    pub starved: Duration,
    /// Whether frames were lost on purpose meanwhile.
    pub lossy: bool,
    /// Who answered for the address before, and who did afterwards.
    pub owners: [String; 2],
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Decided what was done.
    pub seed: u64,
    /// In their order.
    pub outcomes: Vec<Outcome>,
    /// What did not hold, and what helps to find out why; the last outcome is not among the others then.
    pub violation: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = BTreeMap::<String, Vec<&Outcome>>::new();
        for outcome in &self.outcomes {
            let with_loss = if outcome.lossy { ", frames lost" } else { "" };
            kinds.entry(format!("{}{with_loss}", outcome.fault.kind())).or_default().push(outcome);
        }
        let head = ["FAULT", "COUNT", "GAP MIN", "MEDIAN", "MAX", "REST MAX", "LOST", "OF"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (kind, outcomes) in &kinds {
            let mut gaps: Vec<Duration> = outcomes.iter().map(|outcome| outcome.gap).collect();
            gaps.sort_unstable();
            let at = |place: usize| millis(gaps.get(place).copied().unwrap_or_default());
            rows.push(vec![
                kind.clone(),
                outcomes.len().to_string(),
                at(0),
                at((gaps.len().saturating_sub(1)) / 2),
                at(gaps.len().saturating_sub(1)),
                millis(outcomes.iter().map(|outcome| outcome.rest).max().unwrap_or_default()),
                outcomes.iter().map(|outcome| outcome.lost).sum::<u64>().to_string(),
                outcomes.iter().map(|outcome| outcome.attempts).sum::<u64>().to_string(),
            ]);
        }
        f.write_str(&table(&rows))
    }
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_kind_with_its_extremes() {
        let outcome = |gap, lossy| Outcome {
            fault: Fault::Kill("node-1".to_owned()),
            gap: Duration::from_millis(gap),
            lost: 2,
            failures: BTreeMap::new(),
            attempts: 100,
            rest: Duration::from_millis(700),
            pause: Duration::ZERO,
            starved: Duration::ZERO,
            lossy,
            owners: ["a", "b"].map(str::to_owned),
        };
        let outcomes = vec![outcome(300, false), outcome(100, false), outcome(900, true), outcome(200, false)];
        let text = Report { seed: 1, outcomes, violation: None }.to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[1], "kill 3 100 ms 200 ms 300 ms 700 ms 6 300", "{text}");
        assert_eq!(lines[2], "kill, frames lost 1 900 ms 900 ms 900 ms 700 ms 2 100", "{text}");
    }
}
