//! Assigns slots to values such that values whose slots are in use at the same time do not share one.

use super::bitset::BitSet;
use super::live::Liveness;
use super::{SlotValue, Strategy};
use crate::ir::Module;
use std::collections::HashMap;

/// Sets the offset of every value and returns the size of the slots object in bytes.
pub fn assign(module: Module, live: &Liveness, index: &HashMap<usize, usize>, values: &mut [SlotValue]) -> u64 {
    let count = values.len();
    let conflicts = conflicts(live, index, values);
    let mut order: Vec<usize> = (0..count).collect();
    let shape = |i: usize, values: &[SlotValue]| {
        (module.abi_align(values[i].ty).min(16), module.store_size(values[i].ty).max(1))
    };
    order.sort_by_key(|&i| std::cmp::Reverse(shape(i, values)));
    // Slots of one shape are shared only among themselves.
    let mut slots: Vec<((u64, u64), u64, BitSet)> = Vec::new();
    let mut size = 0u64;
    for i in order {
        let shape = shape(i, values);
        let free = slots.iter_mut().find(|(s, _, taken)| *s == shape && !taken.contains(i));
        let (_, offset, taken) = match free {
            Some(slot) => slot,
            None => {
                let offset = size.next_multiple_of(shape.0);
                size = offset + shape.1;
                slots.push((shape, offset, BitSet::new(count)));
                slots.last_mut().expect("just pushed")
            }
        };
        values[i].offset = *offset;
        taken.union(&conflicts[i]);
    }
    size.next_multiple_of(16)
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
