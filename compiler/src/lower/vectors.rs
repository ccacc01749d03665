//! Elements of vectors by an index that is not constant: instruction selection would put the vector into memory of its
//! own, and might keep it there across a uniform call.

use crate::ir::{Module, Value};
use inkwell::llvm_sys::LLVMOpcode::{LLVMExtractElement, LLVMInsertElement};

/// Makes the memory explicit in all functions of `module`.
pub fn run(module: Module) {
    for function in module.definitions() {
        for instruction in function.instructions() {
            if !matches!(instruction.opcode(), LLVMExtractElement | LLVMInsertElement) {
                continue;
            }
            let operands = instruction.operands();
            let (element, _) = operands[0].ty().vector();
            match instruction.opcode() {
                // Packed in memory, and small.
                _ if module.store_size(element) * 8 != module.bits(element) => {}
                LLVMExtractElement if operands[1].constant_int().is_none() => {
                    let (_, element) = spill(module, instruction, operands[0], operands[1]);
                    let ty = instruction.ty();
                    instruction.replace_with(module.before(instruction).load(ty, element, 1));
                    instruction.erase();
                }
                LLVMInsertElement if operands[2].constant_int().is_none() => {
                    let (memory, element) = spill(module, instruction, operands[0], operands[2]);
                    let builder = module.before(instruction);
                    builder.store(operands[1], element, 1);
                    let ty = instruction.ty();
                    instruction.replace_with(builder.load(ty, memory, module.abi_align(ty)));
                    instruction.erase();
                }
                _ => {}
            }
        }
    }
}

/// Stores `vector` in front of `before`; returns its address and that of element `index`, which is taken modulo the
/// length as it would be poison otherwise.
fn spill(module: Module, before: Value, vector: Value, index: Value) -> (Value, Value) {
    let ty = vector.ty();
    let entry = before.block().function().blocks()[0].instructions()[0];
    let (element, length) = ty.vector();
    let (size, length) = (module.store_size(element), length.next_power_of_two());
    let room = module.alloc_size(ty).max(size * length);
    let memory = module.before(entry).alloca(module.bytes(room), module.abi_align(ty), "");
    let builder = module.before(before).located_like(before);
    builder.store(vector, memory, module.abi_align(ty));
    let index = builder.and(builder.to_i64(index), module.i64(length - 1));
    (memory, builder.offset(memory, builder.mul(index, module.i64(size))))
}
