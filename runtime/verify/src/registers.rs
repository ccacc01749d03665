//! Which registers are read after a uniform call before they are written: none but the frame pointer, the stack
//! pointer and the call's results may be. A backward analysis within each function and across calls.

use crate::functions::{Function, Functions, Program};
use crate::graph::InsnId;
use crate::insn::{Flow, Insn, Reg, RegSet};
use crate::isa::{self, Isa};
use crate::report::{Kind, Violation};
use crate::side::Side;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// More rounds than any chain of calls needs; should it not be enough, some reads go unseen.
const MAX_ROUNDS: usize = 64;

/// Checks all uniform functions of one side.
pub fn check(program: &Program, side: Side) -> Vec<Violation> {
    let mut liveness = Liveness::new(program, side);
    liveness.solve();
    let mut violations = Vec::new();
    for function in program.functions[side].values().filter(|f| !f.native) {
        liveness.check(function, &mut violations);
    }
    violations
}

struct Liveness<'p> {
    program: &'p Program,
    functions: &'p Functions,
    isa: &'static dyn Isa,
    /// Registers that a function reads before it writes them.
    arguments: HashMap<u64, RegSet>,
    /// Registers that some caller of a function reads afterwards.
    results: HashMap<u64, RegSet>,
    /// Stores of callee-saved registers in prologues: these are no reads.
    saves: HashMap<u64, BTreeMap<InsnId, RegSet>>,
}

impl<'p> Liveness<'p> {
    fn new(program: &'p Program, side: Side) -> Liveness<'p> {
        let functions = &program.functions[side];
        let isa = isa::of(side);
        let saves = functions.values().map(|f| (f.address, saves(f, isa))).collect();
        Liveness { program, functions, isa, arguments: HashMap::new(), results: HashMap::new(), saves }
    }

    fn solve(&mut self) {
        // Callers and callees by function, for the work list.
        let mut neighbours: HashMap<u64, BTreeSet<u64>> = HashMap::new();
        for function in self.functions.values() {
            for insn in &function.body.graph.insns {
                if let Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to, _) = insn.flow
                    && self.functions.contains_key(&to)
                {
                    neighbours.entry(to).or_default().insert(function.address);
                    neighbours.entry(function.address).or_default().insert(to);
                }
            }
        }
        let mut stale: BTreeSet<u64> = self.functions.keys().copied().collect();
        for _ in 0..MAX_ROUNDS {
            let mut next = BTreeSet::new();
            for address in std::mem::take(&mut stale) {
                if self.update(&self.functions[&address]) {
                    next.extend(neighbours.get(&address).into_iter().flatten());
                }
            }
            if next.is_empty() {
                return;
            }
            stale = next;
        }
    }

    /// Analyses a function again; tells whether what others can know of it has changed.
    fn update(&mut self, function: &Function) -> bool {
        let mut changed = false;
        let entry = self.walk(function, |_, _| {});
        let ignored = RegSet::of(&[self.isa.sp(), self.isa.fp(), Reg::FLAGS])
            .union(self.isa.link().into_iter().collect());
        let arguments = self.arguments.entry(function.address).or_default();
        let new = arguments.union(entry.without(ignored));
        changed |= new != *arguments;
        *arguments = new;
        let mut results: Vec<(u64, RegSet)> = Vec::new();
        self.walk(function, |insn, behind| {
            if let Flow::Call(to) = insn.flow {
                results.push((to, behind.intersection(self.result_registers())));
            }
        });
        let own = self.results.get(&function.address).copied().unwrap_or_default();
        for exit in &function.body.facts.exits {
            if let Flow::Jump(to) | Flow::Branch(to, _) = function.body.graph.insn(exit.insn).flow {
                results.push((to, own));
            }
        }
        // A poll has no result.
        for (callee, read) in results.into_iter().filter(|(callee, _)| Some(*callee) != self.program.poll_slow) {
            let known = self.results.entry(callee).or_default();
            changed |= known.union(read) != *known;
            *known = known.union(read);
        }
        changed
    }

    fn result_registers(&self) -> RegSet {
        let (integers, vectors) = self.isa.results();
        RegSet::of(integers).union(RegSet::of(vectors))
    }

    /// Solves the data flow of a function and calls `visit` for every instruction with the registers that are read
    /// behind it; returns those that are read from the entry on.
    fn walk(&self, function: &Function, mut visit: impl FnMut(&Insn, RegSet)) -> RegSet {
        let graph = &function.body.graph;
        let predecessors = graph.predecessors();
        let mut before = vec![RegSet::EMPTY; graph.blocks.len()];
        let mut work: BTreeSet<_> = graph.blocks().map(|(id, _)| id).collect();
        let behind_block = |before: &[RegSet], id: crate::graph::BlockId| {
            let successors = graph.blocks[id.index()].successors.iter();
            successors.fold(RegSet::EMPTY, |sum, next| sum.union(before[next.index()]))
        };
        while let Some(id) = work.pop_last() {
            let mut live = behind_block(&before, id);
            for &insn in graph.blocks[id.index()].insns.iter().rev() {
                live = self.before(function, insn, live);
            }
            if live != before[id.index()] {
                before[id.index()] = live;
                work.extend(&predecessors[id.index()]);
            }
        }
        for (id, block) in graph.blocks() {
            let mut live = behind_block(&before, id);
            for &insn in block.insns.iter().rev() {
                visit(graph.insn(insn), live);
                live = self.before(function, insn, live);
            }
        }
        before.first().copied().unwrap_or_default()
    }

