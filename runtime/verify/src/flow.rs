//! Forward analysis of a function: what registers and frame cells hold, where jump tables lead, which frame memory
//! each instruction touches.

use crate::binary::Image;
use crate::graph::{BlockId, Code, Graph, InsnId, Knowledge};
use crate::insn::{Access, Condition, Expr, Flow, Insn, Reg};
use crate::tables::{Mentions, targets};
use crate::value::{Origin, State, TableEntry, Value};
use std::collections::{BTreeSet, HashMap};

/// Rounds in which jump tables lead to further jump tables.
const MAX_ROUNDS: usize = 64;

/// An access to the function's own frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAccess {
    /// Distance from the CFA.
    pub offset: i64,
    /// Bytes; of an unknown place at or above `offset` unless it is exact.
    pub size: u32,
    /// Whether offset and size are known.
    pub exact: bool,
    /// Whether it is this place and not another one.
    pub certain: bool,
    /// Whether memory is read.
    pub reads: bool,
    /// Whether memory is written.
    pub writes: bool,
    /// The register that is stored.
    pub stores: Option<Reg>,
    /// The register whose value on entry is stored.
    pub saves: Option<Reg>,
}

/// What is known right before a call, return or jump out of the function.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The instruction.
    pub insn: InsnId,
    /// Registers and frame.
    pub state: State,
}

/// What the analysis of a function finds.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Frame accesses of each instruction.
    pub accesses: HashMap<InsnId, Vec<FrameAccess>>,
    /// Calls in the order of their addresses.
    pub calls: Vec<Leave>,
    /// Returns and jumps out of the function.
    pub exits: Vec<Leave>,
    /// Computed jumps whose targets are not known.
    pub unresolved: Vec<InsnId>,
    /// Frame addresses that are stored, passed on or used with an index, as distances from the CFA.
    pub taken: BTreeSet<i64>,
}

/// A function's code and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its instructions.
    pub graph: Graph,
    /// What they do.
    pub facts: Facts,
}

/// Analyses a function.
pub fn analyse(image: &Image, code: &Code, mentions: &Mentions, knowledge: &impl Knowledge) -> Body {
    let mut tables: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    for _ in 0..MAX_ROUNDS {
        let graph = Graph::build(code, &tables, knowledge);
        let mut analysis = Analysis { code, graph: &graph, entries: Vec::new() };
        analysis.run();
        let jumps = analysis.computed_jumps().into_iter();
        let found: HashMap<u64, BTreeSet<u64>> =
            jumps.map(|(address, value)| (address, targets(image, code, mentions, value))).collect();
        if found == tables {
            let facts = analysis.facts(&tables);
            return Body { graph, facts };
        }
        tables = found;
    }
    let graph = Graph::build(code, &tables, knowledge);
    let mut analysis = Analysis { code, graph: &graph, entries: Vec::new() };
    analysis.run();
    let facts = analysis.facts(&tables);
    Body { graph, facts }
}

struct Analysis<'a, 'g> {
    code: &'g Code<'a>,
    graph: &'g Graph,
    /// What is known on entry of each block that has been reached.
    entries: Vec<Option<State>>,
}

impl Analysis<'_, '_> {
    fn run(&mut self) {
        self.entries = vec![None; self.graph.blocks.len()];
        let Some((first, _)) = self.graph.blocks().next() else { return };
        let isa = self.code.isa;
        self.entries[0] = Some(State::entry(isa.sp(), isa.entry_distance()));
        let mut work = BTreeSet::from([first]);
        while let Some(id) = work.pop_first() {
            let Some(mut state) = self.entries[id.index()].clone() else { continue };
            let block = &self.graph.blocks[id.index()];
            for &insn in &block.insns {
                self.step(self.graph.insn(insn), &mut state);
            }
            for &next in &block.successors {
                let edge = self.along_edge(id, next, &state);
                let start = self.graph.insn(self.graph.blocks[next.index()].insns[0]).address;
                let changed = match &mut self.entries[next.index()] {
                    Some(known) => known.join(&edge, start),
                    unknown => {
                        *unknown = Some(edge);
                        true
                    }
                };
                if changed {
                    work.insert(next);
                }
            }
        }
    }

