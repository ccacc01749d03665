//! Frame slots: what is read after a uniform call was written before it, at the same place and with the same meaning
//! on both ISAs. Slots lie below the locals whose address is taken; all accesses to them are direct.

use crate::bits::FrameBytes;
use crate::flow::{FrameAccess, Leave};
use crate::frames::{has_frame_pointer, sites};
use crate::functions::{Function, Program};
use crate::graph::{BlockId, InsnId};
use crate::insn::{CfaOffset, Reg};
use crate::isa;
use crate::report::{Counts, Kind, Violation};
use crate::side::{Pair, Side};
use crate::value::{RETURN_ADDRESS, SAVED_FP, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Slots are at the bottom of the frame; more bytes of them are not looked at.
const MAX_BYTES: i64 = 1 << 18;

/// A piece of the frame that is accessed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Distance from the CFA.
    pub offset: i64,
    /// Bytes.
    pub size: u32,
}

impl Slot {
    /// Distance from the CFA of its end.
    pub fn end(self) -> i64 {
        self.offset.saturating_add(self.size.into())
    }
}

/// What lives in the frame across one uniform call.
#[derive(Clone, Debug, Default)]
pub struct Across {
    /// Bytes that were written before and are read behind.
    pub live: FrameBytes,
    /// Bytes that may have been written before.
    pub written: FrameBytes,
}

/// The slots of a function, and which of them live across which call.
pub struct SlotMap {
    /// The part of the frame that holds slots.
    pub range: Range<i64>,
    /// The slots: accesses that overlap on either ISA belong to one.
    pub slots: Vec<Slot>,
    /// By uniform call, in the order of their addresses.
    pub across: Pair<Vec<Across>>,
}

impl SlotMap {
    /// Analyses a function.
    pub fn of(program: &Program, functions: Pair<&Function>) -> SlotMap {
        let sites = sites(program, functions);
        let has_pointer = |side| sites[side].iter().any(|site| has_frame_pointer(site, isa::of(side)));
        // The frame record is above all slots; without a frame pointer it is the return address.
        let top = if Side::BOTH.into_iter().any(has_pointer) { SAVED_FP } else { RETURN_ADDRESS };
        let range = slot_range(functions, top);
        let slots = joined(pieces(functions).filter(|piece| range.contains(&piece.start)).collect());
        let across = Pair::new(|side| across(functions[side], &sites[side], &range));
        SlotMap { range, slots, across }
    }

    /// The slots that a set of bytes touches.
    pub fn touched<'s>(&'s self, bytes: &'s FrameBytes) -> impl Iterator<Item = Slot> + 's {
        self.slots.iter().copied().filter(|slot| bytes.intersects(slot.offset, slot.size))
    }
}

/// Checks a uniform function.
pub fn check(program: &Program, functions: Pair<&Function>, counts: &mut Counts) -> Vec<Violation> {
    let calls = sites(program, functions);
    if calls.home.is_empty() || calls.home.len() != calls.visitor.len() {
        return Vec::new();
    }
    let map = SlotMap::of(program, functions);
    let mut violations = BTreeMap::new();
    let mut living = BTreeSet::new();
    for (n, (home, visitor)) in calls.home.iter().zip(&calls.visitor).enumerate() {
        let call = Pair { home: *home, visitor: *visitor };
        let across = Pair::new(|side| &map.across[side][n]);
        let returns_to = functions.home.body.graph.insn(home.insn).returns_to();
        let live = Pair::new(|side| map.touched(&across[side].live).collect::<BTreeSet<Slot>>());
        for side in Side::BOTH {
            for &slot in live[side].difference(&live[side.other()]) {
                let reason = if across[side.other()].written.intersects(slot.offset, slot.size) {
                    "does not read it there"
                } else {
                    "never wrote it"
                };
                let message = format!(
                    "slot {}..{} lives across the uniform call on {}, but {} {reason}",
                    CfaOffset(slot.offset),
                    CfaOffset(slot.end()),
                    isa::of(side).name(),
                    isa::of(side.other()).name(),
                );
                let violation = Violation::new(Kind::Slot, &functions.home.name, returns_to, message);
                violations.entry((slot, side)).or_insert(violation);
            }
        }
        for &slot in live.home.intersection(&live.visitor) {
            living.insert(slot);
            let meanings = Pair::new(|side| meaning(functions, side, call[side], slot));
            if let Pair { home: Some(home), visitor: Some(visitor) } = &meanings {
                counts.known_values += 1;
                if home != visitor {
                    let message =
                        format!("slot {} holds different values across the uniform call", CfaOffset(slot.offset));
                    let values = meanings.as_ref().map(|m| m.as_ref().map_or_else(String::new, Meaning::to_string));
                    let violation =
                        Violation::new(Kind::Slot, &functions.home.name, returns_to, message).with_values(values);
                    violations.entry((slot, Side::Home)).or_insert(violation);
                }
            }
        }
    }
    counts.slots += living.len() as u64;
    violations.into_values().collect()
}

