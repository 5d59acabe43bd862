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

use std::net::Ipv4Addr;

use super::assembler::Assembler;
use super::ranges::Range;
use super::tree::{self, decide};
use super::{BpfInstruction, OTHER_HOST, PACKET_TYPE, SNAP_LEN, code};

/// The least budget [`arp`] can keep: two single ranges and what is around them.
pub const MIN_BUDGET: usize = 16;

const ETHER_TYPE: u32 = 12;
const OPERATION: u32 = 20;
const SENDER_IP: u32 = 28;
const TARGET_IP: u32 = 38;

const ETHER_TYPE_ARP: u32 = 0x0806;
const REQUEST: u32 = 1;

/// A program of at most `budget` instructions (not less than [`MIN_BUDGET`]) that accepts ARP requests for `targets` and
/// every ARP packet from `senders`. Both must be sorted. It is exact if the budget allows, else it accepts more.
pub fn arp(
    targets: impl IntoIterator<Item = Ipv4Addr>,
    senders: impl IntoIterator<Item = Ipv4Addr>,
    budget: usize,
) -> Vec<BpfInstruction> {
    let number = |address| u32::from(address);
    fit(&Range::exact(targets.into_iter().map(number)), &Range::exact(senders.into_iter().map(number)), budget)
}

/// [`arp`] for sets that are ranges already.
pub(crate) fn fit(targets: &[Range], senders: &[Range], budget: usize) -> Vec<BpfInstruction> {
    tree::fit(targets, senders, budget.max(MIN_BUDGET), assemble)
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
        let tree = decide(&mut program, targets, &mut accept, &mut drop);
        let mut load = program.load(code::LOAD_WORD, TARGET_IP, tree);
        let request = program.branch(code::JUMP_EQUAL, REQUEST, &mut load, &mut drop);
        next = program.load(code::LOAD_HALF, OPERATION, request);
    }
    if !senders.is_empty() {
        let tree = decide(&mut program, senders, &mut accept, &mut next);
        next = program.load(code::LOAD_WORD, SENDER_IP, tree);
    }
    let is_arp = program.branch(code::JUMP_EQUAL, ETHER_TYPE_ARP, &mut next, &mut drop);
    let mut ether_type = program.load(code::LOAD_HALF, ETHER_TYPE, is_arp);
    let foreign = program.branch(code::JUMP_EQUAL, OTHER_HOST, &mut drop, &mut ether_type);
    program.load(code::LOAD_WORD, PACKET_TYPE, foreign);
    program.finish()
}

#[cfg(test)]
mod tests;
