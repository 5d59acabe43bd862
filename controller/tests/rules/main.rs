//! MetalLB's rules for addresses, a case for each: what a Service says, what it gets, what its owner is told.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

mod change;
mod classes;
mod pick;
mod service;
mod sharing;
mod stack;
mod world;
