//! What functions read before they write it, which results their callers read, and which registers are read behind
//! each instruction: a backward analysis within each function and across calls.

use crate::functions::{Function, Program};
use crate::graph::{BlockId, InsnId};
use crate::insn::{Flow, Insn, Reg, RegSet};
use crate::isa::{self, Isa};
use crate::side::{Pair, Side};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// More rounds than any chain of calls needs; should it not be enough, some reads go unseen.
const MAX_ROUNDS: usize = 64;

/// Integer arguments whose register is known on both ISAs: small integers have a register order of their own.
const SHARED_ARGUMENTS: usize = 4;

/// Floating-point arguments in registers.
const VECTOR_ARGUMENTS: usize = 8;

/// What is known of a function from its code and from its callers' code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Registers that it reads before it writes them.
    reads: RegSet,
    /// Registers that some caller may have written before it calls the function.
    provided: RegSet,
    /// Whether its callers are known: that it is called directly at all.
    called: bool,
    /// Result registers that some uniform caller reads afterwards.
    results: RegSet,
}

impl Summary {
    /// Adds what is found later.
    fn add(&mut self, more: Summary) {
        self.reads = self.reads.union(more.reads);
        self.provided = self.provided.union(more.provided);
        self.results = self.results.union(more.results);
    }

    /// Registers that may hold an argument.
    fn arguments(&self) -> RegSet {
        if self.called { self.reads.intersection(self.provided) } else { self.reads }
    }
}

/// Summaries by the address of the function.
pub type Summaries = HashMap<u64, Summary>;

/// Finds what functions read and return. What is read on one ISA only is no argument and no result, but an undefined
/// value that happens to be in a register.
pub fn summarise(program: &Program) -> Pair<Summaries> {
    let mut summaries = Pair::new(|_| Summaries::new());
    // Callers and callees by function, for the work list.
    let mut neighbours: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    for (side, function) in Side::BOTH.into_iter().flat_map(|s| program.functions[s].values().map(move |f| (s, f))) {
        for insn in &function.body.graph.insns {
            if let Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to, _) = insn.flow
                && program.functions[side].contains_key(&to)
            {
                neighbours.entry(to).or_default().insert(function.address);
                neighbours.entry(function.address).or_default().insert(to);
                summaries[side].entry(to).or_default().called |= !function.contains(to) || insn.is_call();
            }
        }
    }
    let mut stale: BTreeSet<u64> = neighbours.keys().copied().collect();
    for _ in 0..MAX_ROUNDS {
        let mut changed = BTreeSet::new();
        for side in Side::BOTH {
            for function in stale.iter().filter_map(|address| program.functions[side].get(address)) {
                let found = Liveness::new(program, side, &summaries).summarise(function);
                for (address, more) in found {
                    let known = summaries[side].entry(address).or_default();
                    let before = *known;
                    known.add(more);
                    if *known != before {
                        changed.insert(address);
                    }
                }
            }
        }
        if changed.is_empty() {
            break;
        }
        stale = changed.iter().flat_map(|a| neighbours.get(a).into_iter().flatten().copied().chain([*a])).collect();
    }
    summaries
}

/// The registers of one image's functions.
pub struct Liveness<'p> {
    /// The program.
    pub program: &'p Program,
    side: Side,
    /// The image's instruction set.
    pub isa: &'static dyn Isa,
    other: &'static dyn Isa,
    own: &'p Summaries,
    others: &'p Summaries,
}

