//! The brain as this process has it: everything that it is told, and what it wants then, goes into the record, if there
//! is to be one.

use std::collections::VecDeque;
use std::ops::Deref;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::brain::{Brain, Input, Output};
use crate::record::Recorder;

/// How long the end waits for the record's disk.
const RECORD_ENDS_WITHIN: Duration = Duration::from_millis(500);

/// See the module. Reading from it is reading from the brain.
#[derive(Debug)]
pub(super) struct Mind {
    brain: Brain,
    recorder: Option<Recorder>,
    outputs: VecDeque<Output>,
}

// === impl Mind ===

impl Deref for Mind {
    type Target = Brain;

    fn deref(&self) -> &Brain {
        &self.brain
    }
}

impl Mind {
    pub(super) fn new(brain: Brain, recorder: Option<Recorder>) -> Self {
        Self { brain, recorder, outputs: VecDeque::new() }
    }

    /// As [`Brain::handle`].
    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        let recorded = self.recorder.is_some().then(|| input.clone());
        self.tell(now, recorded, |brain| brain.handle(now, input));
    }

    /// As [`Brain::handle_deadline`].
    pub(super) fn handle_deadline(&mut self, now: Instant) {
        self.tell(now, None, |brain| brain.handle_deadline(now));
    }

    /// As [`Brain::poll`].
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Ends the record.
    pub(super) async fn end(self) {
        if let Some(recorder) = self.recorder {
            recorder.end(RECORD_ENDS_WITHIN).await;
        }
    }

    fn tell(&mut self, now: Instant, input: Option<Input>, tell: impl FnOnce(&mut Brain)) {
        if let Some(recorder) = &mut self.recorder {
            recorder.before(&self.brain, now, Timestamp::now);
        }
        tell(&mut self.brain);
        let outputs: Vec<Output> = std::iter::from_fn(|| self.brain.poll()).collect();
        if let Some(recorder) = &mut self.recorder {
            recorder.after(&self.brain, now, input, &outputs);
        }
        self.outputs.extend(outputs);
    }
}