    /// What a comparison tells on the way from one block to the next.
    fn along_edge(&self, from: BlockId, to: BlockId, state: &State) -> State {
        let mut state = state.clone();
        let last = self.graph.blocks[from.index()].insns.last().map(|&id| self.graph.insn(id));
        let start = self.graph.insn(self.graph.blocks[to.index()].insns[0]).address;
        if let Some(Insn { flow: Flow::Branch(target, condition), .. }) = last
            && let Some((value, constant)) = state.compared
        {
            let bound = match (condition, start == *target) {
                (Condition::Above, false) | (Condition::BelowOrEqual, true) => Some(constant),
                (Condition::AboveOrEqual, false) | (Condition::Below, true) => constant.checked_sub(1),
                _ => None,
            };
            if let Some(bound) = bound {
                state.restrict(value, bound);
            }
        }
        state
    }

    /// The address of an access, if it is known.
    fn address(&self, access: &Access, state: &State) -> Value {
        let mut base = access.base.map_or(Value::Constant(0), |base| state.register(base));
        let Some((index, shift)) = access.index else {
            return base.plus(access.displacement).unwrap_or(Value::Unknown);
        };
        let mut index = state.register(index);
        if shift == 0 && index.frame_base().is_some() {
            std::mem::swap(&mut base, &mut index);
        }
        // Where the address is chosen without a branch, the index is a bit of a condition.
        match (base.plus(access.displacement), state.only_bit(index)) {
            (Some(Value::Frame(n)), Some(bit)) => Value::FrameEither(n, n.wrapping_add_unsigned(bit << shift)),
            (Some(base), _) => base.frame_base().map_or(Value::Unknown, Value::NearFrame),
            (None, _) => Value::Unknown,
        }
    }

    fn loaded(&self, access: &Access, state: &State) -> Value {
        let base = access.base.map_or(Value::Constant(0), |base| state.register(base));
        match (self.address(access, state), access.index, base.plus(access.displacement)) {
            (Value::Frame(offset), ..) => state.cell(offset, access.size),
            (_, Some((index, _)), Some(Value::Constant(table))) => {
                let count = state.bound(state.register(index)).and_then(|n| u32::try_from(n.saturating_add(1)).ok());
                let size = u8::try_from(access.size).unwrap_or(0);
                Value::Entries(TableEntry { table, size, signed: access.signed, count })
            }
            _ => Value::Unknown,
        }
    }

    fn evaluate(&self, insn: &Insn, value: Expr, state: &State) -> Value {
        match value {
            Expr::Constant(n) => Value::Constant(n),
            Expr::Sum(register, constant) => state.register(register).plus(constant).unwrap_or(Value::Unknown),
            Expr::Loaded(n) => insn.accesses.get(n).map_or(Value::Unknown, |access| self.loaded(access, state)),
            Expr::Bounded(_) => Value::Unknown,
            Expr::Masked(register, mask) => state.register(register).masked(mask).unwrap_or(Value::Unknown),
            Expr::Or(register, bits) => state.register(register).with_bits(bits).unwrap_or(Value::Unknown),
            Expr::OrRegister(one, other) => {
                let with =
                    |one: Value, other| if let Value::Constant(bits) = other { one.with_bits(bits) } else { None };
                let (one, other) = (state.register(one), state.register(other));
                with(one, other).or_else(|| with(other, one)).unwrap_or(Value::Unknown)
            }
            Expr::Insert { register, mask, bits } => match state.register(register) {
                Value::Constant(n) => Value::Constant(n & !mask | bits),
                _ => Value::Unknown,
            },
            Expr::Either(a, b) => state.register(a).or(state.register(b)).unwrap_or(Value::Unknown),
            Expr::Added { base, index, shift, constant } => {
                match (state.register(base).plus(constant), state.register(index)) {
                    (Some(Value::Constant(anchor)), Value::Entries(entry)) => Value::Anchored(anchor, entry, shift),
                    // x86-64 adds the other way round.
                    (Some(Value::Entries(entry)), Value::Constant(anchor)) if shift == 0 => {
                        Value::Anchored(anchor, entry, 0)
                    }
                    (Some(Value::Frame(n)), Value::Constant(m)) => {
                        Value::Frame(n.wrapping_add_unsigned(m.wrapping_shl(shift.into())))
                    }
                    (Some(Value::Constant(m)), Value::Frame(n)) if shift == 0 => {
                        Value::Frame(n.wrapping_add_unsigned(m))
                    }
                    (Some(Value::Constant(n)), Value::Constant(m)) => {
                        Value::Constant(n.wrapping_add(m.wrapping_shl(shift.into())))
                    }
                    (base, index) => {
                        let index = if shift == 0 { index.frame_base() } else { None };
                        base.and_then(Value::frame_base).or(index).map_or(Value::Unknown, Value::NearFrame)
                    }
                }
            }
        }
    }

