//! The filter of an NDP socket: which packets concern us.
//!
//! ```text
//! packet type is "other host"      -> drop   (foreign VLAN, or promiscuous mode)
//! not IPv6, ICMPv6, hop limit 255  -> drop
//! advertisement of one in `senders`   -> accept (somebody speaks for an address we announce or watch)
//! solicitation for one in `targets`   -> accept (somebody asks for an address we announce)
//!                                  -> drop
//! ```
//!
//! A program compares 32 bits at a time. So it folds the target into 32 bits ([`fold`]) and looks those up as with IPv4:
//! one foreign address in some millions passes, and is sorted out in user space. The fold adds the last word unchanged,
//! so that a gapless pool is a gapless range.

use std::net::Ipv6Addr;

use super::assembler::{Assembler, Label};
use super::ranges::Range;
use super::tree::{self, decide};
use super::{BpfInstruction, NDP_SNAP_LEN, OTHER_HOST, PACKET_TYPE, code};

/// The least budget [`ndp`] can keep: two single ranges and what is around them.
pub const MIN_NDP_BUDGET: usize = 48;

const ETHER_TYPE: u32 = 12;
const NEXT_HEADER: u32 = 20;
const HOP_LIMIT: u32 = 21;
const TYPE: u32 = 54;
const TARGET: [u32; 4] = [62, 66, 70, 74];

const ETHER_TYPE_IPV6: u32 = 0x86dd;
const ICMPV6: u32 = 58;
const MAX_HOPS: u32 = 255;
const SOLICITATION: u32 = 135;
const ADVERTISEMENT: u32 = 136;

/// Odd, with ones and zeros all over: the 32 bits of the golden ratio.
const FACTOR: u32 = 0x9e37_79b1;

/// A program of at most `budget` instructions (not less than [`MIN_NDP_BUDGET`]) that accepts Neighbor Solicitations for
/// `targets` and Neighbor Advertisements of `senders`. It is exact but for collisions of 32 bits if the budget allows,
/// else it accepts more.
pub fn ndp(
    targets: impl IntoIterator<Item = Ipv6Addr>,
    senders: impl IntoIterator<Item = Ipv6Addr>,
    budget: usize,
) -> Vec<BpfInstruction> {
    fit(&folded(targets), &folded(senders), budget)
}

/// [`ndp`] for sets that are folded already.
pub(crate) fn fit(targets: &[Range], senders: &[Range], budget: usize) -> Vec<BpfInstruction> {
    tree::fit(targets, senders, budget.max(MIN_NDP_BUDGET), assemble)
}

/// What [`fit`] knows of `addresses`.
pub(crate) fn folded(addresses: impl IntoIterator<Item = Ipv6Addr>) -> Vec<Range> {
    let mut numbers: Vec<u32> = addresses.into_iter().map(fold).collect();
    numbers.sort_unstable();
    Range::exact(numbers)
}

/// The words of `address` as coefficients of a polynomial, at [`FACTOR`].
fn fold(address: Ipv6Addr) -> u32 {
    let bits = u128::from(address);
    let words = [96, 64, 32, 0].map(|shift| u32::try_from((bits >> shift) & u128::from(u32::MAX)).unwrap_or_default());
    words.into_iter().fold(0_u32, |sum, word| sum.wrapping_mul(FACTOR).wrapping_add(word))
}

fn assemble(targets: &[Range], senders: &[Range]) -> Vec<BpfInstruction> {
    let mut program = Assembler::default();
    let mut drop = program.ret(0);
    if targets.is_empty() && senders.is_empty() {
        return program.finish();
    }
    let mut accept = program.ret(NDP_SNAP_LEN);
    let mut wanted = |program: &mut Assembler, ranges: &[Range], drop: &mut Label| {
        let tree = decide(program, ranges, &mut accept, drop);
        load_folded(program, tree)
    };
    let mut solicitation = if targets.is_empty() { drop } else { wanted(&mut program, targets, &mut drop) };
    let mut advertisement = if senders.is_empty() { drop } else { wanted(&mut program, senders, &mut drop) };
    let mut is_advertisement = program.branch(code::JUMP_EQUAL, ADVERTISEMENT, &mut advertisement, &mut drop);
    let is_solicitation = program.branch(code::JUMP_EQUAL, SOLICITATION, &mut solicitation, &mut is_advertisement);
    let mut next = program.load(code::LOAD_BYTE, TYPE, is_solicitation);
    for (load, offset, value) in [
        (code::LOAD_BYTE, HOP_LIMIT, MAX_HOPS),
        (code::LOAD_BYTE, NEXT_HEADER, ICMPV6),
        (code::LOAD_HALF, ETHER_TYPE, ETHER_TYPE_IPV6),
    ] {
        let is = program.branch(code::JUMP_EQUAL, value, &mut next, &mut drop);
        next = program.load(load, offset, is);
    }
    let foreign = program.branch(code::JUMP_EQUAL, OTHER_HOST, &mut drop, &mut next);
    program.load(code::LOAD_WORD, PACKET_TYPE, foreign);
    program.finish()
}

/// Loads the folded target and goes on at `next`; written from the end, like all of a program.
fn load_folded(program: &mut Assembler, next: Label) -> Label {
    let [first, rest @ ..] = TARGET;
    let mut next = next;
    for offset in rest.into_iter().rev() {
        next = program.load(code::ADD_INDEX, 0, next);
        next = program.load(code::LOAD_WORD, offset, next);
        next = program.load(code::TO_INDEX, 0, next);
        next = program.load(code::MULTIPLY, FACTOR, next);
    }
    program.load(code::LOAD_WORD, first, next)
}

#[cfg(test)]
mod tests;
