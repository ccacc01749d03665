//! Frame slots: makes every value that lives across a uniform call live in `twin.slots` meanwhile.
//!
//! A value is treated in one of two ways, whichever costs less by static block frequency:
//!
//! - *resident*: stored once, at its definition; after a call it is loaded where it is used next (or in front of the
//!   loop without calls around that use);
//! - *around*: saved right before each call and reloaded right behind it, for values whose definition is hotter than
//!   the calls, such as loop counters next to a poll.
//!
//! The rewriting goes through one register-like alloca a value, which LLVM's mem2reg turns back into SSA form.

mod colour;
mod contents;
mod live;
mod recompute;

use crate::convention::Conventions;
use crate::ir::{Block, FUNCTION_INDEX, Module, Type, Value};
use crate::loops::{BlockId, Cfg, Loop};
use bitset::BitSet;
use contents::Access;
use inkwell::llvm_sys::{LLVMOpcode, LLVMTailCallKind};
use live::Liveness;
use std::collections::HashMap;

pub mod bitset;

/// Name of the object that holds all slots of a function (shim/shim.h).
pub const SLOTS: &str = "twin.slots";

/// Marks a call that has to become a jump (shim/label.cpp).
const SIBLING_CALL: u64 = u32::MAX as u64;

/// Inserts slots into `functions`; mem2reg must run afterwards.
///
/// # Errors
/// Names the function, slot, value and instruction if a slot may hold another value than is loaded from it.
pub fn run(module: Module, conventions: &Conventions, functions: &[Value]) -> anyhow::Result<()> {
    for &function in functions {
        recompute::run(module, conventions, function);
        place(module, conventions, function)?;
    }
    Ok(())
}

/// Gives undefined values that reach a join a value: otherwise each ISA would keep what its registers happen to hold,
/// and nobody could tell that from a value that was lost in a call.
pub fn settle(functions: &[Value]) {
    for phi in functions.iter().flat_map(|f| f.instructions()).filter(|i| i.is_phi()) {
        for (index, (value, _)) in phi.incoming().into_iter().enumerate() {
            if value.is_undefined() {
                phi.set_operand(index, phi.ty().null());
            }
        }
    }
}

/// Marks every uniform call for the machine passes, which is the last thing that happens to the IR.
///
/// # Errors
/// Names the function, value and call if a value still lives across a uniform call.
pub fn mark(module: Module, conventions: &Conventions, functions: &[Value]) -> anyhow::Result<()> {
    let ty = module.function_type(module.void(), &[module.int(64), module.int(32)], true);
    let marker = module.intrinsic("llvm.experimental.stackmap", &[]);
    let place_marker = |call: Value, id: u64| {
        let arguments = [module.i64(id), module.int(32).constant(0)];
        module.before(call).located_like(call).call(ty, marker, &arguments, 0);
    };
    for call in module.definitions().into_iter().flat_map(|f| f.instructions()) {
        if call.is_call() && conventions.is_sibling_call(call) {
            place_marker(call, SIBLING_CALL);
        }
    }
    for &function in functions {
        let live = Liveness::new(Cfg::new(function), conventions);
        for (call, crossing) in &live.crossing {
            if let Some(&value) = crossing.first() {
                anyhow::bail!(
                    "internal error: function `{}`: `{}` lives across uniform call `{}`",
                    function.name(),
                    live.values[value].print(),
                    call.print()
                );
            }
        }
        for (site, (call, _)) in live.crossing.iter().enumerate() {
            place_marker(*call, site as u64);
            call.set_tail_kind(LLVMTailCallKind::LLVMTailCallKindNoTail);
            call.add_call_attribute(FUNCTION_INDEX, module.attribute("nomerge"));
        }
    }
    Ok(())
}

/// How a value is kept across calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// Stored at its definition.
    Resident,
    /// Saved and reloaded around each call.
    Around,
}

/// A value that needs a slot.
#[derive(Clone, Copy)]
pub struct SlotValue {
    value: Value,
    ty: Type,
    strategy: Strategy,
    /// Frequency of its hottest use.
    hottest_use: f64,
    /// Register-like home, gone after mem2reg.
    register: Value,
    /// Byte offset in the slots object.
    offset: u64,
}

