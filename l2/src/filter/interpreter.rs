//! A second opinion for tests: runs the subset of classic BPF used here as the kernel's documentation describes it, and
//! checks what the kernel's verifier checks (`bpf_check_classic`).

use super::{BpfInstruction, MAX_INSTRUCTIONS, PACKET_TYPE, code};

/// Bytes of `frame` that `program` accepts, 0 = dropped.
pub(super) fn run(program: &[BpfInstruction], frame: &[u8], packet_type: u32) -> u32 {
    let mut accumulator = 0_u32;
    let mut index = 0_u32;
    let mut pc = 0_usize;
    loop {
        let BpfInstruction { code, jt, jf, k } = program[pc];
        pc += 1;
        let at = k as usize;
        let mut branch = |condition: bool| pc += usize::from(if condition { jt } else { jf });
        match code {
            code::LOAD_WORD if k == PACKET_TYPE => accumulator = packet_type,
            code::LOAD_WORD => match frame.get(at..at + 4) {
                Some(bytes) => accumulator = u32::from_be_bytes(bytes.try_into().expect("four bytes")),
                None => return 0,
            },
            code::LOAD_HALF => match frame.get(at..at + 2) {
                Some(bytes) => accumulator = u16::from_be_bytes(bytes.try_into().expect("two bytes")).into(),
                None => return 0,
            },
            code::LOAD_BYTE => match frame.get(at) {
                Some(byte) => accumulator = (*byte).into(),
                None => return 0,
            },
            code::MULTIPLY => accumulator = accumulator.wrapping_mul(k),
            code::TO_INDEX => index = accumulator,
            code::ADD_INDEX => accumulator = accumulator.wrapping_add(index),
            code::JUMP => pc += at,
            code::JUMP_EQUAL => branch(accumulator == k),
            code::JUMP_GREATER => branch(accumulator > k),
            code::JUMP_AT_LEAST => branch(accumulator >= k),
            code::RETURN => return k,
            _ => panic!("operation {code:#x} is none that the filters use"),
        }
    }
}

/// What the kernel asks of a program: not empty, not too long, every jump lands inside, the last instruction returns.
pub(super) fn verify(program: &[BpfInstruction]) {
    assert!(!program.is_empty() && program.len() <= MAX_INSTRUCTIONS, "{} instructions", program.len());
    for (pc, instruction) in program.iter().enumerate() {
        let farthest = match instruction.code {
            code::JUMP => instruction.k as usize,
            code::JUMP_EQUAL | code::JUMP_GREATER | code::JUMP_AT_LEAST => instruction.jt.max(instruction.jf).into(),
            _ => 0,
        };
        assert!(pc + 1 + farthest < program.len() || instruction.code == code::RETURN, "instruction {pc} leaves");
    }
    assert_eq!(program.last().map(|last| last.code), Some(code::RETURN));
}
