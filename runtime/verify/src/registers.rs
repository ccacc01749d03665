//! Which registers are read after a uniform call before they are written: none but the frame pointer, the stack
//! pointer and the call's results may be.

use crate::bytes::{ByteSet, Mask};
use crate::functions::{Function, Program};
use crate::graph::{BlockId, InsnId};
use crate::insn::{Expr, Flow, Reg, RegSet};
use crate::isa::{self, Isa};
use crate::liveness::{Liveness, Saves, saves, summarise};
use crate::report::{Kind, Violation};
use crate::side::{Pair, Side};
use crate::slots::{Meaning, meaning_of};
use std::collections::{BTreeMap, HashMap, HashSet};

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
    /// Where what comes of it is stored, compared, passed on or an address, if that is elsewhere.
    used: Option<u64>,
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
            "{} {} is read {} before it is written, after the uniform call at {:#x}{}",
            isa.name(),
            isa.register_name(self.register),
            self.reader.map_or_else(|| "by the caller".to_owned(), |address| format!("at {address:#x}")),
            self.call,
            self.used.map_or_else(String::new, |address| format!("; what comes of it is used at {address:#x}")),
        );
        Violation::new(Kind::Register, function, self.returns_to, message)
    }
}

impl Liveness<'_> {
    /// What a function reads after uniform calls although they destroyed it.
    fn stale_reads(&self, functions: Pair<&Function>, side: Side) -> Vec<StaleRead> {
        let function = functions[side];
        let graph = &function.body.graph;
        let mut found: Vec<(InsnId, Reg, Mask)> = Vec::new();
        self.walk(function, |id, behind| {
            let insn = graph.insn(id);
            if !self.program.is_uniform_call(insn.flow) {
                return;
            }
            let mut allowed = RegSet::of(&[self.isa.sp(), self.isa.fp()]);
            // A poll has no result.
            if insn.flow != self.program.poll_slow.map_or(Flow::Stop, Flow::Call) {
                allowed = allowed.union(self.result_registers());
            }
            let stale = behind.without(allowed);
            found.extend(stale.registers().iter().map(|register| (id, register, stale.of(register))));
        });
        if found.is_empty() {
            return Vec::new();
        }
        found.sort_unstable();
        let mut behind = HashMap::new();
        self.walk(function, |id, set| _ = behind.insert(id, *set));
        let trace = Trace { liveness: self, function, behind, saves: saves(function, self.isa) };
        let mut meaningful: HashMap<u64, RegSet> = HashMap::new();
        self.written_before(function, |insn, written| _ = meaningful.insert(insn.address, written));
        let reads = found.into_iter().map(|(id, register, bytes)| {
            let (call, returns_to) = (graph.insn(id).address, graph.insn(id).end());
            let readers = trace.readers(returns_to, register, bytes);
            let first = readers.iter().find(|id| !copies(function, **id, register)).or(readers.first());
            let copied = readers.iter().all(|id| copies(function, *id, register));
            let reader = first.map(|id| graph.insn(*id).address);
            let used = trace.uses(returns_to, register, bytes).map(|id| graph.insn(id).address);
            let used = used.filter(|address| Some(*address) != reader);
            let accesses = readers.first().and_then(|id| function.body.facts.accesses.get(id)).into_iter().flatten();
            let slot = accesses.filter(|a| a.stores == Some(register)).map(|a| a.offset).next();
            let undefined = !meaningful.get(&call).copied().unwrap_or_default().contains(register);
            let leave = function.body.facts.calls.iter().find(|c| c.insn == id);
            let meaning = leave.and_then(|c| meaning_of(functions, side, c.state.register(register)));
            StaleRead { register, call, returns_to, reader, used, copied, undefined, meaning, slot }
        });
        reads.filter(|read| !(read.copied && read.undefined)).collect()
    }
}

/// Follows the bytes of a register that a call destroyed.
struct Trace<'t, 'p> {
    liveness: &'t Liveness<'p>,
    function: &'t Function,
    /// What is read behind each instruction.
    behind: HashMap<InsnId, ByteSet>,
    saves: Saves,
}

impl Trace<'_, '_> {
    /// The instructions that may be the first behind `from` to read some bytes of `register`, other than by returning
    /// it.
    fn readers(&self, from: u64, register: Reg, bytes: Mask) -> Vec<InsnId> {
        let graph = &self.function.body.graph;
        let mut readers = Vec::new();
        self.follow(from, register, bytes, |id, _| {
            let read = self.liveness.reads(self.function, &self.saves, id, &self.behind[&id]);
            if read.of(register) & bytes != 0 && graph.insn(id).flow != Flow::Return {
                readers.push(id);
                return None;
            }
            let gone = self.liveness.written(self.function, id).contains(register);
            (!gone).then(|| single(register, bytes))
        });
        readers
    }

    /// The first instruction found that does with the bytes, or with what comes of them, more than make a result of
    /// them.
    fn uses(&self, from: u64, register: Reg, bytes: Mask) -> Option<InsnId> {
        let mut used = None;
        self.follow(from, register, bytes, |id, stale| {
            let read = self.liveness.reads(self.function, &self.saves, id, &ByteSet::EMPTY);
            if !read.intersection(stale).is_empty() {
                used = used.or(Some(id));
                return None;
            }
            let results = self.liveness.results(self.function, id, stale).intersection(&self.behind[&id]);
            let left = stale.without(self.liveness.written(self.function, id)).union(&results);
            (!left.is_empty()).then_some(left)
        });
        used
    }

    /// Calls `step` for each instruction behind `from` with the bytes in question, as long as it returns such bytes for
    /// the next one.
    fn follow(&self, from: u64, register: Reg, bytes: Mask, mut step: impl FnMut(InsnId, &ByteSet) -> Option<ByteSet>) {
        let graph = &self.function.body.graph;
        let block = graph.blocks().find(|(_, b)| b.insns.iter().any(|&i| graph.insn(i).address == from));
        let mut seen: BTreeMap<BlockId, ByteSet> = BTreeMap::new();
        let mut work: Vec<(BlockId, u64, ByteSet)> =
            block.map(|(id, _)| (id, from, single(register, bytes))).into_iter().collect();
        'work: while let Some((id, from, mut set)) = work.pop() {
            let block = &graph.blocks[id.index()];
            for &id in block.insns.iter().filter(|&&i| graph.insn(i).address >= from) {
                let Some(next) = step(id, &set) else { continue 'work };
                set = next;
            }
            for &next in &block.successors {
                let known = seen.entry(next).or_default();
                let joined = known.union(&set);
                if joined != *known {
                    *known = joined;
                    work.push((next, 0, joined));
                }
            }
        }
    }
}

/// Bytes of one register.
fn single(register: Reg, bytes: Mask) -> ByteSet {
    let mut set = ByteSet::EMPTY;
    set.insert(register, bytes);
    set
}

/// Whether an instruction only copies a register: to another one, into the frame, or as an argument.
fn copies(function: &Function, id: InsnId, register: Reg) -> bool {
    let insn = function.body.graph.insn(id);
    let value = Expr::Sum(register, 0);
    let stored = function.body.facts.accesses.get(&id).into_iter().flatten().any(|a| a.stores == Some(register));
    let leaves = matches!(insn.flow, Flow::Call(_) | Flow::Jump(_) | Flow::Branch(..)) && !insn.uses.contains(register);
    stored || leaves || insn.assignments.iter().any(|a| a.value == value)
}
