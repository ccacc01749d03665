//! What functions read before they write it, which results their callers read, and which registers are read behind
//! each instruction: a backward analysis within each function and across calls.

use crate::functions::{Function, Program};
use crate::graph::{BlockId, InsnId};
use crate::insn::{Flow, Insn, RegSet};
use crate::isa::{self, Isa};
use crate::side::{Pair, Side};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of a function from its code and from its callers' code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Registers that it reads before it writes them: its arguments.
    reads: RegSet,
    /// Result registers that some uniform caller reads afterwards.
    results: RegSet,
}

/// Summaries by the address of the function.
pub type Summaries = HashMap<u64, Summary>;

/// Finds what functions read and return.
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
            }
        }
    }
    // Sets only grow, so that this ends.
    let mut stale: BTreeSet<u64> = Side::BOTH.into_iter().flat_map(|s| program.functions[s].keys().copied()).collect();
    while let Some(address) = stale.pop_first() {
        for side in Side::BOTH {
            let Some(function) = program.functions[side].get(&address) else { continue };
            for (of, more) in Liveness::new(program, side, &summaries).summarise(function) {
                let known = summaries[side].entry(of).or_default();
                let before = *known;
                *known = Summary { reads: known.reads.union(more.reads), results: known.results.union(more.results) };
                if *known != before {
                    stale.extend(neighbours.get(&of).into_iter().flatten().copied().chain([of]));
                }
            }
        }
    }
    summaries
}

/// The registers of one image's functions.
pub struct Liveness<'p> {
    /// The program.
    pub program: &'p Program,
    /// The image's instruction set.
    pub isa: &'static dyn Isa,
    side: Side,
    summaries: &'p Pair<Summaries>,
}

impl<'p> Liveness<'p> {
    /// With what is known of the functions.
    pub fn new(program: &'p Program, side: Side, summaries: &'p Pair<Summaries>) -> Liveness<'p> {
        Liveness { program, isa: isa::of(side), side, summaries }
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
        found.push((function.address, Summary { reads, ..Summary::default() }));
        found
    }

    /// The results of a function that a caller reads.
    fn results_of(&self, function: u64) -> RegSet {
        self.summary(self.side, function).results
    }

    /// The registers in which a function gets arguments. Native code comes from other compilers too, and may read
    /// registers that are undefined: an argument is what it reads on both ISAs.
    fn arguments_of(&self, function: u64) -> RegSet {
        let reads = self.summary(self.side, function).reads;
        if self.program.functions[self.side].get(&function).is_none_or(|f| !f.native) {
            return reads;
        }
        let other = isa::of(self.side.other());
        let theirs = self.summary(self.side.other(), function).reads;
        let integers = self.isa.native_arguments().iter().zip(other.native_arguments());
        let integers = integers.filter(|(_, other)| theirs.contains(**other)).map(|(own, _)| *own);
        let arguments: RegSet = integers.chain(theirs.iter().filter(|r| r.vector_number().is_some())).collect();
        reads.intersection(arguments)
    }

    fn summary(&self, side: Side, function: u64) -> Summary {
        let is_poll = self.program.is_poll(function);
        self.summaries[side].get(&function).copied().filter(|_| !is_poll).unwrap_or_default()
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
                // The call itself writes the link register.
                let link = self.isa.link().into_iter().collect();
                kept.union(uses).union(self.arguments_of(to).without(link))
            }
            Flow::CallTo(_) => behind.without(self.clobbered(insn)).union(uses),
            Flow::Return => uses.union(self.results_of(function.address)),
            Flow::Jump(to) | Flow::Branch(to, _) if function.is_left_for(to) => {
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