    /// Does what the instruction does.
    fn step(&self, insn: &Insn, state: &mut State) {
        let values: Vec<(Reg, Value, Option<u64>)> = insn
            .assignments
            .iter()
            .map(|a| {
                let value = match self.evaluate(insn, a.value, state) {
                    Value::Constant(n) if a.narrow => Value::Constant(n & u64::from(u32::MAX)),
                    value if a.narrow && value.frame_base().is_some() => Value::Unknown,
                    value => value,
                };
                let bound = match a.value {
                    Expr::Bounded(bound) | Expr::Masked(_, bound) => Some(bound),
                    _ => None,
                };
                (a.to, value, bound)
            })
            .collect();
        let stores: Vec<(Value, u32, Value)> = insn
            .accesses
            .iter()
            .filter(|a| a.writes)
            .map(|a| {
                let value = a.stored.map_or(Value::Unknown, |stored| self.evaluate(insn, stored, state));
                (self.address(a, state), a.size, value)
            })
            .collect();
        let compared = insn.compares.map(|(register, constant)| (state.register(register), constant));
        for (address, size, value) in stores {
            match address {
                Value::Frame(offset) => state.store(offset, size.max(1), truncated(value, size)),
                Value::FrameEither(one, other) => {
                    state.store(one, size, Value::Unknown);
                    state.store(other, size, Value::Unknown);
                }
                _ => {}
            }
        }
        let clobbered = if insn.is_call() { self.code.isa.native_scratch() } else { insn.defs };
        let origin = |register| Origin { address: insn.address, register, meeting: false };
        if !clobbered.is_empty() {
            state.retire(insn.address);
        }
        for register in clobbered.iter() {
            if register != self.code.isa.sp() {
                state.set(register, Value::Opaque(origin(register)));
            }
        }
        for (register, value, bound) in values {
            let value = if value == Value::Unknown { Value::Opaque(origin(register)) } else { value };
            state.set(register, value);
            if let Some(bound) = bound {
                state.restrict(value, bound);
            }
        }
        if insn.defs.contains(self.code.isa.sp()) && insn.assignments.iter().all(|a| a.to != self.code.isa.sp()) {
            state.set(self.code.isa.sp(), Value::Unknown);
        }
        if insn.defs.contains(Reg::FLAGS) || insn.is_call() {
            state.compared = compared;
        }
    }

    /// Calls `visit` for every reachable instruction with what is known before it.
    fn visit(&self, mut visit: impl FnMut(InsnId, &State)) {
        for (id, block) in self.graph.blocks() {
            let Some(mut state) = self.entries[id.index()].clone() else { continue };
            for &insn in &block.insns {
                visit(insn, &state);
                self.step(self.graph.insn(insn), &mut state);
            }
        }
    }

