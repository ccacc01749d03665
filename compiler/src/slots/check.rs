//! Follows the contents of all slots through a function: whatever is loaded from a slot must be the value that it is
//! loaded for, on every path.

use super::SlotValue;
use crate::ir::Value;
use crate::loops::Cfg;
use anyhow::{Result, bail};
use std::collections::HashMap;

/// A store to a slot, or a load from one, by the position of its value in the list of slot values.
#[derive(Clone, Copy)]
pub enum Access {
    /// The value goes to its slot.
    Save(usize),
    /// The value comes from its slot.
    Fill(usize),
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Any value, as far as is known yet.
    Unvisited,
    /// The value at this position.
    Is(usize),
    /// Nothing, or different values on different paths.
    Unknown,
}

impl Content {
    fn join(self, other: Content) -> Content {
        match (self, other) {
            (Content::Unvisited, known) | (known, Content::Unvisited) => known,
            (a, b) if a == b => a,
            _ => Content::Unknown,
        }
    }
}

/// Checks `function` after its accesses have been inserted and before they are optimised.
///
/// # Errors
/// Names the function, the slot, the value and the instruction.
pub fn run(function: Value, values: &[SlotValue], accesses: &HashMap<Value, Access>) -> Result<()> {
    let mut offsets: Vec<u64> = values.iter().map(|value| value.offset).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let slot = |i: usize| offsets.partition_point(|offset| *offset < values[i].offset);
    let cfg = Cfg::new(function);
    let of_block: Vec<Vec<(Value, Access)>> = cfg
        .blocks
        .iter()
        .map(|block| block.instructions().into_iter().filter_map(|i| Some((i, *accesses.get(&i)?))).collect())
        .collect();
    let mut at_exit = vec![vec![Content::Unvisited; offsets.len()]; cfg.blocks.len()];
    let at_entry = |block: usize, at_exit: &[Vec<Content>]| {
        let start = if block == 0 { Content::Unknown } else { Content::Unvisited };
        let mut state = vec![start; offsets.len()];
        for from in &cfg.predecessors[block] {
            state.iter_mut().zip(&at_exit[from.index()]).for_each(|(here, there)| *here = here.join(*there));
        }
        state
    };
    let mut changed = true;
    while changed {
        changed = false;
        for block in 0..cfg.blocks.len() {
            let mut state = at_entry(block, &at_exit);
            for (_, access) in &of_block[block] {
                if let Access::Save(i) = *access {
                    state[slot(i)] = Content::Is(i);
                }
            }
            if state != at_exit[block] {
                at_exit[block] = state;
                changed = true;
            }
        }
    }
    for (block, accesses) in of_block.iter().enumerate() {
        let mut state = at_entry(block, &at_exit);
        for (instruction, access) in accesses {
            match *access {
                Access::Save(i) => state[slot(i)] = Content::Is(i),
                Access::Fill(i) if state[slot(i)] == Content::Is(i) => {}
                Access::Fill(i) => bail!(
                    "internal error: function `{}`: slot {} does not hold `{}` at `{}`",
                    function.name(),
                    values[i].offset,
                    values[i].value.print(),
                    instruction.print()
                ),
            }
        }
    }
    Ok(())
}
