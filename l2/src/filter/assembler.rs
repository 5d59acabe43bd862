//! Assembles a program from its end to its start.
//!
//! Classic BPF jumps only forward, so that a program written backwards knows every jump's distance when it writes the
//! jump. Conditional jumps reach 255 instructions; where a target is farther, a jump with a 32-bit distance is put in
//! between. That is always possible: every conditional jump names both of its targets, so no instruction falls through
//! into what is inserted behind it.

use super::{BpfInstruction, code};

/// Farthest target of a conditional jump, less the one instruction that reaching the other target may insert.
const REACH: usize = 254;

/// A place in the program, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<BpfInstruction>,
}

impl Assembler {
    /// Returns `len` bytes of the frame.
    pub(super) fn ret(&mut self, len: u32) -> Label {
        self.push(BpfInstruction { code: code::RETURN, jt: 0, jf: 0, k: len })
    }

    /// Loads from `offset` and goes on with the instruction at `next`.
    pub(super) fn load(&mut self, code: u16, offset: u32, next: Label) -> Label {
        if self.distance(next) != 0 {
            self.jump(next);
        }
        self.push(BpfInstruction { code, jt: 0, jf: 0, k: offset })
    }

    /// Compares and goes on at `yes` or `no`. Both labels are moved to the stepping stone if one was needed, so that the
    /// next jump to the same place can use it too.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: &mut Label, no: &mut Label) -> Label {
        self.approach(yes);
        self.approach(no);
        let (jt, jf) = (self.distance(*yes), self.distance(*no));
        self.push(BpfInstruction {
            code,
            jt: u8::try_from(jt).unwrap_or(u8::MAX),
            jf: u8::try_from(jf).unwrap_or(u8::MAX),
            k,
        })
    }

    /// The program from its start.
    pub(super) fn finish(mut self) -> Vec<BpfInstruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// Instructions that the next one to be written has to skip to get to `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    fn approach(&mut self, label: &mut Label) {
        if self.distance(*label) > REACH {
            *label = self.jump(*label);
        }
    }

    fn jump(&mut self, to: Label) -> Label {
        let k = u32::try_from(self.distance(to)).unwrap_or(u32::MAX);
        self.push(BpfInstruction { code: code::JUMP, jt: 0, jf: 0, k })
    }

    fn push(&mut self, instruction: BpfInstruction) -> Label {
        self.reversed.push(instruction);
        Label(self.reversed.len() - 1)
    }
}
