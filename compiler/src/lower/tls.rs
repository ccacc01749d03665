//! Thread-local variables: thread pointer plus an offset that twin-ld defines, the same on both ISAs.

use crate::ir::Module;
use inkwell::llvm_sys::LLVMVisibility;

/// Prefix of the absolute symbol that holds a variable's distance from the thread pointer.
pub const OFFSET_PREFIX: &str = "__twin_tpoff.";

/// Rewrites every access in `module`.
pub fn run(module: Module) {
    for function in module.definitions() {
        for call in function.instructions().into_iter().filter(|i| i.is_call()) {
            if !call.called_intrinsic().is_some_and(|n| n.starts_with("llvm.threadlocal.address")) {
                continue;
            }
            let variable = call.arguments()[0];
            let offset = module.global(&format!("{OFFSET_PREFIX}{}", variable.name()), module.int(8));
            offset.set_visibility(LLVMVisibility::LLVMHiddenVisibility);
            let builder = module.before(call).located_like(call);
            let thread_pointer = module.intrinsic("llvm.thread.pointer", &[module.ptr()]);
            let ty = module.function_type(module.ptr(), &[], false);
            let base = builder.call(ty, thread_pointer, &[], 0);
            let address = builder.offset(base, builder.ptr_to_int(offset));
            call.replace_with(address);
            call.erase();
        }
    }
}