struct Placement<'a> {
    module: Module,
    live: &'a Liveness,
    frequency: &'a [f64],
    values: Vec<SlotValue>,
    /// From number of a live value to its index in `values`.
    index: HashMap<usize, usize>,
    slots: Value,
    /// Blocks at whose end a value is loaded for the loop behind.
    hoisted: Vec<BitSet>,
    /// What has been inserted.
    accesses: HashMap<Value, Access>,
}

fn place(module: Module, conventions: &Conventions, function: Value) -> anyhow::Result<()> {
    let cfg = Cfg::new(function);
    let loops = cfg.loops();
    let frequency = cfg.frequencies(function);
    let live = Liveness::new(cfg, conventions);

    let mut across = BitSet::new(live.values.len());
    for (_, crossing) in &live.crossing {
        crossing.iter().for_each(|&n| across.insert(n));
    }
    if across.is_empty() {
        return Ok(());
    }
    let numbers: Vec<usize> = across.iter().collect();
    let index: HashMap<usize, usize> = numbers.iter().enumerate().map(|(i, &n)| (n, i)).collect();
    let entry = function.blocks()[0].instructions()[0];
    let mut values: Vec<SlotValue> = numbers
        .iter()
        .map(|&n| {
            let value = live.values[n];
            let (strategy, hottest_use) = choose(&live, &frequency, n);
            let ty = value.ty();
            let register = module.before(entry).alloca(ty, module.abi_align(ty), "");
            SlotValue { value, ty, strategy, hottest_use, register, offset: 0 }
        })
        .collect();
    let size = colour::assign(module, &live, &index, &mut values);
    let slots = module.before(entry).alloca(module.bytes(size), 16, SLOTS);
    let hoisted = vec![BitSet::new(values.len()); live.cfg.blocks.len()];
    let accesses = HashMap::new();
    let mut placement =
        Placement { module, live: &live, frequency: &frequency, values, index, slots, hoisted, accesses };
    placement.hoist(&loops);
    let available = placement.availability();
    placement.rewrite(&available);
    contents::run(function, &placement.values, &mut placement.accesses)
}

fn choose(live: &Liveness, frequency: &[f64], number: usize) -> (Strategy, f64) {
    let of_block = |block: Block| live.cfg.id(block).map_or(0.0, |b| frequency[b.index()]);
    let value = live.values[number];
    let definition = if value.is_instruction() { of_block(value.block()) } else { frequency[0] };
    let mut blocks: Vec<Block> = live.use_blocks(value);
    blocks.sort_by_key(|b| live.cfg.id(*b));
    blocks.dedup();
    let uses: f64 = blocks.iter().map(|&b| of_block(b)).sum();
    let hottest = blocks.iter().map(|&b| of_block(b)).fold(0.0, f64::max);
    let mut around = 0.0;
    for (call, crossing) in &live.crossing {
        if crossing.binary_search(&number).is_ok() {
            around += 2.0 * of_block(call.block());
        }
    }
    // A load behind each call, or one at each use.
    let loads = uses.min(around / 2.0);
    let strategy = if definition + loads <= around { Strategy::Resident } else { Strategy::Around };
    (strategy, hottest)
}

