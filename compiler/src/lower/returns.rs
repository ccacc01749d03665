//! Return addresses and traps, which each code generator would get in its own way: AArch64's keeps the return address in
//! a register, and the two signals of a trap differ.

use crate::ir::{FUNCTION_INDEX, Module, Value};

/// Native function that ends the program like an illegal instruction.
const TRAP: &str = "__twin_trap";

/// A return address lies above the saved frame pointer.
const ABOVE_FRAME_POINTER: u64 = 8;

/// Rewrites both in all functions of `module`.
pub fn run(module: Module) {
    for function in module.definitions() {
        for call in function.instructions().into_iter().filter(|i| i.is_call()) {
            match call.called_intrinsic().as_deref() {
                Some(name) if name.starts_with("llvm.returnaddress") => return_address(module, call),
                Some("llvm.trap" | "llvm.ubsantrap") => trap(module, call),
                _ => {}
            }
        }
    }
}

fn return_address(module: Module, call: Value) {
    let ty = module.function_type(module.ptr(), &[module.int(32)], false);
    let frame_address = module.intrinsic("llvm.frameaddress", &[module.ptr()]);
    let builder = module.before(call).located_like(call);
    let frame = builder.call(ty, frame_address, &call.arguments(), 0);
    let address = builder.load(module.ptr(), builder.offset_by(frame, ABOVE_FRAME_POINTER), 8);
    // Nobody stored it as far as LLVM can see.
    call.replace_with(builder.volatile(address));
    call.erase();
}

fn trap(module: Module, call: Value) {
    let ty = module.function_type(module.void(), &[], false);
    let trap = module.function(TRAP, ty);
    let new = module.before(call).located_like(call).call(ty, trap, &[], 0);
    for name in ["noreturn", "nounwind"] {
        new.add_call_attribute(FUNCTION_INDEX, module.attribute(name));
    }
    call.erase();
}
