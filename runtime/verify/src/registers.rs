//! Which registers are read after a uniform call before they are written: none but the frame pointer, the stack
//! pointer and the call's results may be.

use crate::functions::{Function, Program};
use crate::graph::{BlockId, InsnId};
use crate::insn::{Expr, Flow, Reg, RegSet};
use crate::isa::{self, Isa};
use crate::liveness::{Liveness, saves, summarise};
use crate::report::{Kind, Violation};
use crate::side::{Pair, Side};
use crate::slots::{Meaning, meaning_of};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Checks all uniform functions. At `odd_sites` (return addresses) the ISAs do not agree on the slots.
pub fn check(program: &Program, odd_sites: &HashSet<u64>) -> Vec<Violation> {
    let summaries = summarise(program);
    let mut violations = Vec::new();
    for functions in program.uniform_pairs() {
        let found = Pair::new(|side| Liveness::new(program, side, &summaries).stale_reads(functions, side));
        for side in Side::BOTH {
            for stale in &found[side] {
                // An undefined value is whatever a register holds. If it were a real one, the other ISA would have it
                // in a register too, or in a slot that does not live across the call here.
                let real = odd_sites.contains(&stale.returns_to)
                    || found[side.other()].iter().any(|other| other.is_counterpart_of(stale));
                if real || !stale.copied {
                    violations.push(stale.violation(&functions[side].name, isa::of(side)));
                }
            }
        }
    }
    violations
}

/// A register that is read after a uniform call before it is written.
struct StaleRead {
    register: Reg,
    call: u64,
    returns_to: u64,
    /// Where it is read, unless by the caller.
    reader: Option<u64>,
    /// Whether nothing is done with it other than to copy it or pass it on.
    copied: bool,
    /// Whether nothing can have been in it before the call.
    undefined: bool,
    /// What it held, in terms that both ISAs share.
    meaning: Option<Meaning>,
    /// Distance from the CFA of the slot that it is copied to.
    slot: Option<i64>,
}

impl StaleRead {
    /// Whether it may be the same value on the other ISA.
    fn is_counterpart_of(&self, other: &StaleRead) -> bool {
        self.returns_to == other.returns_to && self.meaning == other.meaning && self.slot == other.slot
    }

    fn violation(&self, function: &str, isa: &dyn Isa) -> Violation {
        let message = format!(
            "{} {} is read {} before it is written, after the uniform call at {:#x}",
            isa.name(),
            isa.register_name(self.register),
            self.reader.map_or_else(|| "by the caller".to_owned(), |address| format!("at {address:#x}")),
            self.call,
        );
        Violation::new(Kind::Register, function, self.returns_to, message)
    }
}

impl Liveness<'_> {
    /// What a function reads after uniform calls although they destroyed it.
    fn stale_reads(&self, functions: Pair<&Function>, side: Side) -> Vec<StaleRead> {
        let function = functions[side];
        let mut found: Vec<(u64, u64, Reg)> = Vec::new();
        self.walk(function, |insn, behind| {
            if !self.program.is_uniform_call(insn.flow) {
                return;
            }
            let mut allowed = RegSet::of(&[self.isa.sp(), self.isa.fp()]);
            // A poll has no result.
            if insn.flow != self.program.poll_slow.map_or(Flow::Stop, Flow::Call) {
                allowed = allowed.union(self.result_registers());
            }
            found.extend(behind.without(allowed).iter().map(|register| (insn.address, insn.end(), register)));
        });
        found.sort_unstable();
        let mut meaningful: HashMap<u64, RegSet> = HashMap::new();
        self.written_before(function, |insn, written| _ = meaningful.insert(insn.address, written));
        let reads = found.into_iter().map(|(call, returns_to, register)| {
            let readers = self.readers(function, returns_to, register);
            let used = readers.iter().find(|id| !copies(function, **id, register));
            let reader = used.or(readers.first()).map(|id| function.body.graph.insn(*id).address);
            let accesses = readers.first().and_then(|id| function.body.facts.accesses.get(id)).into_iter().flatten();
            let slot = accesses.filter(|a| a.stores == Some(register)).map(|a| a.offset).next();
            let undefined = !meaningful.get(&call).copied().unwrap_or_default().contains(register);
            let leave = function.body.facts.calls.iter().find(|c| function.body.graph.insn(c.insn).address == call);
            let meaning = leave.and_then(|c| meaning_of(functions, side, c.state.register(register)));
            StaleRead { register, call, returns_to, reader, copied: used.is_none(), undefined, meaning, slot }
        });
        reads.filter(|read| !(read.copied && read.undefined)).collect()
    }

    /// The instructions that may be the first behind `from` to read `register`, other than by returning it.
    fn readers(&self, function: &Function, from: u64, register: Reg) -> Vec<InsnId> {
        let graph = &function.body.graph;
        let saved = saves(function, self.isa);
        let block = graph.blocks().find(|(_, b)| b.insns.iter().any(|&i| graph.insn(i).address == from));
        let mut work: Vec<(BlockId, u64)> = block.map(|(id, _)| (id, from)).into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut readers = Vec::new();
        'work: while let Some((id, from)) = work.pop() {
            let block = &graph.blocks[id.index()];
            for &id in block.insns.iter().filter(|&&i| graph.insn(i).address >= from) {
                let read = self.before(function, &saved, id, RegSet::EMPTY);
                let insn = graph.insn(id);
                if read.contains(register) && insn.flow != Flow::Return {
                    readers.push(id);
                    continue 'work;
                }
                if insn.defs.contains(register) || (insn.is_call() && self.clobbered(insn).contains(register)) {
                    continue 'work;
                }
            }
            work.extend(block.successors.iter().filter(|next| seen.insert(**next)).map(|&next| (next, 0)));
        }
        readers
    }
}

/// Whether an instruction only copies a register: to another one, into the frame, or as an argument.
fn copies(function: &Function, id: InsnId, register: Reg) -> bool {
    let insn = function.body.graph.insn(id);
    let value = Expr::Sum(register, 0);
    let stored = function.body.facts.accesses.get(&id).into_iter().flatten().any(|a| a.stores == Some(register));
    let leaves = matches!(insn.flow, Flow::Call(_) | Flow::Jump(_) | Flow::Branch(..)) && !insn.uses.contains(register);
    stored || leaves || insn.assignments.iter().any(|a| a.value == value)
}
