//! `ferrolb`: checks and plans offline, and asks a running speaker.

pub mod ask;
pub mod convert;
pub mod layer2;
pub mod offline;
mod output;
pub mod pools;
pub mod replay;

pub use output::{Failure, Format, Printer};
