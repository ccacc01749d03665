//! Aggregates by value: `byval` arguments become pointers to a copy in the caller's frame, `sret` results plain
//! pointers.

use crate::convention::Conventions;
use crate::ir::{Module, Value};

/// Lowers aggregates in all uniform functions and calls of `module`.
pub fn run(module: Module, conventions: &Conventions) {
    for function in module.functions() {
        if conventions.is_native(function) || function.name().starts_with("llvm.") {
            continue;
        }
        for index in 1..=function.params().len() as u32 {
            for name in ["byval", "sret"] {
                function.remove_attribute(index, name);
            }
        }
    }
    for function in module.definitions() {
        for call in function.instructions().into_iter().filter(|i| i.is_call()) {
            if conventions.is_uniform_convention(call) {
                lower_call(module, function, call);
            }
        }
    }
}

fn lower_call(module: Module, caller: Value, call: Value) {
    for (index, argument) in call.arguments().into_iter().enumerate() {
        // Variable arguments are copied to the argument block later.
        if index >= call.call_type().params().len() {
            break;
        }
        if let Some(ty) = call.call_type_attribute(index, "byval") {
            let align = call.call_int_attribute(index, "align").unwrap_or(1).max(module.abi_align(ty)).max(8);
            let entry = caller.blocks()[0].instructions()[0];
            let copy = module.before(entry).alloca(ty, align, "");
            module.before(call).located_like(call).copy(copy, argument, module.alloc_size(ty), 1);
            call.set_operand(index, copy);
            // The call now reads memory that it could not see before.
            call.remove_call_attribute(crate::ir::FUNCTION_INDEX, "memory");
            call.remove_call_attribute(index as u32 + 1, "byval");
        }
        if call.call_type_attribute(index, "sret").is_some() {
            call.remove_call_attribute(index as u32 + 1, "sret");
        }
    }
}
