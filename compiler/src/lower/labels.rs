//! Computed goto: a label's address would be an ISA's own, and programs keep it in memory. Labels become small
//! integers; the jump looks its target up in a table that belongs to the code, as that of a switch does.

use crate::ir::{Block, Module, Value};
use inkwell::llvm_sys::LLVMOpcode;
use inkwell::llvm_sys::LLVMOpcode::{LLVMAdd, LLVMGetElementPtr, LLVMIndirectBr, LLVMIntToPtr, LLVMLoad};
use inkwell::llvm_sys::LLVMTypeKind::LLVMArrayTypeKind;

/// Number of the first label. With 0 its address would be null.
const FIRST: u64 = 1;

/// Makes numbers of all label addresses in `module`. Indirect branches go to numbers until [`resolve`] has run.
pub fn number(module: Module) {
    for function in module.definitions() {
        let (_, labels) = jumps(function);
        if labels.is_empty() {
            continue;
        }
        let addresses: Vec<Value> = labels.iter().map(|label| function.block_address(*label)).collect();
        for load in with_opcode(function, LLVMLoad) {
            if let Some((index, first)) = listed(module, load, &addresses) {
                let builder = module.before(load).located_like(load);
                let number = builder.add(builder.to_i64(index), module.i64(FIRST + first));
                load.replace_with(builder.int_to_ptr(number));
                load.erase();
            }
        }
        for (address, number) in addresses.into_iter().zip(FIRST..) {
            address.replace_with(module.i64(number).constant_to_ptr(module));
        }
    }
}

/// Looks the targets of all indirect branches up, each right in front of its branch: what is found there is one ISA's
/// own, so that no migration point may come between.
pub fn resolve(module: Module) {
    for function in module.definitions() {
        let (jumps, labels) = jumps(function);
        if labels.is_empty() {
            continue;
        }
        let count = labels.len() as u64;
        // By number less an offset that is known, and by number; what an ISA indexes is then no more than one symbol.
        let tables = [module.private_table("twin.labels", count), module.private_table("twin.numbers", FIRST + count)];
        for jump in jumps {
            let (builder, address) = (module.before(jump).located_like(jump), jump.operands()[0]);
            let place = match offset(module, address) {
                Some((index, offset)) if offset >= FIRST && offset < FIRST + count => {
                    builder.element(module.ptr(), builder.offset_by(tables[0], 8 * (offset - FIRST)), index)
                }
                _ => builder.element(module.ptr(), tables[1], builder.ptr_to_int(address)),
            };
            jump.set_operand(0, builder.load(module.ptr(), place, 8));
        }
        let targets: Vec<Value> = labels.iter().map(|label| function.block_address(*label)).collect();
        // No label has the number 0: any target will do.
        for (table, first) in tables.into_iter().zip([&targets[..0], &targets[..FIRST as usize]]) {
            if table.has_uses() {
                table.initialize_array(module.ptr(), &[first, &targets].concat());
            } else {
                table.delete_global();
            }
        }
    }
}

/// The indirect branches of `function` and the labels to which they may go, in order.
fn jumps(function: Value) -> (Vec<Value>, Vec<Block>) {
    let jumps = with_opcode(function, LLVMIndirectBr);
    let mut labels = Vec::new();
    for target in jumps.iter().flat_map(|jump| jump.block().successors()) {
        if !labels.contains(&target) {
            labels.push(target);
        }
    }
    (jumps, labels)
}

fn with_opcode(function: Value, opcode: LLVMOpcode) -> Vec<Value> {
    function.instructions().into_iter().filter(|i| i.opcode() == opcode).collect()
}

fn has_opcode(value: Value, opcode: LLVMOpcode) -> bool {
    value.is_instruction() && value.opcode() == opcode
}

/// If `value` is loaded from a constant table that lists labels in their order: its index there, and which label is the
/// table's first.
fn listed(module: Module, value: Value, addresses: &[Value]) -> Option<(Value, u64)> {
    let place = value.operands()[0];
    if !has_opcode(place, LLVMGetElementPtr) || place.indexed_type() != module.ptr() {
        return None;
    }
    let [table, index] = place.operands()[..] else { return None };
    if !table.is_constant_global() || table.is_interposable() || table.value_type().kind() != LLVMArrayTypeKind {
        return None;
    }
    let elements = table.initializer()?;
    let first = addresses.iter().position(|address| elements.element(0) == Some(*address))?;
    let (_, length) = table.value_type().array();
    let is_listed = |i: u64| elements.element(i) == addresses.get(first + i as usize).copied();
    (1..length).all(is_listed).then_some((index, first as u64))
}

/// If `address` is a number that is the sum of a variable and a constant: these.
fn offset(module: Module, address: Value) -> Option<(Value, u64)> {
    let sum = has_opcode(address, LLVMIntToPtr).then(|| address.operands()[0])?;
    let is_word = has_opcode(sum, LLVMAdd) && sum.ty() == module.int(64);
    let [index, constant] = is_word.then(|| sum.operands())?[..] else { return None };
    Some((index, constant.constant_int()?))
}
