//! Aggregates by value: `byval` arguments become pointers to a copy in the caller's frame, `sret` results plain
//! pointers.

use crate::convention::Conventions;
use crate::ir::{FUNCTION_INDEX, Module, Value};
use inkwell::llvm_sys::LLVMTailCallKind;

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

/// Removes copies of aggregates to themselves: one code generator alone would see that they read nothing.
pub fn remove_self_copies(module: Module) {
    let copies = |call: &Value| {
        let copies =
            call.called_intrinsic().is_some_and(|n| n.starts_with("llvm.memcpy.") || n.starts_with("llvm.memmove."));
        copies && call.arguments()[0] == call.arguments()[1] && call.arguments()[3].constant_int() == Some(0)
    };
    for function in module.definitions() {
        function.instructions().into_iter().filter(|i| i.is_call() && copies(i)).for_each(Value::erase);
    }
}

fn lower_call(module: Module, caller: Value, call: Value) {
    let mut handed_on = Vec::new();
    for (index, argument) in call.arguments().into_iter().enumerate() {
        // Variable arguments are copied to the argument block later.
        if index >= call.call_type().params().len() {
            break;
        }
        if let Some(ty) = call.call_type_attribute(index, "byval") {
            let params = caller.params();
            if !(call.is_musttail() && argument == params[index]) {
                let align = call.call_int_attribute(index, "align").unwrap_or(1).max(module.abi_align(ty)).max(8);
                let entry = caller.blocks()[0].instructions()[0];
                let copy = module.before(entry).alloca(ty, align, "");
                let bytes = module.alloc_size(ty);
                module.before(call).located_like(call).copy(copy, argument, bytes, 1);
                call.set_operand(index, copy);
                if call.is_musttail() {
                    handed_on.push((index, params[index], copy, bytes));
                } else {
                    call.set_tail_kind(LLVMTailCallKind::LLVMTailCallKindNoTail);
                }
            }
            // The call now reads memory that it could not see before.
            call.remove_call_attribute(FUNCTION_INDEX, "memory");
            call.remove_call_attribute(index as u32 + 1, "byval");
        }
        if call.call_type_attribute(index, "sret").is_some() {
            call.remove_call_attribute(index as u32 + 1, "sret");
        }
    }
    // A guaranteed tail call leaves the frame: its arguments go where the caller's own are, when all are copied.
    for (index, own, copy, bytes) in handed_on {
        for name in ["readonly", "readnone", "noalias"] {
            caller.remove_attribute(index as u32 + 1, name);
        }
        caller.remove_attribute(FUNCTION_INDEX, "memory");
        module.before(call).located_like(call).copy(own, copy, bytes, 1);
        call.set_operand(index, own);
    }
}
