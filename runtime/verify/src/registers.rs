//! Which registers are read after a uniform call before they are written: none but the frame pointer, the stack
//! pointer and the call's results may be.

use crate::functions::{Function, Program};
use crate::graph::BlockId;
use crate::insn::{Flow, Reg, RegSet};
use crate::liveness::{Liveness, saves, summarise};
use crate::polls;
use crate::report::{Kind, Violation};
use crate::side::Side;
use std::collections::BTreeSet;

/// Checks all uniform functions.
pub fn check(program: &Program) -> Vec<Violation> {
    let summaries = summarise(program);
    let functions = program.uniform_pairs().flat_map(|pair| Side::BOTH.map(|side| (side, pair[side])));
    functions.flat_map(|(side, function)| Liveness::new(program, side, &summaries).stale_reads(function)).collect()
}

impl Liveness<'_> {
    /// Registers that a function reads after uniform calls although they destroyed them.
    fn stale_reads(&self, function: &Function) -> Vec<Violation> {
        let mut found: Vec<(u64, u64, Reg)> = Vec::new();
        self.walk(function, |insn, behind| {
            if !self.program.is_uniform_call(insn.flow) {
                return;
            }
            let mut allowed = RegSet::of(&[self.isa.sp(), self.isa.fp()]);
            if !matches!(insn.flow, Flow::Call(to) if self.program.is_poll(to)) {
                allowed = allowed.union(self.result_registers());
            }
            found.extend(behind.without(allowed).iter().map(|register| (insn.address, insn.end(), register)));
        });
        found.sort_unstable();
        let violations = found.into_iter().map(|(call, behind, register)| {
            let reader = self.reader(function, behind, register);
            let message = format!(
                "{} {} is read {} before it is written, after the uniform call at {:#x}",
                self.isa.name(),
                self.isa.register_name(register),
                reader.map_or_else(|| "by the caller".to_owned(), |address| format!("at {:#x}", polls::place(address))),
                polls::place(call),
            );
            Violation::new(Kind::Register, &function.name, polls::place(behind), message)
        });
        violations.collect()
    }

    /// An instruction that may be the first behind `from` to read `register`, other than by returning it.
    fn reader(&self, function: &Function, from: u64, register: Reg) -> Option<u64> {
        let graph = &function.body.graph;
        let saved = saves(function, self.isa);
        let block = graph.blocks().find(|(_, b)| b.insns.iter().any(|&i| graph.insn(i).address == from));
        let mut work: Vec<(BlockId, u64)> = block.map(|(id, _)| (id, from)).into_iter().collect();
        let mut seen = BTreeSet::new();
        'work: while let Some((id, from)) = work.pop() {
            let block = &graph.blocks[id.index()];
            for &id in block.insns.iter().filter(|&&i| graph.insn(i).address >= from) {
                let read = self.before(function, &saved, id, RegSet::EMPTY);
                let insn = graph.insn(id);
                if read.contains(register) && insn.flow != Flow::Return {
                    return Some(insn.address);
                }
                if insn.defs.contains(register) || (insn.is_call() && self.clobbered(insn).contains(register)) {
                    continue 'work;
                }
            }
            work.extend(block.successors.iter().filter(|next| seen.insert(**next)).map(|&next| (next, 0)));
        }
        None
    }
}
