//! Assigns slots to values such that values whose slots are in use at the same time do not share one. What more
//! instructions access is nearer to the begin, which is next to the stack pointer, or to the end, next to a frame pointer:
//! there offsets are short.

use super::bitset::BitSet;
use super::live::Liveness;
use super::{SlotValue, Strategy};
use crate::ir::Module;
use std::collections::HashMap;
use std::ops::Range;

/// Bytes of the smallest vector register.
const VECTOR: u64 = 16;

/// What values that share a slot have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    /// Bytes.
    align: u64,
    /// Bytes that are written. No value finds behind its own bytes what was written for another one.
    written: u64,
}

impl Shape {
    /// Bytes that it takes.
    fn size(self) -> u64 {
        self.written.next_multiple_of(self.align)
    }
}

/// A slot and the values that share it.
struct Slot {
    shape: Shape,
    members: Vec<usize>,
    taken: BitSet,
}

/// Sets the offset of every value and returns the size of the slots object in bytes. `accesses` says for each value how many
/// instructions access its slot, `has_pointer` whether the function has a frame pointer.
pub fn assign(
    module: Module,
    live: &Liveness,
    index: &HashMap<usize, usize>,
    values: &mut [SlotValue],
    accesses: &[usize],
    has_pointer: bool,
) -> u64 {
    let count = values.len();
    let conflicts = conflicts(live, index, values);
    let mut order: Vec<usize> = (0..count).collect();
    let shape = |i: usize, values: &[SlotValue]| {
        let (align, written) = (module.abi_align(values[i].ty).min(16), module.store_size(values[i].ty).max(1));
        // Where its place is aligned, x86-64 loads as much as a register holds: that must not be another slot.
        Shape { align: if values[i].ty.is_vector() { align.max(VECTOR) } else { align }, written }
    };
    order.sort_by_key(|&i| std::cmp::Reverse(shape(i, values)));
    // Slots of one shape are shared only among themselves.
    let mut slots: Vec<Slot> = Vec::new();
    for i in order {
        let shape = shape(i, values);
        let free = slots.iter_mut().position(|s| s.shape == shape && !s.taken.contains(i));
        let slot = free.unwrap_or_else(|| {
            slots.push(Slot { shape, members: Vec::new(), taken: BitSet::new(count) });
            slots.len() - 1
        });
        slots[slot].members.push(i);
        slots[slot].taken.union(&conflicts[i]);
    }
    // By accesses for each byte.
    let weight = |slot: &Slot| slot.members.iter().map(|&i| accesses[i]).sum::<usize>() as u64;
    slots.sort_by(|a, b| (weight(b) * a.shape.size()).cmp(&(weight(a) * b.shape.size())));
    let ranges = pack(slots.iter().map(|slot| (slot.shape.align, slot.shape.size())));
    let size = ranges.iter().map(|range| range.end).max().unwrap_or(0).next_multiple_of(16);
    for (slot, range) in slots.iter().zip(&ranges) {
        let offset = if has_pointer { size - range.end } else { range.start };
        slot.members.iter().for_each(|&i| values[i].offset = offset);
    }
    size
}

/// Places for things with these alignments and sizes: each the first that is free.
fn pack(shapes: impl Iterator<Item = (u64, u64)>) -> Vec<Range<u64>> {
    let mut gaps = vec![(0u64, u64::MAX)];
    let place = |(align, size): (u64, u64)| {
        let at = |&(begin, end): &(u64, u64)| {
            let offset = begin.checked_next_multiple_of(align)?;
            (end - begin > offset - begin && end - offset >= size).then_some(offset)
        };
        let (gap, offset) =
            gaps.iter().enumerate().find_map(|(n, gap)| Some((n, at(gap)?))).expect("the last has no end");
        let (begin, end) = gaps[gap];
        let rest = [(begin, offset), (offset + size, end)];
        gaps.splice(gap..=gap, rest.into_iter().filter(|(begin, end)| begin < end));
        offset..offset + size
    };
    shapes.map(place).collect()
}

