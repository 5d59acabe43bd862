//! `ferrolb`: checks and plans offline, and asks a running speaker, or all of a cluster.

pub mod access;
pub mod ask;
pub mod bgp;
pub mod bundle;
pub mod completions;
pub mod convert;
pub mod layer2;
pub mod migrate;
pub mod offline;
mod output;
pub mod pools;
pub mod remote;
pub mod replay;

pub use output::{Failure, Format, Output, OutputParser, Printer};
