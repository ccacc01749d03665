//! Computed goto: a label's address would be an ISA's own, and programs keep it in memory. Labels become small
//! integers, the jump a switch over them.

use crate::ir::{Module, Value};
use inkwell::llvm_sys::LLVMOpcode;

/// Rewrites all indirect branches of `module`.
pub fn run(module: Module) {
    for function in module.definitions() {
        let jumps: Vec<Value> =
            function.instructions().into_iter().filter(|i| i.opcode() == LLVMOpcode::LLVMIndirectBr).collect();
        let blocks = function.blocks();
        let mut labels = Vec::new();
        for jump in &jumps {
            for target in jump.block().successors() {
                if !labels.contains(&target) {
                    labels.push(target);
                }
            }
        }
        let number = |block| 1 + blocks.iter().position(|b| *b == block).expect("own block") as u64;
        for jump in jumps {
            let targets = jump.block().successors();
            let nowhere = function.append_block(module, "");
            module.at_end(nowhere).unreachable();
            let builder = module.before(jump).located_like(jump);
            let address = builder.ptr_to_int(jump.operands()[0]);
            // A target that is listed again stays an edge, as phis know it, that is never taken.
            let mut never = u64::from(u32::MAX)..;
            let is_first = |i: usize| !targets[..i].contains(&targets[i]);
            let mut case = |i| if is_first(i) { number(targets[i]) } else { never.next().expect("endless") };
            let cases: Vec<_> = (0..targets.len()).map(|i| (case(i), targets[i])).collect();
            builder.switch(address, nowhere, &cases);
            jump.erase();
        }
        for label in labels {
            let value = module.i64(number(label)).constant_to_ptr(module);
            function.block_address(label).replace_with(value);
        }
    }
}