    /// Targets of computed jumps by their address.
    fn computed_jumps(&self) -> HashMap<u64, Value> {
        let mut jumps = HashMap::new();
        self.visit(|id, state| {
            let insn = self.graph.insn(id);
            if let Flow::JumpTo(target) = insn.flow {
                jumps.insert(insn.address, self.evaluate(insn, target, state));
            }
        });
        jumps
    }

    fn facts(&self, tables: &HashMap<u64, BTreeSet<u64>>) -> Facts {
        let mut facts = Facts::default();
        self.visit(|id, state| {
            let insn = self.graph.insn(id);
            let accesses: Vec<FrameAccess> =
                insn.accesses.iter().flat_map(|a| self.frame_accesses(a, insn, state)).collect();
            self.note_addresses(insn, state, &mut facts);
            if !accesses.is_empty() {
                facts.accesses.insert(id, accesses);
            }
            let leave = || Leave { insn: id, state: state.clone() };
            match insn.flow {
                Flow::Call(_) | Flow::CallTo(_) => facts.calls.push(leave()),
                Flow::Return => facts.exits.push(leave()),
                Flow::Jump(to) | Flow::Branch(to, _) if !self.code.contains(to) => facts.exits.push(leave()),
                Flow::JumpTo(_) if tables.get(&insn.address).is_none_or(BTreeSet::is_empty) => {
                    // With the frame torn down it is a call in the place of the return.
                    if state.register(self.code.isa.sp()) == Value::Frame(-self.code.isa.entry_distance()) {
                        facts.exits.push(leave());
                    } else {
                        facts.unresolved.push(id);
                    }
                }
                _ => {}
            }
        });
        facts.calls.sort_by_key(|call| call.insn);
        facts.exits.sort_by_key(|exit| exit.insn);
        facts
    }

    fn frame_accesses(&self, access: &Access, insn: &Insn, state: &State) -> Vec<FrameAccess> {
        let (offsets, known) = match self.address(access, state) {
            Value::Frame(offset) => (vec![offset], true),
            Value::FrameEither(one, other) => (vec![one, other], true),
            Value::NearFrame(offset) => (vec![offset], false),
            _ => return Vec::new(),
        };
        let saves = match access.stored.map(|stored| self.evaluate(insn, stored, state)) {
            Some(Value::Entry(register)) => Some(register),
            _ => None,
        };
        let stores = match access.stored {
            Some(Expr::Sum(register, 0)) => Some(register),
            _ => None,
        };
        let certain = known && offsets.len() == 1;
        let exact = known && access.size > 0;
        let (size, reads, writes) = (access.size, access.reads, access.writes);
        let access = |offset| FrameAccess { offset, size, exact, certain, reads, writes, stores, saves };
        offsets.into_iter().map(access).collect()
    }

    /// Notes frame addresses that are stored, passed on, or used with an index.
    fn note_addresses(&self, insn: &Insn, state: &State, facts: &mut Facts) {
        let isa = self.code.isa;
        let mut note = |value: Value| {
            facts.taken.extend(value.frame_base());
        };
        for access in &insn.accesses {
            if let Some(stored) = access.stored {
                // Storing the frame pointer of the caller is no such case; storing one's own frame's address is.
                note(self.evaluate(insn, stored, state));
            }
            let address = self.address(access, state);
            if matches!(address, Value::NearFrame(_)) || access.size == 0 {
                note(address);
            }
        }
        if insn.is_call() {
            let arguments = isa.native_arguments().iter().chain(isa.arguments());
            arguments.for_each(|register| note(state.register(*register)));
        }
    }
}

/// What `size` stored bytes of `value` hold.
fn truncated(value: Value, size: u32) -> Value {
    match value {
        Value::Constant(n) if size < 8 => Value::Constant(n & ((1 << (size * 8)) - 1)),
        Value::Constant(n) if size > 8 && n != 0 => Value::Unknown,
        value if size != 8 && value.frame_base().is_some() => Value::Unknown,
        _ => value,
    }
}
