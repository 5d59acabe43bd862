//! Wire formats: bytes in, values out, and back. Nothing here decides anything.

pub mod arp;
