//! Which registers are read after a uniform call before they are written: none but the frame pointer, the stack
//! pointer and the call's results may be. A backward analysis within each function and across calls.

use crate::functions::{Function, Functions, Program};
use crate::graph::InsnId;
use crate::insn::{Flow, Insn, Reg, RegSet};
use crate::isa::{self, Isa};
use crate::report::{Kind, Violation};
use crate::side::{Pair, Side};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// More rounds than any chain of calls needs; should it not be enough, some reads go unseen.
const MAX_ROUNDS: usize = 64;

/// Integer arguments whose register is known on both ISAs: small integers have a register order of their own.
const SHARED_ARGUMENTS: usize = 4;

/// Checks all uniform functions.
pub fn check(program: &Program) -> Vec<Violation> {
    let mut summaries = Pair::new(|_| Summaries::new());
    solve(program, &mut summaries);
    let mut violations = Vec::new();
    for side in Side::BOTH {
        let liveness = Liveness::new(program, side, &summaries);
        for function in program.functions[side].values().filter(|f| !f.native) {
            liveness.check(function, &mut violations);
        }
    }
    violations
}

/// What is known of a function from its code and from its callers' code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    /// Registers that it reads before it writes them.
    reads: RegSet,
    /// Result registers that some uniform caller reads afterwards.
    results: RegSet,
}

type Summaries = HashMap<u64, Summary>;

/// Finds what functions read and return. What is read on one ISA only is no argument and no result, but an undefined
/// value that happens to be in a register.
fn solve(program: &Program, summaries: &mut Pair<Summaries>) {
    // Callers and callees by function, for the work list.
    let mut neighbours: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    for (side, function) in Side::BOTH.into_iter().flat_map(|s| program.functions[s].values().map(move |f| (s, f))) {
        for insn in &function.body.graph.insns {
            if let Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to, _) = insn.flow
                && program.functions[side].contains_key(&to)
            {
                neighbours.entry(to).or_default().insert(function.address);
                neighbours.entry(function.address).or_default().insert(to);
            }
        }
    }
    let mut stale: BTreeSet<u64> = neighbours.keys().copied().collect();
    for _ in 0..MAX_ROUNDS {
        let mut changed = BTreeSet::new();
        for side in Side::BOTH {
            for function in stale.iter().filter_map(|address| program.functions[side].get(address)) {
                let found = Liveness::new(program, side, summaries).summarise(function);
                for (address, more) in found {
                    let known = summaries[side].entry(address).or_default();
                    let before = *known;
                    known.reads = known.reads.union(more.reads);
                    known.results = known.results.union(more.results);
                    if *known != before {
                        changed.insert(address);
                    }
                }
            }
        }
        if changed.is_empty() {
            return;
        }
        stale = changed.iter().flat_map(|a| neighbours.get(a).into_iter().flatten().copied().chain([*a])).collect();
    }
}

struct Liveness<'p> {
    program: &'p Program,
    functions: &'p Functions,
    isa: &'static dyn Isa,
    other: &'static dyn Isa,
    own: &'p Summaries,
    others: &'p Summaries,
}

