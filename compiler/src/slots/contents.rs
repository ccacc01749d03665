//! Follows the contents of all slots through a function: drops saves of what a slot holds already, and checks that
//! whatever is loaded from a slot is the value that it is loaded for, on every path.

use super::SlotValue;
use crate::ir::Value;
use crate::loops::Cfg;
use anyhow::{Result, bail};
use std::collections::HashMap;

/// What happens to a slot value, by its position in the list of slot values.
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
    /// The value at this position, as it was last defined.
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

/// Drops saves to a slot that holds the value already, then checks `function`; both after its accesses have been
/// inserted and before they are optimised.
///
/// # Errors
/// Names the function, the slot, the value and the instruction if a slot may hold another value than is loaded.
pub fn run(function: Value, values: &[SlotValue], accesses: &mut HashMap<Value, Access>) -> Result<()> {
    let mut repeated = Vec::new();
    Contents::new(function, values, accesses).visit(|instruction, event, content| {
        if matches!(event, Event::Access(Access::Save(i)) if content == Content::Is(i)) {
            repeated.push(instruction);
        }
    });
    for save in repeated {
        accesses.remove(&save);
        save.erase();
    }
    let mut wrong = None;
    Contents::new(function, values, accesses).visit(|instruction, event, content| {
        if let Event::Access(Access::Fill(i)) = event
            && content != Content::Is(i)
        {
            wrong.get_or_insert((instruction, i));
        }
    });
    match wrong {
        None => Ok(()),
        Some((instruction, i)) => bail!(
            "internal error: function `{}`: slot {} does not hold `{}` at `{}`",
            function.name(),
            values[i].offset,
            values[i].value.print(),
            instruction.print()
        ),
    }
}

/// What changes or reads a slot.
#[derive(Clone, Copy)]
enum Event {
    /// The value gets a new content, which its slot does not hold.
    Definition(usize),
    Access(Access),
}

impl Event {
    fn value(self) -> usize {
        match self {
            Event::Definition(i) | Event::Access(Access::Save(i) | Access::Fill(i)) => i,
        }
    }
}

/// The contents of the slots of a function.
struct Contents {
    /// Number of the slot of each value.
    slot: Vec<usize>,
    events: Vec<Vec<(Value, Event)>>,
    at_entry: Vec<Vec<Content>>,
}

impl Contents {
    fn new(function: Value, values: &[SlotValue], accesses: &HashMap<Value, Access>) -> Contents {
        let mut offsets: Vec<u64> = values.iter().map(|value| value.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let slot = values.iter().map(|value| offsets.partition_point(|offset| *offset < value.offset)).collect();
        let number: HashMap<Value, usize> = values.iter().enumerate().map(|(i, value)| (value.value, i)).collect();
        let event = |instruction: Value| match accesses.get(&instruction) {
            Some(access) => Some((instruction, Event::Access(*access))),
            None => Some((instruction, Event::Definition(*number.get(&instruction)?))),
        };
        let cfg = Cfg::new(function);
        let events = cfg.blocks.iter().map(|block| block.instructions().into_iter().filter_map(event).collect());
        let unvisited = vec![Content::Unvisited; offsets.len()];
        let mut contents =
            Contents { slot, events: events.collect(), at_entry: vec![unvisited.clone(); cfg.blocks.len()] };
        contents.at_entry[0] = vec![Content::Unknown; offsets.len()];
        let mut at_exit = vec![unvisited; cfg.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for block in cfg.ids() {
                let mut state = contents.at_entry[block.index()].clone();
                for from in &cfg.predecessors[block.index()] {
                    let exit = &at_exit[from.index()];
                    state.iter_mut().zip(exit).for_each(|(here, there)| *here = here.join(*there));
                }
                contents.at_entry[block.index()].clone_from(&state);
                contents.through(block.index(), &mut state, &mut |_, _, _| {});
                if state != at_exit[block.index()] {
                    at_exit[block.index()] = state;
                    changed = true;
                }
            }
        }
        contents
    }

    /// Reports each event with what the slot of its value holds right before it.
    fn visit(&self, mut report: impl FnMut(Value, Event, Content)) {
        for (block, entry) in self.at_entry.iter().enumerate() {
            self.through(block, &mut entry.clone(), &mut report);
        }
    }

    fn through(&self, block: usize, state: &mut [Content], report: &mut dyn FnMut(Value, Event, Content)) {
        for (instruction, event) in &self.events[block] {
            let i = event.value();
            let content = &mut state[self.slot[i]];
            report(*instruction, *event, *content);
            match event {
                Event::Definition(_) if *content == Content::Is(i) => *content = Content::Unknown,
                Event::Access(Access::Save(_)) => *content = Content::Is(i),
                Event::Definition(_) | Event::Access(Access::Fill(_)) => {}
            }
        }
    }
}
