//! Where an address is announced, and since when: a map small enough that there can be one for each of many addresses.

use std::sync::Arc;
use std::time::Instant;

/// Names of interfaces in order, and since when. Copies share the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<(Arc<str>, Instant)>);

impl Places {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// Whether the interface called `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an interface.
    pub(super) fn add(&mut self, name: Arc<str>, since: Instant) {
        let at = self.0.partition_point(|(known, _)| *known < name);
        self.0.reserve_exact(1);
        self.0.insert(at, (name, since));
    }
}
