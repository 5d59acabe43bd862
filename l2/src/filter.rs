//! Kernel-side filters: classic BPF programs (`SO_ATTACH_FILTER`, Linux `Documentation/networking/filter.rst`) that keep
//! ARP traffic which is none of our business from waking the process.
//!
//! [`arp`] tests addresses exactly, by a binary decision tree, as long as the program fits its budget; [`MAX_INSTRUCTIONS`]
//! is enough for about 1,000 scattered addresses, or any number of addresses that lie in a few hundred gapless ranges.
//! Beyond that, neighbouring ranges are joined over the smallest gaps until it fits: the filter then lets some foreign
//! packets pass, never stops one of ours, and the exact test is made in user space (as it always is).

mod arp;
mod assembler;
#[cfg(test)]
mod interpreter;
mod ranges;

pub(crate) use self::arp::fit as arp_for_ranges;
pub use self::arp::{MIN_BUDGET, arp};
pub(crate) use self::ranges::Range;

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Bytes of an accepted frame that are handed to the process: an ARP packet for IPv4 is 42.
pub const SNAP_LEN: u32 = 64;

/// One instruction of classic BPF, as in `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BpfInstruction {
    /// Operation code.
    pub code: u16,
    /// Instructions to skip when the condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand: address to load from, value to compare with, value to return.
    pub k: u32,
}

/// Operation codes used here (`linux/bpf_common.h`).
pub(crate) mod code {
    /// Load 32 bits from the frame.
    pub(crate) const LOAD_WORD: u16 = 0x20;
    /// Load 16 bits from the frame.
    pub(crate) const LOAD_HALF: u16 = 0x28;
    /// Skip `k` instructions.
    pub(crate) const JUMP: u16 = 0x05;
    /// Is the accumulator equal to `k`?
    pub(crate) const JUMP_EQUAL: u16 = 0x15;
    /// Is it greater?
    pub(crate) const JUMP_GREATER: u16 = 0x25;
    /// Is it greater or equal?
    pub(crate) const JUMP_AT_LEAST: u16 = 0x35;
    /// Accept `k` bytes of the frame, none for 0.
    pub(crate) const RETURN: u16 = 0x06;
}
