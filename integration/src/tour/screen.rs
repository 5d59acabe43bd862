//! The screen of a tour: steps, checks, a live line, a summary. Colours and the live line on a terminal only.

use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::output::{print, table};

/// One promise that a tour looks at.
#[derive(Debug)]
struct Check {
    what: String,
    seen: String,
    holds: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    began: Instant,
    steps: usize,
    checks: Vec<Check>,
}

// === impl Screen ===

impl Screen {
    pub(super) fn new() -> Self {
        Self { terminal: stdout().is_terminal(), began: clock::now(), steps: 0, checks: Vec::new() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.terminal { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Error> {
        self.steps += 1;
        let title = self.paint("1", &format!("{}. {title}", self.steps));
        print(&format!("\n{title}\n"))
    }

    /// A sentence; one that begins with `$` is a command.
    pub(super) fn say(&self, text: &str) -> Result<(), Error> {
        let text = if text.starts_with('$') { self.paint("36", text) } else { text.to_owned() };
        print(&format!("   {text}\n"))
    }

    /// What a program printed, set apart.
    pub(super) fn quote(&self, text: &str) -> Result<(), Error> {
        let lines: Vec<String> = text.trim_end().lines().map(|line| format!("   │ {line}\n")).collect();
        print(&self.paint("2", &lines.concat()))
    }

    /// A line that the next one replaces.
    pub(super) fn live(&self, text: &str) -> Result<(), Error> {
        if self.terminal { print(&format!("\r   {text}\u{1b}[K")) } else { Ok(()) }
    }

    /// Ends the live line.
    pub(super) fn settle(&self) -> Result<(), Error> {
        if self.terminal { print("\r\u{1b}[K") } else { Ok(()) }
    }

    /// Looks at a promise and remembers it for the summary.
    pub(super) fn check(&mut self, what: &str, seen: impl Into<String>, holds: bool) -> Result<(), Error> {
        let seen = seen.into();
        let mark = if holds { self.paint("1;32", "✓") } else { self.paint("1;31", "✗") };
        print(&format!("   {mark} {what}: {seen}\n"))?;
        self.checks.push(Check { what: what.to_owned(), seen, holds });
        Ok(())
    }

    /// The summary; whether everything held.
    pub(super) fn summary(&mut self) -> Result<bool, Error> {
        self.step("Summary")?;
        let mut rows = vec![vec![String::new(), "PROMISE".to_owned(), "SEEN".to_owned()]];
        for check in &self.checks {
            let mark = if check.holds { "✓" } else { "✗" };
            rows.push(vec![mark.to_owned(), check.what.clone(), check.seen.clone()]);
        }
        for line in table(&rows).lines() {
            self.say(line)?;
        }
        let failed = self.checks.iter().filter(|check| !check.holds).count();
        let took = self.began.elapsed().as_secs();
        let verdict = match failed {
            0 => self.paint("1;32", &format!("All {} promises held. ({took} s)", self.checks.len())),
            _ => self.paint("1;31", &format!("{failed} of {} promises did not hold. ({took} s)", self.checks.len())),
        };
        print(&format!("\n   {verdict}\n"))?;
        Ok(failed == 0)
    }
}

/// Milliseconds, for people.
pub(super) fn millis(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}
