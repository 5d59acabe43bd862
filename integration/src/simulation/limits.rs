//! How long the cluster may take, by loss. Measured values: `docs/detection-bounds.md`.

use std::time::Duration;

/// A successor that does not claim is passed over after this time.
pub const SKIP: Duration = Duration::from_millis(300);

/// A stall of less than this is tolerated by the default profile.
pub const STALL_TOLERANCE: Duration = Duration::from_millis(300);

/// A node that hears from nobody is ready after this time.
pub const READY_ALONE: Duration = Duration::from_secs(3);

/// What no run may exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a death until the first successor in line answers.
    pub detection: Duration,
    /// From a return (of a node, a link or a label) until all agree.
    pub repair: Duration,
}

// === impl Limits ===

impl Limits {
    /// The limits at a probability of loss.
    pub fn at(loss: f64) -> Self {
        let (detection, repair) = match loss {
            loss if loss <= 0.0 => (1_000, 2_500),
            loss if loss <= 0.01 => (1_200, 3_000),
            loss if loss <= 0.05 => (1_600, 4_000),
            _ => (4_000, 8_000),
        };
        Self { detection: Duration::from_millis(detection), repair: Duration::from_millis(repair) }
    }
}
