//! Integers of more than 128 bits, which no instruction set knows. AArch64's code generator cannot convert them to and
//! from floating point, and instruction selection would shift them in memory of its own, and might keep it there across
//! a uniform call. LLVM's own expansion does conversions and divisions, on the common IR; shifts by a distance that is
//! not constant become loads of words.

use crate::ir::{Module, Type, Value};
use inkwell::llvm_sys::LLVMOpcode::{self, LLVMAShr, LLVMLShr, LLVMOr, LLVMShl, LLVMSub, LLVMURem};

/// The pass of LLVM's that does conversions and divisions. It goes between [`prepare`] and [`shifts`].
pub const EXPANSION: &str = "require<libcall-lowering-info>,function(expand-ir-insts<O2>)";

/// Both code generators have sequences of instructions up to here.
const NARROW: u32 = 128;
const WORD: u64 = 64;

/// Splits funnel shifts of wide integers. Tells whether there are wide integers at all.
pub fn prepare(module: Module) -> bool {
    let mut found = false;
    for function in module.definitions() {
        for instruction in function.instructions() {
            found |= is_wide(instruction) || instruction.operands().into_iter().any(is_wide);
            if !(instruction.is_call() && is_wide(instruction)) {
                continue;
            }
            let name = instruction.called_intrinsic().unwrap_or_default();
            let to_left = name.starts_with("llvm.fshl.");
            if !to_left && !name.starts_with("llvm.fshr.") {
                continue;
            }
            let ty = instruction.ty();
            let bits = u64::from(ty.int_bits());
            let arguments = instruction.arguments();
            let builder = module.before(instruction).located_like(instruction);
            let by = builder.binary(LLVMURem, arguments[2], ty.constant(bits));
            let rest = builder.binary(LLVMSub, ty.constant(bits - 1), by);
            // In two steps, as the rest may be all of the bits.
            let (high, low) = if to_left {
                let low = builder.binary(LLVMLShr, arguments[1], ty.constant(1));
                (builder.binary(LLVMShl, arguments[0], by), builder.binary(LLVMLShr, low, rest))
            } else {
                let high = builder.binary(LLVMShl, arguments[0], ty.constant(1));
                (builder.binary(LLVMShl, high, rest), builder.binary(LLVMLShr, arguments[1], by))
            };
            instruction.replace_with(builder.binary(LLVMOr, high, low));
            instruction.erase();
        }
    }
    found
}

/// Makes the memory of shifts explicit.
pub fn shifts(module: Module) {
    for function in module.definitions() {
        for instruction in function.instructions() {
            let opcode = instruction.opcode();
            if matches!(opcode, LLVMShl | LLVMLShr | LLVMAShr)
                && is_wide(instruction)
                && !instruction.operands()[1].is_constant()
            {
                shift(module, instruction, opcode);
            }
        }
    }
}

fn is_wide(value: Value) -> bool {
    let ty = value.ty();
    ty.kind() == inkwell::llvm_sys::LLVMTypeKind::LLVMIntegerTypeKind && ty.int_bits() > NARROW
}

/// The value lies in memory next to as many words as the distance can have, zeros or copies of the sign. Each word of
/// the result is made of two that follow each other there.
fn shift(module: Module, instruction: Value, opcode: LLVMOpcode) {
    let (value, distance) = (instruction.operands()[0], instruction.operands()[1]);
    let words = u64::from(value.ty().int_bits()).div_ceil(WORD);
    let around = words.next_power_of_two();
    let integer = |words: u64| module.int((words * WORD) as u32);
    let entry = instruction.block().function().blocks()[0].instructions()[0];
    let room = |ty: Type| module.before(entry).alloca(ty, 16, "");
    let builder = module.before(instruction).located_like(instruction);

    let input = room(integer(words + around));
    let is_left = opcode == LLVMShl;
    if is_left {
        builder.store(integer(around).null(), input, 8);
        let value = builder.int_cast(value, integer(words), false);
        builder.store(value, builder.offset_by(input, around * 8), 8);
    } else {
        builder.store(builder.int_cast(value, integer(words + around), opcode == LLVMAShr), input, 8);
    }
    // More than all bits would be poison.
    let distance = builder.to_i64(distance);
    let by_words = builder.binary(LLVMLShr, distance, module.i64(6));
    let by_words = builder.and(by_words, module.i64(around - 1));
    let by_bits = builder.and(distance, module.i64(WORD - 1));
    let by_bytes = builder.mul(by_words, module.i64(8));
    let first = if is_left {
        builder.offset(builder.offset_by(input, around * 8), builder.binary(LLVMSub, module.i64(0), by_bytes))
    } else {
        builder.offset(input, by_bytes)
    };

    let word = module.int(64);
    let ty = module.function_type(word, &[word; 3], false);
    let funnel = module.intrinsic(if is_left { "llvm.fshl" } else { "llvm.fshr" }, &[word]);
    let output = room(integer(words));
    let back = builder.binary(LLVMSub, module.i64(0), module.i64(8));
    for index in 0..words {
        let here = builder.offset_by(first, index * 8);
        let there = if is_left { builder.offset(here, back) } else { builder.offset_by(here, 8) };
        let (here, there) = (builder.load(word, here, 8), builder.load(word, there, 8));
        let pair = if is_left { [here, there, by_bits] } else { [there, here, by_bits] };
        builder.store(builder.call(ty, funnel, &pair, 0), builder.offset_by(output, index * 8), 8);
    }
    let result = builder.load(integer(words), output, 8);
    instruction.replace_with(builder.int_cast(result, instruction.ty(), false));
    instruction.erase();
}