impl<'p> Liveness<'p> {
    /// With what is known of the functions.
    pub fn new(program: &'p Program, side: Side, summaries: &'p Pair<Summaries>) -> Liveness<'p> {
        Liveness {
            program,
            side,
            isa: isa::of(side),
            other: isa::of(side.other()),
            own: &summaries[side],
            others: &summaries[side.other()],
        }
    }

    /// What the code of a function tells of itself and of what it calls.
    fn summarise(&self, function: &Function) -> Vec<(u64, Summary)> {
        let mut found = Vec::new();
        let mut note = |to: u64, results: RegSet| found.push((to, Summary { results, ..Summary::default() }));
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
        let mut provide = |to: u64, provided| found.push((to, Summary { provided, ..Summary::default() }));
        self.written_before(function, |insn, provided| match insn.flow {
            Flow::Call(to) => provide(to, provided),
            Flow::Jump(to) | Flow::Branch(to, _) if !function.contains(to) => provide(to, provided),
            _ => {}
        });
        found.push((function.address, Summary { reads, ..Summary::default() }));
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
        let [own, others] = [self.own, self.others].map(|s| s.get(&function).map_or(RegSet::EMPTY, Summary::arguments));
        own.iter().filter(|mine| others.iter().any(|theirs| self.may_be_same_argument(*mine, theirs))).collect()
    }

    /// Whether a register here and one there can hold the same argument. Uniform functions get words and small
    /// integers in registers of separate orders, native ones in yet others.
    fn may_be_same_argument(&self, mine: Reg, theirs: Reg) -> bool {
        if let (Some(n), Some(m)) = (mine.vector_number(), theirs.vector_number()) {
            return n == m && usize::from(n) < VECTOR_ARGUMENTS;
        }
        let position = |registers: &[Reg], register| registers.iter().position(|r| *r == register);
        let uniform = position(self.isa.arguments(), mine).zip(position(self.other.arguments(), theirs));
        let native = position(self.isa.native_arguments(), mine).zip(position(self.other.native_arguments(), theirs));
        // Small integers in front of a word move it on.
        let moved = |n: usize, m: usize| n.min(m) >= SHARED_ARGUMENTS && (n >= m) == (self.side == Side::Home);
        native.is_some_and(|(n, m)| n == m) || uniform.is_some_and(|(n, m)| n == m || moved(n, m))
    }

    /// Registers in which a call may leave results.
    pub fn result_registers(&self) -> RegSet {
        let (integers, vectors) = self.isa.results();
        RegSet::of(integers).union(RegSet::of(vectors))
    }

    /// Solves the data flow of a function and calls `visit` for every instruction with the registers that are read
    /// behind it; returns those that are read from the entry on.
    pub fn walk(&self, function: &Function, mut visit: impl FnMut(&Insn, RegSet)) -> RegSet {
        let graph = &function.body.graph;
        let saves = saves(function, self.isa);
        let predecessors = graph.predecessors();
        let mut before = vec![RegSet::EMPTY; graph.blocks.len()];
        let mut work: BTreeSet<_> = graph.blocks().map(|(id, _)| id).collect();
        let behind_block = |before: &[RegSet], id: BlockId| {
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
    pub fn before(&self, function: &Function, saves: &Saves, id: InsnId, behind: RegSet) -> RegSet {
        let insn = function.body.graph.insn(id);
        let uses = insn.uses.without(saves.get(&id).copied().unwrap_or_default());
        match insn.flow {
            Flow::Call(to) => {
                let kept = behind.without(self.clobbered(insn));
                kept.union(uses).union(self.arguments_of(to))
            }
            Flow::CallTo(_) => behind.without(self.clobbered(insn)).union(uses),
            Flow::Return => uses.union(self.results_of(function.address)),
            Flow::Jump(to) | Flow::Branch(to, _) if !function.contains(to) => {
                behind.without(insn.defs).union(uses).union(self.arguments_of(to))
            }
            _ => behind.without(insn.defs).union(uses),
        }
    }

    /// Registers that a call destroys.
    pub fn clobbered(&self, call: &Insn) -> RegSet {
        if self.program.is_uniform_call(call.flow) {
            RegSet::ALL.without(RegSet::of(&[self.isa.sp(), self.isa.fp()]))
        } else {
            self.isa.native_scratch()
        }
    }

    /// Visits all instructions with the registers that may have been written before, or be arguments.
    pub fn written_before(&self, function: &Function, mut visit: impl FnMut(&Insn, RegSet)) {
        let graph = &function.body.graph;
        let mut before = vec![RegSet::EMPTY; graph.blocks.len()];
        if let Some(entry) = before.first_mut() {
            *entry = self.arguments_of(function.address);
        }
        let mut work: BTreeSet<BlockId> = graph.blocks().map(|(id, _)| id).collect();
        while let Some(id) = work.pop_first() {
            let block = &graph.blocks[id.index()];
            let mut written = before[id.index()];
            for insn in block.insns.iter().map(|&id| graph.insn(id)) {
                visit(insn, written);
                written = written.union(insn.defs);
                if insn.is_call() {
                    written = written.union(self.result_registers());
                }
            }
            for &next in &block.successors {
                let joined = before[next.index()].union(written);
                if joined != before[next.index()] {
                    before[next.index()] = joined;
                    work.insert(next);
                }
            }
        }
    }
}

/// Stores of callee-saved registers in prologues: these are no reads.
pub type Saves = BTreeMap<InsnId, RegSet>;

/// Stores of registers that the function restores before it returns.
pub fn saves(function: &Function, isa: &dyn Isa) -> Saves {
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
