//! Frame slots: makes every value that lives across a uniform call live in `twin.slots` meanwhile.
//!
//! Values that phis join are one variable where they never live at the same time (`webs`). A variable is treated in one
//! of two ways, by static block frequency and by the code that it takes (`choice`):
//!
//! - *resident*: stored at each definition; after a call it is loaded where it is used next (or in front of the
//!   loop without calls around that use), or right behind the call if that runs less often;
//! - *around*: saved right before each call and reloaded right behind it, for values whose definition is hotter than
//!   the calls, such as loop counters next to a poll.
//!
//! The rewriting goes through one register-like alloca a variable, which LLVM's mem2reg turns back into SSA form.

mod choice;
mod colour;
mod contents;
mod live;
mod recompute;
mod webs;

use crate::convention::{Conventions, is_poll_call};
use crate::frame_pointer;
use crate::ir::{FUNCTION_INDEX, Module, Type, Value};
use crate::loops::{BlockId, Cfg, Loop};
use crate::lower::allocas;
use bitset::BitSet;
use choice::Choice;
use contents::{Access, Kind, Renames};
use inkwell::llvm_sys::{LLVMOpcode, LLVMTailCallKind};
use live::Liveness;
use std::collections::{BTreeMap, HashMap};
use webs::{Incoming, Webs};

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
    /// Stored at its definitions.
    Resident,
    /// Saved and reloaded around each call.
    Around,
}

/// A web that needs a slot.
#[derive(Clone, Copy)]
pub struct SlotValue {
    ty: Type,
    strategy: Strategy,
    /// Frequency of the hottest call behind which a resident value is loaded at once.
    eager: f64,
    /// Register-like home, gone after mem2reg.
    register: Value,
    /// Byte offset in the slots object.
    offset: u64,
}

struct Placement<'a> {
    module: Module,
    live: &'a Liveness,
    frequency: &'a [f64],
    webs: &'a Webs,
    /// One for each web.
    values: Vec<SlotValue>,
    slots: Value,
    /// Blocks at whose end a value is loaded for the loop behind: from web to the number of the value.
    hoisted: Vec<BTreeMap<usize, usize>>,
    /// What has been inserted.
    accesses: HashMap<Value, Access>,
    /// Values read for copies into dissolved phis, by phi and block.
    fetched: HashMap<(Value, Value), Value>,
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
    let webs = Webs::new(&live, &across);
    let entry = function.blocks()[0].instructions()[0];
    let choice = Choice::new(&live, &frequency, &webs);
    let mut values: Vec<SlotValue> = (0..webs.members.len())
        .map(|web| {
            let (strategy, eager) = choice.choose(web);
            let ty = live.values[webs.members[web][0]].ty();
            let register = module.before(entry).alloca(ty, module.abi_align(ty), "");
            SlotValue { ty, strategy, eager, register, offset: 0 }
        })
        .collect();
    let accesses: Vec<usize> = values.iter().enumerate().map(|(web, v)| choice.accesses(web, v.strategy)).collect();
    if choice.wants_frame_pointer(accesses.iter().sum(), allocas::locals_size(module, function)) {
        frame_pointer::keep(module, function);
    }
    let has_pointer = frame_pointer::is_kept(function);
    let size = colour::assign(module, &live, &webs.index, &mut values, &accesses, has_pointer);
    let slots = module.before(entry).alloca(module.bytes(size), 16, SLOTS);
    let hoisted = vec![BTreeMap::new(); live.cfg.blocks.len()];
    let mut placement = Placement {
        module,
        live: &live,
        frequency: &frequency,
        webs: &webs,
        values,
        slots,
        hoisted,
        accesses: HashMap::new(),
        fetched: HashMap::new(),
    };
    placement.hoist(&loops);
    let available = placement.availability();
    placement.rewrite(&available);
    contents::run(function, &placement.values, &live.values, &renames(&live, &webs), &mut placement.accesses)?;
    let is_dissolved = |phi: &Value| webs.is_dissolved_phi(&live, *phi);
    let dissolved: Vec<Value> = live.values.iter().copied().filter(is_dissolved).collect();
    dissolved.iter().for_each(|phi| phi.replace_with(phi.ty().poison()));
    dissolved.into_iter().for_each(Value::erase);
    Ok(())
}

/// What the values of webs are called on each edge into dissolved phis.
fn renames(live: &Liveness, webs: &Webs) -> Renames {
    let mut renames = Renames::new();
    for (&phi, &web) in webs.index.iter().filter(|(n, _)| webs.is_dissolved(**n)) {
        for (from, incoming) in webs.entries(live, phi) {
            if let Incoming::Member(value) = incoming {
                let edge = (live.cfg.blocks[from.index()], live.values[phi].block());
                renames.entry(edge).or_default().push((web, value, phi));
            }
        }
    }
    renames
}

/// Whether values stay in registers around `call`: a poll's map takes no code, if there are registers for all that live across it.
fn leaves_registers(call: Value, crossing: &[usize]) -> bool {
    is_poll_call(call) && crossing.len() <= Choice::REGISTERS
}