/// For each value the values that must not share its slot.
fn conflicts(live: &Liveness, index: &HashMap<usize, usize>, values: &[SlotValue]) -> Vec<BitSet> {
    let count = values.len();
    // A second return brings back an old point of the program with the slots of now.
    if live.crossing.iter().any(|(call, _)| call.call_has_attribute("returns_twice")) {
        return vec![BitSet::full(count); count];
    }
    let mut conflicts = vec![BitSet::new(count); count];
    let clash = |set: &[usize], conflicts: &mut Vec<BitSet>| {
        let mut all = BitSet::new(count);
        set.iter().for_each(|&i| all.insert(i));
        set.iter().for_each(|&i| {
            conflicts[i].union(&all);
        });
    };
    // A resident value's slot is taken from its definition on, not only at calls.
    let resident = |n: usize| index.get(&n).copied().filter(|&i| values[i].strategy == Strategy::Resident);
    for (call, crossing) in &live.crossing {
        let mut here: Vec<usize> = crossing.iter().filter_map(|n| index.get(n).copied()).collect();
        // The call's own result goes to its slot before the values around the call come back from theirs.
        here.extend(live.number.get(call).copied().and_then(resident));
        clash(&here, &mut conflicts);
    }
    for block in live.cfg.ids() {
        let entry: Vec<usize> = live.live_in[block.index()].iter().filter_map(resident).collect();
        let phis: Vec<usize> = live.cfg.blocks[block.index()]
            .instructions()
            .into_iter()
            .take_while(|i| i.is_phi())
            .filter_map(|i| resident(live.number[&i]))
            .collect();
        if !phis.is_empty() || block.index() == 0 {
            let arguments = live.values.iter().take_while(|v| v.is_argument()).count();
            let mut together = [entry, phis].concat();
            if block.index() == 0 {
                together.extend((0..arguments).filter_map(resident));
            }
            clash(&together, &mut conflicts);
        }
        live.through(block.index(), &mut |instruction, behind| {
            let Some(i) = live.number.get(&instruction).copied().and_then(resident) else { return };
            for j in behind.iter().filter_map(resident) {
                conflicts[i].insert(j);
                conflicts[j].insert(i);
            }
        });
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::pack;
    use crate::convention::{Conventions, Mode};
    use crate::ir::{Module, parse_text};
    use inkwell::context::Context;

    #[test]
    fn gaps_are_filled_in_order() {
        let shapes = [(4, 4), (16, 16), (8, 8), (2, 2), (8, 8), (1, 1), (4, 4)];
        let begins: Vec<u64> = pack(shapes.into_iter()).iter().map(|range| range.start).collect();
        assert_eq!(begins, [0, 16, 8, 4, 32, 6, 40]);
    }

    /// The slots of a function in which two values live across one call each.
    fn slots(types: [&str; 2]) -> String {
        let across = |n: usize| {
            format!(
                "%v{n} = load volatile {0}, ptr @variable call void @callee() store volatile {0} %v{n}, ptr @variable ",
                types[n]
            )
        };
        let text = format!(
            "@variable = external global i64
             declare void @callee()
             define void @example() {{ {}{} ret void }}",
            across(0),
            across(1)
        );
        let context = Context::create();
        let module = parse_text(&context, &text);
        let module = Module::new(&module);
        let conventions = Conventions::classify(module, Mode::Uniform);
        run(module, &conventions, &module.definitions()).expect("no violation");
        let lines: Vec<String> = module.definitions()[0].instructions().into_iter().map(|i| i.print()).collect();
        lines.into_iter().find(|line| line.contains("%twin.slots = ")).expect("slots")
    }

    #[test]
    fn vectors_share_a_slot_with_those_of_their_size() {
        assert!(slots(["<4 x i8>", "<2 x i16>"]).contains("%twin.slots = alloca [16 x i8]"));
        assert!(slots(["<4 x i8>", "<8 x i8>"]).contains("%twin.slots = alloca [32 x i8]"));
    }
}