impl Placement<'_> {
    /// Whether `value` is reloaded right behind a call in `block`.
    fn is_eager(&self, value: &SlotValue, block: BlockId) -> bool {
        value.strategy == Strategy::Around || self.frequency[block.index()] <= value.hottest_use
    }

    /// Finds loops in which a resident value stays in its register once it is loaded in front of them.
    fn hoist(&mut self, loops: &[Loop]) {
        let cfg = &self.live.cfg;
        for each in loops {
            let mut outside =
                cfg.predecessors[each.header.index()].iter().filter(|p| each.blocks.binary_search(p).is_err());
            let (Some(&before), None) = (outside.next(), outside.next()) else { continue };
            let mut lost = BitSet::new(self.values.len());
            let mut used = BitSet::new(self.values.len());
            for &block in &each.blocks {
                for instruction in cfg.blocks[block.index()].instructions() {
                    for operand in instruction.operands() {
                        if let Some(i) = self.index_of(operand) {
                            used.insert(i);
                        }
                    }
                    if let Some(crossing) = self.live.crossing_of(instruction) {
                        for i in self.indices(crossing.iter().copied()) {
                            if !self.is_eager(&self.values[i], block) {
                                lost.insert(i);
                            }
                        }
                    }
                }
            }
            let live_in = &self.live.live_in[each.header.index()];
            let candidates: Vec<usize> = self.indices(live_in.iter()).collect();
            for i in candidates {
                let defined_inside = self.values[i].value.is_instruction()
                    && cfg.id(self.values[i].value.block()).is_some_and(|b| each.blocks.binary_search(&b).is_ok());
                let resident = self.values[i].strategy == Strategy::Resident;
                if resident && used.contains(i) && !lost.contains(i) && !defined_inside {
                    self.hoisted[before.index()].insert(i);
                }
            }
        }
    }

    fn index_of(&self, value: Value) -> Option<usize> {
        self.live.number.get(&value).and_then(|n| self.index.get(n)).copied()
    }

    fn indices<'s>(&'s self, numbers: impl Iterator<Item = usize> + 's) -> impl Iterator<Item = usize> + 's {
        numbers.filter_map(|n| self.index.get(&n).copied())
    }

    /// Which values are in their registers at the entry of each block: on every path the last event is a definition,
    /// a load or a reload, not a call.
    fn availability(&self) -> Vec<BitSet> {
        let cfg = &self.live.cfg;
        let full = BitSet::full(self.values.len());
        let mut at_exit = vec![full.clone(); cfg.blocks.len()];
        let mut at_entry = at_exit.clone();
        at_entry[0] = BitSet::new(self.values.len());
        for (i, value) in self.values.iter().enumerate() {
            if value.value.is_argument() {
                at_entry[0].insert(i);
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            for block in cfg.ids() {
                if !cfg.predecessors[block.index()].is_empty() {
                    let mut entry = if block.index() == 0 { at_entry[0].clone() } else { full.clone() };
                    for p in &cfg.predecessors[block.index()] {
                        entry.intersect(&at_exit[p.index()]);
                    }
                    at_entry[block.index()] = entry;
                }
                let mut state = at_entry[block.index()].clone();
                self.walk(block, &mut state, &mut |_, _| {});
                if state != at_exit[block.index()] {
                    at_exit[block.index()] = state;
                    changed = true;
                }
            }
        }
        at_entry
    }

    /// Follows the events of `block` through `state` and reports those that need code.
    fn walk(&self, block: BlockId, state: &mut BitSet, report: &mut dyn FnMut(Event, &BitSet)) {
        let raw = self.live.cfg.blocks[block.index()];
        let instructions = raw.instructions();
        let terminator = *instructions.last().expect("a block ends in a terminator");
        for &instruction in &instructions {
            if instruction == terminator {
                self.walk_edges(block, terminator, state, report);
            }
            if !instruction.is_phi() {
                for (operand, value) in instruction.operands().into_iter().enumerate() {
                    if let Some(i) = self.index_of(value) {
                        report(Event::Use { user: instruction, operand, before: instruction, value: i }, state);
                        state.insert(i);
                    }
                }
            }
            if let Some(crossing) = self.live.crossing_of(instruction) {
                for i in self.indices(crossing.iter().copied()) {
                    let eager = self.is_eager(&self.values[i], block);
                    report(Event::Call { call: instruction, value: i, eager }, state);
                    if eager { state.insert(i) } else { state.remove(i) }
                }
            }
            if let Some(i) = self.index_of(instruction) {
                report(Event::Definition { value: i }, state);
                state.insert(i);
            }
        }
    }

    fn walk_edges(
        &self,
        block: BlockId,
        terminator: Value,
        state: &mut BitSet,
        report: &mut dyn FnMut(Event, &BitSet),
    ) {
        let raw = self.live.cfg.blocks[block.index()];
        for successor in &self.live.cfg.successors[block.index()] {
            let next = self.live.cfg.blocks[successor.index()];
            for phi in next.instructions().into_iter().take_while(|i| i.is_phi()) {
                // A switch may enter several times; all entries of one predecessor hold one value.
                let incoming = phi.incoming().into_iter().enumerate().find(|(_, (_, from))| *from == raw);
                if let Some((operand, (value, _))) = incoming
                    && let Some(i) = self.index_of(value)
                {
                    report(Event::Use { user: phi, operand, before: terminator, value: i }, state);
                    state.insert(i);
                }
            }
        }
        for i in self.hoisted[block.index()].iter() {
            report(Event::Hoisted { before: terminator, value: i }, state);
            state.insert(i);
        }
    }

    fn rewrite(&mut self, available: &[BitSet]) {
        // All events first: code that is inserted must not be walked.
        let mut events: Vec<(Event, bool)> = Vec::new();
        for block in self.live.cfg.ids() {
            let mut state = available[block.index()].clone();
            self.walk(block, &mut state, &mut |event, state| {
                let in_register = state.contains(event.value());
                events.push((event, in_register));
            });
        }
        let start = self.live.cfg.blocks[0].instructions().into_iter().find(|i| i.opcode() != LLVMOpcode::LLVMAlloca);
        for i in 0..self.values.len() {
            if self.values[i].value.is_argument() {
                self.define(i, start);
            }
        }
        for (event, in_register) in events {
            self.emit(event, in_register);
        }
    }

    fn emit(&mut self, event: Event, in_register: bool) {
        let value = self.values[event.value()];
        let align = self.module.abi_align(value.ty);
        match event {
            Event::Definition { value: i } => {
                let definition = self.values[i].value;
                let at = if definition.is_phi() { definition.block().first_non_phi() } else { definition.next() };
                self.define(i, Some(at));
            }
            Event::Use { user, operand, before, value: i } => {
                if !in_register {
                    assert_eq!(value.strategy, Strategy::Resident, "an `around` value is always in its register");
                    self.fill(i, before);
                }
                let read = self.module.before(before).load(value.ty, value.register, align);
                user.replace_use(operand, read);
            }
            Event::Hoisted { before, value: i } => {
                if !in_register {
                    self.fill(i, before);
                }
            }
            Event::Call { call, value: i, eager } => {
                if value.strategy == Strategy::Around {
                    let builder = self.module.before(call);
                    let current = builder.load(value.ty, value.register, align);
                    let saved = builder.store(current, self.slot(i, call), align.min(16));
                    self.accesses.insert(saved, Access::Save(i));
                }
                if eager {
                    self.fill(i, call.next());
                }
            }
        }
    }

    /// Address of the slot of value `i`, computed before `before`.
    fn slot(&self, i: usize, before: Value) -> Value {
        self.module.before(before).offset_by(self.slots, self.values[i].offset)
    }

    /// The value goes to its register, and to its slot if that is where it is resident.
    fn define(&mut self, i: usize, at: Option<Value>) {
        let value = self.values[i];
        let at = at.expect("a definition is followed by an instruction");
        let builder = self.module.before(at);
        let align = self.module.abi_align(value.ty);
        builder.store(value.value, value.register, align);
        if value.strategy == Strategy::Resident {
            let saved = builder.store(value.value, self.slot(i, at), align.min(16));
            self.accesses.insert(saved, Access::Save(i));
        }
    }

    /// Slot to register.
    fn fill(&mut self, i: usize, before: Value) {
        let value = self.values[i];
        let align = self.module.abi_align(value.ty);
        let slot = self.slot(i, before);
        let builder = self.module.before(before);
        let loaded = builder.load(value.ty, slot, align.min(16));
        builder.store(loaded, value.register, align);
        self.accesses.insert(loaded, Access::Fill(i));
    }
}

/// Something that happens to a slot value in a block.
#[derive(Clone, Copy, Debug)]
enum Event {
    Definition { value: usize },
    Use { user: Value, operand: usize, before: Value, value: usize },
    Hoisted { before: Value, value: usize },
    Call { call: Value, value: usize, eager: bool },
}

impl Event {
    fn value(self) -> usize {
        match self {
            Event::Definition { value }
            | Event::Use { value, .. }
            | Event::Hoisted { value, .. }
            | Event::Call { value, .. } => value,
        }
    }
}
