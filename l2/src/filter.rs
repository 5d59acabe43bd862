//! Kernel-side filters: classic BPF programs (`SO_ATTACH_FILTER`, Linux `Documentation/networking/filter.rst`) that keep
//! ARP and NDP traffic which is none of our business from waking the process.
//!
//! [`arp()`] and [`ndp()`] test addresses by a binary decision tree, as long as the program fits its budget;
//! [`MAX_INSTRUCTIONS`] is enough for about 1,000 scattered addresses, or any number of addresses that lie in a few
//! hundred gapless ranges. Beyond that, neighbouring ranges are joined over the smallest gaps until it fits: the filter
//! then lets some foreign packets pass, never stops one of ours, and the exact test is made in user space (as it always
//! is).

mod arp;
mod assembler;
#[cfg(test)]
mod interpreter;
mod ndp;
mod ranges;
mod tree;

pub(crate) use self::arp::fit as arp_for_ranges;
pub use self::arp::{MIN_BUDGET, arp};
pub use self::ndp::{MIN_NDP_BUDGET, ndp};
pub(crate) use self::ndp::{fit as ndp_for_ranges, folded};
pub(crate) use self::ranges::Range;

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// Bytes of an accepted ARP frame that are handed to the process: a packet for IPv4 is 42.
pub const SNAP_LEN: u32 = 64;

/// Bytes of an accepted NDP frame that are handed to the process. Its checksum covers all its options, which fit the
/// frame of a standard Ethernet.
pub const NDP_SNAP_LEN: u32 = 2048;

/// `SKF_AD_OFF + SKF_AD_PKTTYPE` (`linux/filter.h`): the kernel's classification of the frame.
const PACKET_TYPE: u32 = 0xffff_f004;
/// `PACKET_OTHERHOST` (`linux/if_packet.h`).
const OTHER_HOST: u32 = 3;

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
    /// Load 8 bits from the frame.
    pub(crate) const LOAD_BYTE: u16 = 0x30;
    /// Multiply by `k`.
    pub(crate) const MULTIPLY: u16 = 0x24;
    /// Copy to the index register.
    pub(crate) const TO_INDEX: u16 = 0x07;
    /// Add the index register.
    pub(crate) const ADD_INDEX: u16 = 0x0c;
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
