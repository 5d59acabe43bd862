//! Unnumbered peers: who is on the other side of an interface is learned from its router advertisements (RFC 4861), and said to
//! it by advertisements of our own.
//!
//! [`message`] are the bytes, [`machine`] decides when something is sent and who the neighbour is, [`socket`] is the edge.

mod machine;
mod message;
mod socket;

pub(super) use machine::{Link, Neighbors};
use message::Message;
pub(super) use socket::Port;
