//! Follows the contents of all slots through a function: drops saves of what a slot holds already, and checks that
//! whatever is loaded from a slot is the value that it is loaded for, on every path.

use super::SlotValue;
use crate::ir::{Block, Value};
use crate::loops::Cfg;
use anyhow::{Result, bail};
use std::collections::HashMap;

/// What an instruction does with the register or the slot of a web.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value goes to the register.
    Define,
    /// The register is read.
    Read,
    /// The value goes to the slot.
    Save,
    /// The register gets what the slot holds.
    Fill,
}

/// What an instruction does with which web, and the number of the value that this is meant for.
#[derive(Clone, Copy)]
pub struct Access {
    pub kind: Kind,
    pub web: usize,
    pub value: usize,
}

/// Values that get another name on an edge: the web, the number of the value in front, and behind.
pub type Renames = HashMap<(Block, Block), Vec<(usize, usize, usize)>>;

/// What a slot or register holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Any value, as far as is known yet.
    Unvisited,
    /// The value with this number, as it was last defined.
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
/// inserted and before they are optimised. `values` are all, by number.
///
/// # Errors
/// Names the function, the slot, the value and the instruction if a slot or register may hold another value than is
/// taken from it.
pub fn run(
    function: Value,
    webs: &[SlotValue],
    values: &[Value],
    renames: &Renames,
    accesses: &mut HashMap<Value, Access>,
) -> Result<()> {
    let mut repeated = Vec::new();
    Contents::new(function, webs, renames, accesses).visit(|instruction, access, content| {
        if access.kind == Kind::Save && content == Content::Is(access.value) {
            repeated.push(instruction);
        }
    });
    for save in repeated {
        accesses.remove(&save);
        save.erase();
    }
    let mut wrong = None;
    Contents::new(function, webs, renames, accesses).visit(|instruction, access, content| {
        if matches!(access.kind, Kind::Fill | Kind::Read) && content != Content::Is(access.value) {
            wrong.get_or_insert((instruction, access));
        }
    });
    match wrong {
        None => Ok(()),
        Some((instruction, Access { kind, web, value })) => bail!(
            "internal error: function `{}`: {} {} does not hold `{}` at `{}`",
            function.name(),
            if kind == Kind::Fill { "slot" } else { "the register of slot" },
            webs[web].offset,
            values[value].print(),
            instruction.print()
        ),
    }
}

/// The contents of the slots and registers of a function.
struct Contents<'a> {
    /// Position of the slot of each web in a state; the registers come behind the slots.
    slot: Vec<usize>,
    slots: usize,
    renames: &'a Renames,
    accesses: Vec<Vec<(Value, Access)>>,
    at_entry: Vec<Vec<Content>>,
}

