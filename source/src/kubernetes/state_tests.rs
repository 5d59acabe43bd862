//! The state of all watches.
