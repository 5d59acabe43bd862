//! Messages and recordings for people: a message as a line or as a tree, and MRT files (RFC 6396) read back.
//!
//! bgpkit-parser draws the trees and frames the records. What a message means is read by [`crate::wire`] alone, here as in a
//! session: nothing of this module is in the path of one.

mod mrt;
mod text;

pub use mrt::{MrtError, Record, Records};
pub use text::{line, tree};
