//! Migration points: a test of one byte at function entries and on back edges, whose cold path calls the runtime.

use crate::convention::{Conventions, POLL_SLOW};
use crate::ir::{Module, PRESERVE_NONE, Value, split_before, split_edge};
use crate::loops::{BlockId, Bounds, Cfg};
use inkwell::llvm_sys::LLVMOpcode::{LLVMAlloca, LLVMBr};
use inkwell::llvm_sys::LLVMVisibility;
use std::collections::HashSet;

/// The byte that asks for a hop.
pub const POLL_BYTE: &str = "__twin_poll";

/// Inserts polls into the uniform functions of `module`: at the entry of those that call others, which may be recursive,
/// and on every retreating edge whose loop neither ends soon nor reaches a poll through a call.
pub fn run(module: Module, conventions: &Conventions) {
    let callers: HashSet<Value> = module
        .definitions()
        .into_iter()
        .filter(|f| {
            !conventions.is_quiet(*f)
                && f.instructions().into_iter().any(|i| i.is_call() && conventions.is_uniform_call(i))
        })
        .collect();
    for function in module.definitions() {
        if conventions.is_quiet(function) {
            continue;
        }
        let cfg = Cfg::new(function);
        let (loops, bounds) = (cfg.loops(), Bounds::new(function));
        let mut places: Vec<Value> = Vec::new();
        for (from, to) in cfg.retreating_edges() {
            let short =
                loops.iter().any(|l| l.latches.contains(&from) && l.header == to && bounds.is_short(&cfg, l, &loops));
            if short || always_calls(&cfg, &callers, from, to) {
                continue;
            }
            // On the edge, so that the loop's own compare and branch stay together.
            let mut place = cfg.blocks[from.index()].terminator();
            if place.opcode() == LLVMBr && place.block().successors().len() > 1 {
                place = split_edge(cfg.blocks[from.index()], cfg.blocks[to.index()]).terminator();
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if callers.contains(&function) {
            places.push(after_allocas(function));
        }
        for place in places {
            insert(module, place);
        }
    }
}

/// Whether an end of the back edge calls a function of this module that polls at its entry.
fn always_calls(cfg: &Cfg, callers: &HashSet<Value>, from: BlockId, to: BlockId) -> bool {
    [from, to].into_iter().any(|block| {
        cfg.dominates(to, from)
            && cfg.blocks[block.index()].instructions().into_iter().any(|i| {
                i.is_call() && i.called_function().is_some_and(|f| callers.contains(&f) && !f.is_interposable())
            })
    })
}

fn after_allocas(function: Value) -> Value {
    let entry = function.blocks()[0];
    entry.instructions().into_iter().find(|i| i.opcode() != LLVMAlloca).expect("a block ends in a terminator")
}

fn insert(module: Module, place: Value) {
    let i8 = module.int(8);
    let byte = module.global(POLL_BYTE, i8);
    byte.set_visibility(LLVMVisibility::LLVMHiddenVisibility);
    let slow_type = module.function_type(module.void(), &[], false);
    let slow = module.function(POLL_SLOW, slow_type);
    slow.set_convention(PRESERVE_NONE);

    let head = place.block();
    let tail = split_before(place);
    let cold = head.function().append_block(module, "twin.poll");
    let branch = head.terminator();
    let builder = module.before(branch).located_like(place);
    let requested = builder.volatile(builder.load(i8, byte, 1));
    builder.branch_if_unlikely(builder.is_nonzero(requested), cold, tail);
    branch.erase();
    let builder = module.at_end(cold).located_like(place);
    builder.call(slow_type, slow, &[], PRESERVE_NONE);
    builder.branch(tail);
}
