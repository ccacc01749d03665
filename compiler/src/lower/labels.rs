//! Computed goto: a label's address would be an ISA's own, and programs keep it in memory. Labels become small
//! integers; the jump looks its target up in a table that belongs to the code, as that of a switch does.

use crate::ir::{Block, Module, Value};
use inkwell::llvm_sys::LLVMOpcode::{LLVMGetElementPtr, LLVMIndirectBr, LLVMLoad};
use inkwell::llvm_sys::LLVMTypeKind::LLVMArrayTypeKind;

/// Number of the first label. With 0 its address would be null.
const FIRST: u64 = 1;

/// Rewrites all indirect branches of `module`.
pub fn run(module: Module) {
    for function in module.definitions() {
        let with_opcode = |opcode| function.instructions().into_iter().filter(move |i| i.opcode() == opcode);
        let jumps: Vec<Value> = with_opcode(LLVMIndirectBr).collect();
        let mut labels: Vec<Block> = Vec::new();
        for target in jumps.iter().flat_map(|jump| jump.block().successors()) {
            if !labels.contains(&target) {
                labels.push(target);
            }
        }
        if labels.is_empty() {
            continue;
        }
        let count = labels.len() as u64;
        let addresses: Vec<Value> = labels.iter().map(|label| function.block_address(*label)).collect();
        // By place in the program's own table, and by number; what each ISA indexes is then no more than one symbol.
        let tables = [module.private_table("twin.labels", count), module.private_table("twin.numbers", FIRST + count)];
        for &jump in &jumps {
            let (builder, address) = (module.before(jump).located_like(jump), jump.operands()[0]);
            let place = match look_up(module, address, &addresses) {
                Some((index, first)) => builder.element(module.ptr(), builder.offset_by(tables[0], 8 * first), index),
                None => builder.element(module.ptr(), tables[1], builder.ptr_to_int(address)),
            };
            jump.set_operand(0, builder.load(module.ptr(), place, 8));
        }
        for load in with_opcode(LLVMLoad).collect::<Vec<_>>() {
            if let Some((index, first)) = look_up(module, load, &addresses) {
                let builder = module.before(load).located_like(load);
                let number = builder.add(builder.to_i64(index), module.i64(FIRST + first));
                load.replace_with(builder.int_to_ptr(number));
                load.erase();
            }
        }
        for (address, number) in addresses.into_iter().zip(FIRST..) {
            address.replace_with(module.i64(number).constant_to_ptr(module));
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

/// If `value` is loaded from a constant table that lists labels in their order: its index there, and which label is the
/// table's first.
fn look_up(module: Module, value: Value, addresses: &[Value]) -> Option<(Value, u64)> {
    let has_opcode = |value: Value, opcode| value.is_instruction() && value.opcode() == opcode;
    let place = has_opcode(value, LLVMLoad).then(|| value.operands()[0])?;
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
