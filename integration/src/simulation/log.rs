//! What happened, for people: time, node, what.

use std::fmt;
use std::time::Duration;

use super::Node;

/// A log that is written only when somebody wants to read it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    wanted: bool,
    lines: Vec<Line>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Virtual time since the start.
    pub at: Duration,
    /// Where; `None`: it concerns everybody.
    pub node: Option<Node>,
    /// What.
    pub what: String,
}

// === impl Log ===

impl Log {
    /// A log; `wanted`: whether lines are kept.
    pub const fn new(wanted: bool) -> Self {
        Self { wanted, lines: Vec::new() }
    }

    /// Adds a line; its text is not made unless it is wanted.
    pub fn add(&mut self, at: Duration, node: Option<Node>, what: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push(Line { at, node, what: what() });
        }
    }

    /// All lines so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

// === impl Line ===

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.map(|node| node.to_string()).unwrap_or_default();
        write!(f, "{:>10.4}  {node:8}  {}", self.at.as_secs_f64(), self.what)
    }
}
