//! What is told to the owner of a Service, and told once as long as it goes on.

use std::hash::{DefaultHasher, Hash, Hasher};

use ferrolb_source::EventType;
use smallvec::SmallVec;

/// Something to tell the Service's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub event_type: EventType,
    /// A word that tools look for.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: Box<str>,
}

/// What stays the same while a state goes on: the message may count, and name others who come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gist(u64);

impl Gist {
    /// The gist of a notice of this reason about `what`.
    pub fn of(reason: &'static str, what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (reason, what).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The gists of what holds of one Service.
pub type Gists = SmallVec<[Gist; 2]>;

/// What came of looking at one Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was not told before, in the order in which it happened.
    pub notices: Vec<Notice>,
    /// Everything that holds now.
    pub gists: Gists,
    /// Whether the Service wants an address and has none, or wants more than it has: to be looked at again when one
    /// becomes free.
    pub waiting: bool,
}

// === impl Outcome ===

impl Outcome {
    /// Notes something; the sentence is made only if nobody has heard it yet.
    pub(crate) fn note(
        &mut self,
        told: &[Gist],
        event_type: EventType,
        reason: &'static str,
        what: impl Hash,
        message: impl FnOnce() -> String,
    ) {
        let gist = Gist::of(reason, what);
        if !told.contains(&gist) && !self.gists.contains(&gist) {
            self.notices.push(Notice { event_type, reason, message: message().into_boxed_str() });
        }
        self.gists.push(gist);
    }
}
