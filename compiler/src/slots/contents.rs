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
    /// The value at this position, as it was last defined: see [`Contents::through`].
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
    Contents::new(function, values, accesses).visit(|instruction, access, content| {
        if matches!(access, Access::Save(i) if content == Content::Is(i)) {
            repeated.push(instruction);
        }
    });
    for save in repeated {
        accesses.remove(&save);
        save.erase();
    }
    let mut wrong = None;
    Contents::new(function, values, accesses).visit(|instruction, access, content| {
        if let Access::Fill(i) = access
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

/// The contents of the slots of a function.
struct Contents {
    /// Number of the slot of each value.
    slot: Vec<usize>,
    accesses: Vec<Vec<(Value, Access)>>,
    at_entry: Vec<Vec<Content>>,
}

impl Contents {
    fn new(function: Value, values: &[SlotValue], accesses: &HashMap<Value, Access>) -> Contents {
        let mut offsets: Vec<u64> = values.iter().map(|value| value.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let slot = values.iter().map(|value| offsets.partition_point(|offset| *offset < value.offset)).collect();
        let access = |instruction: Value| Some((instruction, *accesses.get(&instruction)?));
        let cfg = Cfg::new(function);
        let accesses = cfg.blocks.iter().map(|block| block.instructions().into_iter().filter_map(access).collect());
        let unvisited = vec![Content::Unvisited; offsets.len()];
        let mut contents =
            Contents { slot, accesses: accesses.collect(), at_entry: vec![unvisited.clone(); cfg.blocks.len()] };
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

    /// Reports each access with what the slot of its value holds right before it.
    fn visit(&self, mut report: impl FnMut(Value, Access, Content)) {
        for (block, entry) in self.at_entry.iter().enumerate() {
            self.through(block, &mut entry.clone(), &mut report);
        }
    }

    /// A new definition of the value that a slot holds needs no event: the definition dominates every save of the value,
    /// so that a path comes to it first without any, and the slot is not known to hold the value there.
    fn through(&self, block: usize, state: &mut [Content], report: &mut dyn FnMut(Value, Access, Content)) {
        for &(instruction, access) in &self.accesses[block] {
            let (Access::Save(i) | Access::Fill(i)) = access;
            let content = &mut state[self.slot[i]];
            report(instruction, access, *content);
            if matches!(access, Access::Save(_)) {
                *content = Content::Is(i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Strategy;
    use super::*;
    use crate::ir::Module;
    use inkwell::context::Context;
    use inkwell::llvm_sys::LLVMOpcode;
    use inkwell::memory_buffer::MemoryBuffer;

    /// Runs on a function with the values `x` and `y`, whose slots are the pointers `x.slot` and `y.slot`, at `offsets`.
    /// Returns the number of saves that are left.
    fn saves(offsets: [u64; 2], body: &str) -> Result<usize> {
        let text = format!(
            "declare i64 @define()\ndeclare void @call()\n\
             define void @example(i1 %c) {{\nentry:\n %x.slot = alloca i64\n %y.slot = alloca i64\n{body}\n}}\n"
        );
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("valid IR");
        let function = Module::new(&module).definitions()[0];
        let named = |name: &str| function.instructions().into_iter().find(|i| i.name() == name);
        let mut values = Vec::new();
        let mut accesses = HashMap::new();
        for (name, offset) in ["x", "y"].into_iter().zip(offsets) {
            let Some(value) = named(name) else { continue };
            let register = named(&format!("{name}.slot")).expect("a slot");
            let i = values.len();
            values.push(SlotValue {
                value,
                ty: value.ty(),
                strategy: Strategy::Around,
                hottest_use: 0.0,
                register,
                offset,
            });
            for instruction in function.instructions() {
                match (instruction.opcode(), instruction.operands().last() == Some(&register)) {
                    (LLVMOpcode::LLVMStore, true) => drop(accesses.insert(instruction, Access::Save(i))),
                    (LLVMOpcode::LLVMLoad, true) => drop(accesses.insert(instruction, Access::Fill(i))),
                    _ => {}
                }
            }
        }
        run(function, &values, &mut accesses)?;
        Ok(function.instructions().iter().filter(|i| i.opcode() == LLVMOpcode::LLVMStore).count())
    }

    const DEFINE: &str = "%x = call i64 @define()";
    const SAVE: &str = "store i64 %x, ptr %x.slot";
    const CALL: &str = "call void @call()";

    #[test]
    fn a_repeated_save_is_dropped() {
        let body = format!("{DEFINE}\n {SAVE}\n {CALL}\n {SAVE}\n {CALL}\n %l = load i64, ptr %x.slot\n ret void");
        assert_eq!(saves([0, 8], &body).expect("right contents"), 1);
        let around_a_loop = format!(
            "{DEFINE}\n {SAVE}\n br label %loop\nloop:\n {SAVE}\n {CALL}\n %l = load i64, ptr %x.slot\n \
             br i1 %c, label %loop, label %end\nend:\n ret void"
        );
        assert_eq!(saves([0, 8], &around_a_loop).expect("right contents"), 1);
    }

    #[test]
    fn a_save_stays_if_one_path_comes_without() {
        let body = format!(
            "{DEFINE}\n br i1 %c, label %then, label %join\nthen:\n {SAVE}\n {CALL}\n br label %join\n\
             join:\n {SAVE}\n {CALL}\n %l = load i64, ptr %x.slot\n ret void"
        );
        assert_eq!(saves([0, 8], &body).expect("right contents"), 2);
    }

    /// The slot holds the value of the turn before then.
    #[test]
    fn a_save_stays_if_a_loop_defines_the_value_anew() {
        let body = format!(
            "br label %loop\nloop:\n {DEFINE}\n {SAVE}\n {CALL}\n %l = load i64, ptr %x.slot\n \
             br i1 %c, label %loop, label %end\nend:\n ret void"
        );
        assert_eq!(saves([0, 8], &body).expect("right contents"), 1);
        let stale = format!(
            "br label %loop\nloop:\n {DEFINE}\n br i1 %c, label %old, label %new\nold:\n \
             %l = load i64, ptr %x.slot\n ret void\nnew:\n {SAVE}\n {CALL}\n br label %loop"
        );
        let message = saves([0, 8], &stale).expect_err("the value of the turn before").to_string();
        assert!(message.contains("slot 0 does not hold `%x = call i64 @define()`"), "{message}");
    }

    #[test]
    fn a_save_stays_if_another_value_was_in_the_slot() {
        let body = format!(
            "{DEFINE}\n %y = call i64 @define()\n {SAVE}\n store i64 %y, ptr %y.slot\n {CALL}\n {SAVE}\n {CALL}\n \
             %l = load i64, ptr %x.slot\n ret void"
        );
        assert_eq!(saves([0, 0], &body).expect("right contents"), 3);
        assert_eq!(saves([0, 8], &body).expect("right contents"), 2);
    }

    #[test]
    fn a_load_of_another_value_is_named() {
        let body = format!(
            "{DEFINE}\n %y = call i64 @define()\n {SAVE}\n br i1 %c, label %then, label %join\nthen:\n \
             store i64 %y, ptr %y.slot\n br label %join\njoin:\n {CALL}\n %l = load i64, ptr %x.slot\n ret void"
        );
        assert_eq!(saves([0, 8], &body).expect("right contents"), 2);
        let message = saves([16, 16], &body).expect_err("one slot for both").to_string();
        assert!(message.contains("function `example`: slot 16 does not hold"), "{message}");
        assert!(message.contains("at `%l = load i64, ptr %x.slot"), "{message}");
    }
}