/// From the lowest access to the lowest address that is taken, on either ISA, or to `top`.
fn slot_range(functions: Pair<&Function>, top: i64) -> Range<i64> {
    let facts = functions.map(|f| &f.body.facts);
    let taken = [facts.home, facts.visitor].into_iter().filter_map(|f| f.taken.first().copied()).min();
    let end = taken.unwrap_or(top).min(top);
    let all = facts.home.accesses.values().chain(facts.visitor.accesses.values()).flatten();
    let start = all.filter(|a| a.exact).map(|a| a.offset).min().unwrap_or(end);
    start.min(end)..end.min(start.saturating_add(MAX_BYTES))
}

/// Direct accesses to the frame.
pub fn exact_accesses(function: &Function) -> impl Iterator<Item = FrameAccess> {
    function.body.facts.accesses.values().flatten().copied().filter(|a| a.exact)
}

/// What the direct accesses of both ISAs cover.
pub fn pieces(functions: Pair<&Function>) -> impl Iterator<Item = Range<i64>> {
    let accesses = exact_accesses(functions.home).chain(exact_accesses(functions.visitor));
    accesses.map(|a| a.offset..a.offset.saturating_add(a.size.into()))
}

/// Joins pieces that overlap.
pub fn joined(mut pieces: Vec<Range<i64>>) -> Vec<Slot> {
    pieces.sort_unstable_by_key(|piece| (piece.start, piece.end));
    let mut slots: Vec<Slot> = Vec::new();
    for piece in pieces {
        match slots.last_mut() {
            Some(last) if piece.start < last.end() => {
                last.size = (piece.end.max(last.end()) - last.offset) as u32;
            }
            _ => slots.push(Slot { offset: piece.start, size: (piece.end - piece.start) as u32 }),
        }
    }
    slots
}

fn across(function: &Function, calls: &[&Leave], range: &Range<i64>) -> Vec<Across> {
    let mut across = vec![Across::default(); calls.len()];
    let number = |id: InsnId| calls.iter().position(|call| call.insn == id);
    backward(function, range, |id, behind| {
        if let Some(n) = number(id) {
            across[n].live = behind.clone();
        }
    });
    forward(function, range, |id, before| {
        if let Some(n) = number(id) {
            across[n].written = before.clone();
            across[n].live.keep(before);
        }
    });
    across
}

fn accesses(function: &Function, id: InsnId) -> impl Iterator<Item = &FrameAccess> {
    function.body.facts.accesses.get(&id).into_iter().flatten().filter(|a| a.exact)
}

/// Visits every instruction with the bytes that are read behind it before they are written.
fn backward(function: &Function, range: &Range<i64>, mut visit: impl FnMut(InsnId, &FrameBytes)) {
    let graph = &function.body.graph;
    let empty = FrameBytes::new(range.clone());
    let predecessors = graph.predecessors();
    let mut before = vec![empty.clone(); graph.blocks.len()];
    let behind_block = |before: &[FrameBytes], id: BlockId| {
        let mut live = empty.clone();
        for next in &graph.blocks[id.index()].successors {
            live.add(&before[next.index()]);
        }
        live
    };
    let step = |id: InsnId, live: &mut FrameBytes| {
        accesses(function, id)
            .filter(|a| a.writes && !a.reads && a.certain)
            .for_each(|a| live.remove(a.offset, a.size));
        accesses(function, id).filter(|a| a.reads).for_each(|a| live.insert(a.offset, a.size));
    };
    let mut work: BTreeSet<BlockId> = graph.blocks().map(|(id, _)| id).collect();
    while let Some(id) = work.pop_last() {
        let mut live = behind_block(&before, id);
        graph.blocks[id.index()].insns.iter().rev().for_each(|&insn| step(insn, &mut live));
        if before[id.index()].add(&live) {
            work.extend(&predecessors[id.index()]);
        }
    }
    for (id, block) in graph.blocks() {
        let mut live = behind_block(&before, id);
        for &insn in block.insns.iter().rev() {
            visit(insn, &live);
            step(insn, &mut live);
        }
    }
}

