//! Gives every Service of type LoadBalancer its addresses and keeps its status true.
//!
//! [`allocator`] knows who holds which address, [`converge`] what a Service should hold; both are pure. [`book`] runs
//! them over all Services of a moment; [`lease`] says which of several controllers acts; [`run`] reads the source,
//! writes status and publishes events. [`failure`] takes the pods of dead nodes out of service.

pub mod allocator;
pub mod book;
pub mod converge;
pub mod failure;
pub mod guard;
pub mod lease;
pub mod metrics;
mod request;
pub mod run;
pub mod webhook;

pub use allocator::Allocator;
pub use book::Book;