impl Placement<'_> {
    /// Whether `value` is reloaded right behind a call in `block`; `stays` says whether the call leaves it in its register.
    fn is_eager(&self, value: &SlotValue, block: BlockId, stays: bool) -> bool {
        stays || value.strategy == Strategy::Around || self.frequency[block.index()] <= value.eager
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
                    let dissolved = self.webs.is_dissolved_phi(self.live, instruction);
                    for operand in if dissolved { Vec::new() } else { instruction.operands() } {
                        if let Some(i) = self.index_of(operand) {
                            used.insert(i);
                        }
                    }
                    if let Some(crossing) = self.live.crossing_of(instruction) {
                        let leaves = leaves_registers(instruction, crossing);
                        for i in self.indices(crossing.iter().copied()) {
                            if !self.is_eager(&self.values[i], block, leaves) {
                                lost.insert(i);
                            }
                        }
                    }
                }
            }
            let live_in = &self.live.live_in[each.header.index()];
            let is_inside = |block: &BlockId| each.blocks.binary_search(block).is_ok();
            let mut candidates: Vec<(usize, usize)> = Vec::new();
            for n in live_in.iter() {
                if let Some(&i) = self.webs.index.get(&n)
                    && !self.webs.definitions(self.live, i).iter().any(is_inside)
                {
                    candidates.push((i, n));
                }
            }
            // What goes round in the loop comes from its register each time, then.
            for phi in cfg.blocks[each.header.index()].instructions().into_iter().take_while(|i| i.is_phi()) {
                let Some(&n) = self.live.number.get(&phi) else { continue };
                for (from, incoming) in
                    if self.webs.is_dissolved(n) { self.webs.entries(self.live, n) } else { Vec::new() }
                {
                    if let (Incoming::Member(value), true) = (incoming, from == before) {
                        candidates.push((self.webs.index[&n], value));
                    }
                }
            }
            for (i, n) in candidates {
                if self.values[i].strategy == Strategy::Resident && used.contains(i) && !lost.contains(i) {
                    self.hoisted[before.index()].insert(i, n);
                }
            }
        }
    }

    fn index_of(&self, value: Value) -> Option<usize> {
        self.webs.of(self.live, value)
    }

    fn indices<'s>(&'s self, numbers: impl Iterator<Item = usize> + 's) -> impl Iterator<Item = usize> + 's {
        numbers.filter_map(|n| self.webs.index.get(&n).copied())
    }

    /// Which values are in their registers at the entry of each block: on every path the last event is a definition,
    /// a load or a reload, not a call.
    fn availability(&self) -> Vec<BitSet> {
        let cfg = &self.live.cfg;
        let full = BitSet::full(self.values.len());
        let mut at_exit = vec![full.clone(); cfg.blocks.len()];
        let mut at_entry = at_exit.clone();
        at_entry[0] = BitSet::new(self.values.len());
        self.arguments().for_each(|(_, i)| at_entry[0].insert(i));
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
            if !instruction.is_phi() {
                for (operand, value) in instruction.operands().into_iter().enumerate() {
                    if let Some(i) = self.index_of(value) {
                        let number = self.live.number[&value];
                        report(Event::Use { user: instruction, operand, before: instruction, value: i, number }, state);
                        state.insert(i);
                    }
                }
            }
            if instruction == terminator {
                self.walk_edges(block, terminator, state, report);
            }
            if let Some(crossing) = self.live.crossing_of(instruction) {
                let leaves = leaves_registers(instruction, crossing);
                for &number in crossing {
                    let Some(&i) = self.webs.index.get(&number) else { continue };
                    let eager = self.is_eager(&self.values[i], block, leaves && state.contains(i));
                    report(Event::Call { call: instruction, value: i, number, eager }, state);
                    if eager { state.insert(i) } else { state.remove(i) }
                }
            }
            if let Some(i) = self.index_of(instruction)
                && !self.webs.is_dissolved_phi(self.live, instruction)
            {
                report(Event::Definition { value: i, number: self.live.number[&instruction] }, state);
                state.insert(i);
            }
        }
    }

    /// What happens at the end of `block`: everything is read before anything is written.
    fn walk_edges(
        &self,
        block: BlockId,
        terminator: Value,
        state: &mut BitSet,
        report: &mut dyn FnMut(Event, &BitSet),
    ) {
        let raw = self.live.cfg.blocks[block.index()];
        let mut copies = Vec::new();
        for successor in &self.live.cfg.successors[block.index()] {
            let next = self.live.cfg.blocks[successor.index()];
            for phi in next.instructions().into_iter().take_while(|i| i.is_phi()) {
                // A switch may enter several times; all entries of one predecessor hold one value.
                let incoming = phi.incoming().into_iter().enumerate().find(|(_, (_, from))| *from == raw);
                let Some((operand, (value, _))) = incoming else { continue };
                let source = self.index_of(value).map(|i| (i, self.live.number[&value]));
                if self.webs.is_dissolved_phi(self.live, phi) {
                    let to = self.index_of(phi).expect("a web");
                    if source.is_some_and(|(from, _)| from == to) {
                        continue;
                    }
                    copies.push(Event::Copy { phi, incoming: value, before: terminator, value: to });
                }
                if let Some((i, number)) = source {
                    report(Event::Use { user: phi, operand, before: terminator, value: i, number }, state);
                    state.insert(i);
                }
            }
        }
        for copy in copies {
            report(copy, state);
            state.insert(copy.value());
        }
        for (&i, &number) in &self.hoisted[block.index()] {
            report(Event::Hoisted { before: terminator, value: i, number }, state);
            state.insert(i);
        }
    }

    /// The arguments that have a web, and their webs.
    fn arguments(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let arguments = self.live.values.iter().take_while(|v| v.is_argument()).count();
        (0..arguments).filter_map(|n| Some((n, *self.webs.index.get(&n)?)))
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
        let arguments: Vec<(usize, usize)> = self.arguments().collect();
        for (number, i) in arguments {
            let start = start.expect("a block ends in a terminator");
            self.define(i, number, self.live.values[number], start);
        }
        for (event, in_register) in events {
            self.emit(event, in_register);
        }
    }

    fn emit(&mut self, event: Event, in_register: bool) {
        match event {
            Event::Definition { value: i, number } => {
                let definition = self.live.values[number];
                let at = if definition.is_phi() { definition.block().first_non_phi() } else { definition.next() };
                self.define(i, number, definition, at);
            }
            Event::Use { user, operand, before, value: i, number } => {
                if !in_register {
                    assert_eq!(
                        self.values[i].strategy,
                        Strategy::Resident,
                        "an `around` value is always in its register"
                    );
                    self.fill(i, number, before);
                }
                let read = self.read(i, number, before);
                if self.webs.is_dissolved_phi(self.live, user) {
                    self.fetched.insert((user, before), read);
                } else {
                    user.replace_use(operand, read);
                }
            }
            Event::Copy { phi, incoming, before, value: i } => {
                let value = self.fetched.remove(&(phi, before)).unwrap_or(incoming);
                let value = if value.is_undefined() { phi.ty().null() } else { value };
                self.define(i, self.live.number[&phi], value, before);
            }
            Event::Hoisted { before, value: i, number } => {
                if !in_register {
                    self.fill(i, number, before);
                }
            }
            Event::Call { call, value: i, number, eager } => {
                if self.values[i].strategy == Strategy::Around {
                    let current = self.read(i, number, call);
                    self.save(i, number, current, call);
                }
                if eager {
                    self.fill(i, number, call.next());
                }
            }
        }
    }

    fn note(&mut self, instruction: Value, kind: Kind, web: usize, value: usize) {
        self.accesses.insert(instruction, Access { kind, web, value });
    }

    /// Address of the slot of value `i`, computed before `before`.
    fn slot(&self, i: usize, before: Value) -> Value {
        self.module.before(before).offset_by(self.slots, self.values[i].offset)
    }

    /// `value` goes to its register, and to its slot if that is where it is resident.
    fn define(&mut self, i: usize, number: usize, value: Value, at: Value) {
        let web = self.values[i];
        let defined = self.module.before(at).store(value, web.register, self.module.abi_align(web.ty));
        self.note(defined, Kind::Define, i, number);
        if web.strategy == Strategy::Resident {
            self.save(i, number, value, at);
        }
    }

    /// `value` goes to its slot.
    fn save(&mut self, i: usize, number: usize, value: Value, before: Value) {
        let slot = self.slot(i, before);
        let align = self.module.abi_align(self.values[i].ty);
        let saved = self.module.before(before).store(value, slot, align.min(16));
        self.note(saved, Kind::Save, i, number);
    }

    /// Takes a value from its register.
    fn read(&mut self, i: usize, number: usize, before: Value) -> Value {
        let web = self.values[i];
        let read = self.module.before(before).load(web.ty, web.register, self.module.abi_align(web.ty));
        self.note(read, Kind::Read, i, number);
        read
    }

    /// Slot to register.
    fn fill(&mut self, i: usize, number: usize, before: Value) {
        let web = self.values[i];
        let align = self.module.abi_align(web.ty);
        let slot = self.slot(i, before);
        let builder = self.module.before(before);
        let loaded = builder.load(web.ty, slot, align.min(16));
        builder.store(loaded, web.register, align);
        self.note(loaded, Kind::Fill, i, number);
    }
}

/// Something that happens to a web in a block; `number` is the value that it holds then.
#[derive(Clone, Copy, Debug)]
enum Event {
    Definition { value: usize, number: usize },
    Use { user: Value, operand: usize, before: Value, value: usize, number: usize },
    Copy { phi: Value, incoming: Value, before: Value, value: usize },
    Hoisted { before: Value, value: usize, number: usize },
    Call { call: Value, value: usize, number: usize, eager: bool },
}

impl Event {
    fn value(self) -> usize {
        match self {
            Event::Definition { value, .. }
            | Event::Use { value, .. }
            | Event::Copy { value, .. }
            | Event::Hoisted { value, .. }
            | Event::Call { value, .. } => value,
        }
    }
}