/// Visits every instruction with the bytes that may have been written before it.
fn forward(function: &Function, range: &Range<i64>, mut visit: impl FnMut(InsnId, &FrameBytes)) {
    let graph = &function.body.graph;
    let mut before = vec![FrameBytes::new(range.clone()); graph.blocks.len()];
    let step = |id: InsnId, written: &mut FrameBytes| {
        accesses(function, id).filter(|a| a.writes).for_each(|a| written.insert(a.offset, a.size));
    };
    let mut work: BTreeSet<BlockId> = graph.blocks().map(|(id, _)| id).collect();
    while let Some(id) = work.pop_first() {
        let mut written = before[id.index()].clone();
        graph.blocks[id.index()].insns.iter().for_each(|&insn| step(insn, &mut written));
        for &next in &graph.blocks[id.index()].successors {
            if before[next.index()].add(&written) {
                work.insert(next);
            }
        }
    }
    for (id, block) in graph.blocks() {
        let mut written = before[id.index()].clone();
        for &insn in &block.insns {
            visit(insn, &written);
            step(insn, &mut written);
        }
    }
}

/// A value in terms that both ISAs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An integer argument.
    Argument(usize),
    /// A floating-point argument.
    VectorArgument(usize),
    /// A result of a uniform call.
    Result {
        /// The call's return address.
        returns_to: u64,
        /// Which result.
        number: usize,
    },
    /// A number.
    Constant(u64),
    /// The address of frame memory.
    Frame(i64),
}

impl std::fmt::Display for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Meaning::Argument(n) => write!(f, "argument {}", n + 1),
            Meaning::VectorArgument(n) => write!(f, "floating-point argument {}", n + 1),
            Meaning::Result { returns_to, number: 0 } => write!(f, "the result of the call before {returns_to:#x}"),
            Meaning::Result { returns_to, number } => {
                write!(f, "result {} of the call before {returns_to:#x}", number + 1)
            }
            Meaning::Constant(n) => write!(f, "{n:#x}"),
            Meaning::Frame(n) => write!(f, "the address {}", CfaOffset(*n)),
        }
    }
}

/// What a slot holds at a call, if it is one value that has a name on either ISA.
pub fn meaning(functions: Pair<&Function>, side: Side, call: &Leave, slot: Slot) -> Option<Meaning> {
    meaning_of(functions, side, call.state.cell(slot.offset, slot.size))
}

/// A value in terms that both ISAs share, if there are any.
fn meaning_of(functions: Pair<&Function>, side: Side, value: Value) -> Option<Meaning> {
    let isa = isa::of(side);
    match value {
        Value::Constant(n) => Some(Meaning::Constant(n)),
        Value::Frame(n) => Some(Meaning::Frame(n)),
        Value::Entry(register) => match register.vector_number() {
            Some(n) => Some(Meaning::VectorArgument(n.into())),
            None => isa.arguments().iter().position(|r| *r == register).map(Meaning::Argument),
        },
        Value::Opaque(origin) => {
            let graph = &functions[side].body.graph;
            let insn = graph.insns.binary_search_by_key(&origin.address, |i| i.address).ok()?;
            let insn = graph.insns.get(insn).filter(|i| i.is_call())?;
            // Only uniform calls have the same return address.
            let other = functions[side.other()];
            let shared =
                other.body.facts.calls.iter().any(|c| other.body.graph.insn(c.insn).returns_to() == insn.returns_to());
            let number = result_number(isa, origin.register).filter(|_| shared)?;
            Some(Meaning::Result { returns_to: insn.returns_to(), number })
        }
        _ => None,
    }
}

fn result_number(isa: &dyn isa::Isa, register: Reg) -> Option<usize> {
    let (integers, vectors) = isa.results();
    let position = |registers: &[Reg]| registers.iter().position(|r| *r == register);
    position(integers).or_else(|| position(vectors).map(|n| integers.len() + n))
}