impl Contents<'_> {
    fn new<'a>(
        function: Value,
        webs: &[SlotValue],
        renames: &'a Renames,
        accesses: &HashMap<Value, Access>,
    ) -> Contents<'a> {
        let mut offsets: Vec<u64> = webs.iter().map(|web| web.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let slot = webs.iter().map(|web| offsets.partition_point(|offset| *offset < web.offset)).collect();
        let access = |instruction: Value| Some((instruction, *accesses.get(&instruction)?));
        let cfg = Cfg::new(function);
        let accesses = cfg.blocks.iter().map(|block| block.instructions().into_iter().filter_map(access).collect());
        let size = offsets.len() + webs.len();
        let unvisited = vec![Content::Unvisited; size];
        let mut contents = Contents {
            slot,
            slots: offsets.len(),
            renames,
            accesses: accesses.collect(),
            at_entry: vec![unvisited.clone(); cfg.blocks.len()],
        };
        contents.at_entry[0] = vec![Content::Unknown; size];
        let mut at_exit = vec![unvisited; cfg.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for block in cfg.ids() {
                let mut state = contents.at_entry[block.index()].clone();
                for from in &cfg.predecessors[block.index()] {
                    let mut exit = at_exit[from.index()].clone();
                    contents.rename((cfg.blocks[from.index()], cfg.blocks[block.index()]), &mut exit);
                    state.iter_mut().zip(exit).for_each(|(here, there)| *here = here.join(there));
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

    /// Goes along an edge.
    fn rename(&self, edge: (Block, Block), state: &mut [Content]) {
        for &(web, from, to) in self.renames.get(&edge).into_iter().flatten() {
            for at in [self.slot[web], self.slots + web] {
                if state[at] == Content::Is(from) {
                    state[at] = Content::Is(to);
                } else if state[at] == Content::Is(to) {
                    state[at] = Content::Unknown;
                }
            }
        }
    }

    /// Reports each access with what its slot or register holds right before it.
    fn visit(&self, mut report: impl FnMut(Value, Access, Content)) {
        for (block, entry) in self.at_entry.iter().enumerate() {
            self.through(block, &mut entry.clone(), &mut report);
        }
    }

    fn through(&self, block: usize, state: &mut [Content], report: &mut dyn FnMut(Value, Access, Content)) {
        for &(instruction, access) in &self.accesses[block] {
            let (slot, register) = (self.slot[access.web], self.slots + access.web);
            let is_value = Content::Is(access.value);
            match access.kind {
                Kind::Define => {
                    report(instruction, access, state[register]);
                    // What was saved of it is an older one.
                    if state[slot] == is_value {
                        state[slot] = Content::Unknown;
                    }
                    state[register] = is_value;
                }
                Kind::Read => report(instruction, access, state[register]),
                Kind::Save => {
                    report(instruction, access, state[slot]);
                    state[slot] = is_value;
                }
                Kind::Fill => {
                    report(instruction, access, state[slot]);
                    state[register] = is_value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Strategy;
    use super::*;
    use crate::ir::{Module, parse_text};
    use inkwell::context::Context;
    use inkwell::llvm_sys::LLVMOpcode;

    /// Runs on a function with the values `x` and `y`, whose slots are the pointers `x.slot` and `y.slot`, at `offsets`.
    /// Returns the number of saves that are left.
    fn saves(offsets: [u64; 2], body: &str) -> Result<usize> {
        saves_with(offsets, body, |_| Renames::new())
    }

    /// The same with values that are called otherwise on some edges: `x` has number 0, `y` has 1.
    fn saves_with(offsets: [u64; 2], body: &str, renames: impl Fn(&[Block]) -> Renames) -> Result<usize> {
        let text = format!(
            "declare i64 @define()\ndeclare void @call()\n\
             define void @example(i1 %c) {{\nentry:\n %x.slot = alloca i64\n %y.slot = alloca i64\n{body}\n}}\n"
        );
        let context = Context::create();
        let module = parse_text(&context, &text);
        let function = Module::new(&module).definitions()[0];
        let named = |name: &str| function.instructions().into_iter().find(|i| i.name() == name);
        let (mut values, mut webs) = (Vec::new(), Vec::new());
        let mut accesses = HashMap::new();
        for (name, offset) in ["x", "y"].into_iter().zip(offsets) {
            let Some(value) = named(name) else { continue };
            let register = named(&format!("{name}.slot")).expect("a slot");
            let i = values.len();
            values.push(value);
            webs.push(SlotValue { ty: value.ty(), strategy: Strategy::Around, eager: 0.0, register, offset });
            let access = |kind| Access { kind, web: i, value: i };
            accesses.insert(value, access(Kind::Define));
            for instruction in function.instructions() {
                match (instruction.opcode(), instruction.operands().last() == Some(&register)) {
                    (LLVMOpcode::LLVMStore, true) => drop(accesses.insert(instruction, access(Kind::Save))),
                    (LLVMOpcode::LLVMLoad, true) => drop(accesses.insert(instruction, access(Kind::Fill))),
                    _ => {}
                }
            }
        }
        run(function, &webs, &values, &renames(&function.blocks()), &mut accesses)?;
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

    /// `y` is a phi of the web of `x`: what the slot holds is `y` behind the edge, and no `x` any more.
    #[test]
    fn a_value_has_its_new_name_behind_an_edge() {
        let body = format!(
            "{DEFINE}\n {SAVE}\n br label %join\njoin:\n %y = call i64 @define()\n {CALL}\n \
             %l = load i64, ptr %y.slot\n ret void"
        );
        let message = saves([0, 0], &body).expect_err("no name for it").to_string();
        assert!(message.contains("slot 0 does not hold"), "{message}");
        let entered = |blocks: &[Block]| Renames::from([((blocks[0], blocks[1]), vec![(0, 0, 1)])]);
        // Where `y` is defined anew it is not the old one.
        assert!(saves_with([0, 0], &body, entered).is_err());
        let only_joined = format!(
            "{DEFINE}\n {SAVE}\n br label %join\njoin:\n %l = load i64, ptr %y.slot\n br i1 %c, label %end, label %more\n\
             more:\n %y = call i64 @define()\n ret void\nend:\n ret void"
        );
        assert!(saves([0, 0], &only_joined).is_err());
        assert_eq!(saves_with([0, 0], &only_joined, entered).expect("right contents"), 1);
        let stale = only_joined.replace("%y.slot\n br", "%x.slot\n br");
        assert!(saves_with([0, 0], &stale, entered).is_err());
    }
}