impl<'p> Liveness<'p> {
    fn new(program: &'p Program, side: Side, summaries: &'p Pair<Summaries>) -> Liveness<'p> {
        Liveness {
            program,
            functions: &program.functions[side],
            isa: isa::of(side),
            other: isa::of(side.other()),
            own: &summaries[side],
            others: &summaries[side.other()],
        }
    }

    /// What the code of a function tells of itself and of what it calls.
    fn summarise(&self, function: &Function) -> Vec<(u64, Summary)> {
        let mut found = Vec::new();
        let mut note = |to: u64, results: RegSet| found.push((to, Summary { reads: RegSet::EMPTY, results }));
        let reads = self.walk(function, |insn, behind| {
            if let (Flow::Call(to), false) = (insn.flow, function.native) {
                note(to, behind.intersection(self.result_registers()));
            }
        });
        for exit in &function.body.facts.exits {
            if let Flow::Jump(to) | Flow::Branch(to, _) = function.body.graph.insn(exit.insn).flow {
                note(to, self.results_of(function.address));
            }
        }
        found.push((function.address, Summary { reads, results: RegSet::EMPTY }));
        found
    }

    /// The results of a function that callers on both ISAs read.
    fn results_of(&self, function: u64) -> RegSet {
        // A poll has no result.
        if Some(function) == self.program.poll_slow {
            return RegSet::EMPTY;
        }
        let [own, others] = [self.own, self.others].map(|s| s.get(&function).map_or(RegSet::EMPTY, |s| s.results));
        let lists = |isa: &dyn Isa| {
            let (integers, vectors) = isa.results();
            integers.iter().chain(vectors).copied().collect::<Vec<Reg>>()
        };
        let pairs = lists(self.isa).into_iter().zip(lists(self.other));
        pairs.filter(|(mine, theirs)| own.contains(*mine) && others.contains(*theirs)).map(|(mine, _)| mine).collect()
    }

    /// The arguments of a function that it reads on both ISAs.
    fn arguments_of(&self, function: u64) -> RegSet {
        // A poll has no arguments either.
        if Some(function) == self.program.poll_slow {
            return RegSet::EMPTY;
        }
        let [own, others] = [self.own, self.others].map(|s| s.get(&function).map_or(RegSet::EMPTY, |s| s.reads));
        let (mine, theirs) = (self.isa.arguments(), self.other.arguments());
        let shared = mine.iter().zip(theirs).take(SHARED_ARGUMENTS);
        let mut arguments: RegSet = shared.filter(|(_, t)| others.contains(**t)).map(|(m, _)| *m).collect();
        let rest = |isa: &dyn Isa| {
            let all = isa.native_arguments().union(isa.arguments().iter().copied().collect());
            let first: RegSet = isa.arguments().iter().take(SHARED_ARGUMENTS).copied().collect();
            all.iter().filter(|r| r.integer_number().is_some() && !first.contains(*r)).collect::<RegSet>()
        };
        if !others.intersection(rest(self.other)).is_empty() {
            arguments = arguments.union(rest(self.isa));
        }
        arguments = arguments.union(others.iter().filter(|r| r.vector_number().is_some_and(|n| n < 8)).collect());
        arguments.intersection(own)
    }

    fn result_registers(&self) -> RegSet {
        let (integers, vectors) = self.isa.results();
        RegSet::of(integers).union(RegSet::of(vectors))
    }

    /// Solves the data flow of a function and calls `visit` for every instruction with the registers that are read
    /// behind it; returns those that are read from the entry on.
    fn walk(&self, function: &Function, mut visit: impl FnMut(&Insn, RegSet)) -> RegSet {
        let graph = &function.body.graph;
        let saves = saves(function, self.isa);
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
                live = self.before(function, &saves, insn, live);
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
                live = self.before(function, &saves, insn, live);
            }
        }
        before.first().copied().unwrap_or_default()
    }

    /// Registers that are read from an instruction on, given those that are read from the next on.
    fn before(&self, function: &Function, saves: &Saves, id: InsnId, behind: RegSet) -> RegSet {
        let insn = function.body.graph.insn(id);
        let uses = insn.uses.without(saves.get(&id).copied().unwrap_or_default());
        let inside = |to: u64| to.wrapping_sub(function.address) < function.size;
        match insn.flow {
            Flow::Call(to) => {
                let kept = behind.without(self.clobbered(insn));
                kept.union(uses).union(self.arguments_of(to))
            }
            Flow::CallTo(_) => behind.without(self.clobbered(insn)).union(uses),
            Flow::Return => uses.union(self.results_of(function.address)),
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
        let saves = saves(function, self.isa);
        let block = graph.blocks().find(|(_, b)| b.insns.iter().any(|&i| graph.insn(i).address == from));
        let mut work: Vec<(crate::graph::BlockId, u64)> = block.map(|(id, _)| (id, from)).into_iter().collect();
        let mut seen = BTreeSet::new();
        'work: while let Some((id, from)) = work.pop() {
            let block = &graph.blocks[id.index()];
            for &insn in block.insns.iter().filter(|&&i| graph.insn(i).address >= from) {
                let read = self.before(function, &saves, insn, RegSet::EMPTY);
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

/// Stores of callee-saved registers in prologues: these are no reads.
type Saves = BTreeMap<InsnId, RegSet>;

/// Stores of registers that the function restores before it returns.
fn saves(function: &Function, isa: &dyn Isa) -> Saves {
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
