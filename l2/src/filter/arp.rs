//! The filter of an ARP socket: which packets concern us.
//!
//! ```text
//! packet type is "other host"      -> drop   (foreign VLAN, or promiscuous mode)
//! ethertype is not ARP             -> drop
//! sender address in `senders`      -> accept (somebody speaks for an address we announce or watch)
//! operation is not request         -> drop
//! target address in `targets`      -> accept (somebody asks for an address we announce)
//!                                  -> drop
//! ```

use super::assembler::{Assembler, Label};
use super::ranges::Range;
use super::{BpfInstruction, SNAP_LEN, code};

/// The least budget [`arp`] can keep: two single ranges and what is around them.
pub const MIN_BUDGET: usize = 16;

/// `SKF_AD_OFF + SKF_AD_PKTTYPE` (`linux/filter.h`): the kernel's classification of the frame.
pub(super) const PACKET_TYPE: u32 = 0xffff_f004;
/// `PACKET_OTHERHOST` (`linux/if_packet.h`).
pub(super) const OTHER_HOST: u32 = 3;

const ETHER_TYPE: u32 = 12;
const OPERATION: u32 = 20;
const SENDER_IP: u32 = 28;
const TARGET_IP: u32 = 38;

const ETHER_TYPE_ARP: u32 = 0x0806;
const REQUEST: u32 = 1;

/// A program of at most `budget` instructions (not less than [`MIN_BUDGET`]) that accepts ARP requests for `targets` and
/// every ARP packet from `senders`. Both must be sorted. It is exact if the budget allows, else it accepts more.
pub fn arp(
    targets: impl IntoIterator<Item = std::net::Ipv4Addr>,
    senders: impl IntoIterator<Item = std::net::Ipv4Addr>,
    budget: usize,
) -> Vec<BpfInstruction> {
    fit(&Range::exact(targets), &Range::exact(senders), budget)
}

/// [`arp`] for sets that are ranges already.
pub(crate) fn fit(targets: &[Range], senders: &[Range], budget: usize) -> Vec<BpfInstruction> {
    let budget = budget.max(MIN_BUDGET);
    let mut limit = targets.len().max(senders.len());
    loop {
        let program = assemble(&Range::cover(targets, limit), &Range::cover(senders, limit));
        if program.len() <= budget || limit <= 1 {
            return program;
        }
        // A program grows a little less than linearly with the ranges: aim at the budget, and come nearer every time.
        limit = (limit * budget / program.len()).clamp(1, limit - 1);
    }
}

fn assemble(targets: &[Range], senders: &[Range]) -> Vec<BpfInstruction> {
    let mut program = Assembler::default();
    let mut drop = program.ret(0);
    if targets.is_empty() && senders.is_empty() {
        return program.finish();
    }
    let mut accept = program.ret(SNAP_LEN);
    let mut next = drop;
    if !targets.is_empty() {
        let tree = decide(&mut program, targets, Below::Possible, &mut accept, &mut drop);
        let mut load = program.load(code::LOAD_WORD, TARGET_IP, tree);
        let request = program.branch(code::JUMP_EQUAL, REQUEST, &mut load, &mut drop);
        next = program.load(code::LOAD_HALF, OPERATION, request);
    }
    if !senders.is_empty() {
        let tree = decide(&mut program, senders, Below::Possible, &mut accept, &mut next);
        next = program.load(code::LOAD_WORD, SENDER_IP, tree);
    }
    let is_arp = program.branch(code::JUMP_EQUAL, ETHER_TYPE_ARP, &mut next, &mut drop);
    let mut ether_type = program.load(code::LOAD_HALF, ETHER_TYPE, is_arp);
    let foreign = program.branch(code::JUMP_EQUAL, OTHER_HOST, &mut drop, &mut ether_type);
    program.load(code::LOAD_WORD, PACKET_TYPE, foreign);
    program.finish()
}

/// Whether a value that comes to a subtree can lie below its first range, or that was asked on the way.
#[derive(Clone, Copy)]
enum Below {
    Possible,
    Excluded,
}

/// A binary decision tree over the accumulator: `inside` if it lies in one of `ranges`, else `outside`.
fn decide(program: &mut Assembler, ranges: &[Range], below: Below, inside: &mut Label, outside: &mut Label) -> Label {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    match (low.is_empty(), high.first()) {
        (_, None) => *outside,
        (true, Some(range)) => {
            if range.first == range.last {
                return program.branch(code::JUMP_EQUAL, range.first, inside, outside);
            }
            let mut upper = program.branch(code::JUMP_GREATER, range.last, outside, inside);
            match below {
                Below::Excluded => upper,
                Below::Possible => program.branch(code::JUMP_AT_LEAST, range.first, &mut upper, outside),
            }
        }
        (false, Some(pivot)) => {
            let mut right = decide(program, high, Below::Excluded, inside, outside);
            let mut left = decide(program, low, below, inside, outside);
            program.branch(code::JUMP_AT_LEAST, pivot.first, &mut right, &mut left)
        }
    }
}

#[cfg(test)]
mod tests;
