//! Decision trees over the accumulator, and programs that keep to a budget.

use super::BpfInstruction;
use super::assembler::{Assembler, Label};
use super::code;
use super::ranges::Range;

/// The program that `assemble` makes of `targets` and `senders`, with at most `budget` instructions: of coarser and
/// coarser ranges until it fits, or until each set is a single range.
pub(super) fn fit(
    targets: &[Range],
    senders: &[Range],
    budget: usize,
    assemble: impl Fn(&[Range], &[Range]) -> Vec<BpfInstruction>,
) -> Vec<BpfInstruction> {
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

/// Goes on at `inside` if the accumulator lies in one of `ranges`, else at `outside`.
pub(super) fn decide(program: &mut Assembler, ranges: &[Range], inside: &mut Label, outside: &mut Label) -> Label {
    subtree(program, ranges, Below::Possible, inside, outside)
}

/// Whether a value that comes to a subtree can lie below its first range, or that was asked on the way.
#[derive(Clone, Copy)]
enum Below {
    Possible,
    Excluded,
}

fn subtree(program: &mut Assembler, ranges: &[Range], below: Below, inside: &mut Label, outside: &mut Label) -> Label {
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
            let mut right = subtree(program, high, Below::Excluded, inside, outside);
            let mut left = subtree(program, low, below, inside, outside);
            program.branch(code::JUMP_AT_LEAST, pivot.first, &mut right, &mut left)
        }
    }
}