    /// Registers that are read from an instruction on, given those that are read from the next on.
    fn before(&self, function: &Function, id: InsnId, behind: RegSet) -> RegSet {
        let insn = function.body.graph.insn(id);
        let mut uses = insn.uses;
        if let Some(saved) = self.saves.get(&function.address).and_then(|saves| saves.get(&id)) {
            uses = uses.without(*saved);
        }
        let inside = |to: u64| to.wrapping_sub(function.address) < function.size;
        match insn.flow {
            Flow::Call(to) => {
                let kept = behind.without(self.clobbered(insn));
                kept.union(uses).union(self.arguments_of(to))
            }
            Flow::CallTo(_) => behind.without(self.clobbered(insn)).union(uses),
            Flow::Return => uses.union(self.results.get(&function.address).copied().unwrap_or_default()),
            Flow::Jump(to) | Flow::Branch(to, _) if !inside(to) => {
                behind.without(insn.defs).union(uses).union(self.arguments_of(to))
            }
            _ => behind.without(insn.defs).union(uses),
        }
    }

    fn clobbered(&self, call: &Insn) -> RegSet {
        if self.program.is_uniform_call(call.flow) {
            RegSet::ALL.without(RegSet::of(&[self.isa.sp(), self.isa.fp()]))
        } else {
            self.isa.native_scratch()
        }
    }

    fn arguments_of(&self, callee: u64) -> RegSet {
        let read = self.arguments.get(&callee).copied().unwrap_or_default();
        let native = self.functions.get(&callee).is_some_and(|f| f.native) && !self.program.loud.contains(&callee);
        if native { read.intersection(self.isa.native_arguments()) } else { read }
    }

    fn check(&self, function: &Function, violations: &mut Vec<Violation>) {
        let mut found: Vec<(u64, Reg, u64)> = Vec::new();
        self.walk(function, |insn, behind| {
            if !self.program.is_uniform_call(insn.flow) {
                return;
            }
            let mut allowed = RegSet::of(&[self.isa.sp(), self.isa.fp()]);
            // A poll has no result.
            if insn.flow != self.program.poll_slow.map_or(Flow::Stop, Flow::Call) {
                allowed = allowed.union(self.result_registers());
            }
            found.extend(behind.without(allowed).iter().map(|register| (insn.address, register, insn.end())));
        });
        found.sort_unstable();
        for (call, register, returns_to) in found {
            let reader = self.reader(function, returns_to, register);
            let message = format!(
                "{} {} is read {} before it is written, after the uniform call at {call:#x}",
                self.isa.name(),
                self.isa.register_name(register),
                reader.map_or_else(|| "by the caller".to_owned(), |address| format!("at {address:#x}")),
            );
            violations.push(Violation::new(Kind::Register, &function.name, returns_to, message));
        }
    }

    /// The first instruction behind `from` that reads `register`, other than by returning it.
    fn reader(&self, function: &Function, from: u64, register: Reg) -> Option<u64> {
        let graph = &function.body.graph;
        let block = graph.blocks().find(|(_, b)| b.insns.iter().any(|&i| graph.insn(i).address == from));
        let mut work: Vec<(crate::graph::BlockId, u64)> = block.map(|(id, _)| (id, from)).into_iter().collect();
        let mut seen = BTreeSet::new();
        'work: while let Some((id, from)) = work.pop() {
            let block = &graph.blocks[id.index()];
            for &insn in block.insns.iter().filter(|&&i| graph.insn(i).address >= from) {
                let read = self.before(function, insn, RegSet::EMPTY);
                let insn = graph.insn(insn);
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

/// Stores of registers that the function restores before it returns.
fn saves(function: &Function, isa: &dyn Isa) -> BTreeMap<InsnId, RegSet> {
    let body = &function.body;
    let exits = &body.facts.exits;
    let written = body.graph.insns.iter().fold(RegSet::EMPTY, |sum, i| sum.union(i.defs));
    let preserved = RegSet::ALL.without(isa.native_scratch()).intersection(written);
    let restored: RegSet =
        preserved.iter().filter(|r| exits.iter().all(|e| e.state.register(*r) == Value::Entry(*r))).collect();
    let mut saves = BTreeMap::new();
    for (&id, accesses) in &body.facts.accesses {
        let saved: RegSet = accesses.iter().filter_map(|a| a.saves).filter(|r| restored.contains(*r)).collect();
        if !saved.is_empty() {
            saves.insert(id, saved);
        }
    }
    saves
}
